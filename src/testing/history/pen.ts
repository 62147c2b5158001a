/**
 * Writes a history on behalf of one owner or view, as long as that lives. What a process does in the rest of
 * the turn in which it dies is no part of the history.
 */
import type { Store } from "../../contract.ts";
import type { Call, Value } from "./events.ts";
import type { History } from "./history.ts";

/** Id of a call that is not recorded. */
const NOT_RECORDED = -1;

export class Pen {
  readonly #history: History;
  readonly #isAlive: () => boolean;

  constructor(history: History, isAlive: () => boolean) {
    this.#history = history;
    this.#isAlive = isAlive;
  }

  invoked(sessionId: string, call: Call): number {
    return this.#isAlive() ? this.#history.invoked(sessionId, call) : NOT_RECORDED;
  }

  answered(id: number, value: Value): void {
    this.#history.answered(id, value);
  }

  failed(id: number, error: unknown): void {
    this.#history.failed(id, error);
  }

  /** The numbers of the log, if the store can tell them. */
  log(store: Store): void {
    if (!this.#isAlive()) return;
    try {
      this.#history.log(store.stats().log);
    } catch {
      // The disk failed, or the process died. The numbers are a check of their own.
    }
  }

  closed(): void {
    if (this.#isAlive()) this.#history.ended("closed");
  }
}
