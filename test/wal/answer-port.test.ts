/** Answers of the log's thread: each once, in order, whether they are looked for or a message wakes the loop. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { POLL_MS, TAKEN_MS } from "../../src/limits.ts";
import { AnswerPort, CAN_POLL } from "../../src/wal/answer-port.ts";
import { ANSWER_RING_BYTES, AnswerRing, AnswerSender } from "../../src/wal/answer-ring.ts";
import type { Answer } from "../../src/wal/drain.ts";
import { WORD_COUNT, Word } from "../../src/wal/words.ts";

function port(): {
  words: Int32Array;
  port: AnswerPort;
  ring: AnswerRing;
  delivered: number[];
  post: (n: number) => void;
  /** An answer that the ring cannot carry; -1 once delivered. */
  postNotRolled: () => void;
  onDelivered: (fn: () => void) => void;
} {
  const words = new Int32Array(new SharedArrayBuffer(4 * WORD_COUNT));
  const delivered: number[] = [];
  let told = (): void => {};
  const ring = new AnswerRing(new SharedArrayBuffer(ANSWER_RING_BYTES), words);
  const made = new AnswerPort(ring, words, (answer) => {
    delivered.push(answer.kind === "batch" ? answer.frames : -1);
    told();
  });
  const sender = new AnswerSender(ring, words, made.remote);
  const post = (frames: number): void => {
    const answer: Answer = { kind: "batch", frames, segment: 1, offset: 0, room: 0 };
    sender.send(answer);
  };
  return {
    words,
    port: made,
    ring,
    delivered,
    post,
    postNotRolled: () => sender.send({ kind: "notRolled" }),
    onDelivered: (fn) => {
      told = fn;
    },
  };
}

/** So long somebody works who is told of an answer. */
const BUSY_MS = 1.5;

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

