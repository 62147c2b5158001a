/**
 * Which nodes a session showed once and shows no more, so that a copy of an earlier revision can be brought up to
 * date. Shared by the session's successive states as their node table is: a state sees the first `removalCount`.
 * It deliberately holds ids only; what a copy lacks is told by the nodes themselves.
 *
 * 1. `to` never falls from one removal to the next: what a copy needs stands at the end.
 * 2. What is forgotten raises `oldest`, so that nobody is told less than all.
 */
import { MAX_REMOVALS_KEPT } from "../limits.ts";

/** The node stood in one place from a revision to another, both included; states of `to` may lack it already. */
export interface Removal {
  readonly id: string;
  readonly from: number;
  readonly to: number;
}

/** Removals, oldest first, and the oldest revision from which on they are all there. */
export interface StoredRemovals {
  readonly oldest: number;
  readonly removals: readonly Removal[];
}

/** Bytes of memory that a removal costs beside its id, estimated. */
const REMOVAL_BYTES = 64;

const NONE: readonly Removal[] = [];

export class RemovalLog {
  /** Those before this log, and the revision at which it began; absent if there are none. */
  readonly #stored: { readonly revision: number; readonly read: () => StoredRemovals } | undefined;
  #oldest: number;
  /** Absent while there is none: most sessions in memory have none. */
  #made: Removal[] | undefined;
  #forgotten = 0;
  /** Bytes of memory, estimated. */
  bytes = 0;

  constructor(oldest = 0, stored?: { readonly revision: number; readonly read: () => StoredRemovals }) {
    this.#oldest = oldest;
    this.#stored = stored;
  }

  /** Removals made since this log began, forgotten ones included. */
  get count(): number {
    return this.#forgotten + this.made.length;
  }

  /** The oldest revision about which the removals of this log tell all. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Those made since this log began that are not forgotten. */
  get made(): readonly Removal[] {
    return this.#made ?? NONE;
  }

  add(removal: Removal): void {
    this.#made ??= [];
    this.#made.push(removal);
    this.bytes += removal.id.length * 2 + REMOVAL_BYTES;
    // Half of them at a time, so that each is moved once.
    if (this.#made.length >= 2 * MAX_REMOVALS_KEPT) this.#forget(MAX_REMOVALS_KEPT);
  }

  #forget(count: number): void {
    const forgotten = this.made.slice(0, count);
    this.#made = this.made.slice(count);
    this.#forgotten += count;
    for (const { id, to } of forgotten) {
      this.bytes -= id.length * 2 + REMOVAL_BYTES;
      this.#oldest = Math.max(this.#oldest, to + 1);
    }
  }

  /**
   * Ids that a state of this revision may have shown where no state does any more, by the first `count` removals;
   * or from which revision on that can be told.
   */
  since(revision: number, count: number): { readonly ids: string[] } | { readonly oldest: number } {
    const made = this.made.slice(0, Math.max(0, count - this.#forgotten));
    const { oldest, removals } = this.#before(revision);
    if (revision < oldest) return { oldest };
    // A snapshot taken since may have stored what this log made.
    const ids = new Set<string>();
    for (const { id, from, to } of [...removals, ...made])
      if (from <= revision && revision <= to) ids.add(id);
    return { ids: [...ids] };
  }

  #before(revision: number): StoredRemovals {
    // All that is stored was gone by then.
    if (this.#stored === undefined || revision < this.#oldest || revision > this.#stored.revision)
      return { oldest: this.#oldest, removals: [] };
    const { oldest, removals } = this.#stored.read();
    return { oldest: Math.max(oldest, this.#oldest), removals };
  }
}
