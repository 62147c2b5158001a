/**
 * The least that a group commit on one thread can do: pack, CRC, gather what queued, one asynchronous write and
 * one asynchronous `fdatasync` per batch, answer all of them. No session, no compare-and-set, no chain, no
 * recovery. Into a file of zeros written beforehand or at the end of a growing one.
 */
import { close, fdatasync, ftruncateSync, openSync, write } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { countFrames, frameOf } from "../support/frames.ts";
import { DURABILITY, expectEqual, type OpenSubject } from "../support/subject.ts";
import { type FileKind, writeZeros } from "./raw-write.ts";

export function bareLoop(kind: FileKind, shape: { bytes: number } = { bytes: 0 }): OpenSubject {
  return (directory) => {
    const path = join(directory, "log");
    const file = openSync(path, "w");
    if (kind === "preallocated") writeZeros(file, shape.bytes);
    let frames: Buffer[] = [];
    let waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
    let running = false;
    let position = 0;
    let written = 0;
    let counted = 0;
    let syncs = 0;

    const flush = (): void => {
      const answered = waiting;
      const bytes = Buffer.concat(frames);
      frames = [];
      waiting = [];
      running = answered.length > 0;
      if (!running) return;
      const fail = (error: Error): void => {
        for (const { reject } of answered) reject(error);
      };
      write(file, bytes, 0, bytes.length, position, (writeError) => {
        if (writeError !== null) return fail(writeError);
        position += bytes.length;
        fdatasync(file, (syncError) => {
          if (syncError !== null) return fail(syncError);
          syncs += 1;
          written += answered.length;
          for (const { resolve } of answered) resolve();
          // The answered ones send their next first.
          setImmediate(flush);
        });
      });
    };

    return {
      name: `bare loop, ${kind} file`,
      durability: DURABILITY.power,
      commit: (committer, step) => {
        frames.push(frameOf(committer, step));
        return new Promise<void>((resolve, reject) => {
          waiting.push({ resolve, reject });
          if (running) return;
          running = true;
          setImmediate(flush);
        });
      },
      settle: () => {
        counted += countFrames(path, position);
        expectEqual("frames of the loop's file", counted, written);
        position = 0;
        if (kind === "growing") ftruncateSync(file, 0);
      },
      syncs: () => syncs,
      close: () => promisify(close)(file),
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
