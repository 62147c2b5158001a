/**
 * Who runs the log's work: two threads, or this thread inline. The main side (`main-log.ts`) speaks to either
 * through this.
 */
import type { StoreError } from "../errors.ts";
import type { Answer } from "./drain.ts";
import type { Retirement } from "./supply.ts";

export interface LogHost {
  /** Calls back once everything that is ready to run in this turn of the event loop has run. */
  atEndOfTurn(fn: () => void): void;
  /** There is something in the ring, or something changed that the log waits for. */
  wake(): void;
  /** Milliseconds after which a turn that still appends hands over what it has; undefined: not before its end. */
  readonly patienceMs: number | undefined;
  /** Very little is in flight, so its answer is to come as fast as it can. */
  expectAnswer(): void;
  /** Hands over the image of an external frame; its command is put into the ring afterwards. */
  sendExternal(image: Uint8Array<ArrayBuffer>): void;
  retire(retirement: Retirement): void;
  /** Something is to be written, or has been: from now on there must be a supply. */
  beginSupply(): void;
  /** Makes the supply try again. */
  wakeSupply(): void;
  /** Whether work in flight keeps the process alive. */
  keepAlive(busy: boolean): void;
  /** Ends what still runs; the log has ended before, or has failed. */
  end(): Promise<void>;
}

export interface HostEvents {
  answer(answer: Answer): void;
  /** The log cannot go on: a thread died, or the supply met what must end the log. */
  died(error: StoreError): void;
}
