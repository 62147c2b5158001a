/**
 * What sessions let go of while they stay in memory: bodies of their nodes, then the entries of long ones. It knows which
 * sessions have any worth the work, and deliberately not when memory is full.
 *
 * 1. Bodies go before entries: reads alone need bodies, and some commits need an old entry.
 * 2. Of each kind the session goes first that came to have it, or was used, the longest ago.
 * 3. A turn lets go of a bounded number of entries.
 */
import { ENTRIES_SHED_PER_TURN, KIB } from "../limits.ts";
import type { SessionCell } from "./session.ts";

/** Bytes from which a session sheds them: so many, or a small part of the budget. */
const WORTH_SHEDDING = { bodies: 128 * KIB, entries: 8 * KIB, share: 1 / 16 };

export class Shedding {
  readonly #withBodies = new Set<SessionCell>();
  readonly #withEntries = new Set<SessionCell>();
  readonly #worthBodies: number;
  readonly #worthEntries: number;

  constructor(budgetBytes: number) {
    const { bodies, entries, share } = WORTH_SHEDDING;
    this.#worthBodies = Math.min(bodies, budgetBytes * share);
    this.#worthEntries = Math.min(entries, budgetBytes * share);
  }

  /** What the session has may have changed. */
  look(cell: SessionCell): void {
    const nodes = cell.loaded?.nodes;
    if (nodes === undefined) return;
    if (nodes.sheddableBytes >= this.#worthBodies) this.#withBodies.add(cell);
    if (nodes.sheddableEntryBytes >= this.#worthEntries) this.#withEntries.add(cell);
  }

  /** It goes last. */
  used(cell: SessionCell): void {
    if (this.#withBodies.delete(cell)) this.#withBodies.add(cell);
    if (this.#withEntries.delete(cell)) this.#withEntries.add(cell);
  }

  /** It leaves memory. */
  delete(cell: SessionCell): void {
    this.#withBodies.delete(cell);
    this.#withEntries.delete(cell);
  }

  /**
   * Sheds until it is enough. `shed` is told of each session after it did, and says whether it has less. `goesOn`: there is more
   * than a turn takes.
   */
  run(isEnough: () => boolean, shed: (cell: SessionCell) => boolean): { sessions: number; goesOn: boolean } {
    let sessions = 0;
    for (const cell of this.#withBodies) {
      if (isEnough()) return { sessions, goesOn: false };
      this.#withBodies.delete(cell);
      shedBodies(cell);
      if (shed(cell)) sessions++;
    }
    let left = ENTRIES_SHED_PER_TURN;
    for (const cell of this.#withEntries) {
      if (isEnough()) break;
      const entries = shedEntries(cell, left);
      if (shed(cell)) sessions++;
      if (entries === left) return { sessions, goesOn: true };
      left -= entries;
      this.#withEntries.delete(cell);
    }
    return { sessions, goesOn: false };
  }
}

/** Lets go of the bodies of durable nodes. A commit needs none of them; a read brings them back. */
export function shedBodies({ loaded }: SessionCell): void {
  loaded?.nodes.shed(loaded.length);
}

/** Lets go of durable nodes but for the newest, at most so many, unless something is being decided on them. */
export function shedEntries({ loaded, isDeciding }: SessionCell, most: number): number {
  return isDeciding ? 0 : (loaded?.nodes.shedEntries(loaded.length, most) ?? 0);
}
