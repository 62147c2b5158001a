/**
 * Finds the one bit whose flip explains a CRC-32 that does not fit: for people who read a report of damage.
 * Nothing is ever mended by it. CRC-32 is linear, so every bit changes the checksum by a pattern that depends
 * on its place alone; one walk from the last byte to the first meets them all.
 */
import { crc32 } from "./checksum.ts";

/** Bytes that are searched: eight steps a byte, and above it one bit is no likelier than many. */
const MAX_SEARCHED_BYTES = 32 * 1024 * 1024;
const POLYNOMIAL = 0xedb88320;

/** A bit, 0 = the lowest of its byte; `at` counts from the start of the bytes, -1 = in the checksum itself. */
export interface FlippedBit {
  readonly at: number;
  readonly bit: number;
}

/** The bit of `bytes` (or of `stored`) that was flipped, if one bit explains why `stored` is not their checksum. */
export function findFlippedBit(bytes: Uint8Array, seed: number, stored: number): FlippedBit | undefined {
  if (bytes.length > MAX_SEARCHED_BYTES) return undefined;
  const pattern = (crc32(bytes, seed) ^ stored) >>> 0;
  if (pattern === 0) return undefined;
  const inChecksum = Math.log2(pattern);
  if (Number.isInteger(inChecksum)) return { at: -1, bit: inChecksum };
  const table = crcTable();
  const changes = Array.from({ length: 8 }, (_, bit) => table[1 << bit] ?? 0);
  for (let at = bytes.length - 1; at >= 0; at--) {
    for (let bit = 0; bit < 8; bit++) {
      const change = changes[bit] ?? 0;
      if (change >>> 0 === pattern) return { at, bit };
      changes[bit] = (change >>> 8) ^ (table[change & 0xff] ?? 0);
    }
  }
  return undefined;
}

let made: Int32Array | undefined;

/** How each value of a byte changes the checksum when nothing follows it. */
function crcTable(): Int32Array {
  made ??= Int32Array.from({ length: 256 }, (_, byte) => {
    let change = byte;
    for (let step = 0; step < 8; step++) change = change & 1 ? (change >>> 1) ^ POLYNOMIAL : change >>> 1;
    return change;
  });
  return made;
}
