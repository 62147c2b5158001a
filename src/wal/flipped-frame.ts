/** Finds the one bit that keeps a frame from verifying, for reports; mends nothing on disk. Pure. */
import { crc32 } from "../checksum.ts";
import { findFlippedBit } from "../flipped-bit.ts";
import {
  BLOCK_BYTES,
  FRAME_HEADER_BYTES,
  frameBytes,
  type Image,
  MAX_PAYLOAD_BYTES,
  payloadOffset,
} from "./frame.ts";

/** A bit of the segment file: `offset` of its byte, `bit` 0 = the lowest. */
export interface FlippedFrameBit {
  readonly offset: number;
  readonly bit: number;
}

const LENGTH_AT = 4;
const LENGTH_BITS = 32;

/** The bit that, flipped back, makes the frame at `offset` verify and end by `limit`. */
export function flippedBitOfFrame(
  image: Image,
  offset: number,
  limit: number,
  seed: number,
): FlippedFrameBit | undefined {
  if (offset + FRAME_HEADER_BYTES > limit) return undefined;
  const length = image.view.getUint32(offset + LENGTH_AT, true);
  return bitOfHead(image, offset, length, limit, seed) ?? bitOfLength(image, offset, length, limit, seed);
}

function bitOfHead(
  image: Image,
  offset: number,
  length: number,
  limit: number,
  seed: number,
): FlippedFrameBit | undefined {
  if (length > MAX_PAYLOAD_BYTES || offset + frameBytes(length) > limit) return undefined;
  const covered = image.bytes.subarray(offset + LENGTH_AT, headEnd(offset, length));
  const stored = image.view.getUint32(offset, true);
  if (crc32(covered, seed) === stored) return bitOfBlock(image, offset, length, seed);
  const found = findFlippedBit(covered, seed, stored);
  // A flipped length covers other bytes than were summed; that is asked separately.
  if (found === undefined || (found.at >= 0 && found.at < LENGTH_AT)) return undefined;
  return found.at < 0
    ? { offset: offset + (found.bit >>> 3), bit: found.bit & 7 }
    : { offset: offset + LENGTH_AT + found.at, bit: found.bit };
}

function bitOfLength(
  image: Image,
  offset: number,
  length: number,
  limit: number,
  seed: number,
): FlippedFrameBit | undefined {
  const stored = image.view.getUint32(offset, true);
  for (let bit = 0; bit < LENGTH_BITS; bit++) {
    const other = (length ^ (1 << bit)) >>> 0;
    if (other > MAX_PAYLOAD_BYTES || offset + frameBytes(other) > limit) continue;
    const covered = Buffer.from(image.bytes.subarray(offset + LENGTH_AT, headEnd(offset, other)));
    covered.writeUInt32LE(other, 0);
    if (crc32(covered, seed) === stored) return { offset: offset + LENGTH_AT + (bit >>> 3), bit: bit & 7 };
  }
  return undefined;
}

/** The head is whole, so a block of a long payload is not what the table says. */
function bitOfBlock(image: Image, offset: number, length: number, seed: number): FlippedFrameBit | undefined {
  if (length <= BLOCK_BYTES) return undefined;
  let only: FlippedFrameBit | undefined;
  const end = offset + frameBytes(length);
  const first = offset + payloadOffset(length);
  for (let at = first, entry = 0; at < end; at += BLOCK_BYTES, entry++) {
    const block = image.bytes.subarray(at, Math.min(at + BLOCK_BYTES, end));
    const stored = image.view.getUint32(offset + FRAME_HEADER_BYTES + 4 * entry, true);
    if (crc32(block, seed) === stored) continue;
    const found = findFlippedBit(block, seed, stored);
    // The table is covered by the head's checksum, so the bit lies in the block; two bad blocks are two bits.
    if (found === undefined || found.at < 0 || only !== undefined) return undefined;
    only = { offset: at + found.at, bit: found.bit };
  }
  return only;
}

/** The payload of the frame at `offset` with that bit as it was. */
export function mendedPayload(
  image: Image,
  offset: number,
  { offset: at, bit }: FlippedFrameBit,
): Uint8Array {
  const head = Buffer.from(image.bytes.subarray(offset, offset + FRAME_HEADER_BYTES));
  if (at < offset + FRAME_HEADER_BYTES) head[at - offset] = (head[at - offset] ?? 0) ^ (1 << bit);
  const length = head.readUInt32LE(LENGTH_AT);
  const start = offset + payloadOffset(length);
  const payload = Buffer.from(image.bytes.subarray(start, start + length));
  if (at >= start && at < start + length) payload[at - start] = (payload[at - start] ?? 0) ^ (1 << bit);
  return payload;
}

function headEnd(offset: number, length: number): number {
  return offset + (length > BLOCK_BYTES ? payloadOffset(length) : frameBytes(length));
}
