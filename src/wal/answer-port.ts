/**
 * The main thread's end of the way back from the log's thread. An event loop that sleeps takes tens of
 * microseconds to wake, half as long as a sync of a fast disk; so while very little is in flight the loop is
 * kept turning instead, and looks at a shared word in each turn. Other work of the host runs between those turns as
 * ever. It deliberately knows nothing of what an answer says.
 *
 * 1. Every answer is delivered once, in the order it was given, whether it was looked for or a message woke the loop.
 * 2. The loop is kept turning only where a second core runs the log's thread, only while the newest sync of the
 *    log was short, and at most `POLL_MS` after the last look for work: a slow disk costs no CPU.
 * 3. It sleeps as soon as an answer is later than it should be: a scheduler may have put the log's thread on the core
 *    of this one, and then it runs only when this one sleeps.
 * 4. One answer is delivered in a turn of the loop. What is delivered begins new commits, whose answers would be there in
 *    the same turn, a thousand on end: seconds, in which nothing else of the host ran.
 * 5. Nobody sends a message to a loop that looks by itself, or is on its way to (`Word.awake`).
 */
import { availableParallelism } from "node:os";
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { defined } from "../assert.ts";
import { LOOKS_A_TIME, POLL_MS, POLL_TURN_MS, TAKEN_MS } from "../limits.ts";
import type { AnswerRing } from "./answer-ring.ts";
import type { Answer } from "./drain.ts";
import { Word, type Words } from "./words.ts";

/** One core cannot look for an answer and work on it. */
export const CAN_POLL = availableParallelism() > 1;

/** Syncs, each as long as the newest, behind which an answer is late. */
const LATE_SYNCS = 1.5;

export class AnswerPort {
  /** For the log's thread. */
  readonly remote: MessagePort;
  readonly #ring: AnswerRing;
  readonly #words: Words;
  readonly #port: MessagePort;
  readonly #deliver: (answer: Answer) => void;
  #isPolling = false;
  /** The next turn looks for the next answer. */
  #goesOn = false;
  /** Answers that came as messages, and whose places in the ring are still to be reached. */
  readonly #posted: Answer[] = [];
  /** When an answer is late, and when a frame that the log's thread has not even taken is. */
  #lateAt = 0;
  #untakenAt = 0;

  constructor(ring: AnswerRing, words: Words, deliver: (answer: Answer) => void) {
    const { port1, port2 } = new MessageChannel();
    this.remote = port2;
    this.#ring = ring;
    this.#words = words;
    this.#port = port1;
    this.#deliver = deliver;
    port1.on("message", (message: Answer | undefined) => this.#arrive(message));
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
    Atomics.store(this.#words, Word.awake, 1);
    setImmediate(this.#look);
  }

  /** Delivers all that is there. */
  drain(): void {
    while (this.#ring.length > 0) this.#deliverNext();
  }

  close(): void {
    this.#lateAt = 0;
    this.#untakenAt = 0;
    this.#port.close();
  }

  readonly #look = (): void => {
    if (this.#lookForTurn() === "nothing") {
      setImmediate(this.#look);
      return;
    }
    // First: what is delivered may ask to poll for the next. Of a late answer this is the last look.
    this.#isPolling = false;
    this.#deliverNext();
  };

  /** Looks for an answer for as long as a turn may take. */
  #lookForTurn(): "answer" | "late" | "nothing" {
    const words = this.#words;
    const turnEnd = performance.now() + POLL_TURN_MS;
    for (;;) {
      for (let look = 0; look < LOOKS_A_TIME; look++) if (this.#ring.length > 0) return "answer";
      const now = performance.now();
      const isTaken = Atomics.load(words, Word.tail) === Atomics.load(words, Word.head);
      if (now > (isTaken ? this.#lateAt : this.#untakenAt)) return "late";
      if (now > turnEnd) return "nothing";
    }
  }

  /** A message: an answer that the ring has the place of, or a wake-up. */
  #arrive(message: Answer | undefined): void {
    if (message !== undefined) this.#posted.push(message);
    // Messages that come in one turn are handed out in it, also those for what the first of them let go on.
    if (!this.#goesOn) this.#deliverNext();
  }

  #deliverNext(): void {
    this.#wantWaking();
    const answer = this.#ring.take();
    if (answer === undefined) return;
    try {
      this.#deliver(answer === "posted" ? this.#nextPosted() : answer);
    } finally {
      if (!this.#isPolling || this.#ring.length > 0) this.#goOn();
    }
  }

  #goOn(): void {
    if (this.#goesOn) return;
    this.#goesOn = true;
    Atomics.store(this.#words, Word.awake, 1);
    setImmediate(() => {
      this.#goesOn = false;
      this.#deliverNext();
    });
  }

  /** Call before looking at the ring: who answers behind this wakes the loop, unless it looks again by itself. */
  #wantWaking(): void {
    if (!this.#isPolling && !this.#goesOn) Atomics.store(this.#words, Word.awake, 0);
  }

  #nextPosted(): Answer {
    for (let next = this.#posted.shift(); ; next = this.#receive()) if (next !== undefined) return next;
  }

  /** A message that has not arrived as an event yet; undefined if it is a wake-up: behind every answer the loop looks again. */
  #receive(): Answer | undefined {
    const received = defined(
      receiveMessageOnPort(this.#port),
      "an answer was posted before its place was taken",
    );
    // One checked edge: the log's thread posts nothing else.
    return received.message as Answer | undefined;
  }
}
