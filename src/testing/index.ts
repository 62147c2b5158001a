/**
 * The door `varve/testing`: what a host needs to crash-test its own code over a Varve store. Files in memory
 * that can crash, files that fail on command, and a checker of histories. It is for tests: nothing of `varve` imports it.
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
export type { CheckOptions } from "./history/check.ts";
export type { Ending, HistoryEvent, StoreFacts, Violation } from "./history/events.ts";
export { describeViolation, History } from "./history/history.ts";
export { recordSecondOpen, recordStore } from "./history/record-store.ts";
export { recordView } from "./history/record-view.ts";
