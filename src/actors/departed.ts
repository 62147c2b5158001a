/**
 * What passivated sessions still take: the garbage collector gives their memory back when it next goes through the
 * whole heap, and it lets a heap grow to two or three times what is in use before it does. So the bytes that left are
 * counted, the memory budget makes up for them, and the collector is told of them. It decides nothing about sessions.
 *
 * 1. The count falls only when the collector has shown that it was there, and never below 0.
 * 2. Up to a floor nothing is counted: small stores, and tests that replay a seed, do not depend on the collector.
 * 3. The collector is told, never forced: it begins to mark, in steps and on its own threads, as it does of itself later.
 */

/** How a process's garbage collector is watched and told. */
export interface Collector {
  /** Calls back when `marker` is gone. */
  watch(marker: object, gone: () => void): void;
  /** So many bytes wait to be collected. */
  tell(bytes: number): void;
}

export interface DepartedLimits {
  /** Bytes below which nothing is counted. */
  readonly floorBytes: number;
  /** Of so many bytes that leave, one session is watched. */
  readonly markerBytes: number;
  /** Bytes of which the collector is told at a time. */
  readonly tellBytes: number;
}

export class Departed {
  readonly #limits: DepartedLimits;
  readonly #collector: Collector;
  /** Bytes that left since the store was opened; how many of them are collected, watched, told. */
  #left = 0;
  #collected = 0;
  #watched = 0;
  #told = 0;

  constructor(limits: DepartedLimits, collector: Collector = processCollector()) {
    this.#limits = limits;
    this.#collector = collector;
  }

  /** `marker` was passivated and took so many bytes; nobody holds it any more. */
  add(marker: object, bytes: number): void {
    const { markerBytes, tellBytes } = this.#limits;
    this.#left += bytes;
    const upTo = this.#left;
    if (upTo - this.#watched >= markerBytes) {
      this.#watched = upTo;
      this.#collector.watch(marker, () => {
        this.#collected = Math.max(this.#collected, upTo);
      });
    }
    if (upTo - Math.max(this.#told, this.#collected) < tellBytes) return;
    this.#told = upTo;
    this.#collector.tell(tellBytes);
  }

  /** Bytes above the floor that wait for the collector, as far as is known. */
  get bytes(): number {
    return Math.max(0, this.#left - this.#collected - this.#limits.floorBytes);
  }
}

function processCollector(): Collector {
  const registry = new FinalizationRegistry<() => void>((gone) => gone());
  return {
    watch: (marker, gone) => registry.register(marker, gone),
    // Memory outside the heap that grew by so much makes V8 begin a collection. These bytes are never touched, so
    // the system gives no page for them.
    tell: (bytes) => {
      try {
        Buffer.allocUnsafeSlow(bytes);
      } catch {
        // A system that grants no such memory collects when it must.
      }
    },
  };
}
