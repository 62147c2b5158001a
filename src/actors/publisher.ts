/**
 * The one place where the store's snapshot changes: it has the current generation and the one before, asks
 * workers for work on them, decides what is published, condemned and removed, and swaps the view.
 *
 * 1. One publication at a time (`exclusive`); each is an edit of the current manifest.
 * 2. The view, the manifest and what the caller drops (`onSwap`) change in one turn of the event loop.
 * 3. A file is removed only when neither generation names it; a log segment only below both logs.
 * 4. When nobody can know which manifest a crash would leave, the store is poisoned, and nothing is published
 *    again: not by jobs that were under way or waiting either.
 */

import { assert } from "../assert.ts";
import { nextTurn } from "../clock.ts";
import type { VerifyReport } from "../contract.ts";
import { type StoreError, storeError, toStoreError } from "../errors.ts";
import { type BlobRef, refToBytes } from "../ids.ts";
import { DIGEST_BYTES, hasDigest } from "../snapshot/collect.ts";
import type { Manifest } from "../snapshot/manifest.ts";
import { Pace } from "../snapshot/pace.ts";
import { createWorkPool, type Watch, type WorkPool } from "../snapshot/pool.ts";
import type { Edit, Marks, PublishOutput, SweepOutput } from "../snapshot/tasks.ts";
import type { SnapshotView } from "../snapshot/view.ts";
import { runInTurns } from "../steps.ts";
import type { Log, LogStart } from "../wal/log.ts";
import { Exclusive } from "./exclusive.ts";
import { type Generations, openPublished } from "./generations.ts";
import { poisonedError } from "./log-writer.ts";
import type { ResolvedOptions } from "./options.ts";
import { Remover } from "./remover.ts";
import { type UsedBlobs, UsedLook } from "./used-blobs.ts";
import { sumBytes, watchJob } from "./watch-job.ts";

export interface PublisherParts {
  readonly root: string;
  readonly options: ResolvedOptions;
  readonly generations: Generations;
  readonly log: Log;
  readonly poison: (error: StoreError) => void;
}

/** A list of digests without some: copying tens of megabytes would hold the main thread. */
interface Condemned {
  /** Ascending. */
  readonly dead: Uint8Array;
  readonly spared: ReadonlySet<BlobRef>;
}

export class Publisher {
  readonly exclusive = new Exclusive();
  /** How fast workers write. */
  readonly pace = new Pace();
  readonly #parts: PublisherParts;
  readonly #pool: WorkPool;
  readonly #remover: Remover;
  #manifest: Manifest;
  #previous: Manifest | undefined;
  #highestNumber: number;
  #view: SnapshotView;
  /** Packs that the running gc has yet to sweep, or has swept. */
  #marked: readonly number[] = [];
  /** Digests that the running gc marked dead and commits used since. */
  #usedDigests: Uint8Array[] = [];
  /** What a publication under way removes. */
  #condemned: Condemned | undefined;
  /** Why nothing may be published any more. */
  #failure: StoreError | undefined;

