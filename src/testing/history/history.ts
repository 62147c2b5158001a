/**
 * A history while it is being made: calls and answers, openings and ends, in the order in which they happen.
 * Tests that run a store use `recordStore`; tests that learn of calls from elsewhere (another process, a
 * crash image) write the events themselves. `check` says which promises were broken.
 *
 * 1. What answers after the end of its owner is not recorded: the process that would have seen it is gone.
 */
import { isStoreError, toStoreError } from "../../errors.ts";
import { type CheckOptions, checkHistory } from "./check.ts";
import type { Call, Ending, HistoryEvent, StoreFacts, Value, Violation } from "./events.ts";

export class History {
  readonly events: HistoryEvent[];
  readonly #now: () => number;
  #nextId: number;
  #views = 0;
  /** Calls that are not answered yet. */
  #open = new Set<number>();

  constructor(options: { readonly now?: () => number; readonly events?: readonly HistoryEvent[] } = {}) {
    this.#now = options.now ?? (() => 0);
    this.events = [...(options.events ?? [])];
    this.#nextId = this.events.length;
    for (const event of this.events) {
      if (event.type === "invoked") this.#open.add(event.id);
      else if (event.type === "answered") this.#open.delete(event.id);
      else if (event.type === "ended") this.#open.clear();
    }
  }

  /** What is known now, for a world that goes another way from here, e.g. a crash image. */
  copy(): History {
    return new History({ now: this.#now, events: this.events });
  }

  opened(facts: Partial<StoreFacts> = {}): void {
    const { sync = "always", graphPolicy = "strict", receiptsKept = 1000 } = facts;
    this.events.push({ type: "opened", at: this.#now(), facts: { sync, graphPolicy, receiptsKept } });
  }

  ended(how: Ending): void {
    this.#open.clear();
    this.events.push({ type: "ended", at: this.#now(), how });
  }

  /** Numbers of `stats().log`. */
  log(numbers: { readonly lastLsn: number; readonly durableLsn: number }): void {
    const { lastLsn, durableLsn } = numbers;
    this.events.push({ type: "log", at: this.#now(), lastLsn, durableLsn });
  }

  /** Call it before the store is called. Answers the id of the call. */
  invoked(sessionId: string, call: Call): number {
    const id = this.#nextId++;
    this.#open.add(id);
    this.events.push({ type: "invoked", at: this.#now(), id, sessionId, call });
    return id;
  }

  answered(id: number, value: Value): void {
    if (this.#open.delete(id))
      this.events.push({ type: "answered", at: this.#now(), id, answer: { ok: true, value } });
  }

  failed(id: number, error: unknown): void {
    if (!this.#open.delete(id)) return;
    const { code, message } = isStoreError(error) ? error : toStoreError(error);
    this.events.push({ type: "answered", at: this.#now(), id, answer: { ok: false, code, message } });
  }

  /** A number for a view beside the owner. */
  nextView(): number {
    return this.#views++;
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

export function describeViolation({ rule, sessionId, message }: Violation): string {
  const where = sessionId === undefined ? "" : ` session ${JSON.stringify(sessionId)}:`;
  return `broken: ${rule};${where} ${message}`;
}
