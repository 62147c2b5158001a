/**
 * Makes the checksums of damaged files right again, by the offsets of docs/format.md and not by the code under
 * test: so that what lies behind a checksum is reached as well, as by a bug or by somebody.
 */
import { crc32 } from "node:zlib";

const GUARD = Buffer.from([0x0d, 0xf0, 0xc3, 0xa5]);
const FRAME_HEADER_BYTES = 48;
const LONG_FROM_BYTES = 8192;
const BLOCK_FILE_HEADER_BYTES = 64;

/** A u32 at `at` becomes the checksum of `from` to `to`. */
export function honestCrc(bytes: Buffer, at: number, from: number, to: number): void {
  if (at + 4 <= bytes.length) bytes.writeUInt32LE(crc32(bytes.subarray(from, to)), at);
}

/** Every short frame behind a guard word. `seed`: the checksum of the segment's salt. */
export function honestFrames(bytes: Buffer, seed: number): void {
  for (let guard = bytes.indexOf(GUARD); guard >= 0; guard = bytes.indexOf(GUARD, guard + 1)) {
    const start = guard - 44;
    if (start < 0 || start % 8 !== 0 || start + FRAME_HEADER_BYTES > bytes.length) continue;
    const payload = bytes.readUInt32LE(start + 4);
    const end = start + FRAME_HEADER_BYTES + 8 * Math.ceil(payload / 8);
    if (payload > LONG_FROM_BYTES || end > bytes.length) continue;
    bytes.writeUInt32LE(crc32(bytes.subarray(start + 4, end), seed), start);
  }
}

/**
 * Header, trailer, the footer's block, and the blocks one behind the other in front of it. Of most files magic,
 * version, UUID and number are those of `like` again: otherwise hardly any would be looked into.
 */
export function honestBlockFile(bytes: Buffer, like: Uint8Array | undefined): void {
  if (bytes.length < 2 * BLOCK_FILE_HEADER_BYTES) return;
  const trailer = bytes.length - BLOCK_FILE_HEADER_BYTES;
  if (like !== undefined && bytes.length % 8 !== 0) {
    bytes.set(like.subarray(0, 60), 0);
    bytes.set(like.subarray(-BLOCK_FILE_HEADER_BYTES).subarray(0, 8), trailer);
    bytes.set(like.subarray(-BLOCK_FILE_HEADER_BYTES).subarray(32, 60), trailer + 32);
  }
  bytes.writeBigUInt64LE(BigInt(bytes.length), trailer + 24);
  honestCrc(bytes, 60, 0, 60);
  let at = BLOCK_FILE_HEADER_BYTES;
  while (at + 8 <= trailer) {
    const length = Math.min(bytes.readUInt32LE(at), trailer - at - 8);
    bytes.writeUInt32LE(length, at);
    const payload = bytes.subarray(at + 8, at + 8 + length);
    bytes.writeUInt32LE(crc32(payload, crc32(bytes.subarray(at, at + 4))), at + 4);
    // The last block is the footer.
    if (at + 8 + length === trailer) {
      bytes.writeBigUInt64LE(BigInt(at), trailer + 8);
      bytes.writeBigUInt64LE(BigInt(length), trailer + 16);
    }
    at += 8 + length;
  }
  honestCrc(bytes, trailer + 60, trailer, trailer + 60);
}

export function honestManifest(bytes: Buffer): void {
  if (bytes.length < 24) return;
  bytes.writeUInt32LE(bytes.length - 24, 12);
  bytes.writeUInt32LE(0, 20);
  bytes.writeUInt32LE(crc32(bytes.subarray(24), crc32(bytes.subarray(0, 16))), 16);
}
