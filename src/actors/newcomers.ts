/**
 * Which sessions stay once memory is full: those that were used more than once lately. A session that comes into memory is
 * on trial, among others used once; what is used again meanwhile stays, and so does what comes back soon after it left.
 * (The "2Q" of Johnson and Shasha, 1994.) Work that goes once through many sessions then leaves those in use where they
 * are, and what it brought dies before the garbage collector has moved it. It decides nothing about how a session leaves.
 *
 * 1. They lie in an array that stays the same: a table that grows anew leaves an old one behind, dead but old, and for the
 *    collector of young objects whatever that held is alive.
 */
import type { SessionCell } from "./session.ts";

/** Sessions on trial at a time. */
const PLACES = 512;

export class Newcomers {
  /** On trial; the place of the next is that of the oldest. */
  readonly #places: (SessionCell | undefined)[];
  #next = 0;
  /** Ids of those that left lately, and of those that left before them. */
  #left = new Set<string>();
  #leftBefore = new Set<string>();

  constructor(places = PLACES) {
    this.#places = new Array<SessionCell | undefined>(places).fill(undefined);
  }

  /** A session came into memory: it is on trial in the place of the oldest, which is over; unless it left lately. */
  add(cell: SessionCell): SessionCell | undefined {
    if (this.#left.has(cell.sessionId) || this.#leftBefore.has(cell.sessionId)) return undefined;
    const at = this.#next;
    const oldest = this.#places[at];
    if (oldest !== undefined) this.delete(oldest);
    this.#places[at] = cell;
    cell.trialPlace = at;
    this.#next = (at + 1) % this.#places.length;
    return oldest;
  }

  /** It is used again, or leaves memory by another way. */
  delete(cell: SessionCell): void {
    if (cell.trialPlace < 0) return;
    this.#places[cell.trialPlace] = undefined;
    cell.trialPlace = -1;
  }

  /** It was used once and left while so many stayed: had it come back before as many more, it would have been worth keeping. */
  left(cell: SessionCell, residents: number): void {
    if (this.#left.size >= residents) {
      this.#leftBefore = this.#left;
      this.#left = new Set();
    }
    this.#left.add(cell.sessionId);
  }
}
