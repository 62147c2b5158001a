/**
 * Bytes side by side in few allocations that double up to a size, so that many small values cost the garbage
 * collector nothing. It deliberately knows no nodes: `end` says to its user up to where a chunk's values go.
 */
import { copyOf } from "../codec.ts";

export class Chunk {
  /** Undefined once shed. */
  bytes: Uint8Array | undefined;
  /** Bytes of memory it takes, or took. */
  readonly size: number;
  /** Slot behind the last value in it, as its user counts. */
  end = 0;
  /** Whether it belongs to whoever has values in it alone; else they may go without a word. */
  readonly isOwn: boolean;

  constructor(bytes: Uint8Array, isOwn = true) {
    this.bytes = bytes;
    this.size = bytes.length;
    this.isOwn = isOwn;
  }
}

/** All begin with it, for it takes no byte: two of its own were a third of an empty table. */
const EMPTY = new Chunk(new Uint8Array(0));

/** Of values that were never in memory. */
export const SHED = new Chunk(EMPTY.bytes as Uint8Array);
SHED.bytes = undefined;

export class Chunks {
  readonly #minBytes: number;
  readonly #maxBytes: number;
  /** Those that take nothing more. */
  #full: Chunk[] = [];
  #fullBytes = 0;
  #current = EMPTY;
  #used = 0;
  /** Bytes of all values ever put. */
  #put = 0;
  /** Where the last value was put. */
  last: Chunk = this.#current;

  /** Bytes of a chunk, least and most. */
  constructor(size: { readonly least: number; readonly most: number }) {
    this.#minBytes = size.least;
    this.#maxBytes = size.most;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#fullBytes + this.#current.size;
  }

  /** Bytes of them in chunks that take nothing more. */
  get fullBytes(): number {
    return this.#fullBytes;
  }

  /** Copies the value in, and answers its offset in the chunk `last`. */
  put(value: Uint8Array): number {
    const { length } = value;
    if (this.#used + length > this.#current.size) {
      // As much again as there was: many small values have few chunks, few waste little.
      const size = Math.min(Math.max(this.#put, this.#minBytes), this.#maxBytes);
      // One that would fill a chunk leaves the current one to those that come.
      if (length > size / 2) return this.#putAlone(value);
      if (this.#used > 0) this.#addFull(this.#current);
      this.#current = new Chunk(Buffer.allocUnsafeSlow(size));
      this.#used = 0;
    }
    const at = this.#used;
    this.#current.bytes?.set(value, at);
    this.#used += length;
    this.#put += length;
    this.last = this.#current;
    return at;
  }

  /** Makes bytes that nobody changes any more a chunk of their own, without a copy. */
  putWhole(bytes: Uint8Array): Chunk {
    this.last = new Chunk(bytes);
    this.#put += bytes.length;
    this.#addFull(this.last);
    return this.last;
  }

  #putAlone(value: Uint8Array): number {
    this.putWhole(copyOf(value));
    return 0;
  }

  #addFull(chunk: Chunk): void {
    this.#full.push(chunk);
    this.#fullBytes += chunk.size;
  }

  /** Leaves full chunks to those who have views of them. */
  forgetFull(): void {
    if (this.#full.length === 0) return;
    this.#full = [];
    this.#fullBytes = 0;
  }

  /** Frees full chunks whose values all lie below `end`; false if there was none. */
  shed(end: number): boolean {
    const kept: Chunk[] = [];
    for (const chunk of this.#full) {
      if (chunk.end > end) kept.push(chunk);
      else this.#free(chunk);
    }
    const didShed = kept.length < this.#full.length;
    this.#full = kept;
    return didShed;
  }

  #free(chunk: Chunk): void {
    chunk.bytes = undefined;
    this.#fullBytes -= chunk.size;
  }

  /** Takes over a chunk of another. Its user says to `end` up to where it needs the values in it. */
  adopt(chunk: Chunk): void {
    this.#addFull(chunk);
  }
}
