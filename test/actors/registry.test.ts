/**
 * The registry over a log that the test makes durable by hand: which sessions stay in memory and which go,
 * that the bytes are counted without drift, and that making room costs little however many must stay.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Departed } from "../../src/actors/departed.ts";
import type { Write } from "../../src/actors/log-writer.ts";
import { Newcomers } from "../../src/actors/newcomers.ts";
import { SessionRegistry } from "../../src/actors/registry.ts";
import type { Clock } from "../../src/clock.ts";
import { ENTRIES_SHED_PER_TURN, SESSION_IDLE_MS, SESSIONS_LEAVING_PER_TURN } from "../../src/limits.ts";
import { prepareCommit } from "../../src/session/prepare.ts";
import { emptySession } from "../../src/session/state.ts";
import { append, commit, messageNode } from "../support/builders.ts";

/** A clock that stands still until the test moves it. */
class TestClock implements Clock {
  #now = 0;
  readonly #timers = new Map<number, { at: number; fn: () => void }>();
  readonly #turns: (() => void)[] = [];
  #lastId = 0;
  now(): number {
    return this.#now;
  }
  wall(): number {
    return this.#now;
  }
  setTimeout(fn: () => void, ms: number): number {
    this.#timers.set(++this.#lastId, { at: this.#now + ms, fn });
    return this.#lastId;
  }
  clearTimeout(id: unknown): void {
    this.#timers.delete(id as number);
  }
  turn(_taker: string, fn: () => void): void {
    this.#turns.push(fn);
  }
  /** Runs the turn asked for first; false if none was. */
  nextTurn(): boolean {
    const turn = this.#turns.shift();
    turn?.();
    return turn !== undefined;
  }
  get pending(): number {
    return this.#timers.size;
  }
  pass(ms: number): void {
    this.#now += ms;
    for (const [id, { at, fn }] of [...this.#timers]) {
      if (at > this.#now || !this.#timers.delete(id)) continue;
      fn();
    }
  }
}

/** A registry over a log that the test makes durable by hand. */
function startRegistry(maxResidentBytes: number, parts: { departed?: Departed; newcomers?: Newcomers } = {}) {
  const clock = new TestClock();
  const waiting: Write[] = [];
  let lastLsn = 0;
  let settledLsn = 0;
  const registry = new SessionRegistry({
    maxResidentBytes,
    progress: {
      get lastLsn() {
        return lastLsn;
      },
      get settledLsn() {
        return settledLsn;
      },
    },
    clock,
    ...parts,
    onPassivated: () => undefined,
    onShed: () => undefined,
    services: {
      // biome-ignore lint/correctness/useYield: a short load is over in its first step
      *load(sessionId) {
        return emptySession(sessionId, 10);
      },
      loadAtOnce: () => undefined,
      *bringBack() {},
      blobKind: () => undefined,
      damageHiding: () => undefined,
      pin: () => undefined,
      append: (write) => {
        write.lsn = ++lastLsn;
        waiting.push(write);
      },
      after: (settle) => settle(undefined),
      poison: () => undefined,
      committed: () => undefined,
      planOptions: { graphPolicy: "strict", maxCommitBytes: 1 << 20 },
    },
  });
  const reply = { resolve: () => undefined, reject: () => undefined };
  return {
    registry,
    clock,
    commit: (sessionId: string, text = "", count = 1) => {
      const nodes = Array.from({ length: count }, (_, n) => messageNode(`n${lastLsn}-${n}`, undefined, text));
      const sent = commit({ sessionId, graph: append(nodes, nodes[0]?.nodeId) });
      const prepared = prepareCommit(sent, sessionId, { maxCommitBytes: 1 << 23 });
      registry.get(sessionId).send({ type: "commit", isDecided: false, prepared, reply });
    },
    read: (sessionId: string) =>
      registry.get(sessionId).send({ type: "read", read: () => undefined, fail: () => undefined }),
    /** The oldest `count` writes are durable. */
    durable: (count = waiting.length) => {
      for (const write of waiting.splice(0, count)) {
        write.settle(undefined);
        settledLsn = write.lsn;
      }
    },
    recount: (ids: Iterable<string>) =>
      [...ids].reduce((sum, id) => sum + (registry.peek(id)?.bytes ?? 0), registry.recentBytes),
  };
}

test("the bytes counted are the bytes of the sessions in memory, after any course of uses", async () => {
  const step = fc.record({
    kind: fc.constantFrom("commit", "commit", "read", "durable", "round"),
    session: fc.integer({ min: 0, max: 7 }).map((n) => `s${n}`),
    size: fc.integer({ min: 0, max: 3000 }),
  });
  const ids = Array.from({ length: 8 }, (_, n) => `s${n}`);
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.constantFrom(5_000, 20_000, 1e9),
      fc.constantFrom(1, 3, 100),
      async (steps, budget, places) => {
        const parts = { newcomers: new Newcomers(places) };
        const { registry, clock, commit: send, read, durable, recount } = startRegistry(budget, parts);
        for (const { kind, session, size } of steps) {
          if (kind === "commit") send(session, "x".repeat(size));
          else if (kind === "read") read(session);
          else if (kind === "durable") durable(1 + (size % 3));
          else clock.pass(SESSION_IDLE_MS);
          assert.equal(registry.bytes, recount(ids));
          assert.equal(registry.size, ids.filter((id) => registry.peek(id) !== undefined).length);
        }
        durable();
        clock.pass(SESSION_IDLE_MS);
        clock.pass(SESSION_IDLE_MS);
        clock.pass(SESSION_IDLE_MS);
        assert.equal(registry.size, 0);
        assert.equal(registry.bytes, 0);
        assert.equal(clock.pending, 0, "no timer without sessions");
        await registry.stop();
      },
    ),
    { numRuns: 60 },
  );
});

