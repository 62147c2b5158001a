/**
 * The disk with nothing above it: the same commit packed with length and CRC, one synchronous write and one
 * `fdatasync` on the main thread. Either into a file of zeros written beforehand, so that a sync moves data
 * alone, or at the end of a growing file, where a sync also moves its length.
 *
 * Between rounds the frames are read back and the file is used anew from its start.
 */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { countFrames, frameOf } from "../support/frames.ts";
import { DURABILITY, expectEqual, type OpenSubject } from "../support/subject.ts";

export type FileKind = "preallocated" | "growing";

/** Zeros written beforehand; a round that needs more goes on growing the file. */
const DEFAULT_BYTES = 16 << 20;

export function rawWrite(kind: FileKind, shape: { chars?: number; bytes?: number } = {}): OpenSubject {
  return (directory) => {
    const path = join(directory, "raw");
    const file = openSync(path, "w");
    if (kind === "preallocated") writeZeros(file, shape.bytes ?? DEFAULT_BYTES);
    let position = 0;
    let written = 0;
    let counted = 0;
    return {
      name: `raw write, ${kind} file`,
      durability: DURABILITY.power,
      commit: (committer, step) => {
        const frame = frameOf(committer, step, shape.chars);
        writeSync(file, frame, 0, frame.length, position);
        fdatasyncSync(file);
        position += frame.length;
        written += 1;
      },
      settle: () => {
        counted += countFrames(path, position);
        expectEqual("frames of the raw file", counted, written);
        position = 0;
        if (kind === "growing") ftruncateSync(file, 0);
      },
      close: () => closeSync(file),
      verify: (steps) => {
        expectEqual(
          "frames read back",
          counted,
          steps.reduce((sum, step) => sum + step, 0),
        );
      },
    };
  };
}

export function writeZeros(file: number, bytes: number): void {
  const zeros = Buffer.alloc(Math.min(bytes, 1 << 20));
  for (let at = 0; at < bytes; at += zeros.length) {
    writeSync(file, zeros, 0, Math.min(zeros.length, bytes - at), at);
  }
  fdatasyncSync(file);
}
