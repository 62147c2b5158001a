/**
 * The main thread's end of the way back from the log's thread. An event loop that sleeps takes tens of
 * microseconds to wake, half as long as a sync of a fast disk; so while very little is in flight the loop is
 * kept turning instead, and looks at a shared word in each turn, for a moment: a turn for every look would make
 * seven times the garbage of the commit itself. Other work of the host runs between those turns as ever. It deliberately knows nothing of what an answer says.
 *
 * 1. Every answer is delivered once, in the order it was posted, whether it was looked for or came as an event.
 * 2. The loop is kept turning only where a second core runs the log's thread, only while the newest sync of the
 *    log was short, and for at most `POLL_TURNS` since an answer was last due: a slow disk costs no CPU.
 */
import { availableParallelism } from "node:os";
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { LOOKS_PER_TURN, MAX_POLLED_SYNC_MS, POLL_TURNS } from "../limits.ts";
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
  #turnsLeft = 0;

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
    if (!CAN_POLL || syncMs > MAX_POLLED_SYNC_MS) return;
    this.#turnsLeft = POLL_TURNS;
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
    this.#turnsLeft = 0;
    this.#port.close();
  }

  readonly #look = (): void => {
    const before = this.#delivered;
    if (this.#awaits(before)) this.drain();
    this.#turnsLeft -= 1;
    this.#isPolling = this.#delivered === before && this.#turnsLeft > 0;
    if (this.#isPolling) setImmediate(this.#look);
  };

  /** Whether more than so many answers were posted; looks for a moment before it says no. */
  #awaits(delivered: number): boolean {
    const words = this.#words;
    for (let look = 0; look < LOOKS_PER_TURN; look += 1) {
      if (Atomics.load(words, Word.answers) !== delivered) return true;
    }
    return false;
  }

  #take(answer: Answer): void {
    // Counted first: what is delivered may ask to poll for the next.
    this.#delivered = (this.#delivered + 1) | 0;
    this.#deliver(answer);
  }
}