test("sessions that wait for the log stay, whatever the budget, and go as soon as they are answered", async () => {
  const { registry, commit: send, durable } = startRegistry(10_000);
  for (let n = 0; n < 50; n++) send(`s${n}`);
  assert.equal(registry.size, 50);
  durable();
  assert.ok(registry.bytes <= 10_000, `${registry.bytes} bytes once all were answered`);
  await registry.stop();
});

test("large sessions shed the bodies of durable nodes, oldest first, before any session leaves", async () => {
  const budget = 1_000_000;
  const { registry, commit: send, durable, recount } = startRegistry(budget);
  const ids = ["a", "b", "c", "d", "small"];
  const text = "x".repeat(40_000);
  send("small");
  durable();
  for (const id of ["a", "b", "c", "d"]) {
    for (let turn = 0; turn < 7; turn++) send(id, text);
    durable();
  }
  assert.equal(registry.size, ids.length, "nobody left");
  assert.ok(registry.bytes <= budget, `${registry.bytes} bytes`);
  assert.equal(registry.bytes, recount(ids));
  const of = (id: string) => registry.peek(id)?.bytes ?? 0;
  assert.ok(of("a") < text.length && of("d") > 7 * text.length, "the oldest shed, the newest did not");
  await registry.stop();
});

/** About so many sessions without nodes fit. */
const ROOM = 100;
const BUDGET_OF_ROOM = ROOM * 4_000;

/** Reads sessions `<name>0`, `<name>1` and so on, each once. */
function once({ read }: ReturnType<typeof startRegistry>, name: string, count: number): void {
  for (let n = 0; n < count; n++) read(`${name}${n}`);
}

/** How many of the sessions are in memory. */
function stay({ registry }: ReturnType<typeof startRegistry>, name: string, count: number): number {
  let found = 0;
  for (let n = 0; n < count; n++) if (registry.peek(`${name}${n}`) !== undefined) found++;
  return found;
}

