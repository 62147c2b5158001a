/**
 * Walks segments for those who look at a log or save what is left of one: every frame that verifies, and
 * every place where none does. Unlike recovery it refuses nothing and decides nothing about the store; what
 * it hands out behind a hole was written once under this salt, but what stood in the hole is not known.
 *
 * 1. Only frames that verify under the segment's salt are handed out, in ascending order of LSN. A copy of an
 *    older frame inside a payload has an older LSN, so it is never taken for a frame.
 * 2. Where the next segment's LINK says how far this one counts, nothing behind that is looked at.
 */
import { toStoreError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import type { VfsFile } from "../vfs/vfs.ts";
import { linkIn } from "./chain.ts";
import { checkHeader, type LogPlace, listSegments, segmentPath } from "./files.ts";
import { type FlippedFrameBit, flippedBitOfFrame, mendedPayload } from "./flipped-frame.ts";
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
  imageOf,
  isZero,
  payloadVerifies,
  readFrameHead,
  saltSeed,
} from "./frame.ts";
import {
  FIRST_DATA_AT,
  type Link,
  MAX_FILE_BYTES,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  saltField,
} from "./segment.ts";

/** Bytes read at a time from a file that cannot be read whole: what a disk loses at a time. */
const SECTOR_BYTES = 4096;

/** The front of a segment file, as far as it can be told. */
export interface WalkedHead {
  readonly number: number;
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly header: SegmentHeader | undefined;
  /** Why there is no header. */
  readonly problem: string | undefined;
  /** Of the header, or the one under which frames verify although the header does not. */
  readonly salt: bigint;
  readonly link: Link | undefined;
}

/** A place where a frame should stand and none does. */
export interface Hole {
  readonly offset: number;
  /** Where the next frame begins, or as far as what was begun here claims to reach. */
  readonly end: number;
  /** LSN of the last frame in front of it; undefined if there is none. */
  readonly before: Lsn | undefined;
  /** LSN of the first frame behind it. */
  readonly behind: Lsn | undefined;
  readonly flippedBit: FlippedFrameBit | undefined;
  /** What the frame would hold with that bit as it was. */
  readonly mended: Uint8Array | undefined;
}

export interface WalkedSegment extends WalkedHead {
  readonly image: Image;
  /** Every frame, LINK and SEAL too. */
  readonly frames: readonly Frame[];
  readonly holes: readonly Hole[];
  /** Where the frames end. */
  readonly end: number;
  /** Highest LSN that its frames prove durable. */
  readonly durable: Lsn;
  readonly isSealed: boolean;
}

/** Salts known from elsewhere (TAIL, manifests), by segment number: for segments whose header is gone. */
export type KnownSalts = ReadonlyMap<number, bigint>;

/** Every segment file in order of number. One image is in memory at a time. */
export function* walkLog(place: LogPlace, salts: KnownSalts = new Map()): Generator<WalkedSegment> {
  const numbers = listSegments(place);
  let before: Lsn | undefined;
  for (const number of numbers) {
    const next = numbers.includes(number + 1)
      ? walkHead(place, number + 1, salts.get(number + 1))
      : undefined;
    const link = next?.link?.previousSegment === number ? next.link : undefined;
    const walked = walkSegment(place, number, {
      salt: link?.previousSalt ?? salts.get(number),
      link,
      before,
    });
    yield walked;
    before = walked.frames.at(-1)?.lsn ?? before;
  }
}

export function walkHead(place: LogPlace, number: number, knownSalt: bigint | undefined): WalkedHead {
  const file = place.vfs.open(segmentPath(place, number), "read");
  try {
    const front = readWhatThereIs(file, FIRST_DATA_AT);
    return headOf(place, number, file, imageOf(front), knownSalt);
  } finally {
    file.close();
  }
}

export interface WalkHints {
  readonly salt: bigint | undefined;
  /** The LINK of the next segment, which says where this one ends. */
  readonly link: Link | undefined;
  /** LSN of the last frame of the segment before. */
  readonly before: Lsn | undefined;
}

export function walkSegment(place: LogPlace, number: number, hints: WalkHints): WalkedSegment {
  const file = place.vfs.open(segmentPath(place, number), "read");
  try {
    const image = imageOf(readWhatThereIs(file, Math.min(file.stat().size, MAX_FILE_BYTES)));
    const head = headOf(place, number, file, image, hints.salt);
    return { ...head, image, ...walkFrames(image, head, hints) };
  } finally {
    file.close();
  }
}

function headOf(
  place: LogPlace,
  number: number,
  file: VfsFile,
  image: Image,
  knownSalt: bigint | undefined,
): WalkedHead {
  const { bytes } = image;
  const common = { number, path: file.path, size: file.stat().size };
  const check = headerOf(place, number, file, bytes);
  if (check.kind === "header") {
    const { salt } = check.header;
    return {
      ...common,
      header: check.header,
      problem: undefined,
      salt,
      link: linkIn(image, saltSeed(salt))?.link,
    };
  }
  const salt = knownSalt ?? (bytes.length >= SEGMENT_HEADER_BYTES ? saltField(bytes) : 0n);
  const link = linkIn(image, saltSeed(salt))?.link;
  return { ...common, header: undefined, problem: check.reason, salt, link };
}

