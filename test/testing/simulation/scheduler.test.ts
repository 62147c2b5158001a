/** The order of events in simulated time: by time, by seed at equal times, one at a time with all it leads to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../../src/testing/simulation/random.ts";
import { Scheduler } from "../../../src/testing/simulation/scheduler.ts";

/** More events than any of these tests has. */
const LIMIT = 10_000;

function scheduler(seed = 1): Scheduler {
  return new Scheduler(new Random(seed));
}

async function order(seed: number, delays: readonly number[]): Promise<string[]> {
  const queue = scheduler(seed);
  const seen: string[] = [];
  for (const [index, ms] of delays.entries())
    queue.add(ms, `${ms}`, () => seen.push(String.fromCharCode(97 + index)));
  await queue.runUntil(() => false, LIMIT);
  return seen;
}

test("events run by their time, whatever the order they were asked for in", async () => {
  const delays = Array.from({ length: 200 }, (_, index) => (index * 73) % 199);
  const queue = scheduler();
  const seen: number[] = [];
  for (const ms of delays) queue.add(ms, "event", () => seen.push(ms));
  await queue.runUntil(() => false, LIMIT);
  assert.deepEqual(
    seen,
    [...delays].sort((a, b) => a - b),
  );
});

test("events of one time run in an order that the seed decides, and repeats", async () => {
  const together = [5, 5, 5, 5, 5];
  const orders = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const once = await order(seed, together);
    assert.deepEqual(await order(seed, together), once);
    assert.deepEqual([...once].sort(), ["a", "b", "c", "d", "e"]);
    orders.add(once.join(""));
  }
  assert.ok(orders.size > 10, `${orders.size} orders of 20 seeds`);
});

test("what an event leads to in microtasks is over before the next one begins", async () => {
  const queue = scheduler();
  const seen: string[] = [];
  queue.add(1, "first", () => {
    let chain = Promise.resolve();
    for (let depth = 0; depth < 50; depth++) chain = chain.then(() => undefined);
    void chain.then(() => seen.push("end of the first"));
  });
  queue.add(1.001, "second", () => seen.push("second"));
  await queue.runUntil(() => false, LIMIT);
  assert.deepEqual(seen, ["end of the first", "second"]);
});

test("time is that of the event that runs, and an event may take time", async () => {
  const queue = scheduler();
  const seen: number[] = [];
  queue.add(10, "slow", () => {
    queue.advance(100);
    queue.add(1, "behind it", () => seen.push(queue.now));
  });
  queue.add(20, "late", () => seen.push(queue.now));
  await queue.runUntil(() => false, LIMIT);
  assert.deepEqual(seen, [110, 111], "never back to 20");
});

test("time does not go back", () => {
  assert.throws(() => scheduler().advance(-1), /time cannot go back by 1 ms/);
});

test("a cancelled event does not run and takes no time", async () => {
  const queue = scheduler();
  const event = queue.add(10, "cancelled", () => assert.fail("it ran"));
  queue.add(1, "other", () => queue.cancel(event));
  assert.equal(await queue.step(), true);
  assert.equal(await queue.step(), false);
  assert.equal(queue.now, 1);
});

test("runUntil ends when it is done, when nothing is left, and at its limit, and says which", async () => {
  const queue = scheduler();
  let count = 0;
  const again = (): void => {
    count++;
    queue.add(1, "again", again);
  };
  assert.equal(await queue.runUntil(() => false, LIMIT), false, "nothing to do");
  queue.add(1, "again", again);
  assert.equal(await queue.runUntil(() => count === 3, LIMIT), true);
  assert.equal(await queue.runUntil(() => false, 5), false, "the limit");
  assert.equal(count, 8);
});

test("whoever listens is told of every event that runs, and of no other", async () => {
  const queue = scheduler();
  const told: string[] = [];
  queue.onEvent = ({ label, at }) => told.push(`${label} at ${at}`);
  queue.cancel(queue.add(1, "cancelled", () => undefined));
  queue.add(2, "kept", () => undefined);
  await queue.runUntil(() => false, LIMIT);
  assert.deepEqual(told, ["kept at 2"]);
});