test("work that goes once through many sessions leaves those in memory that were used again", async () => {
  const passivated: number[] = [];
  const given = startRegistry(BUDGET_OF_ROOM, { newcomers: new Newcomers(10) });
  once(given, "used", 20);
  once(given, "used", 20);
  for (let pass = 0; pass < 3; pass++) {
    once(given, `scanned${pass}-`, 1_000);
    assert.equal(stay(given, "used", 20), 20, "what was used again stays");
    assert.ok(given.registry.bytes <= BUDGET_OF_ROOM);
    passivated.push(stay(given, `scanned${pass}-`, 1_000));
  }
  assert.ok((passivated[0] as number) > 10, "as long as there is room all stay");
  assert.deepEqual(passivated.slice(1), [10, 10], "then only those on trial");
  await given.registry.stop();
});

test("a session that is used again while it is on trial stays", async () => {
  const given = startRegistry(BUDGET_OF_ROOM, { newcomers: new Newcomers(10) });
  once(given, "first", 1_000);
  once(given, "used", 10);
  once(given, "used", 10);
  once(given, "scanned", 500);
  assert.equal(stay(given, "used", 10), 10);
  await given.registry.stop();
});

test("a session that comes back soon after it left stays, though it is used no more often than others", async () => {
  const given = startRegistry(BUDGET_OF_ROOM, { newcomers: new Newcomers(10) });
  once(given, "first", 1_000);
  once(given, "a", 30);
  once(given, "b", 15);
  assert.equal(stay(given, "a", 30), 0, "all of them left");
  once(given, "a", 30);
  once(given, "c", 500);
  assert.equal(stay(given, "a", 30), 30);
  await given.registry.stop();
});

test("of sessions that left long ago nothing is remembered", async () => {
  const given = startRegistry(BUDGET_OF_ROOM, { newcomers: new Newcomers(10) });
  once(given, "first", 1_000);
  once(given, "a", 30);
  once(given, "b", 5 * ROOM);
  once(given, "a", 30);
  once(given, "c", 500);
  assert.equal(stay(given, "a", 30), 0);
  await given.registry.stop();
});

test("a session on trial that waits for the log stays", async () => {
  const given = startRegistry(BUDGET_OF_ROOM, { newcomers: new Newcomers(10) });
  once(given, "first", 1_000);
  for (let n = 0; n < 5; n++) given.commit(`waits${n}`);
  once(given, "a", 100);
  assert.equal(stay(given, "waits", 5), 5);
  given.durable();
  await given.registry.stop();
});

test("sessions leave when they were idle for a whole round, used ones and waiting ones stay", async () => {
  const { registry, clock, commit: send, read, durable } = startRegistry(1e9);
  read("idle");
  read("used");
  send("waiting");
  clock.pass(SESSION_IDLE_MS);
  read("used");
  clock.pass(SESSION_IDLE_MS);
  read("used");
  assert.deepEqual(
    ["idle", "used", "waiting"].map((id) => registry.peek(id) !== undefined),
    [false, true, true],
  );
  durable();
  for (let round = 0; round < 3; round++) clock.pass(SESSION_IDLE_MS);
  assert.equal(registry.size, 0);
  await registry.stop();
});

test("making room looks at few sessions, however many wait for the log", async () => {
  const { registry, commit: send, durable } = startRegistry(20_000);
  const count = 300;
  let looks = 0;
  for (let n = 0; n < count; n++) {
    send(`s${n}`);
    const cell = registry.peek(`s${n}`);
    assert.ok(cell !== undefined, "it waits, so it stays");
    let waiting = cell.waiting;
    Object.defineProperty(cell, "waiting", {
      get: () => {
        looks++;
        return waiting;
      },
      set: (value: number) => {
        waiting = value;
      },
    });
  }
  assert.ok(looks <= count * 50, `${looks} looks at ${count} sessions`);
  durable();
  assert.ok(registry.bytes <= 20_000);
  await registry.stop();
});

