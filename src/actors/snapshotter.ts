/**
 * Snapshots: roll the log, let a worker fold the sealed segments, publish the result. `run` is one piece of
 * work for the serial job that owns it; `fold` is the part that a gc also needs.
 *
 * 1. The tail is cut where the roll seals the log, before anything can be appended behind it, so a published
 *    snapshot covers exactly the generations that are dropped.
 * 2. An attempt that failed is repeated on the same sealed log while nothing new was written, so that failing
 *    for long does not fill the disk with segments; automatic ones wait until the log has grown by
 *    half and by `snapshot.logBytes`, or for the interval.
 * 3. What comes while a snapshot is at work is sealed in pieces, and a fold takes one piece: its memory follows
 *    `snapshot.logBytes`, not the backlog. Who asks for a snapshot gets one of all, piece by piece.
 */
import { assert } from "../assert.ts";
import type { LastJob, SnapshotReason } from "../contract.ts";
import { isStoreError } from "../errors.ts";
import { LOG_BACKLOG_FACTOR, MAX_UNFOLDED_SEGMENTS } from "../limits.ts";
import type { Log, LogStart } from "../wal/log.ts";
import { abortedError } from "./ask.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Publisher } from "./publisher.ts";
import type { Tail } from "./tail.ts";

/** Factor by which the tail grows between two automatic attempts that fail. */
const RETRY_GROWTH = 1.5;

/** Pieces sealed and not folded: beyond the backlog that refuses commits there are none, unless folds keep failing. */
const MAX_PIECES = LOG_BACKLOG_FACTOR;

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
  /** End of the log that was sealed for an attempt that failed. */
  #sealed: LogStart | undefined;
  /** Ends of the pieces that are sealed and not folded, oldest first. */
  #pieces: LogStart[] = [];
  #isSealing = false;
  /** Bytes of the tail at which an automatic snapshot is worth trying; above 0 after one that failed. */
  retryAt = 0;
  readonly counters = { count: 0, automatic: 0, failed: 0 };
  last: LastJob<SnapshotReason> | undefined;

  constructor(parts: SnapshotterParts, onPublished: () => void) {
    this.#parts = parts;
    this.#onPublished = onPublished;
  }

  /** One snapshot that covers every commit acknowledged before the call. */
  async run(reason: SnapshotReason, signal?: AbortSignal): Promise<void> {
    try {
      await this.#parts.publisher.exclusive.run(() => this.fold(reason, signal));
    } catch (error) {
      if (!isStoreError(error, "ABORTED")) this.counters.failed++;
      throw error;
    }
    this.#onPublished();
  }

  /** As `run`, for a caller that has the publisher to itself. */
  async fold(reason: SnapshotReason, signal?: AbortSignal): Promise<void> {
    const { options, tail } = this.#parts;
    try {
      this.#parts.checkOwnership();
      if (signal?.aborted === true) throw abortedError(signal);
      await this.#fold(reason, signal);
      this.retryAt = 0;
    } catch (error) {
      // Given up is not failed: the next one need not wait.
      if (isStoreError(error, "ABORTED")) throw error;
      // Every attempt reads the whole tail: growing distances bound what failing for long costs.
      this.retryAt = tail.bytes * RETRY_GROWTH + (options.snapshot?.logBytes ?? 1);
      throw error;
    }
  }

  /** Every opening starts a segment, so many openings without a commit make a long and empty log. */
  get hasManySegments(): boolean {
    const { log, publisher } = this.#parts;
    return log.activeSegment - publisher.manifest.log.segment > MAX_UNFOLDED_SEGMENTS;
  }

  /** Seals what came since the last seal if it is enough for a fold, `logBytes` at least. Call while a snapshot is at work. */
  sealPiece(logBytes: number): void {
    const { options, log, tail } = this.#parts;
    const leastBytes = Math.max(logBytes, options.segmentBytes);
    if (this.#isSealing || tail.newestBytes < leastBytes || this.#pieces.length >= MAX_PIECES) return;
    const { lastLsn } = log;
    tail.cut(lastLsn);
    this.#isSealing = true;
    log.roll().then(
      (end) => {
        this.#isSealing = false;
        this.#pieces.push(end);
      },
      // A log without room, or that failed: what was cut stays with the piece behind it.
      () => {
        this.#isSealing = false;
      },
    );
  }

  async #fold(reason: SnapshotReason, signal: AbortSignal | undefined): Promise<void> {
    const { log, publisher } = this.#parts;
    const isForAll = reason === "call" || reason === "close" || reason === "gc";
    const target = isForAll ? log.lastLsn : 0;
    do await this.#foldNext(reason, signal);
    while (publisher.manifest.log.lsn < target);
  }

  async #foldNext(reason: SnapshotReason, signal: AbortSignal | undefined): Promise<void> {
    const { options, log, tail, publisher } = this.#parts;
    const started = options.clock.now();
    if (log.lastLsn === publisher.manifest.log.lsn && !this.hasManySegments) {
      // Nothing to fold; but a second generation that holds removed bytes must go on its way.
      if (publisher.previousDiffers) await publisher.republish();
      return;
    }
    const until = this.#pieces[0] ?? (await this.#seal());
    const job = reason === "gc" ? "gc" : "snapshot";
    const folded = await publisher.fold(until, {
      ...{ job, logBytes: tail.bytesUpTo(until.lsn), signal },
      onSwap: () => tail.drop(until.lsn),
    });
    this.#sealed = undefined;
    this.#pieces = this.#pieces.filter(({ lsn }) => lsn > until.lsn);
    this.counters.count++;
    if (reason !== "call" && reason !== "close") this.counters.automatic++;
    const { manifest } = publisher;
    const durationMs = options.clock.now() - started;
    this.last = { reason, endedAt: options.clock.wall(), durationMs };
    options.onEvent({ type: "snapshot", manifest: manifest.number, reason, ...folded, durationMs });
  }

  async #seal(): Promise<LogStart> {
    const { log, tail } = this.#parts;
    const { lastLsn } = log;
    if (this.#sealed?.lsn === lastLsn) return this.#sealed;
    tail.cut(lastLsn);
    const until = await log.roll();
    assert(until.lsn === lastLsn, `the roll sealed LSN ${until.lsn} where ${lastLsn} was cut`);
    this.#sealed = until;
    return until;
  }
}
