/**
 * Reads a log from a start to its end and decides how it ended: clean, torn, or corrupt. Writes nothing. It
 * deliberately starts nothing either: `reopen.ts` makes the log writable again.
 *
 * 1. Torn is what was begun and never acknowledged; damage to anything that may have been acknowledged is
 *    refused, naming file and offset.
 * 2. What is known to be durable, D, is the highest LSN that TAIL, a LINK or the stamp of any frame that
 *    verifies proves. Missing at or below D means corrupt.
 * 3. An I/O error is never an end.
 */
import { storeError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import type { Steps } from "../steps.ts";
import {
  type ChainLink,
  chainNext,
  chainStart,
  type LogStart,
  linkIn,
  type OnRecord,
  readHead,
  readSealed,
  type SegmentHead,
} from "./chain.ts";
import { corrupt, type LogPlace, listSegments, segmentPath } from "./files.ts";
import { type Frame, FrameType, type Image, imageOf, saltSeed } from "./frame.ts";
import { type Place, type Remains, type ScanEnd, scanFramesInSteps, scanRemainsInSteps } from "./scan.ts";
import { SEGMENT_FORMAT_VERSION, SEGMENT_HEADER_BYTES, saltField } from "./segment.ts";
import { type ImageRoom, mayHoldFrames, readImage } from "./segment-image.ts";
import type { Tail } from "./tail.ts";

/** How the last segment ended. */
export type Verdict =
  | { readonly kind: "corrupt"; readonly reason: string }
  | { readonly kind: "clean"; readonly sealed: boolean }
  | { readonly kind: "torn"; readonly end: number };

/** Bytes of a group that was begun and never acknowledged. */
export interface TornPart {
  readonly segment: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The last segment of a log, read whole. */
export interface LastSegment {
  readonly header: ChainLink["header"];
  readonly image: Image;
  /** DATA frames of it, in order. */
  readonly frames: readonly Frame[];
  readonly end: ScanEnd;
  /** D: every LSN up to here is proven to be on stable storage. */
  readonly durable: Lsn;
  /** Where the frame of LSN D ends. */
  readonly durableEnd: Place;
  readonly cleanClose: boolean;
  /** Its LINK is proven to be on stable storage, or it needs none; else it may be in the page cache only. */
  readonly isLinkProven: boolean;
  readonly torn: readonly TornPart[];
  /** Segment files behind the last one of the chain: spares, used or not. */
  readonly unlinked: readonly number[];
}

/** The decision table. First match wins. */
export function decide(end: ScanEnd, remains: Remains, tail: Tail | undefined): Verdict {
  const expected = end.lsn + 1;
  if (remains.durable >= expected) {
    return {
      kind: "corrupt",
      reason: `no valid frame of LSN ${expected} there, and a later frame proves LSN ${remains.durable} durable`,
    };
  }
  if (tail !== undefined && tail.lsn >= expected) {
    return {
      kind: "corrupt",
      reason: `no valid frame of LSN ${expected} there, and TAIL proves LSN ${tail.lsn} durable`,
    };
  }
  if (remains.clean) return { kind: "clean", sealed: end.sealed };
  return { kind: "torn", end: remains.end };
}

/**
 * Walks the sealed segments from `start`, handing out their records; answers the last one of the chain. A payload is valid
 * until `onRecord` returns: all segments are read into the room.
 */
export function* walkSealed(
  place: LogPlace,
  start: LogStart,
  onRecord: OnRecord,
  room: ImageRoom,
): Steps<ChainLink> {
  let current = chainStart(place, start);
  for (;;) {
    const step = chainNext(place, current);
    if (step === undefined) return current;
    yield* readSealed(place, current, step.end, onRecord, room);
    current = step.next;
    yield;
  }
}

/**
 * Reads the last segment of the chain, into the room, and decides how the log ended; throws CORRUPT where it must refuse.
 */
export function* readLast(
  place: LogPlace,
  last: ChainLink,
  tail: Tail | undefined,
  room: ImageRoom,
): Steps<LastSegment> {
  const { header, from } = last;
  const path = segmentPath(place, header.number);
  const seed = saltSeed(header.salt);
  const image = yield* readImage(place, header.number, header.fileBytes, room);
  const frames: Frame[] = [];
  let durableEnd = from;
  const end = yield* scanFramesInSteps(image, seed, from, image.bytes.length, (frame) => {
    if (frame.type === FrameType.data) frames.push(frame);
  });
  if (end.unknownType !== undefined) throw unknownType(path, end.offset, end.unknownType);
  const remains = yield* scanRemainsInSteps(image, seed, end.offset);
  if (remains.durable <= end.lsn && tail !== undefined && tail.lsn > end.lsn && tail.segment > header.number)
    throw lostSuccessor(place, header.number + 1, tail);
  const verdict = decide(end, remains, tail);
  if (verdict.kind === "corrupt") throw corrupt(path, end.offset, verdict.reason);
  const behind = yield* readUnlinked(place, last, end.lsn, tail);
  const durable = Math.max(from.lsn, end.durable, remains.durable, tail?.lsn ?? 0, behind.durable);
  for (const frame of frames) {
    if (frame.lsn <= durable) durableEnd = { offset: frame.end, lsn: frame.lsn, crc: frame.crc };
  }
  const torn = verdict.kind === "torn" ? [tornPart(header.number, image, end.offset, verdict.end)] : [];
  return {
    header,
    image,
    frames,
    end,
    durable,
    durableEnd,
    // The first group of a segment is synced with the LINK or behind it, and TAIL is written behind that.
    isLinkProven: last.isStart || durable > from.lsn || tail?.segment === header.number,
    cleanClose: verdict.kind === "clean" && verdict.sealed && behind.torn.length === 0,
    torn: [...torn, ...behind.torn],
    unlinked: behind.numbers,
  };
}

/** TAIL proves records in a later segment, and the next one is not linked: that one is damaged, not ours. */
function lostSuccessor(place: LogPlace, number: number, tail: Tail): Error {
  const path = segmentPath(place, number);
  const proof = `TAIL proves LSN ${tail.lsn} durable in segment ${tail.segment}`;
  const head = readHead(place, number);
  if (head.kind === "missing") return corrupt(path, undefined, `it is missing, and ${proof}`);
  if (head.kind === "bad") return corrupt(path, 0, `${head.reason}, and ${proof}`);
  return corrupt(path, SEGMENT_HEADER_BYTES, `its LINK does not verify, and ${proof}`);
}

interface Unlinked {
  readonly numbers: readonly number[];
  readonly torn: readonly TornPart[];
  readonly durable: Lsn;
}

/** Segments behind the last one of the chain must be spares; what proves otherwise is damage in front of it. */
function* readUnlinked(place: LogPlace, last: ChainLink, lsn: Lsn, tail: Tail | undefined): Steps<Unlinked> {
  const numbers = listSegments(place).filter((number) => number > last.header.number);
  const torn: TornPart[] = [];
  // Not that of the last segment, which is still needed.
  const room: ImageRoom = {};
  const window: ImageRoom = {};
  let durable = 0;
  for (const number of numbers) {
    const path = segmentPath(place, number);
    const head = readHead(place, number);
    if (head.kind === "missing") continue;
    if (head.kind === "linked") {
      const gap = segmentPath(place, last.header.number + 1);
      throw corrupt(gap, SEGMENT_HEADER_BYTES, `it is missing or has no LINK, and segment ${number} has one`);
    }
    if (head.kind === "bad") {
      if (wasInUse(head, last, number, tail)) throw corrupt(path, 0, head.reason);
      continue;
    }
    if (!(yield* mayHoldFrames(place, number, head.header.fileBytes, window))) continue;
    yield;
    const image = yield* readImage(place, number, head.header.fileBytes, room);
    const remains = yield* scanRemainsInSteps(image, saltSeed(head.header.salt), SEGMENT_HEADER_BYTES);
    if (remains.durable > lsn) {
      throw corrupt(
        path,
        SEGMENT_HEADER_BYTES,
        `its LINK does not verify, and a later frame proves LSN ${remains.durable} durable`,
      );
    }
    durable = Math.max(durable, remains.durable);
    if (remains.frames > 0) torn.push(tornPart(number, image, SEGMENT_HEADER_BYTES, remains.end));
  }
  return { numbers, torn, durable };
}

/** A file with a bad header that TAIL names, or whose LINK still verifies or still names our last segment. */
function wasInUse(
  head: SegmentHead & { kind: "bad" },
  last: ChainLink,
  number: number,
  tail: Tail | undefined,
): boolean {
  if (tail?.segment === number) return true;
  if (head.front.length <= SEGMENT_HEADER_BYTES) return false;
  const image = imageOf(head.front);
  if (linkIn(image, saltSeed(saltField(head.front))) !== undefined) return true;
  const salt = Buffer.alloc(8);
  salt.writeBigUInt64LE(last.header.salt);
  return Buffer.from(head.front.subarray(SEGMENT_HEADER_BYTES)).includes(salt);
}

function tornPart(segment: number, image: Image, offset: number, end: number): TornPart {
  return { segment, offset, bytes: Buffer.from(image.bytes.subarray(offset, end)) };
}

function unknownType(path: string, offset: number, type: number): Error {
  return storeError(
    "FORMAT_UNSUPPORTED",
    { found: type, supported: SEGMENT_FORMAT_VERSION },
    `${path} holds a frame of type ${type} at offset ${offset}; open it with a newer Varve`,
  );
}
