/**
 * Records a run on files in memory: before each of its operations, and at its end, a moment of the file system
 * with what is promised then. Nothing is crashed here; a moment costs no copy of bytes.
 *
 * 1. What is known belongs to the moment: it is asked for before the operation happens, so nothing that only
 *    the operation makes true is demanded of a crash in front of it.
 */
import type { CrashMoment } from "../../vfs/crash-moment.ts";
import type { MemoryOperation, MemoryVfs } from "../../vfs/memory.ts";

/** A place in a run where the power may go, and what is promised there. */
export interface RecordedMoment<Known> {
  /** Ordinal in the recording, from 0. */
  readonly ordinal: number;
  /** The operation about to happen; undefined at the end of the run. */
  readonly before: MemoryOperation | undefined;
  readonly moment: CrashMoment<MemoryVfs>;
  readonly known: Known;
}

/** Runs `run` on `vfs` and answers its moments. If the run fails, so does this. */
export async function recordMoments<Known>(
  vfs: MemoryVfs,
  known: () => Known,
  run: () => Promise<void>,
): Promise<RecordedMoment<Known>[]> {
  const moments: RecordedMoment<Known>[] = [];
  const take = (before: MemoryOperation | undefined): void => {
    moments.push({ ordinal: moments.length, before, moment: vfs.moment(), known: known() });
  };
  const outer = vfs.onOperation;
  vfs.onOperation = (operation) => {
    outer?.(operation);
    take(operation);
  };
  try {
    await run();
  } finally {
    vfs.onOperation = outer;
  }
  take(undefined);
  return moments;
}

export function describeMoment({ before, ordinal }: RecordedMoment<unknown>): string {
  if (before === undefined) return `at the end of the run (moment ${ordinal})`;
  const bytes = before.bytes === undefined ? "" : ` of ${before.bytes} bytes`;
  return `before ${before.operation} ${before.path}${bytes} (moment ${ordinal})`;
}
