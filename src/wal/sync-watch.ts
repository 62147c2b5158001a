/**
 * Counts the syncs of segment files and remembers slow ones. A sync that takes long is what a host sees as
 * commits that hang, and nothing else shows it: the commits succeed. It deliberately calls nobody, because it
 * is asked in the middle of the writer's work; and a sync that never ends is not seen.
 *
 * 1. A sync costs two looks at the clock; a commit costs nothing.
 * 2. The first slow sync is to be told at once, then one every `SLOW_SYNC_EVENT_MS` at most: the longest
 *    since the last that was told.
 */
import { SLOW_SYNC_EVENT_MS, SLOW_SYNC_MS } from "../limits.ts";
import { Word, type Words } from "./words.ts";

/** What a shared word holds. */
const MAX_MICROS = 0x7fff_ffff;

export class SyncWatch {
  readonly #words: Words;
  readonly #now: () => number;
  #startedAt = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  /** Milliseconds of the longest slow sync not told of yet. */
  #longest = 0;

  /** `now`: milliseconds, monotonic. */
  constructor(words: Words, now: () => number) {
    this.#words = words;
    this.#now = now;
  }

  begins(): void {
    this.#startedAt = this.#now();
  }

  ended(): void {
    Atomics.add(this.#words, Word.syncs, 1);
    const durationMs = this.#now() - this.#startedAt;
    Atomics.store(this.#words, Word.syncMicros, Math.min(durationMs * 1000, MAX_MICROS));
    if (durationMs >= SLOW_SYNC_MS) this.#longest = Math.max(this.#longest, durationMs);
  }

  /** Milliseconds of a slow sync that is to be told now. */
  takeSlow(): number | undefined {
    if (this.#longest === 0) return undefined;
    const now = this.#now();
    if (now - this.#toldAt < SLOW_SYNC_EVENT_MS) return undefined;
    const durationMs = this.#longest;
    this.#longest = 0;
    this.#toldAt = now;
    return durationMs;
  }
}
