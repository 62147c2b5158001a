/** Watches for the long tasks of snapshots and collections: they stop by a signal, and tell how far they are. */
import type { StoreEvent } from "../contract.ts";
import type { FileEntry, Manifest } from "../snapshot/manifest.ts";
import type { Watch } from "../snapshot/pool.ts";

type Progress = Extract<StoreEvent, { type: "progress" }>;
type OnEvent = (event: StoreEvent) => void;

export interface Watched {
  readonly job: Progress["job"];
  readonly step: Progress["step"];
  readonly totalBytes: number;
  /** Done by the tasks in front of this one. */
  readonly before?: number;
}

export function watchJob(onEvent: OnEvent, watched: Watched, signal: AbortSignal | undefined): Watch {
  const { job, step, totalBytes, before = 0 } = watched;
  const onProgress = (readBytes: number): void => {
    // A task reads some bytes twice, and some that nobody counted.
    onEvent({ type: "progress", job, step, doneBytes: Math.min(before + readBytes, totalBytes), totalBytes });
  };
  return { signal, onProgress };
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
  next(slices: readonly (readonly number[])[], at: number, { packs }: Manifest): Watch {
    const bytesOf = (numbers: readonly number[]): number =>
      sumBytes(packs.filter(({ number }) => numbers.includes(number)));
    const before = this.#before;
    const totalBytes = before + bytesOf(slices.slice(at).flat());
    this.#before += bytesOf(slices[at] ?? []);
    return watchJob(this.#onEvent, { job: "gc", step: "sweep", totalBytes, before }, this.#signal);
  }
}

export function sumBytes(files: readonly FileEntry[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
