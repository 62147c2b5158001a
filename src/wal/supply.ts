/**
 * Makes the segments that the log will need, and ends those it needs no more. Synchronous; the same code on
 * the supply's thread and inline. It is the only one that names or removes segment files behind the active
 * one, so numbers never collide.
 *
 * 1. A spare is counted only when its content and its name are on stable storage.
 * 2. Recycling comes first; zeros are written only when there is nothing to recycle.
 * 3. A spare that cannot be made is no failure of the log: the supply is *down* until an attempt succeeds.
 *    A directory sync that failed is one: after it no name can be trusted, and it is never repeated.
 * 4. As many retired files are kept as segments were made since the last retirement: a busy log, whose segments
 *    come free a snapshot's worth at a time, then writes no zeros, and an idle one keeps few.
 * 5. A scrub leaves no old bytes: retired files are removed, and unused spares made of them are replaced.
 */
import { isStoreError } from "../errors.ts";
import { MAX_RECYCLABLE_SEGMENTS, SPARE_SEGMENTS } from "../limits.ts";
import {
  createSegment,
  type LogPlace,
  listSegments,
  newSegment,
  type Pause,
  recycleSegment,
  type SegmentSource,
  segmentPath,
  unnameSegment,
} from "./files.ts";
import { Word, type Words, wakeLog } from "./words.ts";

export interface Retirement {
  /** Segments with a lower number are needed by nobody. */
  readonly below: number;
  readonly scrub: boolean;
}

export interface SupplyState {
  /** Number of the active segment; the supply counts on from it. */
  readonly active: number;
  readonly recyclable: readonly string[];
}

/** What came of a turn: nothing left to do, more to do, or an attempt failed and is worth repeating later. */
export type Turn = "done" | "more" | "down";

export class Supply {
  readonly #place: LogPlace;
  readonly #source: SegmentSource;
  readonly #words: Words;
  readonly #pause: Pause | undefined;
  /** Highest number that has a file. */
  #top: number;
  #recyclable: string[];
  /** Segments made since the last retirement. */
  #made = 0;
  /** Spares, not yet taken when last seen, that hold old bytes. */
  #recycled = new Set<number>();
  #retirements: Retirement[] = [];
  /** Withdrawn spares at the top that are still to be removed. */
  #unneeded = 0;

  constructor(place: LogPlace, source: SegmentSource, words: Words, state: SupplyState, pause?: Pause) {
    this.#place = place;
    this.#source = source;
    this.#words = words;
    this.#pause = pause;
    this.#top = state.active;
    this.#recyclable = [...state.recyclable];
  }

  retire(retirement: Retirement): void {
    this.#retirements.push(retirement);
  }

  /** Does one piece of work. Throws only what must end the log. */
  turn(): Turn {
    // Before the work: who asks meanwhile wants another attempt.
    const asked = Atomics.load(this.#words, Word.asked);
    try {
      const worked = this.#work();
      Atomics.store(this.#words, Word.supplyDown, 0);
      return worked ? "more" : "done";
    } catch (error) {
      if (isStoreError(error, "STORE_IO") && error.path === this.#place.directory) throw error;
      Atomics.store(this.#words, Word.supplyDown, 1);
      Atomics.store(this.#words, Word.tried, asked);
      wakeLog(this.#words);
      return "down";
    }
  }

  #work(): boolean {
    if (this.#unneeded > 0) this.#withdraw();
    const wanted = Atomics.load(this.#words, Word.wanted);
    if (wanted > 0) {
      this.#makeWanted(wanted);
      return true;
    }
    // A log that waits comes before what can wait.
    const starved = Atomics.load(this.#words, Word.starved) === 1;
    if (!starved) {
      const retirement = this.#retirements.shift();
      if (retirement !== undefined) {
        this.#retire(retirement);
        return true;
      }
    }
    if (Atomics.load(this.#words, Word.spares) >= SPARE_SEGMENTS) return false;
    this.#make(this.#source.segmentBytes);
    return true;
  }

  /** A frame fits no usual segment: the unused spares go, and the next number gets a file of its own size. */
  #makeWanted(fileBytes: number): void {
    this.#withdraw();
    createSegment(this.#place, newSegment(this.#source, this.#top + 1, fileBytes), this.#pause);
    this.#top += 1;
    Atomics.store(this.#words, Word.wanted, 0);
    this.#offer();
  }

  #make(fileBytes: number): void {
    const segment = newSegment(this.#source, this.#top + 1, fileBytes);
    const unnamed = this.#recyclable.shift();
    if (unnamed === undefined) createSegment(this.#place, segment, this.#pause);
    else {
      recycleSegment(this.#place, unnamed, segment);
      this.#recycled.add(segment.number);
      // Only so many are unused at a time; older ones were taken.
      this.#recycled.delete(segment.number - SPARE_SEGMENTS);
    }
    this.#top += 1;
    this.#made += 1;
    this.#offer();
  }

  #offer(): void {
    Atomics.add(this.#words, Word.spares, 1);
    wakeLog(this.#words);
  }

  /** Takes all unused spares back from the log and removes them, the last one first. */
  #withdraw(): void {
    this.#unneeded += Atomics.exchange(this.#words, Word.spares, 0);
    while (this.#unneeded > 0) {
      this.#place.vfs.remove(segmentPath(this.#place, this.#top));
      this.#recycled.delete(this.#top);
      this.#top -= 1;
      this.#unneeded -= 1;
    }
    this.#place.vfs.syncDirectory(this.#place.directory);
  }

  #retire({ below, scrub }: Retirement): void {
    const { vfs } = this.#place;
    const most = Math.min(Math.max(this.#made, SPARE_SEGMENTS), MAX_RECYCLABLE_SEGMENTS);
    this.#made = 0;
    for (const number of listSegments(this.#place)) {
      if (number >= below) break;
      const path = segmentPath(this.#place, number);
      const usable =
        !scrub && this.#recyclable.length < most && vfs.stat(path)?.size === this.#source.segmentBytes;
      if (usable) this.#recyclable.push(unnameSegment(this.#place, number));
      else vfs.remove(path);
    }
    if (scrub) this.#scrub();
    vfs.syncDirectory(this.#place.directory);
  }

  #scrub(): void {
    for (const path of this.#recyclable.splice(0)) this.#place.vfs.remove(path);
    const spares = Atomics.load(this.#words, Word.spares);
    const isOld = Array.from({ length: spares }, (_, index) => this.#recycled.has(this.#top - index));
    if (isOld.includes(true)) this.#withdraw();
    this.#recycled = new Set();
  }
}
