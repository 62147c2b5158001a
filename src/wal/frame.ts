/**
 * The bytes of one frame: a 48-byte header, for payloads above 8 KiB a table with one checksum per started
 * block, the payload, and zeros up to a multiple of eight. Pure. It deliberately knows neither files nor what
 * a payload means.
 *
 * 1. The checksum covers everything after itself and is seeded with the checksum of the segment's salt, so a
 *    frame of another incarnation of the file never verifies.
 * 2. In a long frame it covers header and table; the table covers the payload. CRC-32 stays in the range
 *    where it finds every error of up to three bits.
 * 3. A length is checked against the bytes that are there before anything is read or allocated for it.
 */
import { crc32 } from "../checksum.ts";
import type { Lsn } from "../ids.ts";
import { KIB, MIB } from "../limits.ts";

export const FRAME_ALIGNMENT = 8;
export const FRAME_HEADER_BYTES = 48;
/** Payload bytes above which a frame has a table, and which one entry of the table covers. */
export const BLOCK_BYTES = 8 * KIB;
/** Zero bytes behind every group: where they begin, the log ends. The next group overwrites them. */
export const GROUP_END_BYTES = 64;
/** Largest payload: a commit of the largest size an option may allow, and what it takes to say so. */
export const MAX_PAYLOAD_BYTES = 512 * MIB;

/** What a frame is. 3 is reserved; a type with the high bit set may be skipped by a reader that knows it not. */
export const FrameType = { data: 1, link: 2, seal: 4 } as const;
const SKIPPABLE_TYPE = 0x80;

const GUARD = 0xa5c3f00d;
/** The guard word as it stands in a file: what a forward scan looks for. */
export const GUARD_BYTES = Buffer.from([0x0d, 0xf0, 0xc3, 0xa5]);

const CRC_AT = 0;
const LENGTH_AT = 4;
const LSN_AT = 8;
const DURABLE_AT = 16;
const PREVIOUS_CRC_AT = 24;
const TYPE_AT = 28;
const FLAGS_AT = 29;
const FRAMES_LEFT_AT = 30;
const ZERO_AT = 32;
export const GUARD_AT = 44;

const TWO_32 = 0x1_0000_0000;
const MAX_SAFE_HIGH = 0x1f_ffff;

/** Bytes with the view through which their numbers are read; made once per buffer, not per frame. */
export interface Image {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export function imageOf(bytes: Uint8Array): Image {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** The header of a frame that verified. */
export interface Frame {
  readonly type: number;
  readonly lsn: Lsn;
  /** Last LSN known to be on stable storage when this frame was written. */
  readonly durable: Lsn;
  readonly previousCrc: number;
  readonly framesLeft: number;
  readonly crc: number;
  readonly offset: number;
  /** Where the next frame begins. */
  readonly end: number;
  readonly payloadAt: number;
  readonly payloadBytes: number;
}

/** What the log thread knows and the main thread does not, when a frame was put into the ring. */
export interface Stamp {
  readonly durable: Lsn;
  readonly previousCrc: number;
  readonly framesLeft: number;
  readonly saltCrc: number;
}

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
}

/** Entries of the table of a payload of that size; 0 if it needs none. */
function tableEntries(payloadBytes: number): number {
  return payloadBytes > BLOCK_BYTES ? Math.ceil(payloadBytes / BLOCK_BYTES) : 0;
}

/** Bytes between the start of a frame and its payload. */
export function payloadOffset(payloadBytes: number): number {
  return FRAME_HEADER_BYTES + alignUp(4 * tableEntries(payloadBytes));
}

/** Bytes of a whole frame in the file. */
export function frameBytes(payloadBytes: number): number {
  return payloadOffset(payloadBytes) + alignUp(payloadBytes);
}

/** Checksum that seeds every frame of a segment with this salt. */
export function saltSeed(salt: bigint): number {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, salt, true);
  return crc32(bytes);
}

/** Puts a frame without its stamp: every byte of it is written, whatever was there before. */
export function putFrame(image: Image, offset: number, type: number, lsn: Lsn, payload: Uint8Array): number {
  const { bytes, view } = image;
  const payloadAt = offset + payloadOffset(payload.length);
  const end = offset + frameBytes(payload.length);
  bytes.fill(0, offset, payloadAt);
  view.setUint32(offset + LENGTH_AT, payload.length, true);
  putNumber(view, offset + LSN_AT, lsn);
  view.setUint8(offset + TYPE_AT, type);
  view.setUint32(offset + GUARD_AT, GUARD, true);
  bytes.set(payload, payloadAt);
  bytes.fill(0, payloadAt + payload.length, end);
  return end;
}

