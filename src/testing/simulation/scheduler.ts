/**
 * What happens next, in simulated time: one queue ordered by time, at equal times by a seeded tie-break, and
 * then by the order of asking. Everything that a store waits for comes out of this queue, so one seed gives
 * one order.
 *
 * 1. An event runs alone: the next one begins when the microtasks of the one before have run.
 * 2. Time only moves forward, to the time of the event that runs or as far as that event itself takes.
 */
import { assert } from "../../assert.ts";
import type { Random } from "./random.ts";

export interface ScheduledEvent {
  readonly at: number;
  readonly tie: number;
  readonly order: number;
  readonly label: string;
  readonly run: () => void;
  cancelled: boolean;
}

export class Scheduler {
  readonly #random: Random;
  readonly #queue: ScheduledEvent[] = [];
  /** Milliseconds since the simulation began. */
  #now = 0;
  #order = 0;
  /** Told of every event before it runs. */
  onEvent: ((event: ScheduledEvent) => void) | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  get now(): number {
    return this.#now;
  }

  /** Time passes: something took this long, or the machine slept. */
  advance(ms: number): void {
    assert(ms >= 0, `time cannot go back by ${-ms} ms`);
    this.#now += ms;
  }

  add(delayMs: number, label: string, run: () => void): ScheduledEvent {
    const tie = this.#random.below(2 ** 16);
    const event = { at: this.#now + delayMs, tie, order: this.#order++, label, run, cancelled: false };
    this.#push(event);
    return event;
  }

  cancel(event: ScheduledEvent): void {
    event.cancelled = true;
  }

  /** Runs the next event and what it leads to in its turn; false if there is none. */
  async step(): Promise<boolean> {
    let event = this.#pop();
    while (event?.cancelled === true) event = this.#pop();
    if (event === undefined) return false;
    this.#now = Math.max(this.#now, event.at);
    this.onEvent?.(event);
    event.run();
    await settled();
    return true;
  }

  /** Runs events until `done`, at most `limit` of them; false if it was not done by then. */
  async runUntil(done: () => boolean, limit: number): Promise<boolean> {
    for (let count = 0; !done(); count++) if (count >= limit || !(await this.step())) return done();
    return true;
  }

  #push(event: ScheduledEvent): void {
    const queue = this.#queue;
    let at = queue.length;
    queue.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = queue[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      queue[at] = parent;
      at = above;
    }
    queue[at] = event;
  }

  #pop(): ScheduledEvent | undefined {
    const queue = this.#queue;
    const [first] = queue;
    const last = queue.pop();
    if (first === undefined || last === undefined || queue.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const [left, right] = [queue[below], queue[below + 1]];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) below++;
      const child = queue[below];
      if (child === undefined || !isBefore(child, last)) break;
      queue[at] = child;
      at = below;
    }
    queue[at] = last;
    return first;
  }
}

/** Every microtask has run, those that microtasks queued included. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.at !== b.at ? a.at < b.at : a.tie !== b.tie ? a.tie < b.tie : a.order < b.order;
}
