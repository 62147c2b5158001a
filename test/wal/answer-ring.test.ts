/** The ring of answers: full, around its end, and between two threads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type MessagePort, Worker } from "node:worker_threads";
import { AnswerPort } from "../../src/wal/answer-port.ts";
import { AnswerRing, AnswerSender } from "../../src/wal/answer-ring.ts";
import type { Answer } from "../../src/wal/drain.ts";
import { WORD_COUNT, Word } from "../../src/wal/words.ts";
import { answerAt } from "./answer-thread.ts";

const SLOT_BYTES = 16;

function ringOf(slots: number): {
  ring: AnswerRing;
  words: Int32Array<SharedArrayBuffer>;
  buffer: SharedArrayBuffer;
} {
  const words = new Int32Array(new SharedArrayBuffer(4 * WORD_COUNT));
  const buffer = new SharedArrayBuffer(slots * SLOT_BYTES);
  return { ring: new AnswerRing(buffer, words), words, buffer };
}

test("answers come out as they went in, around the end of the ring and of what a word counts", () => {
  const { ring, words } = ringOf(4);
  Atomics.store(words, Word.answers, 0x7fff_fffe);
  Atomics.store(words, Word.taken, 0x7fff_fffe);
  for (let i = 1; i < 20; i++) {
    const answer: Answer = { kind: "batch", frames: i, segment: i * 3, offset: 2 ** 30 - i, room: -i };
    ring.put(answer);
    assert.deepEqual(ring.take(), answer);
    ring.put({ kind: "notRolled" });
    assert.equal(ring.take(), "posted");
    assert.equal(ring.take(), undefined);
  }
});

test("the log's thread is woken when there is room again for all that one step says, and only then", () => {
  const { ring, words } = ringOf(8);
  const isAsleep = (): boolean => Atomics.load(words, Word.logAsleep) === 1;
  let puts = 0;
  for (; ring.hasRoom; puts++) ring.put({ kind: "batch", frames: 1, segment: 1, offset: 0, room: 0 });
  assert.equal(puts, 8 - 2, "a step may say three things");
  Atomics.store(words, Word.logAsleep, 1);
  const generation = Atomics.load(words, Word.logWake);
  ring.take();
  assert.equal(ring.hasRoom, true);
  assert.equal(isAsleep(), false);
  assert.equal(Atomics.load(words, Word.logWake), generation + 1);
  Atomics.store(words, Word.logAsleep, 1);
  ring.take();
  assert.equal(isAsleep(), true, "it had room");
});

test("a thread that fills the ring while one is taken, and goes to sleep, is woken", (t) => {
  const { ring, words } = ringOf(8);
  const answer: Answer = { kind: "batch", frames: 1, segment: 1, offset: 0, room: 0 };
  while (ring.hasRoom) ring.put(answer);
  ring.take();
  const store = Atomics.store;
  t.mock.method(Atomics, "store", (of: Int32Array, word: number, value: number) => {
    if (word !== Word.taken) return store(of, word, value);
    t.mock.restoreAll();
    assert.equal(ring.hasRoom, true);
    ring.put(answer);
    assert.equal(ring.hasRoom, false);
    store(words, Word.logAsleep, 1);
    return store(of, word, value);
  });
  ring.take();
  assert.equal(Atomics.load(words, Word.logAsleep), 0);
});

test("what an answer says is there before it counts, and the wake-up comes behind", () => {
  const { ring, words } = ringOf(8);
  const posted: unknown[] = [];
  const post = (message: unknown): void => void posted.push([message, ring.length]);
  const sender = new AnswerSender(ring, words, { postMessage: post });
  sender.send({ kind: "notRolled" });
  assert.deepEqual(posted, [
    [{ kind: "notRolled" }, 0],
    [undefined, 1],
  ]);
});

test("nothing is overwritten", () => {
  const { ring } = ringOf(4);
  for (let i = 0; i < 4; i++) ring.put({ kind: "notRolled" });
  assert.throws(() => ring.put({ kind: "notRolled" }), /place/);
});

// As in `thread-data.ts`: a worker's `.ts` entry needs a bootstrap.
const BOOTSTRAP = `
  const { entry } = require("node:worker_threads").workerData;
  const load = require("node:module").createRequire(entry);
  try { load("tsx/cjs/api").register(); } catch {}
  load(entry);
`;

function answering(buffer: SharedArrayBuffer, words: Int32Array, port: MessagePort, count: number): Worker {
  const entry = fileURLToPath(new URL("./answer-thread.ts", import.meta.url));
  const workerData = { entry, buffer, words, port, count };
  return new Worker(BOOTSTRAP, { eval: true, execArgv: [], transferList: [port], workerData });
}

test("between two threads every answer comes once and in order, however full the ring is and whoever looks", {
  // A wake-up that is lost is waited for.
  timeout: 60_000,
}, async (t) => {
  const COUNT = 20_000;
  const { ring, words, buffer } = ringOf(8);
  Atomics.store(words, Word.syncMicros, 100);
  let next = 0;
  const wrong: string[] = [];
  let done = (): void => {};
  const ended = new Promise<void>((resolve) => {
    done = resolve;
  });
  const port = new AnswerPort(ring, words, (answer) => {
    const expected = JSON.stringify(answerAt(next++));
    if (JSON.stringify(answer) !== expected && wrong.length < 5)
      wrong.push(`${JSON.stringify(answer)} instead of ${expected}`);
    // Now and then it looks for the next, is busy, or just sleeps.
    if (next % 7 === 0) port.poll();
    if (next % 501 === 0) for (const until = performance.now() + 2; performance.now() < until; );
    if (next === COUNT) done();
  });
  port.keepAlive(true);
  const worker = answering(buffer, words, port.remote, COUNT);
  worker.on("error", (error) => {
    wrong.push(String(error));
    done();
  });
  t.after(async () => {
    port.close();
    await worker.terminate();
  });
  await ended;
  assert.deepEqual(wrong, []);
  assert.equal(next, COUNT);
});
