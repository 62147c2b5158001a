/**
 * Watches for the long tasks of snapshots and collections: they stop by a signal, and tell how far they are. What is told
 * never falls, also where a task is done a second time; whoever told anything tells its end, unless it was stopped.
 */
import type { StoreEvent } from "../contract.ts";
import type { FileEntry, Manifest } from "../snapshot/manifest.ts";
import type { Watch } from "../snapshot/pool.ts";

type Progress = Extract<StoreEvent, { type: "progress" }>;
type OnEvent = (event: StoreEvent) => void;

export interface Watched {
  readonly job: Progress["job"];
  readonly step: Progress["step"];
  readonly totalBytes: number;
  /** Done by the tasks in front of this one, and to be done by this one: all, if not said. */
  readonly before?: number;
  readonly ownBytes?: number;
}

export function watchJob(onEvent: OnEvent, watched: Watched, signal: AbortSignal | undefined): Watch {
  const { job, step, totalBytes, before = 0, ownBytes = totalBytes } = watched;
  let most: number | undefined;
  const onProgress = (readBytes: number): void => {
    // A task reads some bytes twice, and some that nobody counted.
    most = Math.max(most ?? 0, Math.min(readBytes, ownBytes));
    onEvent({ type: "progress", job, step, doneBytes: before + most, totalBytes });
  };
  const onDone = (): void => {
    if (most !== undefined) onProgress(ownBytes);
  };
  return { signal, onProgress, onDone };
}

/** Of the slices of one collection, in their order. */
export class SweepWatch {
  readonly #onEvent: OnEvent;
  readonly #signal: AbortSignal;
  #before = 0;

  constructor(onEvent: OnEvent, signal: AbortSignal) {
    this.#onEvent = onEvent;
    this.#signal = signal;
  }

  /** The next slice. The packs of those in front are gone from the manifest. */
  next(slices: readonly (readonly number[])[], at: number, { packs }: Pick<Manifest, "packs">): Watch {
    const bytesOf = (numbers: readonly number[]): number =>
      sumBytes(packs.filter(({ number }) => numbers.includes(number)));
    const before = this.#before;
    const totalBytes = before + bytesOf(slices.slice(at).flat());
    const ownBytes = bytesOf(slices[at] ?? []);
    this.#before += ownBytes;
    const watched = { job: "gc", step: "sweep", totalBytes, before, ownBytes } as const;
    return watchJob(this.#onEvent, watched, this.#signal);
  }
}

export function sumBytes(files: readonly FileEntry[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
