/**
 * The door of the write-ahead log, and the only one: create, open, read without owning, verify. It
 * deliberately knows nothing of what a record means.
 *
 * 1. A record is `durable` when the sync policy's promise holds for it, in LSN order, and never before.
 * 2. One failed write or sync ends the log for good; the store is reopened, and recovery decides.
 * 3. Damage to anything that may have been acknowledged is `CORRUPT { file, offset }`; what was begun and
 *    never acknowledged is cut, kept in quarantine, and reported.
 */
import { defined } from "../assert.ts";
import { nextTurn, systemClock } from "../clock.ts";
import type { Lsn } from "../ids.ts";
import { KIB, RING_BYTES } from "../limits.ts";
import { runInTurns, runThrough, type Steps } from "../steps.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { ANSWER_RING_BYTES } from "./answer-ring.ts";
import type { LogStart, OnRecord } from "./chain.ts";
import { createBehind } from "./create-behind.ts";
import { Drain } from "./drain.ts";
import { type LogPlace, listSegments, openSegment, randomSalt, type SegmentSource } from "./files.ts";
import type { HostEvents, LogHost } from "./host.ts";
import { InlineHost } from "./inline-host.ts";
import { MainLog } from "./main-log.ts";
import { LogReader } from "./reader.ts";
import { createFirstInSteps, type LogRecovery, type Reopened, reopen } from "./reopen.ts";
import { Ring } from "./ring.ts";
import { SEAL_RESERVE_BYTES } from "./segment.ts";
import { Supply } from "./supply.ts";
import { SyncWatch } from "./sync-watch.ts";
import { ThreadHost } from "./thread-host.ts";
import type { LogConfig, LogListener, LogStats, SyncPolicy } from "./types.ts";
import { type LogProblem, scanSealed, scanTail, verifySegments } from "./view.ts";
import { SpareGate, WORD_COUNT } from "./words.ts";
import { LogWriter } from "./writer.ts";

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

/** Inline there is no parallel reader to keep busy, and simulations open very many logs. */
const INLINE_RING_BYTES = 64 * KIB;

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

/** Reads the log from `start`, hands every record to `onRecord`, and opens it behind them; a step a turn. */
export async function openLog(
  config: LogConfig,
  start: LogStart,
  onRecord: OnRecord,
  listener: LogListener,
): Promise<{ log: Log; recovery: LogRecovery }> {
  const place = placeOf(config);
  const clock = config.clock ?? systemClock;
  const reopened = await runInTurns(
    reopen(place, start, sourceOf(config), onRecord, config.onProgress),
    clock,
    "opening",
  );
  // Starting threads is a turn's work of its own.
  await nextTurn(clock, "opening");
  return { log: startLog(config, place, reopened, listener), recovery: reopened.recovery };
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

function startLog(config: LogConfig, place: LogPlace, reopened: Reopened, listener: LogListener): Log {
  const { position, recyclable } = reopened;
  const shared = config.mode === "thread";
  const ringBytes = config.ringBytes ?? (shared ? RING_BYTES : INLINE_RING_BYTES);
  const words = new Int32Array(new SharedArrayBuffer(4 * WORD_COUNT));
  const ringBuffer = new SharedArrayBuffer(ringBytes);
  const main = new MainLog({
    place,
    segmentBytes: config.segmentBytes,
    listener,
    ring: new Ring(ringBuffer, words),
    words,
    lastLsn: position.lsn,
    activeSegment: position.segment,
    oldestSegment: Math.min(position.segment, ...listSegments(place).slice(0, 1)),
    room: roomBehind(place, position),
  });
  const events: HostEvents = {
    answer: (answer) => main.onAnswer(answer),
    died: (error) => main.onFailure(error),
  };
  const common = {
    directory: config.directory,
    storeId: config.storeId,
    segmentBytes: config.segmentBytes,
    words,
  };
  const host: LogHost = shared
    ? new ThreadHost(
        {
          ...common,
          ring: ringBuffer,
          answerRing: new SharedArrayBuffer(ANSWER_RING_BYTES),
          position,
          sync: config.sync,
          syncIntervalMs: config.syncIntervalMs,
        },
        { ...common, active: position.segment, recyclable },
        events,
      )
    : inlineHost(config, place, reopened, { words, ring: new Ring(ringBuffer, words), events });
  main.start(host);
  host.wakeSupply();
  return main;
}

interface InlineParts {
  readonly words: Int32Array;
  readonly ring: Ring;
  readonly events: HostEvents;
}

function inlineHost(config: LogConfig, place: LogPlace, reopened: Reopened, parts: InlineParts): LogHost {
  const { words, ring, events } = parts;
  const { position, recyclable } = reopened;
  const clock = config.clock ?? systemClock;
  const externals: Uint8Array[] = [];
  const gate = new SpareGate(words, config.segmentBytes, () => host.wakeSupply());
  const now = (): number => clock.now();
  const watch = new SyncWatch(words, now);
  const drain = new Drain({
    ring,
    writer: new LogWriter(place, position, config.segmentBytes, (bytes) => gate.take(bytes), watch),
    gate,
    sync: config.sync,
    syncIntervalMs: config.syncIntervalMs,
    takeExternal: () => defined(externals.shift(), "an external frame arrives before its command"),
    watch,
    answer: (answer) => events.answer(answer),
    canAnswer: () => true,
    now,
  });
  const supply = new Supply(place, sourceOf(config), words, { active: position.segment, recyclable });
  const host = new InlineHost({ drain, supply, externals, clock, events });
  return host;
}

function roomBehind(place: LogPlace, position: Reopened["position"]): number {
  const { file, header } = openSegment(place, position.segment, "read");
  file.close();
  return header.fileBytes - position.offset - SEAL_RESERVE_BYTES;
}

function placeOf(config: LogConfig): LogPlace {
  const { vfs, directory, storeId } = config;
  return { vfs, directory, storeId };
}

function sourceOf(config: LogConfig): SegmentSource {
  const clock = config.clock ?? systemClock;
  return { segmentBytes: config.segmentBytes, salt: config.salt ?? randomSalt, wall: () => clock.wall() };
}