  constructor(parts: PublisherParts) {
    const { manifest, previous, highestNumber, view } = parts.generations;
    this.#parts = parts;
    const { vfs, workers, clock } = parts.options;
    this.#pool = createWorkPool(vfs, workers, clock, this.pace);
    this.#remover = new Remover(parts.root, parts.options, this.#pool);
    this.#manifest = manifest;
    this.#previous = previous;
    this.#highestNumber = highestNumber;
    this.#view = view;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }
  get view(): SnapshotView {
    return this.#view;
  }

  isCondemned(ref: BlobRef): boolean {
    const condemned = this.#condemned;
    if (condemned === undefined || condemned.spared.has(ref)) return false;
    return hasDigest(condemned.dead, refToBytes(ref));
  }

  /** Whether the older generation holds files or log that the current one does not. */
  get previousDiffers(): boolean {
    const previous = this.#previous;
    if (previous === undefined) return false;
    const numbers = (manifest: Manifest): string =>
      [
        manifest.log.segment,
        ...manifest.heads.map((f) => `h${f.number}`),
        ...manifest.packs.map((f) => `p${f.number}`),
      ].join();
    return numbers(previous) !== numbers(this.#manifest);
  }

  /** Folds the sealed log up to `until` and publishes the result. */
  async fold(
    until: LogStart,
    how: {
      readonly job: "snapshot" | "gc";
      readonly logBytes: number;
      readonly signal: AbortSignal | undefined;
      readonly onSwap: () => void;
    },
  ): Promise<{ sessions: number; foldedBytes: number }> {
    const { root, options } = this.#parts;
    const { job, logBytes, signal, onSwap } = how;
    const input = {
      ...{ root, manifest: this.#manifest, until, packsLeftAlone: this.#marked },
      receiptsKept: options.receiptsKept,
      compression: options.blobCompression,
    };
    const watch = watchJob(options.onEvent, { job, step: "fold", totalBytes: logBytes }, signal);
    const { edit, sessions, foldedBytes } = await this.#pool.run("fold", input, watch);
    await this.#publish(edit, { onSwap, scrub: false });
    return { sessions, foldedBytes };
  }

  async mark(signal: AbortSignal): Promise<Marks> {
    const { root, options } = this.#parts;
    const totalBytes = sumBytes(this.#manifest.heads);
    const watch = watchJob(options.onEvent, { job: "gc", step: "mark", totalBytes }, signal);
    const marks = await this.#pool.run("mark", { root, manifest: this.#manifest }, watch);
    this.#marked = marks.slices.flat();
    this.#usedDigests = [];
    return marks;
  }

  /**
   * Rewrites a slice of packs without what is dead, unless a commit named some of it: then that stays, and the
   * rest is condemned at once and swept again. So a slice is swept twice at most, whatever commits name meanwhile.
   */
  async sweep(marks: Marks, packs: readonly number[], pinned: UsedBlobs, watch: Watch): Promise<SweepResult> {
    const swept = await this.#sweepSlice(marks, packs, watch);
    const look = new UsedLook(pinned, swept.dead);
    while (!look.turn()) {
      pinned.checkBound();
      await nextTurn(this.#parts.options.clock, "collector");
    }
    // From here to the end of this turn nothing can come between the look and the verdict.
    const condemned = { dead: swept.dead, spared: look.refs };
    if (look.refs.size === 0) return await this.#condemn(condemned, async () => swept);
    for (const digest of look.digests) this.#usedDigests.push(digest);
    return await this.#condemn(condemned, async () => {
      await this.#remover.remove(swept.edit.newFiles.map((file) => file.temporary));
      return await this.#sweepSlice(marks, packs, watch);
    });
  }

  #sweepSlice({ live }: Marks, packs: readonly number[], watch: Watch): Promise<SweepOutput> {
    const used = Buffer.concat(this.#usedDigests);
    const input = { root: this.#parts.root, manifest: this.#manifest, packs, live, used };
    return this.#pool.run("sweep", input, watch);
  }

  /** Condemns in this turn; `sweep` answers packs without exactly what is condemned. */
  async #condemn(condemned: Condemned, sweep: () => Promise<SweepOutput>): Promise<SweepResult> {
    this.#condemned = condemned;
    try {
      const { dead, edit, deletedBlobCount, freedBytes } = await sweep();
      const count = condemned.dead.length / DIGEST_BYTES - condemned.spared.size;
      assert(dead.length === count * DIGEST_BYTES, "what is swept is what was condemned");
      if (count === 0) return { deletedBlobCount: 0, freedBytes: 0 };
      await this.#publish(edit, { onSwap: () => undefined, scrub: true });
      return { deletedBlobCount, freedBytes };
    } finally {
      this.#condemned = undefined;
    }
  }

  /** One heads file without shadowed heads, published twice so that the older generation is clean as well. */
  async finishCollection(deadAtMark: number, signal: AbortSignal): Promise<void> {
    const { root, options } = this.#parts;
    this.endCollection();
    const totalBytes = sumBytes(this.#manifest.heads);
    const deadBytes = Math.max(0, this.#manifest.deadBytes - deadAtMark);
    if (this.#manifest.heads.length > 1) {
      const watch = watchJob(options.onEvent, { job: "gc", step: "merge", totalBytes }, signal);
      const edit = await this.#pool.run("mergeHeads", { root, manifest: this.#manifest }, watch);
      await this.#publish({ ...edit, deadBytes }, { onSwap: () => undefined, scrub: true });
    } else {
      await this.republish(deadBytes);
    }
    if (this.previousDiffers) await this.republish(deadBytes);
  }

  /** No gc has marks any more, however it ended. */
  endCollection(): void {
    this.#marked = [];
    this.#usedDigests = [];
  }

  /** The same content under the next number: the generation before becomes equal to the current one. */
  async republish(deadBytes = this.#manifest.deadBytes): Promise<void> {
    const { heads, packs, log, nextFile } = this.#manifest;
    const edit: Edit = { newFiles: [], heads, packs, log, nextFile, deadBytes };
    await this.#publish(edit, { onSwap: () => undefined, scrub: true });
  }

  verify(): Promise<VerifyReport> {
    return this.exclusive.run(async () => {
      const problems = await this.#pool.run("check", { root: this.#parts.root, manifest: this.#manifest });
      return { ok: problems.length === 0, problems };
    });
  }

  /** Removes what a crash or an earlier owner left over. Call once the tail was replayed. */
  async tidy(): Promise<void> {
    await this.#remover.tidyAtOpening(this.#generations);
    this.#retireLog(false);
  }

  /** Ends behind what was asked for before: a verify may still be under way. */
  async close(): Promise<void> {
    try {
      await this.exclusive.run(() => this.#pool.close());
    } finally {
      this.#view.release();
    }
  }

  async #publish(edit: Edit, how: { readonly onSwap: () => void; readonly scrub: boolean }): Promise<void> {
    if (this.#failure !== undefined) throw poisonedError(this.#failure);
    const { newFiles, ...content } = edit;
    const next: Manifest = { ...content, number: this.#highestNumber + 1, storeId: this.#manifest.storeId };
    await this.#publishFiles(next, newFiles);
    this.#highestNumber = next.number;
    await this.#swap(next, how.onSwap);
    this.#retireLog(how.scrub);
    await this.#remover.tidyBehind(this.#generations);
  }

  async #publishFiles(manifest: Manifest, newFiles: Edit["newFiles"]): Promise<void> {
    const { root } = this.#parts;
    let outcome: PublishOutput;
    try {
      outcome = await this.#pool.run("publish", { root, manifest, newFiles });
    } catch (error) {
      // The worker is gone and with it the knowledge of how far it came.
      throw this.#poison(toStoreError(error));
    }
    if (outcome.ok) return;
    const { errno, path, message } = outcome;
    const failure = storeError(
      "STORE_IO",
      { operation: "publish", path, errno },
      `publishing manifest ${manifest.number} failed: ${message}`,
    );
    throw outcome.poison ? this.#poison(failure) : failure;
  }

  #poison(failure: StoreError): StoreError {
    this.#failure = failure;
    this.#parts.poison(failure);
    return failure;
  }

  /** Files are opened over turns, while all go on with the view of before; then all changes in one. */
  async #swap(next: Manifest, onSwap: () => void): Promise<void> {
    const { options, root } = this.#parts;
    const old = this.#view;
    try {
      this.#view = await runInTurns(openPublished(options.vfs, root, next, old), options.clock, "opening");
    } catch (error) {
      // It is published, but we cannot read it: only a new owner can go on.
      throw this.#poison(toStoreError(error));
    }
    this.#previous = this.#manifest;
    this.#manifest = next;
    onSwap();
    old.release();
  }

  #retireLog(scrub: boolean): void {
    const below = Math.min(
      this.#manifest.log.segment,
      this.#previous?.log.segment ?? this.#manifest.log.segment,
    );
    this.#parts.log.retire(below, { scrub });
  }

  get #generations(): Manifest[] {
    return this.#previous === undefined ? [this.#manifest] : [this.#manifest, this.#previous];
  }
}

export interface SweepResult {
  readonly deletedBlobCount: number;
  readonly freedBytes: number;
}
