/**
 * The main thread's end of the way back from the log's thread. An event loop that sleeps takes tens of
 * microseconds to wake, half as long as a sync of a fast disk; so while very little is in flight the loop is
 * kept turning instead, and looks at a shared word on each turn. Other work of the host runs in those turns as
 * ever. It deliberately knows nothing of what an answer says.
 *
 * 1. Every answer is delivered once, in the order it was posted, whether it was looked for or came as an event.
 * 2. The loop is kept turning only where a second core runs the log's thread, only while the newest sync of the
 *    log was short, and at most `POLL_MS` after the last look for work: a slow disk costs no CPU.
 */
import { availableParallelism } from "node:os";
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { POLL_MS } from "../limits.ts";
import type { Answer } from "./drain.ts";
import { Word, type Words } from "./words.ts";

/** One core cannot look for an answer and work on it. */
export const CAN_POLL = availableParallelism() > 1;

export class AnswerPort {
  /** For the log's thread. */
  readonly remote: MessagePort;
  readonly #words: Words;
  readonly #port: MessagePort;
  readonly #deliver: (answer: Answer) => void;
  #delivered = 0;
  #isPolling = false;
  #pollUntil = 0;

  constructor(words: Words, deliver: (answer: Answer) => void) {
    const { port1, port2 } = new MessageChannel();
    this.remote = port2;
    this.#words = words;
    this.#port = port1;
    this.#deliver = deliver;
    port1.on("message", (answer: Answer) => this.#take(answer));
    port1.unref();
  }

  keepAlive(busy: boolean): void {
    if (busy) this.#port.ref();
    else this.#port.unref();
  }

  /** An answer is due within the time of a sync. */
  poll(): void {
    const syncMs = Atomics.load(this.#words, Word.syncMicros) / 1000;
    if (!CAN_POLL || syncMs > POLL_MS / 2) return;
    this.#pollUntil = performance.now() + POLL_MS;
    if (this.#isPolling) return;
    this.#isPolling = true;
    setImmediate(this.#look);
  }

  /** Delivers what was posted and has not arrived as an event yet. */
  drain(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      // One checked edge: the log's thread posts nothing else.
      this.#take(received.message as Answer);
    }
  }

  close(): void {
    this.#pollUntil = 0;
    this.#port.close();
  }

  readonly #look = (): void => {
    const before = this.#delivered;
    if (Atomics.load(this.#words, Word.answers) !== before) this.drain();
    const goOn = this.#delivered === before && performance.now() < this.#pollUntil;
    if (goOn) setImmediate(this.#look);
    else this.#isPolling = false;
  };

  #take(answer: Answer): void {
    // Counted first: what is delivered may ask to poll for the next.
    this.#delivered = (this.#delivered + 1) | 0;
    this.#deliver(answer);
  }
}
