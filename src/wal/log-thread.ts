/**
 * The log's own thread: drains the ring and sleeps in `Atomics.wait` while there is nothing to do. Synchronous
 * calls only, so that nothing of the log ever waits behind libuv's pool.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { assert, defined } from "../assert.ts";
import { FEW_FRAMES, LOOK_FOR_WORK_MS, LOOKS_A_TIME } from "../limits.ts";
import { createDiskVfs } from "../vfs/disk.ts";
import { CAN_POLL } from "./answer-port.ts";
import { AnswerRing, AnswerSender } from "./answer-ring.ts";
import { Drain } from "./drain.ts";
import { Ring } from "./ring.ts";
import { SyncWatch } from "./sync-watch.ts";
import type { LogThreadData } from "./thread-data.ts";
import { Closing, SpareGate, Word, type Words, wake } from "./words.ts";
import { LogWriter, type WriterPosition } from "./writer.ts";

function run(data: LogThreadData, port: MessagePort): void {
  const { words, segmentBytes } = data;
  const position = awaitPosition(words, port);
  if (position === undefined) return;
  const place = { vfs: createDiskVfs(), directory: data.directory, storeId: data.storeId };
  const gate = new SpareGate(words, segmentBytes, () => wake(words, Word.supplyWake));
  const answers = new AnswerSender(new AnswerRing(data.answerRing, words), words, data.answers);
  const now = (): number => performance.now();
  const watch = new SyncWatch(words, now);
  const drain = new Drain({
    ring: new Ring(data.ring, words),
    writer: new LogWriter(place, position, segmentBytes, (bytes) => gate.take(bytes), watch),
    gate,
    sync: data.sync,
    syncIntervalMs: data.syncIntervalMs,
    takeExternal: () => receiveImage(port),
    watch,
    answer: (answer) => answers.send(answer),
    canAnswer: () => answers.hasRoom,
    now,
  });
  for (;;) {
    let result = drain.step();
    if (result === "worked") {
      if (CAN_POLL && drain.lastFrames <= FEW_FRAMES) lookForWork(words);
      continue;
    }
    const generation = Atomics.load(words, Word.logWake);
    // Announced before looking once more: whoever puts something afterwards sees it and wakes this thread.
    Atomics.store(words, Word.logAsleep, 1);
    result = drain.step();
    if (result === "ended") return;
    if (result !== "worked") Atomics.wait(words, Word.logWake, generation, drain.dueIn);
    Atomics.store(words, Word.logAsleep, 0);
  }
}

/** Where the log goes on, once all of it was read; undefined if it will not. */
function awaitPosition(words: Words, port: MessagePort): WriterPosition | undefined {
  for (;;) {
    const generation = Atomics.load(words, Word.logWake);
    if (Atomics.load(words, Word.closing) === Closing.over) return undefined;
    // One checked edge: the main side sends it first.
    const received = receiveMessageOnPort(port);
    if (received !== undefined) return received.message as WriterPosition;
    Atomics.wait(words, Word.logWake, generation);
  }
}

/**
 * Who waits for a commit before sending the next sends it within microseconds, and a thread that sleeps takes
 * as long as a sync to wake. Bounded, so an idle log costs nothing.
 */
function lookForWork(words: Words): void {
  const until = performance.now() + LOOK_FOR_WORK_MS;
  const taken = Atomics.load(words, Word.tail);
  do {
    for (let look = 0; look < LOOKS_A_TIME; look++) if (Atomics.load(words, Word.head) !== taken) return;
  } while (performance.now() < until);
}

/** The main thread sends the image before it puts the command, so it is there. */
function receiveImage(port: MessagePort): Uint8Array {
  const received: unknown = receiveMessageOnPort(port)?.message;
  assert(received instanceof Uint8Array, "an external frame arrives before its command");
  return received;
}

// One checked edge: the data is what startThread was given.
run(workerData as LogThreadData, defined(parentPort, "this runs as a thread"));
