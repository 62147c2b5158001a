/**
 * Slots of a node table by node id: open addressing over one array of integers. A `Map` would keep for every node some
 * fifty bytes that the garbage collector walks through, and would miss the processor's cache several times a look-up;
 * with many sessions in turn that was a tenth of a commit. It deliberately removes nothing: tables only grow.
 *
 * 1. Ids lie in the table's entries alone. A hash that agrees proves nothing: the id is compared.
 * 2. An entry may have left memory: it throws when its id is asked for, and so does whoever looks for an id of the same hash.
 *    Where no hash agrees the id is not in the table, whatever left.
 * 3. Of the first ids only hashes may be known (`beginWith`). Until their entries are there (`enter`) they are all as if they had left.
 * 4. The hash begins with a number of this process, so that nobody can choose ids which all collide. It decides where
 *    something lies, never an answer.
 */
import { assert } from "../assert.ts";
import { PROCESS_SEED } from "../checksum.ts";
import { BodiesShed, SHED_ENTRY } from "./node-entry.ts";
import type { StoredIds } from "./stored-ids.ts";

/** Entries up to which all are looked at: most sessions in memory have a few nodes, and an index of four objects. */
const FEW = 8;
/** Cells for the first that are more; they double when half of them are used. */
const FIRST_CELLS = 32;
/** Multiplier of MurmurHash2. */
const MULTIPLIER = 0x5bd1_e995;

const NO_CELLS = new Int32Array(0);

export class SlotIndex {
  readonly #entries: readonly { readonly id: string }[];
  /** Pairs: hash, and slot + 1; the second is 0 in an empty cell. */
  #cells = NO_CELLS;
  #mask = FIRST_CELLS - 1;
  #size = 0;
  /** The first ids, while not all of them have cells; and how many have none. */
  #stored: StoredIds | undefined;
  #withoutCell = 0;

  /** `entries[slot].id` must be there when the next slot is added; slots are added in order. */
  constructor(entries: readonly { readonly id: string }[]) {
    this.#entries = entries;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#cells.byteLength + (this.#stored?.bytes ?? 0);
  }

  /** Slots in front of this one have ids of which only the hash is known. */
  get storedEnd(): number {
    return this.#stored?.count ?? 0;
  }

  /** Begins an empty index with ids whose entries are not in memory. There must be more than eight. */
  beginWith(stored: StoredIds): void {
    assert(this.#size === 0 && stored.count > FEW, "an index begins with many ids, or with none");
    this.#stored = stored;
    this.#size = stored.count;
    this.#withoutCell = stored.count;
    this.#cells = new Int32Array(2 * FIRST_CELLS);
  }

  /** The entry of an id that the index began with is there. */
  enter(id: string, slot: number): void {
    this.#put(id, hashOf(id), slot);
    this.#withoutCell -= 1;
    if (this.#withoutCell === 0) this.#stored = undefined;
    this.#growIfNeeded();
  }

  /** Whether an id of the same hash is among those that it began with. */
  isStored(id: string): boolean {
    return this.#stored?.find(id) !== undefined;
  }

  get(id: string): number | undefined {
    if (this.#size <= FEW) return this.#among(id);
    const slot = (this.#cells[2 * this.#cellOf(id, hashOf(id)) + 1] as number) - 1;
    if (slot >= 0) return slot;
    if (this.isStored(id)) throw new BodiesShed();
    return undefined;
  }

  /** As `get`, of an id whose entry may have left, or was never there: "left", if only its hash says that it is there. */
  peek(id: string): number | "left" | undefined {
    if (this.#size <= FEW) return this.#among(id);
    const cells = this.#cells;
    const hash = hashOf(id);
    let hasLeft = false;
    for (let cell = hash & this.#mask; cells[2 * cell + 1] !== 0; cell = (cell + 1) & this.#mask) {
      if (cells[2 * cell] !== hash) continue;
      const slot = (cells[2 * cell + 1] as number) - 1;
      const entry = this.#entries[slot];
      if (entry === SHED_ENTRY) hasLeft = true;
      else if (entry?.id === id) return slot;
    }
    return hasLeft || this.isStored(id) ? "left" : undefined;
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** Whether an id of the same hash has that slot; of an id that lies there it is true. */
  mayBeAt(id: string, slot: number): boolean {
    if (slot < this.storedEnd) return this.#stored?.isAt(id, slot) === true;
    const cells = this.#cells;
    if (cells.length === 0) return false;
    const hash = hashOf(id);
    for (let cell = hash & this.#mask; cells[2 * cell + 1] !== 0; cell = (cell + 1) & this.#mask) {
      if (cells[2 * cell] === hash && cells[2 * cell + 1] === slot + 1) return true;
    }
    return false;
  }

  /** False, and nothing is changed, if the id is there already. */
  add(id: string, slot: number): boolean {
    if (this.#size < FEW) {
      if (this.#among(id) !== undefined) return false;
      this.#size += 1;
      return true;
    }
    if (this.#size === FEW) this.#begin();
    const hash = hashOf(id);
    if (this.isStored(id) || !this.#put(id, hash, slot)) return false;
    this.#size += 1;
    this.#growIfNeeded();
    return true;
  }

  /** False, and nothing is changed, if the id has a cell already. */
  #put(id: string, hash: number, slot: number): boolean {
    const cell = this.#cellOf(id, hash);
    if (this.#cells[2 * cell + 1] !== 0) return false;
    this.#cells[2 * cell] = hash;
    this.#cells[2 * cell + 1] = slot + 1;
    return true;
  }

  /** Looks at all entries. */
  #among(id: string): number | undefined {
    for (let slot = 0; slot < this.#size; slot++) if (this.#entries[slot]?.id === id) return slot;
    return undefined;
  }

  /** Enters the few there are. */
  #begin(): void {
    this.#cells = new Int32Array(2 * FIRST_CELLS);
    for (let slot = 0; slot < FEW; slot++) {
      const id = this.#entries[slot]?.id ?? "";
      this.#put(id, hashOf(id), slot);
    }
  }

  /** The cell of the id, or the empty one where it belongs. */
  #cellOf(id: string, hash: number): number {
    const cells = this.#cells;
    let cell = hash & this.#mask;
    for (;;) {
      const slot = (cells[2 * cell + 1] as number) - 1;
      if (slot < 0 || (cells[2 * cell] === hash && this.#entries[slot]?.id === id)) return cell;
      cell = (cell + 1) & this.#mask;
    }
  }

  #growIfNeeded(): void {
    if (2 * (this.#size - this.#withoutCell) > this.#mask) this.#grow();
  }

  #grow(): void {
    const old = this.#cells;
    this.#mask = 2 * this.#mask + 1;
    const cells = new Int32Array(2 * (this.#mask + 1));
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue;
      let cell = (old[at] as number) & this.#mask;
      while (cells[2 * cell + 1] !== 0) cell = (cell + 1) & this.#mask;
      cells[2 * cell] = old[at] as number;
      cells[2 * cell + 1] = old[at + 1] as number;
    }
    this.#cells = cells;
  }
}

function hashOf(id: string): number {
  let hash = PROCESS_SEED;
  for (let i = 0; i < id.length; i++) {
    hash = Math.imul(hash ^ id.charCodeAt(i), MULTIPLIER);
    hash ^= hash >>> 15;
  }
  return hash | 0;
}
