/**
 * The supply's own thread: makes spares ahead of the log at a pace that leaves the disk to commits, and as
 * fast as it can while the log waits.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { defined } from "../assert.ts";
import { errorToData, storeError } from "../errors.ts";
import { MIB } from "../limits.ts";
import { createDiskVfs } from "../vfs/disk.ts";
import { randomSalt } from "./files.ts";
import { RETRY_MS } from "./inline-host.ts";
import { type Retirement, Supply } from "./supply.ts";
import type { SupplyThreadData } from "./thread-data.ts";
import { Closing, Word, type Words } from "./words.ts";

/** Zeros written per second while a spare is left: a commit's sync never waits behind a large one. */
const PACE_BYTES_PER_MS = (32 * MIB) / 1000;

function run(data: SupplyThreadData, port: MessagePort): void {
  const { words, segmentBytes } = data;
  const place = { vfs: createDiskVfs(), directory: data.directory, storeId: data.storeId };
  const source = { segmentBytes, salt: randomSalt, wall: () => Date.now() };
  const supply = new Supply(place, source, words, data, (bytes) => pause(words, bytes));
  for (;;) {
    const generation = Atomics.load(words, Word.supplyWake);
    if (isOver(words)) return;
    for (;;) {
      const received = receiveMessageOnPort(port);
      if (received === undefined) break;
      // One checked edge: the main side posts nothing else.
      supply.retire(received.message as Retirement);
    }
    const turn = supply.turn();
    if (turn === "more") continue;
    const starved = Atomics.load(words, Word.starved) === 1;
    Atomics.wait(words, Word.supplyWake, generation, turn === "down" && starved ? RETRY_MS : undefined);
  }
}

function isOver(words: Words): boolean {
  return Atomics.load(words, Word.closing) === Closing.over;
}

function pause(words: Words, bytes: number): void {
  if (isOver(words)) throw storeError("ABORTED", {}, "the log was closed while a spare was being made");
  const isUrgent = Atomics.load(words, Word.spares) === 0;
  if (!isUrgent) Atomics.wait(words, Word.starved, 0, bytes / PACE_BYTES_PER_MS);
}

const port = defined(parentPort, "this runs as a thread");
try {
  run(workerData as SupplyThreadData, port);
} catch (error) {
  port.postMessage(errorToData(error));
}
