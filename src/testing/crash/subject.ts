/**
 * What is crash-tested: some code over files in memory, what it has promised so far, and how to tell whether a
 * promise was kept. The host under test writes one; Varve's own tests have one for the whole store.
 *
 * 1. The same seed must do the same operations in the same order, or a failure cannot be repeated: no clock, no
 *    randomness but the seed's.
 */
import type { MemoryVfs } from "../../vfs/memory.ts";

export interface CrashSubject<Known> {
  /** Does the work on an empty file system and returns when all of it is done. */
  run(vfs: MemoryVfs): Promise<void>;
  /**
   * What is promised now. Asked before every operation, so it should be cheap: the same object as long as
   * nothing new is known, and never changed after it was handed out.
   */
  known(): Known;
  /** Opens what a crash left, throws unless everything that was promised is there, and lets go of it. */
  check(left: CrashLeft<Known>): Promise<void>;
}

export interface CrashLeft<Known> {
  /** The file system as the crash left it. It may be changed. */
  readonly vfs: MemoryVfs;
  /** What was promised before the crash. */
  readonly known: Known;
  /** True if the check should also go on with the work, to see that what it opened still works. */
  readonly goOn: boolean;
  /** From now on this is promised as well: a crash later in the check must keep it. */
  learn(known: Known): void;
}
