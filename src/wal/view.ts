/**
 * Reads a log without owning it: the sealed segments between two starts, the tail beside a live owner, and a
 * check of everything. Writes nothing.
 *
 * 1. Beside a live owner, TAIL is read before the segments, and nothing above what it (or a stamp) proves
 *    durable is handed out.
 * 2. Before anything is called corrupt, TAIL and the headers are read again; if one changed, the walk starts
 *    again, a bounded number of times. A record is handed out once all the same: durable frames never change.
 */
import { type StoreErrorCode, toStoreError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import { runThrough, type Steps } from "../steps.ts";
import {
  type ChainLink,
  chainNext,
  chainStart,
  type LogStart,
  type OnRecord,
  readHead,
  readSealed,
} from "./chain.ts";
import { corrupt, type LogPlace, listSegments, segmentPath, tailPath } from "./files.ts";
import { payloadOf } from "./frame.ts";
import { readLast, walkSealed } from "./recovery.ts";
import type { LogRecovery } from "./reopen.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";
import type { ImageRoom } from "./segment-image.ts";
import { newestTail, readTail } from "./tail.ts";

/** Times a walk beside a live owner starts again before damage is believed. */
const MAX_ATTEMPTS = 5;

export interface LogProblem {
  readonly file: string;
  readonly offset?: number;
  readonly code: StoreErrorCode;
  readonly message: string;
}

class Counter {
  records = 0;
  bytes = 0;
  lsn: Lsn;
  readonly #onRecord: OnRecord;

  constructor(start: LogStart, onRecord: OnRecord) {
    this.lsn = start.lsn;
    this.#onRecord = onRecord;
  }

  /** Hands a record out unless an earlier attempt did. */
  readonly onRecord: OnRecord = (lsn, segment, offset, payload) => {
    if (lsn <= this.lsn) return;
    this.#onRecord(lsn, segment, offset, payload);
    this.lsn = lsn;
    this.records += 1;
    this.bytes += payload.length;
  };

  report(cleanClose: boolean, tornBytes: number): LogRecovery {
    const { records, bytes, lsn } = this;
    return {
      cleanClose,
      replayedRecords: records,
      replayedBytes: bytes,
      tornBytes,
      lastLsn: lsn,
      warnings: [],
    };
  }
}

/**
 * The records of exactly the segments before `until`; the end of each is checked by the next LINK. A payload is valid
 * until `onRecord` returns: all segments are read into the same memory.
 */
export function scanSealed(
  place: LogPlace,
  start: LogStart,
  until: LogStart,
  onRecord: OnRecord,
): LogRecovery {
  const counter = new Counter(start, onRecord);
  const room: ImageRoom = {};
  let current = chainStart(place, start);
  while (current.header.number < until.segment) {
    const step = chainNext(place, current);
    if (step === undefined) {
      const path = segmentPath(place, current.header.number + 1);
      throw corrupt(
        path,
        SEGMENT_HEADER_BYTES,
        "it is missing or has no LINK, and the log was sealed before it",
      );
    }
    runThrough(readSealed(place, current, step.end, counter.onRecord, room));
    checkUntil(place, step.next, until);
    current = step.next;
  }
  return counter.report(true, 0);
}

function checkUntil(place: LogPlace, segment: ChainLink, until: LogStart): void {
  if (segment.header.number === until.segment) chainStart(place, until);
}

/** The records of the whole log as far as they are proven durable, perhaps beside a live owner. */
export function* scanTail(place: LogPlace, start: LogStart, onRecord: OnRecord): Steps<LogRecovery> {
  const counter = new Counter(start, onRecord);
  const room: ImageRoom = {};
  for (let attempt = 1; ; attempt += 1) {
    const before = fingerprint(place, start);
    try {
      const tail = newestTail(readTail(place.vfs, tailPath(place), place.storeId));
      const last = yield* readLast(
        place,
        yield* walkSealed(place, start, counter.onRecord, room),
        tail,
        room,
      );
      for (const frame of last.frames) {
        if (frame.lsn > last.durable) break;
        counter.onRecord(frame.lsn, last.header.number, frame.offset, payloadOf(last.image, frame));
      }
      const tornBytes = last.torn.reduce((sum, part) => sum + part.bytes.length, 0);
      return counter.report(last.cleanClose, tornBytes);
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || fingerprint(place, start) === before) throw error;
    }
  }
}

/** What changes when a live owner goes on: the segments, their headers' salts, and TAIL. */
function fingerprint(place: LogPlace, start: LogStart): string {
  const salts = listSegments(place)
    .filter((number) => number >= start.segment)
    .map((number) => {
      const head = readHead(place, number);
      return head.kind === "spare" || head.kind === "linked"
        ? `${number}:${head.kind}:${head.header.salt}`
        : `${number}`;
    });
  const slots = readTail(place.vfs, tailPath(place), place.storeId);
  return `${salts.join()}|${slots.map((slot) => slot?.lsn).join()}`;
}

/** Everything that is wrong with the log from `start`, in order. Goes on behind damage where a LINK allows. */
export function verifySegments(place: LogPlace, start: LogStart): LogProblem[] {
  const problems: LogProblem[] = [];
  let from: LogStart | undefined = start;
  while (from !== undefined) {
    try {
      runThrough(scanTail(place, from, () => {}));
      return problems;
    } catch (error) {
      const problem = problemOf(error, place);
      // What names no file is met again from the next segment on.
      if (!problems.some(({ message }) => message === problem.message)) problems.push(problem);
      from = startBehind(place, from, problem.file);
    }
  }
  return problems;
}

/** The next linked segment behind the damage. */
function startBehind(place: LogPlace, from: LogStart, damaged: string): LogStart | undefined {
  const least = listSegments(place).find((number) => segmentPath(place, number) === damaged) ?? from.segment;
  for (const number of listSegments(place)) {
    if (number <= Math.max(least, from.segment)) continue;
    const head = readHead(place, number);
    if (head.kind !== "linked") continue;
    return { segment: number, salt: head.header.salt, lsn: head.link.lsn, crc: head.link.crc };
  }
  return undefined;
}

function problemOf(error: unknown, place: LogPlace): LogProblem {
  const known = toStoreError(error);
  if (known.code === "CORRUPT") {
    const { file, offset, message } = known;
    return offset === undefined
      ? { file, code: known.code, message }
      : { file, offset, code: known.code, message };
  }
  const file = known.code === "STORE_IO" ? known.path : place.directory;
  return { file, code: known.code, message: known.message };
}
