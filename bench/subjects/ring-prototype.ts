/**
 * What is possible: the log on a thread of its own and nothing else. The main thread packs, adds a CRC and copies
 * into a shared ring; the thread sleeps on it, writes what is there into a file of zeros, syncs, and answers by
 * one message per batch. No session, no compare-and-set, no chain, no recovery: the limit that the store is
 * held against, not something to use.
 */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { countFrames, frameOf } from "../support/frames.ts";
import { DURABILITY, expectEqual, type OpenSubject } from "../support/subject.ts";
import { writeZeros } from "./raw-write.ts";

const RING_BYTES = 8 << 20;
/** Words in front of the ring: end of what was put, stop, rewind. */
const [PUT, STOP, REWIND] = [0, 1, 2];
const WORDS_BYTES = 64;

/** Positions are 32-bit counters that wrap; the ring's size divides their range. */
const THREAD = `
const { workerData, parentPort } = require("node:worker_threads");
const { writeSync, fdatasyncSync } = require("node:fs");
const { shared, file } = workerData;
const words = new Int32Array(shared, 0, ${WORDS_BYTES / 4});
const ring = new Uint8Array(shared, ${WORDS_BYTES});
let taken = 0;
let position = 0;
for (;;) {
  const put = Atomics.load(words, ${PUT});
  if (put === taken) {
    if (Atomics.load(words, ${STOP}) === 1) break;
    // The second is for a stop that came between the look and the sleep.
    Atomics.wait(words, ${PUT}, put, 1000);
    continue;
  }
  if (Atomics.exchange(words, ${REWIND}, 0) === 1) position = 0;
  const from = taken & ${RING_BYTES - 1};
  const length = (put - taken) | 0;
  const first = Math.min(length, ${RING_BYTES} - from);
  writeSync(file, ring, from, first, position);
  if (first < length) writeSync(file, ring, 0, length - first, position + first);
  position += length;
  fdatasyncSync(file);
  taken = put;
  parentPort.postMessage(put);
}
`;

export function ringPrototype(shape: { bytes: number }): OpenSubject {
  return async (directory) => {
    const path = join(directory, "log");
    const file = openSync(path, "w");
    writeZeros(file, shape.bytes);
    const shared = new SharedArrayBuffer(WORDS_BYTES + RING_BYTES);
    const words = new Int32Array(shared, 0, WORDS_BYTES / 4);
    const ring = new Uint8Array(shared, WORDS_BYTES);
    const thread = new Worker(THREAD, { eval: true, workerData: { shared, file } });
    const ended = new Promise<void>((resolve) => thread.once("exit", () => resolve()));
    const waiting: { end: number; resolve: () => void }[] = [];
    let put = 0;
    let durable = 0;
    let position = 0;
    let written = 0;
    let counted = 0;
    let syncs = 0;
    thread.on("message", (end: number) => {
      durable = end;
      syncs += 1;
      let answered = 0;
      for (const one of waiting) {
        if (((one.end - end) | 0) > 0) break;
        answered += 1;
        one.resolve();
      }
      waiting.splice(0, answered);
      written += answered;
    });
    return {
      name: "ring prototype",
      durability: DURABILITY.power,
      commit: (committer, step) => {
        const frame = frameOf(committer, step);
        if (((put - durable) | 0) + frame.length > RING_BYTES)
          throw new Error("the prototype's ring is full");
        const from = put & (RING_BYTES - 1);
        const first = Math.min(frame.length, RING_BYTES - from);
        ring.set(frame.subarray(0, first), from);
        ring.set(frame.subarray(first), 0);
        put = (put + frame.length) | 0;
        position += frame.length;
        Atomics.store(words, PUT, put);
        Atomics.notify(words, PUT);
        return new Promise<void>((resolve) => waiting.push({ end: put, resolve }));
      },
      settle: () => {
        counted += countFrames(path, position);
        expectEqual("frames of the prototype's file", counted, written);
        position = 0;
        Atomics.store(words, REWIND, 1);
      },
      syncs: () => syncs,
      close: async () => {
        Atomics.store(words, STOP, 1);
        Atomics.notify(words, PUT);
        await ended;
        closeSync(file);
      },
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
