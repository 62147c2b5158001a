/**
 * The frames of one segment image in order, and how they ended. Pure: an image in, facts out. It deliberately
 * knows no TAIL and no other segment; `recovery.ts` decides what an end means.
 *
 * 1. A frame is the next one only if it verifies under the segment's salt, continues the LSN, and names the
 *    checksum of its predecessor.
 * 2. The first offset where none follows is `end.offset`; nothing behind it was handed out.
 * 3. Evidence behind the end counts by its durable stamp alone, never by its position.
 */
import type { Lsn } from "../ids.ts";
import { READ_STEP_BYTES, RECOVERY_STEP_BYTES } from "../limits.ts";
import { runThrough, type Steps } from "../steps.ts";
import {
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameType,
  frameLengthAt,
  GUARD_AT,
  GUARD_BYTES,
  hasGuard,
  type Image,
  isSkippable,
  isZero,
  payloadVerifies,
  readFrameHead,
} from "./frame.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";

/** A place between two frames: the one before it has this LSN and checksum. */
export interface Place {
  readonly offset: number;
  readonly lsn: Lsn;
  readonly crc: number;
}

export interface ScanEnd extends Place {
  /** Highest LSN that a frame met proves to be on stable storage. */
  readonly durable: Lsn;
  /** The last frame is a SEAL. */
  readonly sealed: boolean;
  /** Type of a frame in the way that verifies and that this version does not know. */
  readonly unknownType: number | undefined;
}

/** Walks the frames from `from` up to `limit` (bytes behind it are not looked at), all at once. */
export function scanFrames(
  image: Image,
  saltCrc: number,
  from: Place,
  limit: number,
  onFrame: (frame: Frame) => void,
): ScanEnd {
  return runThrough(scanFramesInSteps(image, saltCrc, from, limit, onFrame));
}

/** As `scanFrames`, a bounded number of bytes a step. */
export function* scanFramesInSteps(
  image: Image,
  saltCrc: number,
  from: Place,
  limit: number,
  onFrame: (frame: Frame) => void,
): Steps<ScanEnd> {
  let { offset, lsn, crc } = from;
  let durable = 0;
  let sealed = false;
  let stepEnd = offset + RECOVERY_STEP_BYTES;
  for (;;) {
    if (offset >= stepEnd) {
      yield;
      stepEnd = offset + RECOVERY_STEP_BYTES;
    }
    const frame: Frame | undefined = sealed ? undefined : readFrameHead(image, offset, limit, saltCrc);
    if (frame === undefined || !follows(frame, lsn, crc) || !payloadVerifies(image, frame, saltCrc)) {
      return { offset, lsn, crc, durable, sealed, unknownType: undefined };
    }
    if (!isKnown(frame) && !isSkippable(frame.type)) {
      return { offset, lsn, crc, durable, sealed, unknownType: frame.type };
    }
    onFrame(frame);
    // A LINK is only written after a sync of everything before it, so it proves its own LSN.
    durable = Math.max(durable, frame.type === FrameType.link ? frame.lsn : frame.durable);
    sealed = frame.type === FrameType.seal;
    offset = frame.end;
    lsn = frame.lsn;
    crc = frame.crc;
  }
}

/** What lies behind the end of a scan. */
export interface Remains {
  /** Frames that verify under this salt. */
  readonly frames: number;
  /** End of the last of them, and at least of what a frame begun at `offset` claims to be. */
  readonly end: number;
  /** Highest LSN they prove to be durable. */
  readonly durable: Lsn;
  /** Nothing stands at `offset`: no frame was begun there. */
  readonly clean: boolean;
}

/** Looks for frames of this salt anywhere behind `offset`, by their guard word, all at once. */
export function scanRemains(image: Image, saltCrc: number, offset: number): Remains {
  return runThrough(scanRemainsInSteps(image, saltCrc, offset));
}

/** As `scanRemains`, a bounded number of bytes a step. */
export function* scanRemainsInSteps(image: Image, saltCrc: number, offset: number): Steps<Remains> {
  const bytes = Buffer.from(image.bytes.buffer, image.bytes.byteOffset, image.bytes.byteLength);
  const blank = isZero(bytes, offset, Math.min(offset + FRAME_HEADER_BYTES, bytes.length));
  let frames = 0;
  let end = blank ? offset : claimedEnd(image, offset);
  let durable = 0;
  for (let from = offset + GUARD_AT; from < bytes.length; ) {
    const until = Math.min(from + READ_STEP_BYTES, bytes.length);
    // A guard word may begin in this step and end behind it.
    const part = bytes.subarray(0, until + GUARD_BYTES.length - 1);
    let guardAt = part.indexOf(GUARD_BYTES, from);
    while (guardAt >= 0) {
      const frame = frameAtGuard(image, guardAt, saltCrc);
      if (frame !== undefined) {
        frames += 1;
        end = Math.max(end, frame.end);
        durable = Math.max(durable, frame.type === FrameType.link ? frame.lsn : frame.durable);
      }
      guardAt = part.indexOf(GUARD_BYTES, guardAt + GUARD_BYTES.length);
    }
    from = until;
    if (from < bytes.length) yield;
  }
  return { frames, end, durable, clean: blank && frames === 0 };
}

/** Where the unfinished frame at `offset` would have ended, as far as its header tells. */
function claimedEnd(image: Image, offset: number): number {
  const size = image.bytes.length;
  const headerEnd = Math.min(offset + FRAME_HEADER_BYTES, size);
  if (headerEnd - offset < FRAME_HEADER_BYTES || !hasGuard(image, offset)) return headerEnd;
  return Math.min(offset + frameLengthAt(image.view, offset), size);
}

function frameAtGuard(image: Image, guardAt: number, saltCrc: number): Frame | undefined {
  const offset = guardAt - GUARD_AT;
  if (offset % FRAME_ALIGNMENT !== 0) return undefined;
  return readFrameHead(image, offset, image.bytes.length, saltCrc);
}

/** DATA takes the next LSN, every other type repeats the last one; LINK stands only at the front. */
function follows(frame: Frame, lsn: Lsn, crc: number): boolean {
  if (frame.previousCrc !== crc || frame.durable > frame.lsn) return false;
  if (frame.type === FrameType.link && frame.offset !== SEGMENT_HEADER_BYTES) return false;
  return frame.lsn === (frame.type === FrameType.data ? lsn + 1 : lsn);
}

function isKnown(frame: Frame): boolean {
  return frame.type === FrameType.data || frame.type === FrameType.link || frame.type === FrameType.seal;
}
