/**
 * The door of the write-ahead log, and the only one: create, open, read without owning, verify. It
 * deliberately knows nothing of what a record means.
 *
 * 1. A record is `durable` when the sync policy's promise holds for it, in LSN order, and never before.
 * 2. One failed write or sync ends the log for good; the store is reopened, and recovery decides.
 * 3. Damage to anything that may have been acknowledged is `CORRUPT { file, offset }`; what was begun and
 *    never acknowledged is cut, kept in quarantine, and reported.
 */
import { systemClock } from "../clock.ts";
import type { Lsn } from "../ids.ts";
import { runInTurns, runThrough, type Steps } from "../steps.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { LogStart, OnRecord } from "./chain.ts";
import { createBehind } from "./create-behind.ts";
import type { LogPlace } from "./files.ts";
import { LogStarter, sourceOf } from "./log-starter.ts";
import { LogReader } from "./reader.ts";
import { createFirstInSteps, type LogRecovery, reopen } from "./reopen.ts";
import type { LogConfig, LogListener, LogStats, SyncPolicy } from "./types.ts";
import { type LogProblem, scanSealed, scanTail, verifySegments } from "./view.ts";

export type {
  LogConfig,
  LogListener,
  LogProblem,
  LogReader,
  LogRecovery,
  LogStart,
  LogStats,
  OnRecord,
  SyncPolicy,
};

export interface Log {
  readonly lastLsn: Lsn;
  readonly durableLsn: Lsn;
  /** Bytes of frames appended and not yet durable. */
  readonly queuedBytes: number;
  /** Number of the segment that is written. */
  readonly activeSegment: number;
  /** Queues a record behind all others; the payload is copied before this returns. */
  append(payload: Uint8Array): Lsn;
  /** False when the disk is full and the segments there are cannot hold what is queued and `bytes` more. */
  hasRoom(bytes: number): boolean;
  /** Everything appended before is durable and sealed, and the next segment's LINK is durable. */
  roll(): Promise<LogStart>;
  /** Payload of a durable DATA frame, verified; CORRUPT on damage. */
  read(segment: number, offset: number): Uint8Array;
  /** Segments numbered below are needed no more; with `scrub` their bytes leave the disk. */
  retire(below: number, options: { readonly scrub: boolean }): void;
  stats(): LogStats;
  /** Drains, seals, ends the threads, closes the files. After a failure it only ends and closes. */
  close(): Promise<void>;
}

/** Makes the log of a fresh store, in steps: its directory, its first segment, TAIL, all synced. */
export function createLogInSteps(config: LogConfig): Steps<LogStart> {
  return createFirstInSteps(placeOf(config), sourceOf(config));
}

/** As `createLogInSteps`, at once. */
export function createLog(config: LogConfig): LogStart {
  return runThrough(createLogInSteps(config));
}

/** Makes the log of a store that is written whole: its first record will have the LSN behind `lsn`. */
export function createLogBehind(config: LogConfig, lsn: Lsn): LogStart {
  return createBehind(placeOf(config), sourceOf(config), lsn);
}

/** A log that will be opened once the store knows from where: its thread starts meanwhile, which takes as long. */
export interface ComingLog {
  /** Reads the log from `start`, hands every record to `onRecord`, and opens it behind them; a step a turn. */
  open(
    start: LogStart,
    onRecord: OnRecord,
    listener: LogListener,
  ): Promise<{ log: Log; recovery: LogRecovery }>;
  /** It will not be opened: ends the thread. `open` that fails has done so. */
  abandon(): Promise<void>;
}

export function prepareLog(config: LogConfig): ComingLog {
  const place = placeOf(config);
  const clock = config.clock ?? systemClock;
  const starter = new LogStarter(config, place);
  return {
    abandon: () => starter.abandon(),
    open: async (start, onRecord, listener) => {
      try {
        const steps = reopen(place, start, sourceOf(config), onRecord, config.onProgress);
        const reopened = await runInTurns(steps, clock, "opening");
        return { log: starter.start(reopened, listener), recovery: reopened.recovery };
      } catch (error) {
        await starter.abandon();
        throw error;
      }
    },
  };
}

/** `prepareLog`, and `open` at once. */
export function openLog(
  config: LogConfig,
  start: LogStart,
  onRecord: OnRecord,
  listener: LogListener,
): Promise<{ log: Log; recovery: LogRecovery }> {
  return prepareLog(config).open(start, onRecord, listener);
}

/**
 * Reads a log without owning it. With `until`: exactly the sealed segments before that start. Without: the
 * whole log as far as it is proven durable, perhaps beside a live owner.
 */
export function scanLog(
  vfs: Vfs,
  directory: string,
  storeId: Uint8Array,
  start: LogStart,
  until: LogStart | undefined,
  onRecord: OnRecord,
): LogRecovery {
  const place = { vfs, directory, storeId };
  return until === undefined
    ? runThrough(scanTail(place, start, onRecord))
    : scanSealed(place, start, until, onRecord);
}

/** As `scanLog` of the whole log, in steps. */
export function scanLogInSteps(
  vfs: Vfs,
  directory: string,
  storeId: Uint8Array,
  start: LogStart,
  onRecord: OnRecord,
): Steps<LogRecovery> {
  return scanTail({ vfs, directory, storeId }, start, onRecord);
}

/** Everything that is wrong with the log from `start`, in order; empty if nothing is. */
export function verifyLog(vfs: Vfs, directory: string, storeId: Uint8Array, start: LogStart): LogProblem[] {
  return verifySegments({ vfs, directory, storeId }, start);
}

/** Reads single frames of a log that this process does not own. */
export function openLogReader(vfs: Vfs, directory: string, storeId: Uint8Array): LogReader {
  return new LogReader({ vfs, directory, storeId });
}

function placeOf(config: LogConfig): LogPlace {
  const { vfs, directory, storeId } = config;
  return { vfs, directory, storeId };
}
