/**
 * Collection of blobs that no head reaches. The worker marks and proposes; this decides.
 *
 * 1. From the roll a gc begins with until it ends, every blob a commit names is pinned before its existence
 *    is tested. A slice whose dead list meets a pinned blob is not published.
 * 2. Deciding a slice and condemning its dead blobs happen in one turn of the event loop: from then on they
 *    do not exist for any commit, although the publication is still under way.
 * 3. Anything that cannot be read ends the gc with nothing more deleted.
 */
import type { GcReason, LastJob } from "../contract.ts";
import { isStoreError } from "../errors.ts";
import type { BlobRef } from "../ids.ts";
import type { GcReport } from "../session/types.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Publisher } from "./publisher.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { UsedBlobs } from "./used-blobs.ts";
import { SweepWatch } from "./watch-job.ts";

export class Collector {
  readonly #options: ResolvedOptions;
  readonly #publisher: Publisher;
  readonly #snapshotter: Snapshotter;
  /** Blobs named by commits since the running gc began; undefined while none runs. */
  #pinned: UsedBlobs | undefined;
  last: LastJob<GcReason> | undefined;
  readonly counters = { count: 0, automatic: 0, deletedBlobs: 0, freedBytes: 0, failed: 0 };

  constructor(parts: { options: ResolvedOptions; publisher: Publisher }, snapshotter: Snapshotter) {
    this.#options = parts.options;
    this.#publisher = parts.publisher;
    this.#snapshotter = snapshotter;
  }

  /** A commit is about to name these blobs. */
  pin(refs: readonly BlobRef[]): void {
    if (this.#pinned === undefined) return;
    for (const ref of refs) this.#pinned.add(ref);
  }

  /** The signal gives it up: what it has published stays, the rest is left to the next one. */
  async run(reason: GcReason, signal: AbortSignal): Promise<GcReport> {
    const started = this.#options.clock.now();
    try {
      const { report, freedBytes } = await this.#collect(signal);
      this.counters.count++;
      if (reason === "garbage") this.counters.automatic++;
      this.counters.deletedBlobs += report.deletedBlobCount;
      this.counters.freedBytes += freedBytes;
      const durationMs = this.#options.clock.now() - started;
      this.last = { reason, endedAt: this.#options.clock.wall(), durationMs };
      this.#options.onEvent({ type: "gc", reason, report, freedBytes, durationMs });
      return report;
    } catch (error) {
      if (!isStoreError(error, "ABORTED")) this.counters.failed++;
      throw error;
    } finally {
      this.#pinned = undefined;
      this.#publisher.endCollection();
    }
  }

  async #collect(signal: AbortSignal): Promise<{ report: GcReport; freedBytes: number }> {
    const publisher = this.#publisher;
    const pinned = new UsedBlobs();
    const marked = await publisher.exclusive.run(async () => {
      // The fold is not given up midway: a snapshot is worth something by itself, and closing might only do it again.
      this.#pinned = pinned;
      await this.#snapshotter.fold("gc");
      const deadAtMark = publisher.manifest.deadBytes;
      return { ...(await publisher.mark(signal)), deadAtMark };
    });
    let deletedBlobCount = 0;
    let freedBytes = 0;
    const watches = new SweepWatch(this.#options.onEvent, signal);
    for (const [at, slice] of marked.slices.entries()) {
      pinned.checkBound();
      const swept = await publisher.exclusive.run(() =>
        publisher.sweep(marked, slice, pinned, watches.next(marked.slices, at, publisher.manifest)),
      );
      deletedBlobCount += swept.deletedBlobCount;
      freedBytes += swept.freedBytes;
    }
    await publisher.exclusive.run(() => publisher.finishCollection(marked.deadAtMark, signal));
    const { rootCount, retainedBlobCount } = marked;
    return { report: { rootCount, retainedBlobCount, deletedBlobCount }, freedBytes };
  }
}