/** Completes a frame put by `putFrame`; answers its checksum. */
export function stampFrame(image: Image, offset: number, stamp: Stamp): number {
  const { bytes, view } = image;
  const length = view.getUint32(offset + LENGTH_AT, true);
  putNumber(view, offset + DURABLE_AT, stamp.durable);
  view.setUint32(offset + PREVIOUS_CRC_AT, stamp.previousCrc, true);
  view.setUint16(offset + FRAMES_LEFT_AT, stamp.framesLeft, true);
  const entries = tableEntries(length);
  for (let entry = 0; entry < entries; entry += 1) {
    const sum = blockCrc(bytes, offset, length, entry, stamp.saltCrc);
    view.setUint32(offset + FRAME_HEADER_BYTES + 4 * entry, sum, true);
  }
  const crc = headCrc(bytes, offset, length, stamp.saltCrc);
  view.setUint32(offset + CRC_AT, crc, true);
  return crc;
}

export function hasGuard(image: Image, offset: number): boolean {
  return image.view.getUint32(offset + GUARD_AT, true) === GUARD;
}

/** Bytes of the whole frame, by its length field; only for frames that we put ourselves, or as a claim. */
export function frameLengthAt(view: DataView, offset: number): number {
  return frameBytes(view.getUint32(offset + LENGTH_AT, true));
}

/** LSN field of a frame that we put ourselves. */
export function frameLsnAt(view: DataView, offset: number): Lsn {
  return view.getUint32(offset + LSN_AT + 4, true) * TWO_32 + view.getUint32(offset + LSN_AT, true);
}

/**
 * The frame at `offset` if its header (and table) verify within `limit`. What it says is then what was once
 * written under this salt; whether it is the *next* frame, and whether a long payload is whole, is the
 * caller's question.
 */
export function readFrameHead(
  image: Image,
  offset: number,
  limit: number,
  saltCrc: number,
): Frame | undefined {
  const { bytes, view } = image;
  if (offset + FRAME_HEADER_BYTES > limit) return undefined;
  if (!hasGuard(image, offset)) return undefined;
  const payloadBytes = view.getUint32(offset + LENGTH_AT, true);
  if (payloadBytes > MAX_PAYLOAD_BYTES) return undefined;
  const end = offset + frameBytes(payloadBytes);
  if (end > limit) return undefined;
  const crc = view.getUint32(offset + CRC_AT, true);
  if (headCrc(bytes, offset, payloadBytes, saltCrc) !== crc) return undefined;
  if (!isZero(bytes, offset + ZERO_AT, offset + GUARD_AT) || view.getUint8(offset + FLAGS_AT) !== 0)
    return undefined;
  const lsn = readNumber(view, offset + LSN_AT);
  const durable = readNumber(view, offset + DURABLE_AT);
  if (lsn === undefined || durable === undefined) return undefined;
  return {
    type: view.getUint8(offset + TYPE_AT),
    lsn,
    durable,
    previousCrc: view.getUint32(offset + PREVIOUS_CRC_AT, true),
    framesLeft: view.getUint16(offset + FRAMES_LEFT_AT, true),
    crc,
    offset,
    end,
    payloadAt: offset + payloadOffset(payloadBytes),
    payloadBytes,
  };
}

/** Whether every block of a long frame is what its table says; true for a short one. */
export function payloadVerifies(image: Image, frame: Frame, saltCrc: number): boolean {
  const entries = tableEntries(frame.payloadBytes);
  for (let entry = 0; entry < entries; entry += 1) {
    const expected = image.view.getUint32(frame.offset + FRAME_HEADER_BYTES + 4 * entry, true);
    if (blockCrc(image.bytes, frame.offset, frame.payloadBytes, entry, saltCrc) !== expected) return false;
  }
  return true;
}

export function payloadOf(image: Image, frame: Frame): Uint8Array {
  return image.bytes.subarray(frame.payloadAt, frame.payloadAt + frame.payloadBytes);
}

/** A type that a reader of this version may pass over; it repeats the last LSN, as LINK and SEAL do. */
export function isSkippable(type: number): boolean {
  return (type & SKIPPABLE_TYPE) !== 0;
}

export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] !== 0) return false;
  return true;
}

/** Checksum of what the CRC field covers: header and payload, or header and table. */
function headCrc(bytes: Uint8Array, offset: number, payloadBytes: number, saltCrc: number): number {
  const long = payloadBytes > BLOCK_BYTES;
  const end = offset + (long ? payloadOffset(payloadBytes) : frameBytes(payloadBytes));
  return crc32(bytes.subarray(offset + LENGTH_AT, end), saltCrc);
}

/** Checksum of one block of a long payload; the last one covers the padding too. */
function blockCrc(
  bytes: Uint8Array,
  offset: number,
  payloadBytes: number,
  entry: number,
  saltCrc: number,
): number {
  const start = offset + payloadOffset(payloadBytes) + entry * BLOCK_BYTES;
  const end = Math.min(start + BLOCK_BYTES, offset + frameBytes(payloadBytes));
  return crc32(bytes.subarray(start, end), saltCrc);
}

/** An unsigned 64-bit number, written as two halves: no BigInt per frame. */
function putNumber(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % TWO_32, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_32), true);
}

function readNumber(view: DataView, offset: number): number | undefined {
  const high = view.getUint32(offset + 4, true);
  return high > MAX_SAFE_HIGH ? undefined : high * TWO_32 + view.getUint32(offset, true);
}
