/**
 * Runs the log's work on the caller's thread, one step per turn: for the memory file system, tests
 * and simulation. Exactly the code of the threads, without waiting.
 */
import type { Clock } from "../clock.ts";
import { toStoreError } from "../errors.ts";
import type { Drain } from "./drain.ts";
import type { HostEvents, LogHost } from "./host.ts";
import type { Retirement, Supply, Turn } from "./supply.ts";

/** Milliseconds after which a log that waits for a segment tries again on a full disk. */
export const RETRY_MS = 200;

export class InlineHost implements LogHost {
  readonly #drain: Drain;
  readonly #supply: Supply;
  readonly #externals: Uint8Array[];
  readonly #clock: Clock;
  readonly #events: HostEvents;
  #scheduled = false;
  #supplyHasWork = true;
  #timer: unknown;
  #ended = false;

  constructor(parts: {
    drain: Drain;
    supply: Supply;
    externals: Uint8Array[];
    clock: Clock;
    events: HostEvents;
  }) {
    this.#drain = parts.drain;
    this.#supply = parts.supply;
    this.#externals = parts.externals;
    this.#clock = parts.clock;
    this.#events = parts.events;
  }

  /** The run itself asks for a later turn. */
  atEndOfTurn(fn: () => void): void {
    queueMicrotask(fn);
  }

  wake(): void {
    if (this.#scheduled || this.#ended) return;
    this.#scheduled = true;
    this.#clock.turn("log", () => {
      this.#scheduled = false;
      this.#run();
    });
  }

  readonly patienceMs = undefined;

  expectAnswer(): void {}

  sendExternal(image: Uint8Array<ArrayBuffer>): void {
    this.#externals.push(image);
  }

  retire(retirement: Retirement): void {
    this.#supply.retire(retirement);
    this.wakeSupply();
  }

  /** It is there from the beginning, as it takes no thread. */
  beginSupply(): void {}

  wakeSupply(): void {
    this.#supplyHasWork = true;
    this.wake();
  }

  /** A turn asked for keeps the process alive by itself, and an idle log has none. */
  keepAlive(): void {}

  end(): Promise<void> {
    this.#ended = true;
    this.#clearTimer();
    this.#drain.abandon();
    return Promise.resolve();
  }

  #run(): void {
    if (this.#ended) return;
    this.#clearTimer();
    const result = this.#drain.step();
    if (result === "ended") return;
    const turn = this.#supplyHasWork ? this.#turn() : "none";
    if (this.#ended) return;
    if (result === "worked" || turn === "more" || (result === "blocked" && turn !== "none")) this.wake();
    else this.#arm(result === "blocked" ? RETRY_MS : this.#drain.dueIn);
  }

  #turn(): Turn {
    try {
      const turn = this.#supply.turn();
      this.#supplyHasWork = turn === "more";
      return turn;
    } catch (error) {
      this.#ended = true;
      this.#events.died(toStoreError(error));
      return "down";
    }
  }

  #arm(ms: number | undefined): void {
    if (ms === undefined) return;
    this.#timer = this.#clock.setTimeout(() => {
      this.#supplyHasWork = true;
      this.wake();
    }, ms);
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
