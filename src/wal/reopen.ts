/**
 * Makes a log writable after it was read: cuts what was torn, and starts a new segment whose LINK names the
 * end of what is proven durable, followed by every valid frame above it, framed anew under its old LSN. An old
 * segment is never continued.
 *
 * 1. Nothing on disk is changed before the whole log was read and handed out.
 * 2. Frames above D may sit in the page cache only (a sync may have failed before); they count again only
 *    after they are in new bytes, synced.
 * 3. D may be too low: when TAIL was lost, acknowledged frames lie above it. So the LINK, which makes the old
 *    copies be ignored, is written only after the new copies are durable.
 * 4. The new LINK rests on the LINK of the segment before it. Where that may be in the page cache only, its
 *    segment is written again first, unchanged: a later sync of the old file would prove nothing.
 * 5. What lies behind the LINK's end in the old segment is ignored from then on.
 */
import { assert } from "../assert.ts";
import type { Lsn } from "../ids.ts";
import { MAX_BATCH_FRAMES, RECOVERY_STEP_BYTES, SPARE_SEGMENTS } from "../limits.ts";
import { runThrough, type Steps } from "../steps.ts";
import type { LogStart, OnRecord } from "./chain.ts";
import {
  createSegmentInSteps,
  isRecyclable,
  type LogPlace,
  listTemporaries,
  newSegment,
  recycleSegment,
  replaceSegment,
  type SegmentSource,
  segmentPath,
  storeDirectory,
  tailPath,
  unnameSegment,
} from "./files.ts";
import { type Frame, FrameType, frameBytes, type Image, imageOf, payloadOf, putFrame } from "./frame.ts";
import { quarantine } from "./quarantine.ts";
import { type LastSegment, readLast, walkSealed } from "./recovery.ts";
import { type OnProgress, ReplayProgress } from "./replay-progress.ts";
import { FIRST_DATA_AT, segmentBytesFor } from "./segment.ts";
import type { ImageRoom } from "./segment-image.ts";
import { ensureTail, newestTail, readTail } from "./tail.ts";
import { LogWriter, type Run, type WriterPosition } from "./writer.ts";

export interface LogRecovery {
  /** The log ended with a SEAL: the last owner closed it. */
  readonly cleanClose: boolean;
  readonly replayedRecords: number;
  readonly replayedBytes: number;
  readonly tornBytes: number;
  readonly lastLsn: Lsn;
  readonly warnings: string[];
}

export interface Reopened {
  readonly recovery: LogRecovery;
  readonly position: WriterPosition;
  /** Files of the right size without a name, for the supply. */
  readonly recyclable: readonly string[];
}

/** The first segment of a fresh store: a header and no LINK; with TAIL, all synced. */
export function createFirst(place: LogPlace, source: SegmentSource): LogStart {
  return runThrough(createFirstInSteps(place, source));
}

/** As `createFirst`, a slice of the segment a step. */
export function* createFirstInSteps(place: LogPlace, source: SegmentSource): Steps<LogStart> {
  place.vfs.makeDirectory(place.directory);
  for (const path of listTemporaries(place)) place.vfs.remove(path);
  // A creation that never finished left these; the caller publishes what it names only after this returns.
  place.vfs.remove(segmentPath(place, 1));
  place.vfs.remove(tailPath(place));
  ensureTail(place.vfs, tailPath(place));
  const segment = newSegment(source, 1, source.segmentBytes);
  yield* createSegmentInSteps(place, segment);
  place.vfs.syncDirectory(storeDirectory(place));
  return { segment: 1, salt: segment.salt, lsn: 0, crc: 0 };
}

/** Reads the log, hands out every record, and makes it writable behind them. */
export function* reopen(
  place: LogPlace,
  start: LogStart,
  source: SegmentSource,
  onRecord: OnRecord,
  onProgress?: OnProgress,
): Steps<Reopened> {
  // Names that recovery relies on may be visible and not yet durable.
  place.vfs.syncDirectory(place.directory);
  const tail = newestTail(readTail(place.vfs, tailPath(place), place.storeId));
  const progress = onProgress === undefined ? undefined : new ReplayProgress(place, start, tail, onProgress);
  const counted = countRecords(onRecord, progress);
  const room: ImageRoom = {};
  const last = yield* readLast(place, yield* walkSealed(place, start, counted.onRecord, room), tail, room);
  const above = yield* handOut(last, counted.onRecord);
  const warnings = quarantine(place, last.torn);
  if (ensureTail(place.vfs, tailPath(place))) {
    warnings.push("TAIL was missing or had a wrong size; it was made anew");
    place.vfs.syncDirectory(place.directory);
  }
  const recyclable = clearSpares(place, last, source);
  if (!last.isLinkProven) {
    const { number, fileBytes } = last.header;
    // A file that is there already, so that a full disk does not keep the store from opening.
    const unnamed = fileBytes === source.segmentBytes ? recyclable.shift() : undefined;
    yield* replaceSegment(place, number, last.image.bytes, unnamed);
  }
  const position = yield* startSegment(place, last, above, source, recyclable);
  return {
    position,
    recyclable,
    recovery: {
      cleanClose: last.cleanClose,
      replayedRecords: counted.records(),
      replayedBytes: counted.bytes(),
      tornBytes: last.torn.reduce((sum, part) => sum + part.bytes.length, 0),
      lastLsn: position.lsn,
      warnings,
    },
  };
}

