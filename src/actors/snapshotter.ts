/**
 * Snapshots: roll the log, let a worker fold the sealed segments, publish the result. `run` is one piece of
 * work for the serial job that owns it; `fold` is the part that a gc also needs.
 *
 * 1. The tail is cut where the roll seals the log, before anything can be appended behind it, so a published
 *    snapshot covers exactly the generations that are dropped.
 */
import { assert } from "../assert.ts";
import type { StoreEvent } from "../contract.ts";
import type { Log } from "../wal/log.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Publisher } from "./publisher.ts";
import type { Tail } from "./tail.ts";

export type SnapshotReason = Extract<StoreEvent, { type: "snapshot" }>["reason"];

export interface SnapshotterParts {
  readonly options: ResolvedOptions;
  readonly log: Log;
  readonly tail: Tail;
  readonly publisher: Publisher;
  /** Throws when the store's lock no longer protects it. */
  readonly checkOwnership: () => void;
}

export class Snapshotter {
  readonly #parts: SnapshotterParts;
  readonly #onPublished: () => void;
  readonly counters = { count: 0, automatic: 0, failed: 0 };

  constructor(parts: SnapshotterParts, onPublished: () => void) {
    this.#parts = parts;
    this.#onPublished = onPublished;
  }

  /** One snapshot that covers every commit acknowledged before the call. */
  async run(reason: SnapshotReason): Promise<void> {
    try {
      await this.#parts.publisher.exclusive.run(() => this.fold(reason));
    } catch (error) {
      this.counters.failed++;
      throw error;
    }
    this.#onPublished();
  }

  /** As `run`, for a caller that has the publisher to itself. */
  async fold(reason: SnapshotReason): Promise<void> {
    const { options, log, tail, publisher } = this.#parts;
    const started = options.clock.now();
    this.#parts.checkOwnership();
    if (log.lastLsn === publisher.manifest.log.lsn) {
      // Nothing to fold; but a second generation that holds removed bytes must go on its way.
      if (publisher.previousDiffers) await publisher.republish();
      return;
    }
    const lastLsn = log.lastLsn;
    tail.cut(lastLsn);
    const until = await log.roll();
    assert(until.lsn === lastLsn, `the roll sealed LSN ${until.lsn} where ${lastLsn} was cut`);
    const folded = await publisher.fold(until, () => tail.drop(until.lsn));
    this.counters.count++;
    if (reason !== "call" && reason !== "close") this.counters.automatic++;
    const { manifest } = publisher;
    const durationMs = options.clock.now() - started;
    options.onEvent({ type: "snapshot", manifest: manifest.number, reason, ...folded, durationMs });
  }
}