test("answers come once and in order when some are looked for and some come as events", async (t) => {
  const { port: made, delivered, post, onDelivered } = port();
  t.after(() => made.close());
  made.keepAlive(true);
  // What is told of an answer asks for the next, as a lone committer does.
  onDelivered(() => {
    const last = delivered.at(-1) ?? 0;
    if (last % 3 === 0) made.poll();
    if (last < 200) post(last + 1);
  });
  made.poll();
  post(1);
  for (let i = 0; i < 10_000 && delivered.length < 200; i++) await turns(1);
  assert.deepEqual(
    delivered,
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
});

test("an answer that is looked for is not delivered again as an event", async (t) => {
  const { port: made, delivered, post } = port();
  t.after(() => made.close());
  post(1);
  post(2);
  made.drain();
  assert.deepEqual(delivered, [1, 2]);
  await turns(20);
  assert.deepEqual(delivered, [1, 2]);
});

test("an answer that was posted comes in its place, and those behind it wake the loop", async (t) => {
  const { port: made, delivered, post, postNotRolled } = port();
  t.after(() => made.close());
  made.keepAlive(true);
  post(1);
  postNotRolled();
  post(2);
  // Looks past the wake-up of the first to get at the second.
  made.drain();
  assert.deepEqual(delivered, [1, -1, 2]);
  post(3);
  await turns(20);
  assert.deepEqual(delivered, [1, -1, 2, 3]);
});

test("answers that come while others are worked on have turns of their own, and need no message", async (t) => {
  const { port: made, delivered, post, onDelivered } = port();
  t.after(() => made.close());
  made.keepAlive(true);
  const last = 60;
  // Whoever is told goes on behind the delivery, still in its turn, and the log's thread has answered before he is done; a message
  // is on its way, as from a thread that asked just before the loop went on.
  onDelivered(() =>
    queueMicrotask(() => {
      made.remote.postMessage(undefined);
      if ((delivered.at(-1) ?? 0) < last) post((delivered.at(-1) ?? 0) + 1);
    }),
  );
  post(1);
  const most = await mostInATurn(delivered, last);
  assert.equal(delivered.length, last);
  assert.ok(most <= 2, `${most} answers in a turn`);
});

test("a wake-up that is passed over on the way to a posted answer costs nobody another", async (t) => {
  const { port: made, ring, words, delivered, post, postNotRolled } = port();
  t.after(() => made.close());
  made.keepAlive(true);
  // The log's thread is held up between its answer and the wake-up for it, and the loop takes the answer meanwhile.
  ring.put({ kind: "batch", frames: 1, segment: 1, offset: 0, room: 0 });
  made.drain();
  const store = Atomics.store;
  t.mock.method(Atomics, "store", (of: Int32Array, word: number, value: number) => {
    const stored = store(of, word, value);
    if (of !== words || word !== Word.awake || value !== 0) return stored;
    // It goes on right behind the word that the loop sleeps, and before the loop looks.
    t.mock.restoreAll();
    assert.equal(Atomics.exchange(words, Word.awake, 1), 0);
    made.remote.postMessage(undefined);
    postNotRolled();
    return stored;
  });
  made.remote.postMessage(undefined);
  await turns(20);
  assert.deepEqual(delivered, [1, -1]);
  post(2);
  await turns(20);
  assert.deepEqual(delivered, [1, -1, 2]);
});

test("an answer that comes when nobody looks any more wakes the loop", { skip: !CAN_POLL }, async (t) => {
  const { port: made, words, delivered, post } = port();
  t.after(() => made.close());
  made.keepAlive(true);
  Atomics.store(words, Word.syncMicros, 100);
  turningMs(t, made);
  post(1);
  await turns(20);
  assert.deepEqual(delivered, [1]);
});

test("who is awake is sent no message", (t) => {
  const { port: made, words, delivered, post } = port();
  t.after(() => made.close());
  const sent = t.mock.method(made.remote, "postMessage");
  post(1);
  post(2);
  assert.equal(sent.mock.callCount(), 1);
  made.drain();
  assert.deepEqual(delivered, [1, 2]);
  Atomics.store(words, Word.syncMicros, 100);
  t.mock.method(globalThis, "setImmediate", () => undefined);
  made.poll();
  post(3);
  assert.equal(sent.mock.callCount(), 1);
});

test("nobody looks for an answer while syncs are slow", (t) => {
  const { port: made, words } = port();
  t.after(() => made.close());
  const looks = t.mock.method(globalThis, "setImmediate", () => undefined);
  Atomics.store(words, Word.syncMicros, 10_000);
  made.poll();
  assert.equal(looks.mock.callCount(), 0);
  Atomics.store(words, Word.syncMicros, 100);
  made.poll();
  assert.equal(looks.mock.callCount(), CAN_POLL ? 1 : 0);
});

/** Turns the loop until so many are delivered; the most that came in one turn. */
async function mostInATurn(delivered: readonly number[], last: number): Promise<number> {
  let most = 0;
  for (let i = 0; i < 10_000 && delivered.length < last; i++) {
    const before = delivered.length;
    await turns(1);
    most = Math.max(most, delivered.length - before);
  }
  return most;
}

/** Milliseconds that the loop is kept turning for an answer that never comes, by a clock that each look moves on. */
function turningMs(t: TestContext, made: AnswerPort): number {
  const waiting: (() => void)[] = [];
  t.mock.method(globalThis, "setImmediate", (look: () => void) => waiting.push(look));
  let now = 0;
  t.mock.method(performance, "now", () => {
    now += 0.001;
    return now;
  });
  made.poll();
  for (let look = waiting.shift(); look !== undefined; look = waiting.shift()) look();
  t.mock.reset();
  return now;
}

test("the loop sleeps when the log's thread has not taken a frame in time", { skip: !CAN_POLL }, (t) => {
  const { port: made, words } = port();
  t.after(() => made.close());
  Atomics.store(words, Word.syncMicros, 200);
  Atomics.store(words, Word.head, 64);
  const untaken = turningMs(t, made);
  assert.ok(untaken > TAKEN_MS && untaken < TAKEN_MS + 0.01, `${untaken} ms`);
});

test("the loop sleeps when an answer takes longer than the newest sync lets expect", {
  skip: !CAN_POLL,
}, (t) => {
  const { port: made, words } = port();
  t.after(() => made.close());
  Atomics.store(words, Word.syncMicros, 100);
  const taken = turningMs(t, made);
  assert.ok(taken > 0.1 + TAKEN_MS && taken < 0.2 + TAKEN_MS, `${taken} ms`);
  Atomics.store(words, Word.syncMicros, 250);
  const slow = turningMs(t, made);
  assert.ok(slow > taken && slow < POLL_MS, `${slow} ms`);
});

test("a frame that is handed over while an answer is delivered is looked for as well", {
  skip: !CAN_POLL,
}, (t) => {
  const { port: made, delivered, post, onDelivered } = port();
  t.after(() => made.close());
  const waiting: (() => void)[] = [];
  t.mock.method(globalThis, "setImmediate", (look: () => void) => waiting.push(look));
  onDelivered(() => made.poll());
  made.poll();
  post(1);
  waiting.shift()?.();
  assert.deepEqual(delivered, [1]);
  assert.equal(waiting.length, 1);
});

test("answers that answers bring about come in turns of their own, so that the loop goes on turning", async (t) => {
  const { port: made, delivered, post, onDelivered } = port();
  t.after(() => made.close());
  made.keepAlive(true);
  const last = 60;
  // Whoever is told works on it and commits again, and the log's thread has answered before he is done.
  onDelivered(() => {
    const until = performance.now() + BUSY_MS;
    while (performance.now() < until);
    const newest = delivered.at(-1) ?? 0;
    if (newest < last) post(newest + 1);
  });
  post(1);
  const most = await mostInATurn(delivered, last);
  assert.deepEqual(
    delivered,
    Array.from({ length: last }, (_, i) => i + 1),
  );
  // One, and one in a turn that the test did not see.
  assert.ok(most <= 2, `${most} answers in a turn`);
});
