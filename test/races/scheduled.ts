/**
 * A store whose every turn is chosen by fast-check: the log's, the workers', due timers and the calls of
 * clients. The clock stands still until a test lets time pass. It deliberately knows no operation of a store.
 *
 * 1. A turn runs with all microtasks it leads to before the next is chosen, as in the event loop.
 * 2. A timer that is due gets a turn, which may come late; cleared before, it does nothing.
 * 3. What waits while no turn is left would wait for ever: that is a failure, not a test that hangs.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Clock, TurnTaker } from "../../src/clock.ts";

/** Turns that one property may take; beyond it something spins. */
const MAX_TURNS = 20_000;

/** Everything that was ready in microtasks has run. */
function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The order of turns, chosen per run and printed with a counterexample. */
export function anyOrder(): fc.Arbitrary<fc.Scheduler> {
  return fc.scheduler({
    act: async (run) => {
      await run();
      await drained();
    },
  });
}

export class ScheduledClock implements Clock {
  readonly #scheduler: fc.Scheduler;
  readonly #timers = new Map<object, { readonly at: number; readonly fn: () => void }>();
  #now = 0;
  /** Turns of the log that wait for its disk. */
  #stalled: (() => void)[] | undefined;

  constructor(scheduler: fc.Scheduler) {
    this.#scheduler = scheduler;
  }

  now(): number {
    return this.#now;
  }
  wall(): number {
    return this.#now;
  }
  setTimeout(fn: () => void, ms: number): object {
    const id = {};
    this.#timers.set(id, { at: this.#now + ms, fn });
    return id;
  }
  clearTimeout(id: unknown): void {
    this.#timers.delete(id as object);
  }
  turn(taker: TurnTaker, fn: () => void): void {
    if (taker === "log" && this.#stalled !== undefined) this.#stalled.push(fn);
    else this.#give(taker, fn);
  }

  /** From now on the disk under the log hangs: what wants to be written waits. */
  stallLog(): void {
    this.#stalled ??= [];
  }

  goOn(): void {
    const stalled = this.#stalled ?? [];
    this.#stalled = undefined;
    for (const fn of stalled) this.#give("log", fn);
  }

  /** Timers that were set and neither ran nor were cleared. */
  get armed(): number {
    return this.#timers.size;
  }

  /** Time goes on; what is due gets a turn. */
  pass(ms: number): void {
    this.#now += ms;
    for (const [id, { at, fn }] of this.#timers) {
      if (at > this.#now) continue;
      this.#give("timer", () => {
        if (this.#timers.delete(id)) fn();
      });
    }
  }

  /** Time goes on that much so many times, each in a turn of its own, so that timers that re-arm run again. */
  passAgain(ms: number, times: number): void {
    this.pass(ms);
    if (times > 1) this.#give("time", () => this.passAgain(ms, times - 1));
  }

  #give(label: string, fn: () => void): void {
    void this.#scheduler.schedule(Promise.resolve(), label).then(fn);
  }
}

/** Takes turns until the promise is settled. */
export async function settle<Value>(scheduler: fc.Scheduler, promise: Promise<Value>): Promise<Value> {
  let isSettled = false;
  const settled = (): void => {
    isSettled = true;
  };
  promise.then(settled, settled);
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    await drained();
    if (isSettled) return await promise;
    assert.ok(scheduler.count() > 0, "no turn is left, and something still waits");
    await scheduler.waitNext(1);
  }
  throw new Error(`something still waits after ${MAX_TURNS} turns`);
}

/** Takes every turn there is, and those they lead to. */
export async function takeAllTurns(scheduler: fc.Scheduler): Promise<void> {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    await drained();
    if (scheduler.count() === 0) return;
    await scheduler.waitNext(1);
  }
  throw new Error(`turns lead to turns, ${MAX_TURNS} of them`);
}

/** Runs of each property. Orders come from a fixed seed; VARVE_SEED and VARVE_RUNS widen them. */
export function runs(count: number): fc.Parameters<unknown> {
  return {
    numRuns: Number(process.env.VARVE_RUNS ?? count),
    seed: Number(process.env.VARVE_SEED ?? 20_260_303),
  };
}
