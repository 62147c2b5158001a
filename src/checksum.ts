/**
 * The two checksums of the format: CRC-32 (IEEE) for frames and blocks, SHA-256 for content addresses. Beside them the
 * seed of hash tables in memory, which no file ever shows.
 */
import { hash, randomInt } from "node:crypto";
import { crc32 as zlibCrc32 } from "node:zlib";

/** CRC-32 (IEEE) of the bytes, continuing from `seed`. Unsigned 32 bits. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}

/** SHA-256 of the bytes, or of the UTF-8 of a text: 32 bytes. */
export function sha256(bytes: Uint8Array | string): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

/** SHA-256 of the bytes: 64 lowercase hex digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** 32 bits that nobody outside this process knows. */
export const PROCESS_SEED = randomInt(2 ** 32) | 0;
