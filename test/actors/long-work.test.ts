/** Loads in turns: one step a turn, a bounded number at a time, and none that keeps the others from theirs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LongWork } from "../../src/actors/long-work.ts";
import { systemClock } from "../../src/clock.ts";
import { MAX_LONG_WORKS } from "../../src/limits.ts";
import type { Steps } from "../../src/steps.ts";

/** Turns happen when the test says so. */
class Turns {
  readonly #asked: (() => void)[] = [];
  readonly work = new LongWork({ ...systemClock, turn: (_taker, fn) => void this.#asked.push(fn) });
  readonly steps: string[] = [];
  readonly done: string[] = [];

  *#stepsOf(name: string, count: number): Steps<string> {
    for (let step = 0; step < count; step++) {
      this.steps.push(name);
      yield;
    }
    if (name.startsWith("bad")) throw new Error(name);
    return name;
  }

  load(name: string, steps: number): void {
    this.work.run(this.#stepsOf(name, steps), (ended) =>
      this.done.push("error" in ended ? `failed: ${(ended.error as Error).message}` : ended.value),
    );
  }

  /** Runs one turn, if one was asked for; more than one at a time never is. */
  async next(): Promise<boolean> {
    assert.ok(this.#asked.length <= 1);
    const turn = this.#asked.shift();
    turn?.();
    await new Promise((resolve) => setImmediate(resolve));
    return turn !== undefined;
  }
}

test("what needs one step is loaded within the call", async () => {
  const turns = new Turns();
  turns.load("short", 0);
  assert.deepEqual(turns.done, ["short"]);
  assert.equal(await turns.next(), false);
  await turns.work.idle();
});

test("a turn takes one step, and loads take turns", async () => {
  const turns = new Turns();
  turns.load("a", 3);
  turns.load("b", 2);
  turns.steps.length = 0;
  while (await turns.next());
  assert.deepEqual(turns.steps, ["a", "b", "a"]);
  assert.deepEqual(turns.done, ["b", "a"]);
});

test("no more than so many loads go on at a time, and the others follow in order", async () => {
  const turns = new Turns();
  const names = Array.from({ length: MAX_LONG_WORKS + 3 }, (_, n) => `s${n}`);
  for (const name of names) turns.load(name, 3);
  turns.steps.length = 0;
  for (let turn = 0; turn <= MAX_LONG_WORKS; turn++) await turns.next();
  assert.deepEqual(turns.steps, [...names.slice(0, MAX_LONG_WORKS), "s0"]);
  while (await turns.next());
  assert.deepEqual(turns.done, names);
});

test("one that fails costs the others nothing, and what ends is told once", async () => {
  const turns = new Turns();
  turns.load("bad", 2);
  turns.load("good", 2);
  let isIdle = false;
  const idle = turns.work.idle().then(() => {
    isIdle = true;
  });
  await turns.next();
  assert.equal(isIdle, false);
  while (await turns.next());
  await idle;
  assert.deepEqual(turns.done, ["failed: bad", "good"]);
  turns.load("later", 1);
  assert.equal(await turns.next(), true);
  assert.deepEqual(turns.done.at(-1), "later");
});