function headerOf(place: LogPlace, number: number, file: VfsFile, bytes: Uint8Array) {
  try {
    return checkHeader(place, number, file, bytes.subarray(0, SEGMENT_HEADER_BYTES));
  } catch (error) {
    return { kind: "bad" as const, reason: toStoreError(error).message };
  }
}

type Walked = Pick<WalkedSegment, "frames" | "holes" | "end" | "durable" | "isSealed">;

function walkFrames(image: Image, head: WalkedHead, { link, before }: WalkHints): Walked {
  const seed = saltSeed(head.salt);
  const size = image.bytes.length;
  const known = link !== undefined && link.previousSalt === head.salt ? link.end : undefined;
  const limit = Math.min(known ?? size, size);
  const frames: Frame[] = [];
  const holes: Hole[] = [];
  let at = SEGMENT_HEADER_BYTES;
  let lsn = before;
  let isSealed = false;
  while (!isSealed && at < limit) {
    let frame = frameAt(image, at, limit, seed);
    if (frame === undefined || !isNext(frame, lsn)) {
      frame = frameBehind(image, at + FRAME_ALIGNMENT, limit, seed, lsn);
      const blank = isZero(image.bytes, at, Math.min(at + FRAME_HEADER_BYTES, size));
      if (frame === undefined && blank && known === undefined) break;
      const end = frame?.offset ?? known ?? claimedEnd(image, at);
      holes.push(holeAt(image, at, { end, limit, seed, before: lsn, behind: frame?.lsn }));
      if (frame === undefined) break;
    }
    frames.push(frame);
    at = frame.end;
    lsn = frame.lsn;
    isSealed = frame.type === FrameType.seal;
  }
  const durable = frames.reduce((most, frame) => Math.max(most, provenBy(frame)), 0);
  return { frames, holes, end: frames.at(-1)?.end ?? SEGMENT_HEADER_BYTES, durable, isSealed };
}

/** A LINK is only written after a sync of everything before it. */
function provenBy(frame: Frame): Lsn {
  return frame.type === FrameType.link ? frame.lsn : frame.durable;
}

function frameAt(image: Image, at: number, limit: number, seed: number): Frame | undefined {
  const frame = readFrameHead(image, at, limit, seed);
  return frame !== undefined && payloadVerifies(image, frame, seed) ? frame : undefined;
}

/** DATA goes up, the others repeat the last LSN; a LINK stands only at the front. */
function isNext(frame: Frame, lsn: Lsn | undefined): boolean {
  if (frame.type === FrameType.link) return frame.offset === SEGMENT_HEADER_BYTES;
  if (lsn === undefined) return true;
  return frame.type === FrameType.data ? frame.lsn > lsn : frame.lsn >= lsn;
}

/** The first frame at or behind `from`, by its guard word. */
function frameBehind(
  image: Image,
  from: number,
  limit: number,
  seed: number,
  lsn: Lsn | undefined,
): Frame | undefined {
  const { buffer, byteOffset } = image.bytes;
  const bytes = Buffer.from(buffer, byteOffset, limit);
  for (let at = bytes.indexOf(GUARD_BYTES, from + GUARD_AT); at >= 0; ) {
    const offset = at - GUARD_AT;
    const frame = offset % FRAME_ALIGNMENT === 0 ? frameAt(image, offset, limit, seed) : undefined;
    if (frame !== undefined && isNext(frame, lsn)) return frame;
    at = bytes.indexOf(GUARD_BYTES, at + GUARD_BYTES.length);
  }
  return undefined;
}

interface HoleFacts extends Pick<Hole, "end" | "before" | "behind"> {
  readonly limit: number;
  readonly seed: number;
}

function holeAt(image: Image, offset: number, { end, before, behind, limit, seed }: HoleFacts): Hole {
  const flippedBit = flippedBitOfFrame(image, offset, behind === undefined ? limit : end, seed);
  const mended = flippedBit === undefined ? undefined : mendedPayload(image, offset, flippedBit);
  return { offset, end, before, behind, flippedBit, mended };
}

/** Where the frame begun at `offset` would have ended, as far as its header tells. */
function claimedEnd(image: Image, offset: number): number {
  const size = image.bytes.length;
  const headerEnd = Math.min(offset + FRAME_HEADER_BYTES, size);
  if (headerEnd - offset < FRAME_HEADER_BYTES || !hasGuard(image, offset)) return headerEnd;
  return Math.min(offset + frameLengthAt(image.view, offset), size);
}

/** The first `length` bytes of a file; sectors that the disk does not give back are zeros. */
function readWhatThereIs(file: VfsFile, length: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  try {
    return bytes.subarray(0, file.read(bytes, 0));
  } catch {
    let end = 0;
    for (let at = 0; at < length; at += SECTOR_BYTES) {
      try {
        end = at + file.read(bytes.subarray(at, Math.min(at + SECTOR_BYTES, length)), at);
      } catch {
        // Whatever stood there is gone; the checksums of what covers it say so.
        bytes.fill(0, at, Math.min(at + SECTOR_BYTES, length));
        end = Math.min(at + SECTOR_BYTES, length);
      }
    }
    return bytes.subarray(0, end);
  }
}
