/**
 * A segment seen from outside: its name, its 4096-byte header, and the payload of the LINK that is its first
 * frame. Pure. It deliberately does not open files.
 *
 * 1. The header is one physical block and shares it with no frame.
 * 2. A file whose size differs from the declared one is damage, never a tail.
 * 3. The salt is new for every incarnation of a file; LINK names the predecessor by number *and* salt.
 */
import { crc32 } from "../checksum.ts";
import type { Lsn } from "../ids.ts";
import { MIB } from "../limits.ts";
import { FRAME_HEADER_BYTES, frameBytes, GROUP_END_BYTES } from "./frame.ts";

export const SEGMENT_HEADER_BYTES = 4096;
export const SEGMENT_FORMAT_VERSION = 1;
/** Bytes that stay free behind the last group, so that a SEAL always fits without a new segment. */
export const SEAL_RESERVE_BYTES = FRAME_HEADER_BYTES + GROUP_END_BYTES;
export const LINK_PAYLOAD_BYTES = 40;
export const LINK_BYTES = frameBytes(LINK_PAYLOAD_BYTES);
/** Where the first DATA frame of a linked segment lies. */
export const FIRST_DATA_AT = SEGMENT_HEADER_BYTES + LINK_BYTES;
/** Largest file that can be a segment: one frame of the largest size in a segment of its own. */
export const MAX_FILE_BYTES = 1100 * MIB;

/** CR LF and 0x1A catch a file that went through a text-mode copy. */
const MAGIC = Buffer.from([0x56, 0x52, 0x56, 0x57, 0x0d, 0x0a, 0x1a, 0x0a]);
const ALGORITHM_CRC32 = 1;

const VERSION_AT = 8;
const HEADER_SIZE_AT = 10;
const ALGORITHM_AT = 12;
const FLAGS_AT = 13;
const STORE_ID_AT = 16;
const NUMBER_AT = 32;
const SALT_AT = 40;
const FILE_BYTES_AT = 48;
const CREATED_AT = 56;
const CRC_AT = SEGMENT_HEADER_BYTES - 4;

const NAME = /^([0-9a-f]{16})\.wal$/;

export interface SegmentHeader {
  readonly storeId: Uint8Array;
  readonly number: number;
  readonly salt: bigint;
  readonly fileBytes: number;
  /** Milliseconds since the Unix epoch; information only. */
  readonly createdAt: number;
}

export function segmentName(number: number): string {
  return `${number.toString(16).padStart(16, "0")}.wal`;
}

/** The number in a segment's file name; undefined for any other name. */
export function segmentNumber(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  if (digits === undefined) return undefined;
  const number = Number.parseInt(digits, 16);
  return Number.isSafeInteger(number) ? number : undefined;
}

export function encodeHeader(header: SegmentHeader): Uint8Array {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(SEGMENT_FORMAT_VERSION, VERSION_AT);
  bytes.writeUInt16LE(SEGMENT_HEADER_BYTES, HEADER_SIZE_AT);
  bytes.writeUInt8(ALGORITHM_CRC32, ALGORITHM_AT);
  bytes.set(header.storeId, STORE_ID_AT);
  bytes.writeBigUInt64LE(BigInt(header.number), NUMBER_AT);
  bytes.writeBigUInt64LE(header.salt, SALT_AT);
  bytes.writeBigUInt64LE(BigInt(header.fileBytes), FILE_BYTES_AT);
  bytes.writeBigUInt64LE(BigInt(header.createdAt), CREATED_AT);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

/** What a header says, or why it cannot be one; a newer format version is told apart from damage. */
export type DecodedHeader =
  | { readonly kind: "header"; readonly header: SegmentHeader }
  | { readonly kind: "newer"; readonly version: number }
  | { readonly kind: "bad"; readonly reason: string };

export function decodeHeader(source: Uint8Array): DecodedHeader {
  if (source.length < SEGMENT_HEADER_BYTES) return bad("it is shorter than a header");
  const bytes = Buffer.from(source.buffer, source.byteOffset, SEGMENT_HEADER_BYTES);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return bad("the magic number is wrong");
  if (crc32(bytes.subarray(0, CRC_AT)) !== bytes.readUInt32LE(CRC_AT))
    return bad("the checksum of its header is wrong");
  const version = bytes.readUInt16LE(VERSION_AT);
  const known = bytes.readUInt8(ALGORITHM_AT) === ALGORITHM_CRC32 && bytes.readUInt8(FLAGS_AT) === 0;
  if (version !== SEGMENT_FORMAT_VERSION || !known) return { kind: "newer", version };
  const number = Number(bytes.readBigUInt64LE(NUMBER_AT));
  const fileBytes = Number(bytes.readBigUInt64LE(FILE_BYTES_AT));
  if (!Number.isSafeInteger(number) || fileBytes > MAX_FILE_BYTES) return bad("its header is out of bounds");
  return {
    kind: "header",
    header: {
      storeId: Uint8Array.from(bytes.subarray(STORE_ID_AT, NUMBER_AT)),
      number,
      salt: bytes.readBigUInt64LE(SALT_AT),
      fileBytes,
      createdAt: Number(bytes.readBigUInt64LE(CREATED_AT)),
    },
  };
}

/** The salt field of a header that does not verify: enough to ask whether frames of it do. */
export function saltField(source: Uint8Array): bigint {
  return Buffer.from(source.buffer, source.byteOffset, source.byteLength).readBigUInt64LE(SALT_AT);
}

/** Where a segment's predecessor ends: the last frame there has this LSN and checksum. */
export interface Link {
  readonly previousSegment: number;
  readonly previousSalt: bigint;
  readonly lsn: Lsn;
  readonly crc: number;
  readonly end: number;
}

export function encodeLink(link: Link): Uint8Array {
  const bytes = Buffer.alloc(LINK_PAYLOAD_BYTES);
  bytes.writeBigUInt64LE(BigInt(link.previousSegment), 0);
  bytes.writeBigUInt64LE(link.previousSalt, 8);
  bytes.writeBigUInt64LE(BigInt(link.lsn), 16);
  bytes.writeBigUInt64LE(BigInt(link.end), 24);
  bytes.writeUInt32LE(link.crc, 32);
  return bytes;
}

export function decodeLink(source: Uint8Array): Link | undefined {
  if (source.length !== LINK_PAYLOAD_BYTES) return undefined;
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  return {
    previousSegment: Number(bytes.readBigUInt64LE(0)),
    previousSalt: bytes.readBigUInt64LE(8),
    lsn: Number(bytes.readBigUInt64LE(16)),
    end: Number(bytes.readBigUInt64LE(24)),
    crc: bytes.readUInt32LE(32),
  };
}

/** Whether a segment of that size, filled up to `offset`, takes `bytes` more and still a SEAL. */
export function fits(offset: number, bytes: number, fileBytes: number): boolean {
  return offset + bytes + SEAL_RESERVE_BYTES <= fileBytes;
}

/** Size of the segment that a frame of `bytes` needs: the usual one, or one of its own. */
export function segmentBytesFor(bytes: number, segmentBytes: number): number {
  if (fits(FIRST_DATA_AT, bytes, segmentBytes)) return segmentBytes;
  const needed = FIRST_DATA_AT + bytes + SEAL_RESERVE_BYTES;
  return Math.ceil(needed / SEGMENT_HEADER_BYTES) * SEGMENT_HEADER_BYTES;
}

function bad(reason: string): DecodedHeader {
  return { kind: "bad", reason };
}
