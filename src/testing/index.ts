/**
 * The door `varve/testing`: what a host needs to crash-test its own code over a Varve store. Files in memory
 * that can crash, and files that fail on command. It is for tests: nothing of `varve` imports it.
 */
export {
  Fault,
  type FaultErrno,
  type FaultSpec,
  FaultyVfs,
  type FiredFault,
  type SyncEntry,
  withFaults,
} from "../vfs/fault.ts";
export type { VfsOperation } from "../vfs/io-error.ts";
export { type MemoryOperation, MemoryVfs } from "../vfs/memory.ts";
export {
  type CrashChooser,
  chooseFates,
  chooseRandomly,
  describePart,
  enumerateCrashes,
  type Fate,
  type Garbage,
  keepEverything,
  keepNothing,
  type NamedCrash,
  type PendingLength,
  type PendingName,
  type PendingPart,
  type PendingSector,
  type SectorFate,
  type Torn,
} from "../vfs/memory-crash.ts";
