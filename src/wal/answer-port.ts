/**
 * The main thread's end of the way back from the log's thread. An event loop that sleeps takes tens of
 * microseconds to wake, half as long as a sync of a fast disk; so while very little is in flight the loop is
 * kept turning instead, and looks at a shared word in each turn. Other work of the host runs between those turns as
 * ever. It deliberately knows nothing of what an answer says.
 *
 * 1. Every answer is delivered once, in the order it was posted, whether it was looked for or came as an event.
 * 2. The loop is kept turning only where a second core runs the log's thread, only while the newest sync of the
 *    log was short, and at most `POLL_MS` after the last look for work: a slow disk costs no CPU.
 * 3. It sleeps as soon as an answer is later than it should be: a scheduler may have put the log's thread on the core
 *    of this one, and then it runs only when this one sleeps.
 * 4. Answers are delivered as events for `ANSWER_TURN_MS` of a turn of the loop, the others of that turn behind it. What
 *    is delivered begins new commits, whose answers the port would hand out in the same turn, a thousand on end:
 *    seconds, in which nothing else of the host ran.
 */
import { availableParallelism } from "node:os";
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { ANSWER_TURN_MS, LOOKS_A_TIME, POLL_MS, POLL_TURN_MS, TAKEN_MS } from "../limits.ts";
import type { Answer } from "./drain.ts";
import { Word, type Words } from "./words.ts";

/** One core cannot look for an answer and work on it. */
export const CAN_POLL = availableParallelism() > 1;

/** Syncs, each as long as the newest, behind which an answer is late. */
const LATE_SYNCS = 1.5;

export class AnswerPort {
  /** For the log's thread. */
  readonly remote: MessagePort;
  readonly #words: Words;
  readonly #port: MessagePort;
  readonly #deliver: (answer: Answer) => void;
  #delivered = 0;
  #isPolling = false;
  /** When this turn has delivered enough; undefined in one that delivered nothing yet. */
  #turnEnd: number | undefined;
  /** Answers that came behind that. */
  #waiting: Answer[] = [];
  /** When an answer is late, and when a frame that the log's thread has not even taken is. */
  #lateAt = 0;
  #untakenAt = 0;

  constructor(words: Words, deliver: (answer: Answer) => void) {
    const { port1, port2 } = new MessageChannel();
    this.remote = port2;
    this.#words = words;
    this.#port = port1;
    this.#deliver = deliver;
    port1.on("message", (answer: Answer) => this.#arrive(answer));
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
    const now = performance.now();
    this.#untakenAt = now + TAKEN_MS;
    this.#lateAt = now + Math.min(POLL_MS, LATE_SYNCS * syncMs + TAKEN_MS);
    if (this.#isPolling) return;
    this.#isPolling = true;
    setImmediate(this.#look);
  }

  /** Delivers what was posted and has not arrived as an event yet. */
  drain(): void {
    this.#takeWaiting();
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      // One checked edge: the log's thread posts nothing else.
      this.#take(received.message as Answer);
    }
  }

  close(): void {
    this.#lateAt = 0;
    this.#untakenAt = 0;
    this.#port.close();
  }

  readonly #look = (): void => {
    const found = this.#lookForTurn();
    if (found === "nothing") {
      setImmediate(this.#look);
      return;
    }
    // First: what is delivered may ask to poll for the next.
    this.#isPolling = false;
    if (found === "answer") this.drain();
  };

  /** Looks for an answer for as long as a turn may take. */
  #lookForTurn(): "answer" | "late" | "nothing" {
    const words = this.#words;
    const turnEnd = performance.now() + POLL_TURN_MS;
    for (;;) {
      for (let look = 0; look < LOOKS_A_TIME; look++)
        if (Atomics.load(words, Word.answers) !== this.#delivered) return "answer";
      const now = performance.now();
      const isTaken = Atomics.load(words, Word.tail) === Atomics.load(words, Word.head);
      if (now > (isTaken ? this.#lateAt : this.#untakenAt)) return "late";
      if (now > turnEnd) return "nothing";
    }
  }

  #arrive(answer: Answer): void {
    if (this.#turnEnd === undefined) {
      this.#turnEnd = performance.now() + ANSWER_TURN_MS;
      setImmediate(this.#endTurn);
    } else if (this.#waiting.length > 0 || performance.now() > this.#turnEnd) {
      this.#waiting.push(answer);
      return;
    }
    this.#take(answer);
  }

  readonly #endTurn = (): void => {
    this.#takeWaiting();
    this.#turnEnd = undefined;
  };

  #takeWaiting(): void {
    for (const answer of this.#waiting.splice(0)) this.#take(answer);
  }

  #take(answer: Answer): void {
    // Counted first: what is delivered may look for the next.
    this.#delivered = (this.#delivered + 1) | 0;
    this.#deliver(answer);
  }
}
