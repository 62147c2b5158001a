/**
 * Segments as a chain: what the head of each says, and where a sealed one ends because the next one's LINK
 * says so. Reads only. It deliberately decides nothing about the last segment; that is `recovery.ts`.
 *
 * 1. A segment with a successor ends exactly where the successor's LINK says, with that LSN and checksum;
 *    what lies behind is ignored.
 * 2. Only the very first segment of a store has no LINK.
 */
import type { Lsn } from "../ids.ts";
import type { Steps } from "../steps.ts";
import { openIfThere } from "../vfs/vfs.ts";
import { checkHeader, corrupt, type LogPlace, segmentPath } from "./files.ts";
import { type Frame, FrameType, type Image, imageOf, payloadOf, readFrameHead, saltSeed } from "./frame.ts";
import { type Place, scanFramesInSteps } from "./scan.ts";
import { decodeLink, FIRST_DATA_AT, type Link, SEGMENT_HEADER_BYTES, type SegmentHeader } from "./segment.ts";
import { type ImageRoom, readImage } from "./segment-image.ts";

/** A segment from which records are read, and where the record before it stands. */
export interface LogStart {
  readonly segment: number;
  readonly salt: bigint;
  /** Last LSN before this segment, and the checksum of the frame there. */
  readonly lsn: Lsn;
  readonly crc: number;
}

/** The payload is valid until it returns: what is read next comes into the same memory. */
export type OnRecord = (lsn: Lsn, segment: number, offset: number, payload: Uint8Array) => void;

/** The front of a segment file. A "spare" has a right header and no LINK. */
export type SegmentHead =
  | { readonly kind: "missing" }
  | { readonly kind: "bad"; readonly reason: string; readonly front: Uint8Array }
  | { readonly kind: "spare"; readonly header: SegmentHeader }
  | { readonly kind: "linked"; readonly header: SegmentHeader; readonly link: Link; readonly crc: number };

/** A segment of the chain and the place its frames begin. */
export interface ChainLink {
  readonly header: SegmentHeader;
  readonly from: Place;
  /** A manifest names it, so it was on the disk in front of that. */
  readonly isStart: boolean;
}

export function readHead(place: LogPlace, number: number): SegmentHead {
  const path = segmentPath(place, number);
  const file = openIfThere(place.vfs, path);
  if (file === undefined) return { kind: "missing" };
  try {
    const front = new Uint8Array(FIRST_DATA_AT);
    const read = file.read(front, 0);
    const check = checkHeader(place, number, file, front.subarray(0, read));
    if (check.kind === "bad") return { kind: "bad", reason: check.reason, front: front.subarray(0, read) };
    const { header } = check;
    const found = linkIn(imageOf(front), saltSeed(header.salt));
    return found === undefined ? { kind: "spare", header } : { kind: "linked", header, ...found };
  } finally {
    file.close();
  }
}

/** The LINK at its place, if it verifies. */
export function linkIn(image: Image, seed: number): { link: Link; crc: number } | undefined {
  const frame = readFrameHead(image, SEGMENT_HEADER_BYTES, image.bytes.length, seed);
  if (frame === undefined || frame.type !== FrameType.link) return undefined;
  const link = decodeLink(payloadOf(image, frame));
  if (link === undefined || link.lsn !== frame.lsn || link.crc !== frame.previousCrc) return undefined;
  return { link, crc: frame.crc };
}

/** The first segment of a walk: it must be the one that `start` names. */
export function chainStart(place: LogPlace, start: LogStart): ChainLink {
  const path = segmentPath(place, start.segment);
  const head = readHead(place, start.segment);
  if (head.kind === "missing") throw corrupt(path, undefined, "it is missing, and the log begins there");
  if (head.kind === "bad") throw corrupt(path, 0, head.reason);
  if (head.header.salt !== start.salt)
    throw corrupt(path, 0, "it is another incarnation than the log begins with");
  if (head.kind === "linked") {
    if (head.link.lsn !== start.lsn || head.link.crc !== start.crc) {
      throw corrupt(path, SEGMENT_HEADER_BYTES, `its LINK names LSN ${head.link.lsn}, not ${start.lsn}`);
    }
    return { ...linkedPart(head), isStart: true };
  }
  if (start.lsn !== 0 || start.crc !== 0)
    throw corrupt(path, SEGMENT_HEADER_BYTES, "its LINK does not verify");
  return { header: head.header, from: { offset: SEGMENT_HEADER_BYTES, lsn: 0, crc: 0 }, isStart: true };
}

/** The segment behind `current`, if there is one with a LINK, and where `current` therefore ends. */
export function chainNext(place: LogPlace, current: ChainLink): { next: ChainLink; end: Place } | undefined {
  const { number, salt } = current.header;
  const head = readHead(place, number + 1);
  if (head.kind !== "linked") return undefined;
  const { link } = head;
  if (link.previousSegment !== number || link.previousSalt !== salt) {
    const path = segmentPath(place, number + 1);
    throw corrupt(
      path,
      SEGMENT_HEADER_BYTES,
      `its LINK names segment ${link.previousSegment} or another salt of it`,
    );
  }
  return { next: linkedPart(head), end: { offset: link.end, lsn: link.lsn, crc: link.crc } };
}

/**
 * Hands out the DATA frames of a sealed segment up to its end; anything missing there is damage. With a room a payload
 * is valid until the next segment is read.
 */
export function* readSealed(
  place: LogPlace,
  segment: ChainLink,
  end: Place,
  onRecord: OnRecord,
  room?: ImageRoom,
): Steps<void> {
  const { header, from } = segment;
  const path = segmentPath(place, header.number);
  if (end.offset > header.fileBytes)
    throw corrupt(path, header.fileBytes, "it is shorter than the next LINK says");
  const bytes = Math.max(end.offset, SEGMENT_HEADER_BYTES);
  // The last segment is read whole, and into the same room.
  const image = yield* readImage(place, header.number, bytes, room, header.fileBytes);
  const reached = yield* scanFramesInSteps(image, saltSeed(header.salt), from, end.offset, (frame) => {
    emit(image, header.number, frame, onRecord);
  });
  if (reached.offset !== end.offset || reached.lsn !== end.lsn || reached.crc !== end.crc) {
    throw corrupt(
      path,
      reached.offset,
      `no valid frame of LSN ${reached.lsn + 1} there, the next LINK names LSN ${end.lsn}`,
    );
  }
}

export function emit(image: Image, segment: number, frame: Frame, onRecord: OnRecord): void {
  if (frame.type === FrameType.data) onRecord(frame.lsn, segment, frame.offset, payloadOf(image, frame));
}

function linkedPart(head: SegmentHead & { kind: "linked" }): ChainLink {
  const from = { offset: FIRST_DATA_AT, lsn: head.link.lsn, crc: head.crc };
  return { header: head.header, from, isStart: false };
}
