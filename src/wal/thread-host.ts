/**
 * Runs the log's work on two threads of its own. Messages flow one way each: external frames to the log's
 * thread, retirements to the supply, rare answers and wake-ups back. Everything else is in shared memory.
 *
 * 1. A thread that ends before it was told to is a failure of the log, whatever the reason.
 * 2. The threads keep the process alive only while work is in flight.
 * 3. The log's thread starts with this, and waits to be told where it begins.
 * 4. The supply's thread begins with the first write or retirement: a store that is only read needs none. Not later: its spares
 *    are what lets a store be opened on a disk that is full.
 */
import type { Worker } from "node:worker_threads";
import { defined } from "../assert.ts";
import { type ErrorData, errorFromData, storeError, toStoreError } from "../errors.ts";
import { AnswerPort } from "./answer-port.ts";
import { AnswerRing } from "./answer-ring.ts";
import type { HostEvents, LogHost } from "./host.ts";
import type { Retirement, SupplyState } from "./supply.ts";
import { type CommonData, type LogThreadData, type SupplyThreadData, startThread } from "./thread-data.ts";
import { Closing, Word, type Words, wake, wakeLog } from "./words.ts";
import type { WriterPosition } from "./writer.ts";

export class ThreadHost implements LogHost {
  readonly #words: Words;
  readonly #log: Worker;
  readonly #answers: AnswerPort;
  readonly #logGone: Promise<void>;
  readonly #startSupply: (state: SupplyState) => SupplyThread;
  /** Where the supply begins; undefined until the log was told. */
  #begun: SupplyState | undefined;
  #supply: SupplyThread | undefined;
  #busy = false;

  constructor(log: Omit<LogThreadData, "answers">, supply: CommonData, events: HostEvents) {
    this.#words = log.words;
    let logHasEnded = false;
    this.#answers = new AnswerPort(new AnswerRing(log.answerRing, log.words), log.words, (answer) => {
      logHasEnded ||= answer.kind === "closed" || answer.kind === "failed";
      events.answer(answer);
    });
    this.#log = startThread("log-thread", { ...log, answers: this.#answers.remote });
    this.#logGone = gone(this.#log, "log", events, () => {
      // Its last answers may still be on the way when it is gone.
      this.#answers.drain();
      return logHasEnded || (this.#begun === undefined && this.#isOver);
    });
    this.#log.unref();
    this.#startSupply = (state) => startSupply({ ...supply, ...state }, events);
  }

  /** The log was read: this is where its thread goes on, and the supply. */
  begin(position: WriterPosition, supply: SupplyState): void {
    this.#begun = supply;
    this.#log.postMessage(position);
    wake(this.#words, Word.logWake);
  }

  atEndOfTurn(fn: () => void): void {
    setImmediate(fn);
  }

  wake(): void {
    wakeLog(this.#words);
  }

  beginSupply(): void {
    // One that began behind the end would never be told to go.
    if (!this.#isOver)
      this.#supply ??= this.#startSupply(defined(this.#begun, "a log that is used has begun"));
  }

  get #isOver(): boolean {
    return Atomics.load(this.#words, Word.closing) === Closing.over;
  }

  get patienceMs(): number | undefined {
    return Atomics.load(this.#words, Word.syncMicros) / 1000 || undefined;
  }

  expectAnswer(): void {
    this.#answers.poll();
  }

  sendExternal(image: Uint8Array<ArrayBuffer>): void {
    this.#log.postMessage(image, [image.buffer]);
  }

  retire(retirement: Retirement): void {
    this.beginSupply();
    this.#supply?.worker.postMessage(retirement);
    this.wakeSupply();
  }

  wakeSupply(): void {
    wake(this.#words, Word.supplyWake);
  }

  keepAlive(busy: boolean): void {
    if (busy === this.#busy) return;
    this.#busy = busy;
    this.#answers.keepAlive(busy);
  }

  async end(): Promise<void> {
    this.#log.ref();
    this.#supply?.worker.ref();
    Atomics.store(this.#words, Word.closing, Closing.over);
    this.wakeSupply();
    // After a failure elsewhere the log's thread still sleeps; one that ended by itself does not mind.
    wake(this.#words, Word.logWake);
    await Promise.all([this.#logGone, this.#supply?.gone]);
    this.#answers.close();
  }
}

interface SupplyThread {
  readonly worker: Worker;
  readonly gone: Promise<void>;
}

function startSupply(data: SupplyThreadData, events: HostEvents): SupplyThread {
  const worker = startThread("supply-thread", data);
  worker.on("message", (error: ErrorData) => events.died(errorFromData(error)));
  worker.unref();
  const isOver = (): boolean => Atomics.load(data.words, Word.closing) === Closing.over;
  return { worker, gone: gone(worker, "supply", events, isOver) };
}

/** Resolves when the thread is gone; one that was not expected to go ends the log. */
function gone(worker: Worker, name: string, events: HostEvents, isExpected: () => boolean): Promise<void> {
  worker.on("error", (error) => events.died(toStoreError(error)));
  return new Promise((resolve) => {
    worker.on("exit", (code) => {
      if (!isExpected()) {
        events.died(storeError("INTERNAL", {}, `the ${name} thread ended unexpectedly with code ${code}`));
      }
      resolve();
    });
  });
}