function countRecords(
  onRecord: OnRecord,
  progress: ReplayProgress | undefined,
): {
  onRecord: OnRecord;
  records(): number;
  bytes(): number;
} {
  let records = 0;
  let bytes = 0;
  return {
    onRecord: (lsn, segment, offset, payload) => {
      records += 1;
      bytes += payload.length;
      onRecord(lsn, segment, offset, payload);
      progress?.at(lsn, segment, offset);
    },
    records: () => records,
    bytes: () => bytes,
  };
}

/** Hands out the last segment's records at the place where they will be read: above D, in the new segment. */
function* handOut(last: LastSegment, onRecord: OnRecord): Steps<Frame[]> {
  const { number } = last.header;
  const above: Frame[] = [];
  let newOffset = FIRST_DATA_AT;
  let stepEnd = RECOVERY_STEP_BYTES;
  for (const frame of last.frames) {
    if (frame.offset >= stepEnd) {
      yield;
      stepEnd = frame.offset + RECOVERY_STEP_BYTES;
    }
    const payload = payloadOf(last.image, frame);
    if (frame.lsn <= last.durable) onRecord(frame.lsn, number, frame.offset, payload);
    else {
      onRecord(frame.lsn, number + 1, newOffset, payload);
      newOffset += frameBytes(frame.payloadBytes);
      above.push(frame);
    }
  }
  return above;
}

/**
 * Removes what a crash left and takes the names of spares away; answers files that can be recycled. A spare that a
 * group was begun in is not among them: its sync may have failed in another process, and no later one is believed.
 */
function clearSpares(place: LogPlace, last: LastSegment, source: SegmentSource): string[] {
  const { vfs } = place;
  const usable = (path: string): boolean =>
    isRecyclable(path) && vfs.stat(path)?.size === source.segmentBytes;
  const recyclable: string[] = [];
  for (const path of listTemporaries(place)) {
    if (recyclable.length < SPARE_SEGMENTS && usable(path)) recyclable.push(path);
    else vfs.remove(path);
  }
  const begun = new Set(last.torn.map(({ segment }) => segment));
  for (const number of last.unlinked) {
    const path = segmentPath(place, number);
    if (
      recyclable.length < SPARE_SEGMENTS &&
      !begun.has(number) &&
      vfs.stat(path)?.size === source.segmentBytes
    ) {
      const unnamed = unnameSegment(place, number);
      if (!recyclable.includes(unnamed)) recyclable.push(unnamed);
    } else vfs.remove(path);
  }
  vfs.syncDirectory(place.directory);
  return recyclable;
}

/** Makes the next segment and moves the frames above D into it; durable when this returns. */
function* startSegment(
  place: LogPlace,
  last: LastSegment,
  above: readonly Frame[],
  source: SegmentSource,
  recyclable: string[],
): Steps<WriterPosition> {
  const number = last.header.number + 1;
  const bytes = above.reduce((sum, frame) => sum + frameBytes(frame.payloadBytes), 0);
  const fileBytes = segmentBytesFor(bytes, source.segmentBytes);
  const unnamed = fileBytes === source.segmentBytes ? recyclable.shift() : undefined;
  const segment = newSegment(source, number, fileBytes);
  if (unnamed === undefined) yield* createSegmentInSteps(place, segment);
  else recycleSegment(place, unnamed, segment);
  const take = (wanted: number): boolean => {
    assert(wanted === fileBytes, `a segment of ${fileBytes} bytes was made for one of ${wanted}`);
    return true;
  };
  const position = { ...last.durableEnd, segment: number - 1, durable: last.durable };
  const writer = new LogWriter(place, position, source.segmentBytes, take);
  try {
    writer.roll(bytes);
    writer.moveHere(groups(last.image, above));
    return writer.position;
  } finally {
    writer.close();
  }
}

function* groups(image: Image, frames: readonly Frame[]): Generator<{ run: Run; count: number }> {
  for (let at = 0; at < frames.length; at += MAX_BATCH_FRAMES) {
    const group = frames.slice(at, at + MAX_BATCH_FRAMES);
    yield { run: frameAnew(image, group), count: group.length };
  }
}

function frameAnew(image: Image, frames: readonly Frame[]): Run {
  const bytes = frames.reduce((sum, frame) => sum + frameBytes(frame.payloadBytes), 0);
  const target = imageOf(new Uint8Array(bytes));
  let end = 0;
  for (const frame of frames) end = putFrame(target, end, FrameType.data, frame.lsn, payloadOf(image, frame));
  return { image: target, start: 0, end };
}
