/**
 * Bodies of what was committed last, of all sessions of a store, in memory that is written again and again. Memory that
 * was never written costs its first touch, on some machines a third of a commit; so a session has memory of its own
 * only for what is read.
 *
 * 1. Memory is written again only when all writes whose bodies lie in it were answered: then the log has them.
 * 2. Before it is, its chunk says that its bytes are gone: nobody finds a later body in the place of an earlier one. Who
 *    needs a body for longer than a turn takes a copy.
 * 3. The oldest goes first. While that one may not, more memory is taken, and given back once it may.
 */
import type { Lsn } from "../ids.ts";
import { KIB } from "../limits.ts";
import { Chunk } from "./chunks.ts";

/** How far the log is. */
export interface LogProgress {
  /** LSN of the newest write. */
  readonly lastLsn: Lsn;
  /** Writes up to this LSN were answered. */
  readonly settledLsn: Lsn;
}

/** Bytes written again at a time, at most. */
const SLAB_BYTES = 256 * KIB;
/** Slabs at least: the oldest of them is gone, the others are there. */
const LEAST_SLABS = 8;
/** A body larger than this part of a slab is not taken. */
const LARGEST_PART = 4;

interface Slab {
  readonly chunk: Chunk;
  /** No write behind this LSN has a body in it. */
  readonly lastLsn: Lsn;
}

export class RecentBodies {
  readonly #progress: LogProgress;
  readonly #slabBytes: number;
  readonly #slabs: number;
  /** Those that take nothing more, oldest first. */
  readonly #full: Slab[] = [];
  #current: Chunk | undefined;
  #used = 0;

  /** Takes about `bytes` of memory, as far as it is used. */
  constructor(bytes: number, progress: LogProgress) {
    this.#progress = progress;
    this.#slabBytes = Math.min(SLAB_BYTES, Math.floor(bytes / LEAST_SLABS));
    this.#slabs = Math.floor(bytes / Math.max(1, this.#slabBytes));
  }

  /** Bytes of memory. */
  get bytes(): number {
    return (this.#full.length + (this.#current === undefined ? 0 : 1)) * this.#slabBytes;
  }

  /** Where the last body was put. */
  get last(): Chunk {
    return this.#current as Chunk;
  }

  /** Copies the body of a write that the log has taken, and answers its offset in `last`; undefined if it is too large. */
  put(body: Uint8Array): number | undefined {
    const { length } = body;
    if (length > this.#slabBytes / LARGEST_PART) return undefined;
    const chunk =
      this.#current === undefined || this.#used + length > this.#slabBytes ? this.#begin() : this.#current;
    const at = this.#used;
    chunk.bytes?.set(body, at);
    this.#used += length;
    return at;
  }

  #begin(): Chunk {
    if (this.#current !== undefined)
      this.#full.push({ chunk: this.#current, lastLsn: this.#progress.lastLsn });
    let memory: Uint8Array | undefined;
    while (this.#full.length >= this.#slabs) {
      const oldest = this.#full[0] as Slab;
      if (oldest.lastLsn > this.#progress.settledLsn) break;
      memory = oldest.chunk.bytes;
      oldest.chunk.bytes = undefined;
      this.#full.shift();
    }
    this.#current = new Chunk(memory ?? Buffer.allocUnsafeSlow(this.#slabBytes), false);
    this.#used = 0;
    return this.#current;
  }

  /** Gives all memory back whose writes were answered. */
  clear(): void {
    if (this.#current !== undefined)
      this.#full.push({ chunk: this.#current, lastLsn: this.#progress.lastLsn });
    this.#current = undefined;
    while (this.#full.length > 0) {
      const oldest = this.#full[0] as Slab;
      if (oldest.lastLsn > this.#progress.settledLsn) return;
      oldest.chunk.bytes = undefined;
      this.#full.shift();
    }
  }
}
