/**
 * The way back from the log's thread: its answers, in order, in memory that both threads see. That of a batch is four
 * numbers, and no message: a message takes longer than a commit's write. What is more than that is posted, and has its
 * place in the ring all the same.
 *
 * 1. An answer's numbers, or its message, are there before `answers` moves; `taken` moves only behind them.
 * 2. Nothing is overwritten: the log's thread works only while there is room for all that one step says, and is woken
 *    when there is some again.
 * 3. The main thread is woken unless it says that it is awake. It says that it is not before it looks, and the log's
 *    thread asks behind its answer: so one of them sees the other.
 */
import type { MessagePort } from "node:worker_threads";
import { assert } from "../assert.ts";
import type { Answer } from "./drain.ts";
import { Word, type Words, wakeLog } from "./words.ts";

const SLOT_WORDS = 4;
const SLOT_BYTES = SLOT_WORDS * Int32Array.BYTES_PER_ELEMENT;
/** Far more batches than a turn of the main thread lets the log's thread write. */
export const ANSWER_RING_BYTES = 1024 * SLOT_BYTES;
/** Answers of one step at most: its own and a slow sync, or its own and the failure behind it; and the log's last. */
const ANSWERS_PER_STEP = 3;
/** Frames of a slot whose answer was posted: no batch has none. */
const POSTED = 0;

type Batch = Extract<Answer, { kind: "batch" }>;

export class AnswerRing {
  readonly #slots: Int32Array;
  readonly #words: Words;
  readonly #capacity: number;

  constructor(buffer: SharedArrayBuffer, words: Words) {
    this.#slots = new Int32Array(buffer);
    this.#words = words;
    this.#capacity = this.#slots.length / SLOT_WORDS;
    // Positions count modulo 2^32, so the capacity must divide it.
    const isPowerOfTwo = (this.#capacity & (this.#capacity - 1)) === 0;
    assert(this.#capacity > ANSWERS_PER_STEP && isPowerOfTwo, "the answers' places are a power of two");
  }

  /** Answers that are there to be taken. */
  get length(): number {
    return (Atomics.load(this.#words, Word.answers) - Atomics.load(this.#words, Word.taken)) | 0;
  }

  /** Whether there is room for what one more step says. */
  get hasRoom(): boolean {
    return this.length <= this.#capacity - ANSWERS_PER_STEP;
  }

  /** For the log's thread. An answer other than of a batch was posted before. */
  put(answer: Answer): void {
    assert(this.length < this.#capacity, "an answer has a place");
    const answers = Atomics.load(this.#words, Word.answers);
    const at = this.#placeOf(answers);
    if (answer.kind === "batch") {
      this.#slots[at] = answer.frames;
      this.#slots[at + 1] = answer.segment;
      this.#slots[at + 2] = answer.offset;
      this.#slots[at + 3] = answer.room;
    } else {
      this.#slots[at] = POSTED;
    }
    Atomics.store(this.#words, Word.answers, (answers + 1) | 0);
  }

  /** For the main thread: the next answer. */
  take(): Batch | "posted" | undefined {
    if (this.length === 0) return undefined;
    const taken = Atomics.load(this.#words, Word.taken);
    const at = this.#placeOf(taken);
    const slots = this.#slots;
    const frames = slots[at] as number;
    const answer =
      frames === POSTED
        ? "posted"
        : {
            kind: "batch" as const,
            frames,
            segment: slots[at + 1] as number,
            offset: slots[at + 2] as number,
            room: slots[at + 3] as number,
          };
    Atomics.store(this.#words, Word.taken, (taken + 1) | 0);
    // Looked at behind that: an answer that came in between may have filled it, and its thread gone to sleep.
    if (this.length >= this.#capacity - ANSWERS_PER_STEP) wakeLog(this.#words);
    return answer;
  }

  #placeOf(position: number): number {
    return (position & (this.#capacity - 1)) * SLOT_WORDS;
  }
}

/** The log's end. */
export class AnswerSender {
  readonly #ring: AnswerRing;
  readonly #words: Words;
  readonly #port: Pick<MessagePort, "postMessage">;

  constructor(ring: AnswerRing, words: Words, port: Pick<MessagePort, "postMessage">) {
    this.#ring = ring;
    this.#words = words;
    this.#port = port;
  }

  /** Whether one more step may be taken. */
  get hasRoom(): boolean {
    return this.#ring.hasRoom;
  }

  send(answer: Answer): void {
    if (answer.kind !== "batch") this.#port.postMessage(answer);
    this.#ring.put(answer);
    if (Atomics.exchange(this.#words, Word.awake, 1) === 0) this.#port.postMessage(undefined);
  }
}
