/**
 * Ids of nodes that are stored and not in memory, by their hashes alone: whether an id is among them, and which slot it has. A
 * long session takes commits with no more of its old nodes than this (docs/adr/0025).
 *
 * 1. A hash is 64 bits of SHA-256: what agrees is taken for the id when something is looked for, but nothing is answered before the node
 *    itself was read. Where no hash agrees the id is not among them.
 * 2. Nobody can choose ids whose hashes agree, so the place of a hash may be its own bits.
 */
import { sha256 } from "../checksum.ts";
import { IDS_PER_STEP } from "../limits.ts";
import type { Steps } from "../steps.ts";

/** Bytes of a hash. */
export const ID_HASH_BYTES = 8;
const WORDS = ID_HASH_BYTES / Uint32Array.BYTES_PER_ELEMENT;

/** The first eight bytes of the SHA-256 of the id's UTF-8. */
export function hashOfId(id: string): Uint8Array {
  return sha256(id).subarray(0, ID_HASH_BYTES);
}

export class StoredIds {
  readonly count: number;
  readonly #words: Uint32Array;
  /** Slot + 1; 0 is empty. At least half of them are. */
  readonly #cells: Int32Array;
  /** The id that was asked for last, and its slot: who appends a node asks for its id more than once. */
  #lastId: string | undefined;
  #lastSlot: number | undefined;

  private constructor(hashes: Uint8Array) {
    // Words in the order of this machine, which is that of the hashes they are compared with.
    const { buffer, byteOffset, length } = hashes;
    const isAligned = byteOffset % Uint32Array.BYTES_PER_ELEMENT === 0;
    this.#words = isAligned
      ? new Uint32Array(buffer, byteOffset, length / Uint32Array.BYTES_PER_ELEMENT)
      : wordsOf(hashes);
    this.count = this.#words.length / WORDS;
    this.#cells = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(1, 2 * this.count))));
  }

  /** `hashes` in insertion order, eight bytes each; nobody changes them any more. */
  static *of(hashes: Uint8Array): Steps<StoredIds> {
    const ids = new StoredIds(hashes);
    for (let slot = 0; slot < ids.count; slot++) {
      if (slot % IDS_PER_STEP === IDS_PER_STEP - 1) yield;
      ids.#enter(slot);
    }
    return ids;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#words.byteLength + this.#cells.byteLength;
  }

  /** The slot of an id, if one with its hash is there. */
  find(id: string): number | undefined {
    if (id === this.#lastId) return this.#lastSlot;
    const words = wordsOf(hashOfId(id));
    const slot = (this.#cells[this.#cellOf(words, 0)] as number) - 1;
    this.#lastId = id;
    this.#lastSlot = slot < 0 ? undefined : slot;
    return this.#lastSlot;
  }

  /** Whether that slot has the hash of the id. */
  isAt(id: string, slot: number): boolean {
    return slot < this.count && this.#isSame(wordsOf(hashOfId(id)), 0, slot);
  }

  /** A hash that is there already keeps its cell: of two equal ones the first is found. */
  #enter(slot: number): void {
    const cell = this.#cellOf(this.#words, slot * WORDS);
    if (this.#cells[cell] === 0) this.#cells[cell] = slot + 1;
  }

  /** The cell of the hash at that word, or the empty one where it belongs. */
  #cellOf(words: Uint32Array, at: number): number {
    const mask = this.#cells.length - 1;
    let cell = (words[at] as number) & mask;
    for (;;) {
      const slot = (this.#cells[cell] as number) - 1;
      if (slot < 0 || this.#isSame(words, at, slot)) return cell;
      cell = (cell + 1) & mask;
    }
  }

  #isSame(words: Uint32Array, at: number, slot: number): boolean {
    return words[at] === this.#words[slot * WORDS] && words[at + 1] === this.#words[slot * WORDS + 1];
  }
}

/** A copy, because bytes of a file begin anywhere. */
function wordsOf(hashes: Uint8Array): Uint32Array {
  const words = new Uint32Array(hashes.length / Uint32Array.BYTES_PER_ELEMENT);
  new Uint8Array(words.buffer).set(hashes);
  return words;
}
