/**
 * A history while it is being made: calls and answers, openings and ends, in the order in which they happen.
 * Tests that run a store use `recordStore`; tests that learn of calls from elsewhere (another process, a
 * crash image) write the events themselves. `check` says which promises were broken.
 *
 * 1. What answers after the end of its owner is not recorded: the process that would have seen it is gone. A
 *    view lives in another process, which only a power cut ends too.
 */
import { isStoreError, toStoreError } from "../../errors.ts";
import { type CheckOptions, checkHistory } from "./check.ts";
import { describeViolation } from "./describe.ts";
import {
  type Call,
  type Ending,
  endsWith,
  type HistoryEvent,
  type StoreFacts,
  type Value,
  type Violation,
} from "./events.ts";

export interface HistoryOptions {
  /** Time of events, for people; checks rest on their order. */
  readonly now?: () => number;
  /** What was before. */
  readonly events?: readonly HistoryEvent[];
  /** Told of every event when it is recorded. */
  readonly onEvent?: (event: HistoryEvent) => void;
}

export class History {
  readonly events: HistoryEvent[];
  readonly #now: () => number;
  readonly #onEvent: ((event: HistoryEvent) => void) | undefined;
  #nextId: number;
  #views = 0;
  /** Calls that are not answered yet. */
  #open = new Map<number, Call>();
  #owners = 0;
  #hasOwner = false;

  constructor(options: HistoryOptions = {}) {
    this.#now = options.now ?? (() => 0);
    this.#onEvent = options.onEvent;
    this.events = [...(options.events ?? [])];
    this.#nextId = this.events.length;
    for (const event of this.events) {
      if (event.type === "invoked") this.#open.set(event.id, event.call);
      else if (event.type === "answered") this.#open.delete(event.id);
      else if (event.type === "ended") this.#forget(event.how);
      if (event.type === "opened") this.#owners++;
      if (event.type === "opened" || event.type === "ended") this.#hasOwner = event.type === "opened";
    }
  }

  /** Which owner the store has now, counted from 1; 0 if it has none. */
  get owner(): number {
    return this.#hasOwner ? this.#owners : 0;
  }

  /** What is known now, for a world that goes another way from here, e.g. a crash image. */
  copy(): History {
    return new History({ now: this.#now, events: this.events });
  }

  opened(facts: Partial<StoreFacts> = {}): void {
    const { sync = "always", graphPolicy = "strict", receiptsKept = 1000 } = facts;
    this.#hasOwner = true;
    this.#owners++;
    this.#add({ type: "opened", at: this.#now(), facts: { sync, graphPolicy, receiptsKept } });
  }

  ended(how: Ending): void {
    this.#hasOwner = false;
    this.#forget(how);
    this.#add({ type: "ended", at: this.#now(), how });
  }

  #forget(how: Ending): void {
    for (const [id, call] of this.#open) if (endsWith(how, call)) this.#open.delete(id);
  }

  /** Numbers of `stats().log`. */
  log(numbers: { readonly lastLsn: number; readonly durableLsn: number }): void {
    const { lastLsn, durableLsn } = numbers;
    this.#add({ type: "log", at: this.#now(), lastLsn, durableLsn });
  }

  /** Call it before the store is called. Answers the id of the call. */
  invoked(sessionId: string, call: Call): number {
    const id = this.#nextId++;
    this.#open.set(id, call);
    this.#add({ type: "invoked", at: this.#now(), id, sessionId, call });
    return id;
  }

  answered(id: number, value: Value): void {
    if (this.#open.delete(id))
      this.#add({ type: "answered", at: this.#now(), id, answer: { ok: true, value } });
  }

  failed(id: number, error: unknown): void {
    if (!this.#open.delete(id)) return;
    const { code, message } = isStoreError(error) ? error : toStoreError(error);
    this.#add({ type: "answered", at: this.#now(), id, answer: { ok: false, code, message } });
  }

  /** A number for a view beside the owner. */
  nextView(): number {
    return this.#views++;
  }

  #add(event: HistoryEvent): void {
    this.events.push(event);
    this.#onEvent?.(event);
  }

  check(options?: CheckOptions): Violation[] {
    return checkHistory(this.events, options);
  }

  /** Throws an error that names every broken promise. */
  assertHolds(options?: CheckOptions): void {
    const violations = this.check(options);
    if (violations.length > 0) throw new Error(violations.map(describeViolation).join("\n"));
  }
}