test("a session that is found in memory is used by who found it, and one that is not is not made", async () => {
  const { registry, clock, read } = startRegistry(1e9);
  for (const id of ["a", "b"]) read(id);
  clock.pass(SESSION_IDLE_MS);
  assert.equal(registry.used("a"), registry.peek("a"));
  assert.equal(registry.used("nobody"), undefined);
  clock.pass(SESSION_IDLE_MS);
  assert.deepEqual([registry.size, registry.peek("b")], [1, undefined]);
  await registry.stop();
});

test("entries leave so many a turn, and no session leaves memory for what is left to the next", async () => {
  const { registry, clock, commit: send, durable } = startRegistry(8_000_000);
  for (let n = 0; n < 10; n++) send("long", "", ENTRIES_SHED_PER_TURN / 4);
  const sizes = [registry.bytes];
  durable();
  do {
    assert.equal(registry.size, 1);
    sizes.push(registry.bytes);
  } while (clock.nextTurn());
  const steps = sizes.slice(1).map((bytes, turn) => (sizes[turn] ?? 0) - bytes);
  assert.equal(steps.length, 3, `${sizes.join(", ")} bytes`);
  assert.equal(steps[0], steps[1]);
  assert.ok((steps[2] ?? 0) > 0 && (steps[2] ?? 0) < (steps[1] ?? 0), `${sizes.join(", ")} bytes`);
  assert.ok(registry.bytes - registry.recentBytes < 4_000_000);
  await registry.stop();
});

test("sessions that were idle leave a bounded number a turn, until all of them left", async () => {
  const { registry, clock, read } = startRegistry(1e9);
  const count = 3 * SESSIONS_LEAVING_PER_TURN + 1;
  for (let n = 0; n < count; n++) read(`s${n}`);
  clock.pass(SESSION_IDLE_MS);
  const sizes: number[] = [];
  clock.pass(SESSION_IDLE_MS);
  do sizes.push(registry.size);
  while (clock.nextTurn());
  assert.deepEqual(sizes, [1, 2, 3].map((turn) => count - turn * SESSIONS_LEAVING_PER_TURN).concat(0));
  await registry.stop();
});

test("the end stops a bounded number of sessions a turn, and comes when all are stopped", async () => {
  const { registry, clock, read } = startRegistry(1e9);
  const count = 2 * SESSIONS_LEAVING_PER_TURN + 1;
  for (let n = 0; n < count; n++) read(`s${n}`);
  const stopped = registry.stop();
  const sizes = [registry.size];
  while (clock.nextTurn()) {
    await new Promise((resolve) => setImmediate(resolve));
    sizes.push(registry.size);
  }
  await stopped;
  assert.deepEqual(sizes, [count - SESSIONS_LEAVING_PER_TURN, 1, 0]);
  assert.equal(registry.bytes, 0);
});

test("what waits for the collector counts against the budget, down to half of it and until it is collected", async () => {
  const gone: (() => void)[] = [];
  const collector = {
    watch: (_marker: object, told: () => void) => void gone.push(told),
    tell: () => undefined,
  };
  const departed = new Departed({ floorBytes: 100_000, markerBytes: 1, tellBytes: 1 }, collector);
  const budget = 200_000;
  const { registry, clock, commit: send, durable } = startRegistry(budget, { departed: departed });
  const pass = (from: number, to: number): number => {
    let most = 0;
    for (let n = from; n < to; n++) {
      send(`s${n}`, "x".repeat(500));
      durable();
      while (clock.nextTurn());
      most = Math.max(most, registry.bytes - registry.recentBytes);
    }
    return most;
  };
  assert.ok(pass(0, 100) > 0.75 * budget, "at first the sessions have the whole budget");
  pass(100, 200);
  const least = pass(200, 300);
  assert.ok(least <= 0.5 * budget, `with garbage they have half of it, not ${least}`);
  assert.ok(least > 0.4 * budget, `and no less, not ${least}`);
  for (const told of gone.splice(0)) told();
  assert.ok(pass(300, 400) > 0.75 * budget, "and the whole again when it was collected");
  durable();
  await registry.stop();
});
