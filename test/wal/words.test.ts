/** The words that threads share: who sleeps is woken, who is awake is left alone, and a segment has one owner. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { askAgain, Closing, SpareGate, WORD_COUNT, Word, wake, wakeLog } from "../../src/wal/words.ts";

const SEGMENT_BYTES = 65_536;
const LARGE_BYTES = SEGMENT_BYTES + 8;

function sharedWords(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * WORD_COUNT));
}

/** The log's gate; the test is the supply, and counts how often it is woken. */
function gated(): { words: Int32Array; gate: SpareGate; wakeUps: () => number } {
  const words = sharedWords();
  let wakeUps = 0;
  const gate = new SpareGate(words, SEGMENT_BYTES, () => {
    wakeUps += 1;
  });
  return { words, gate, wakeUps: () => wakeUps };
}

test("a wake-up changes the word that is waited on, and wakes who waits on it", (t) => {
  const words = sharedWords();
  const notified = t.mock.method(Atomics, "notify");
  wake(words, Word.supplyWake);
  wake(words, Word.supplyWake);
  assert.equal(words[Word.supplyWake], 2);
  assert.deepEqual(
    notified.mock.calls.map(({ arguments: [, word] }) => word),
    [Word.supplyWake, Word.supplyWake],
  );
});

test("the log's thread is woken once when it sleeps, and not at all when it works", (t) => {
  const words = sharedWords();
  const notified = t.mock.method(Atomics, "notify");
  wakeLog(words);
  assert.deepEqual([words[Word.logWake], notified.mock.callCount()], [0, 0]);
  words[Word.logAsleep] = 1;
  wakeLog(words);
  wakeLog(words);
  assert.deepEqual([words[Word.logWake], words[Word.logAsleep], notified.mock.callCount()], [1, 0, 1]);
});

test("a spare is taken once, and the supply learns of it and of a log that waits, each once", () => {
  const { words, gate, wakeUps } = gated();
  words[Word.spares] = 2;
  assert.deepEqual([gate.take(SEGMENT_BYTES), words[Word.spares], wakeUps()], [true, 1, 1]);
  assert.deepEqual([gate.take(SEGMENT_BYTES), words[Word.spares], wakeUps()], [true, 0, 2]);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    assert.deepEqual([gate.take(SEGMENT_BYTES), words[Word.spares]], [false, 0]);
    assert.deepEqual([words[Word.starved], wakeUps()], [1, 3]);
  }
  words[Word.spares] = 1;
  assert.deepEqual([gate.take(SEGMENT_BYTES), words[Word.spares]], [true, 0]);
  assert.deepEqual([words[Word.starved], words[Word.wanted], wakeUps()], [0, 0, 4]);
});

test("a segment larger than the usual is asked for by its size, and no usual spare is taken for it", () => {
  const { words, gate, wakeUps } = gated();
  for (let round = 1; round <= 2; round += 1) {
    words[Word.spares] = 2;
    assert.equal(gate.take(LARGE_BYTES), false);
    assert.deepEqual([words[Word.wanted], words[Word.starved], words[Word.spares]], [LARGE_BYTES, 1, 2]);
    const asked = wakeUps();
    assert.equal(gate.take(LARGE_BYTES), false);
    assert.equal(wakeUps(), asked, "it is asked once");
    // As the supply answers: the usual spares are gone, and this one is counted.
    words[Word.wanted] = 0;
    words[Word.spares] = 1;
    assert.equal(gate.take(LARGE_BYTES), true);
    assert.deepEqual([words[Word.wanted], words[Word.starved], words[Word.spares]], [0, 0, 0]);
  }
});

test("a supply that knows already of a log that waits is woken for the size it waits for", () => {
  const { words, gate, wakeUps } = gated();
  assert.equal(gate.take(SEGMENT_BYTES), false);
  const before = wakeUps();
  assert.equal(gate.take(LARGE_BYTES), false);
  assert.deepEqual([words[Word.wanted], wakeUps()], [LARGE_BYTES, before + 1]);
});

test("a spare is refused by an attempt that failed after somebody asked for it, not by one before", () => {
  const { words, gate } = gated();
  assert.equal(gate.isRefused, false);
  words[Word.supplyDown] = 1;
  assert.equal(gate.isRefused, true);
  askAgain(words);
  assert.equal(gate.isRefused, false);
  words[Word.tried] = 1;
  assert.equal(gate.isRefused, true);
  words[Word.supplyDown] = 0;
  assert.equal(gate.isRefused, false);
});

test("the gate tells a supply that failed, and a log that closes or is over", () => {
  const { words, gate } = gated();
  assert.equal(gate.supplyDown, false);
  words[Word.supplyDown] = 1;
  assert.equal(gate.supplyDown, true);
  const told = (closing: number): boolean[] => {
    words[Word.closing] = closing;
    return [gate.closing, gate.isOver];
  };
  assert.deepEqual(told(Closing.open), [false, false]);
  assert.deepEqual(told(Closing.draining), [true, false]);
  assert.deepEqual(told(Closing.over), [true, true]);
});
