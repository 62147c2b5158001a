/**
 * The shared words through which the main thread, the log's thread and the supply speak without messages.
 * Inline they are the same words in ordinary memory, and nobody waits on them.
 *
 * 1. A thread loads its wake word before it looks for work and waits on that value, so a wake-up between
 *    looking and waiting is never lost.
 * 2. `spares` counts ready segments behind the active one. The log takes from the low end by decrementing;
 *    the supply withdraws all by exchanging it with 0. So both always agree whose a segment is.
 */

export const Word = {
  /** Positions of the ring, modulo 2^32. */
  head: 0,
  tail: 1,
  /** Generation of wake-ups of the log's thread, and whether it sleeps. */
  logWake: 2,
  logAsleep: 3,
  /** Generation of wake-ups of the supply. */
  supplyWake: 4,
  spares: 5,
  /** Bytes of a segment that the log waits for, because a frame fits no usual one; 0 if none. */
  wanted: 6,
  /** 1 while the log waits for a segment. */
  starved: 7,
  /** 1 after making a spare failed, until one succeeds. */
  supplyDown: 8,
  /** One of `Closing`. */
  closing: 9,
  /** Syncs of segment files. */
  syncs: 10,
  /** Answers that the log's thread has given, and those that the main thread has taken, modulo 2^32. */
  answers: 11,
  taken: 15,
  /** 1 while the main thread looks for answers, or is on its way to: nobody needs to wake it. */
  awake: 16,
  /** Microseconds that the newest sync of a segment file took. */
  syncMicros: 12,
  /** Attempts to make a spare that were asked for although the newest one failed, modulo 2^32. */
  asked: 13,
  /** What `asked` was when the newest attempt that has ended began. */
  tried: 14,
} as const;

/** Open; being drained, so that the supply is still needed; over, so that both threads end. */
export const Closing = { open: 0, draining: 1, over: 2 } as const;

export const WORD_COUNT = 17;

export type Words = Int32Array;

/** Asks for another attempt: disks that were full find room again. The supply is to be woken behind it. */
export function askAgain(words: Words): void {
  Atomics.add(words, Word.asked, 1);
}

/** Wakes whoever waits on that generation word. */
export function wake(words: Words, word: number): void {
  Atomics.add(words, word, 1);
  Atomics.notify(words, word);
}

/** Wakes the log's thread only if it sleeps: the usual call costs no system call while it works. */
export function wakeLog(words: Words): void {
  if (Atomics.compareExchange(words, Word.logAsleep, 1, 0) === 1) wake(words, Word.logWake);
}

/** The log's side of the supply: takes the next segment, or says what it waits for. */
export class SpareGate {
  readonly #words: Words;
  readonly #segmentBytes: number;
  readonly #wakeSupply: () => void;
  #asked = false;

  constructor(words: Words, segmentBytes: number, wakeSupply: () => void) {
    this.#words = words;
    this.#segmentBytes = segmentBytes;
    this.#wakeSupply = wakeSupply;
  }

  /** True when the next segment, of at least `fileBytes`, is ready and now the log's. */
  take(fileBytes: number): boolean {
    if (fileBytes > this.#segmentBytes && !this.#isMade(fileBytes)) return this.#starve();
    if (!this.#decrement()) return this.#starve();
    this.#asked = false;
    Atomics.store(this.#words, Word.starved, 0);
    this.#wakeSupply();
    return true;
  }

  get supplyDown(): boolean {
    return Atomics.load(this.#words, Word.supplyDown) === 1;
  }

  /** True when no spare can be made, and that was tried since somebody last asked for it. */
  get isRefused(): boolean {
    return this.supplyDown && Atomics.load(this.#words, Word.tried) === Atomics.load(this.#words, Word.asked);
  }

  get closing(): boolean {
    return Atomics.load(this.#words, Word.closing) !== Closing.open;
  }

  /** The log failed elsewhere: nothing more is to be written. */
  get isOver(): boolean {
    return Atomics.load(this.#words, Word.closing) === Closing.over;
  }

  /** Asks once for a segment of that size; true when the supply has made it. */
  #isMade(fileBytes: number): boolean {
    if (!this.#asked) {
      this.#asked = true;
      Atomics.store(this.#words, Word.wanted, fileBytes);
      this.#wakeSupply();
    }
    return Atomics.load(this.#words, Word.wanted) === 0;
  }

  #decrement(): boolean {
    for (;;) {
      const spares = Atomics.load(this.#words, Word.spares);
      if (spares === 0) return false;
      if (Atomics.compareExchange(this.#words, Word.spares, spares, spares - 1) === spares) return true;
    }
  }

  #starve(): false {
    if (Atomics.exchange(this.#words, Word.starved, 1) === 0) this.#wakeSupply();
    return false;
  }
}
