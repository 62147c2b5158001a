/**
 * Loads and reads of sessions over several turns of the event loop: short ones within the call that needs them, long
 * ones a step a turn, so that the host stands still for no longer than one page takes. It knows nothing of sessions but
 * their steps.
 *
 * 1. One turn takes one step, however much is under way.
 * 2. A bounded number goes on at a time, in turn: what is half done takes memory and serves nobody.
 */
import { type Clock, nextTurn } from "../clock.ts";
import { MAX_LONG_WORKS } from "../limits.ts";
import type { Steps } from "../steps.ts";
import { Fifo } from "./fifo.ts";

/** How it ended. */
export type Done<Value> = { readonly value: Value } | { readonly error: unknown };

interface Work {
  /** True when it is over. */
  step(): boolean;
}

export class LongWork {
  readonly #clock: Clock;
  readonly #active: Work[] = [];
  /** Those in `#active`, and the one that takes its step. */
  #going = 0;
  readonly #waiting = new Fifo<Work>();
  #turns: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tells `done` how it ended: before it returns if one step is enough. */
  run<Value>(steps: Steps<Value>, done: (ended: Done<Value>) => void): void {
    const step = (): boolean => {
      const ended = stepOf(steps);
      if (ended !== undefined) done(ended);
      return ended !== undefined;
    };
    if (step()) return;
    if (this.#going < MAX_LONG_WORKS) {
      this.#going++;
      this.#active.push({ step });
    } else {
      this.#waiting.push({ step });
    }
    this.#turns ??= this.#takeTurns();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#turns !== undefined) await this.#turns;
  }

  async #takeTurns(): Promise<void> {
    for (let work = this.#active.shift(); work !== undefined; work = this.#active.shift()) {
      await nextTurn(this.#clock, "loading");
      const next = work.step() ? this.#waiting.shift() : work;
      if (next === undefined) this.#going--;
      else this.#active.push(next);
    }
    this.#turns = undefined;
  }
}

/** How work ended that either ends at once or answers undefined. */
export function endOf<Value>(work: () => Value | undefined): Done<Value> | undefined {
  try {
    const value = work();
    return value === undefined ? undefined : { value };
  } catch (error) {
    return { error };
  }
}

function stepOf<Value>(steps: Steps<Value>): Done<Value> | undefined {
  try {
    const step = steps.next();
    return step.done === true ? { value: step.value } : undefined;
  } catch (error) {
    return { error };
  }
}
