/**
 * The frames that baselines write: length, CRC, packed commit. Just enough that a log is one; no chain, no LSN,
 * no recovery.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { crc32 } from "node:zlib";
import type { RuntimeCommit } from "../../src/index.ts";
import { commitOf, sessionOf } from "./commits.ts";

const HEADER_BYTES = 8;
const CHUNK_BYTES = 1 << 20;
/** The store's own msgpackr: looked up from above bench/, where peers may bring another version. */
const { Packr } = createRequire(new URL("../../", import.meta.url))("msgpackr") as typeof import("msgpackr");
const packr = new Packr({ useRecords: false });

/** The commit built, packed and framed. */
export function frameOf(committer: number, step: number, chars?: number): Buffer {
  const packed = packr.pack(commitOf(sessionOf(committer), step, chars));
  const frame = Buffer.allocUnsafe(HEADER_BYTES + packed.length);
  frame.writeUInt32LE(packed.length, 0);
  frame.writeUInt32LE(crc32(packed), 4);
  frame.set(packed, HEADER_BYTES);
  return frame;
}

/** Bytes of a commit as baselines write it, without the frame. */
export function packedBytes(commit: RuntimeCommit): number {
  return packr.pack(commit).length;
}

/** How many whole frames with a right CRC the first so many bytes of a file hold. */
export function countFrames(path: string, bytes: number): number {
  const file = openSync(path, "r");
  try {
    let count = 0;
    let rest = Buffer.alloc(0);
    for (let at = 0; at < bytes; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytes - at));
      const read = readSync(file, chunk, 0, chunk.length, at);
      if (read === 0) break;
      at += read;
      const whole = Buffer.concat([rest, chunk.subarray(0, read)]);
      let start = 0;
      while (whole.length - start >= HEADER_BYTES) {
        const length = whole.readUInt32LE(start);
        const end = start + HEADER_BYTES + length;
        if (length === 0 || end > whole.length) break;
        if (crc32(whole.subarray(start + HEADER_BYTES, end)) !== whole.readUInt32LE(start + 4)) return count;
        count += 1;
        start = end;
      }
      rest = whole.subarray(start);
    }
    return count;
  } finally {
    closeSync(file);
  }
}
