/**
 * The door `varve/testing`: what a host needs to crash-test its own code over a Varve store. Files in memory
 * that can crash, files that fail on command, the enumeration of every state that a crash of a recorded
 * workload may leave, a checker of histories, and the laws of
 * the contract for any store. It is for tests: nothing of `varve` imports it.
 */

export type { CrashMoment } from "../vfs/crash-moment.ts";
export {
  Fault,
  type FaultErrno,
  type FaultSpec,
  FaultyVfs,
  type FiredFault,
  LYING_SYNC,
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
export { type AreaName, conformance } from "./conformance/conformance.ts";
export type { Capabilities, StoreFactory } from "./conformance/suite.ts";
export { explainState } from "./crash/explain.ts";
export { type CrashFailure, type CrashReport, type ExploreOptions, exploreCrashes } from "./crash/explore.ts";
export { tryState, UnknownStateError } from "./crash/look.ts";
export { type CrashPlan, crashPlans, type PlanOptions } from "./crash/plans.ts";
export { describeMoment, type RecordedMoment, recordMoments } from "./crash/record.ts";
export { reduceFailure } from "./crash/reduce.ts";
export type { CrashLeft, CrashSubject } from "./crash/subject.ts";
export { summarise } from "./crash/summary.ts";
export { type CrashAt, type CrashState, decodeState, encodeState } from "./crash/token.ts";
export type { CheckOptions } from "./history/check.ts";
export { describeEvent, describeViolation } from "./history/describe.ts";
export type { Ending, HistoryEvent, StoreFacts, Violation } from "./history/events.ts";
export { History, type HistoryOptions } from "./history/history.ts";
export { recordSecondOpen, recordStore } from "./history/record-store.ts";
export { recordView } from "./history/record-view.ts";
export {
  type CountsOperation,
  type Death,
  type DiskSpeed,
  FAST_DISK,
  Machine,
  type Process,
} from "./simulation/machine.ts";
export { type CallOutcome, outcomeOf, runUntil, StuckError } from "./simulation/outcome.ts";
export { Random } from "./simulation/random.ts";
export { type ScheduledEvent, Scheduler } from "./simulation/scheduler.ts";
export { Trace } from "./simulation/trace.ts";
