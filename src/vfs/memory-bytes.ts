/**
 * Bytes of a file in memory: sparse, and shared between copies until one of them writes. A copy costs one
 * step per extent and no bytes, so that a crash test can take thousands of them. It knows nothing of names,
 * locks or durability.
 *
 * 1. An absent extent, and the part of an extent beyond its buffer, is zero.
 * 2. Bytes at or beyond `size` are zero, so that growing needs no cleaning.
 * 3. A buffer is written only by the copy that owns it.
 */

/** Bytes one buffer holds at most: the unit of sharing. */
const EXTENT_BYTES = 64 * 1024;
/** A buffer's first capacity; it doubles up to a whole extent. */
const MIN_CAPACITY_BYTES = 512;
const ZEROS = Buffer.alloc(EXTENT_BYTES);

export class MemoryBytes {
  #size = 0;
  #extents: (Buffer | undefined)[] = [];
  /** Extents whose buffer no copy shares. */
  #owned = new Set<number>();

  get size(): number {
    return this.#size;
  }

  /** Fills `target` from `position` as far as the bytes reach; answers how many. */
  read(target: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(target.byteLength, this.#size - position));
    eachExtent(position, count, (index, within, length, done) => {
      const stored = this.#extents[index]?.subarray(within, within + length);
      if (stored !== undefined) target.set(stored, done);
      const known = stored?.byteLength ?? 0;
      if (known < length) target.fill(0, done + known, done + length);
    });
    return count;
  }

  write(source: Uint8Array, position: number): void {
    eachExtent(position, source.byteLength, (index, within, length, done) => {
      const part = source.subarray(done, done + length);
      if (this.#extents[index] === undefined && isZero(part)) return;
      this.#writable(index, within + length).set(part, within);
    });
    if (source.byteLength > 0) this.#size = Math.max(this.#size, position + source.byteLength);
  }

  truncate(size: number): void {
    if (size < this.#size) {
      const within = size % EXTENT_BYTES;
      this.#extents.length = Math.min(this.#extents.length, Math.ceil(size / EXTENT_BYTES));
      const last = Math.floor(size / EXTENT_BYTES);
      if (this.#extents[last] !== undefined) this.#writable(last, within).fill(0, within);
    }
    this.#size = size;
  }

  /** The same bytes, independent from now on. */
  copy(): MemoryBytes {
    const copy = new MemoryBytes();
    copy.#size = this.#size;
    copy.#extents = this.#extents.slice();
    this.#owned.clear();
    return copy;
  }

  /** The buffer of an extent, own and at least `needed` bytes long. */
  #writable(index: number, needed: number): Buffer {
    const existing = this.#extents[index];
    if (existing !== undefined && this.#owned.has(index) && existing.byteLength >= needed) return existing;
    let capacity = Math.max(existing?.byteLength ?? 0, MIN_CAPACITY_BYTES);
    while (capacity < needed) capacity *= 2;
    const buffer = Buffer.alloc(capacity);
    if (existing !== undefined) buffer.set(existing);
    this.#extents[index] = buffer;
    this.#owned.add(index);
    return buffer;
  }
}

function eachExtent(
  position: number,
  count: number,
  visit: (index: number, within: number, length: number, done: number) => void,
): void {
  for (let done = 0; done < count; ) {
    const at = position + done;
    const within = at % EXTENT_BYTES;
    const length = Math.min(EXTENT_BYTES - within, count - done);
    visit(Math.floor(at / EXTENT_BYTES), within, length, done);
    done += length;
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && Buffer.compare(bytes, ZEROS.subarray(0, bytes.byteLength)) === 0;
}
