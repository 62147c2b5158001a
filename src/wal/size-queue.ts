/** Sizes of the frames in flight, oldest first: a growing ring of numbers, because there is one per frame. */
import { assert } from "../assert.ts";

const FIRST_CAPACITY = 256;

export class SizeQueue {
  #sizes = new Uint32Array(FIRST_CAPACITY);
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(size: number): void {
    if (this.#length === this.#sizes.length) this.#grow();
    this.#sizes[(this.#first + this.#length) & (this.#sizes.length - 1)] = size;
    this.#length += 1;
  }

  shift(): number {
    assert(this.#length > 0, "an answer is about a frame in flight");
    const size = this.#sizes[this.#first] ?? 0;
    this.#first = (this.#first + 1) & (this.#sizes.length - 1);
    this.#length -= 1;
    return size;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let index = 0; index < this.#length; index += 1) {
      yield this.#sizes[(this.#first + index) & (this.#sizes.length - 1)] ?? 0;
    }
  }

  #grow(): void {
    const grown = new Uint32Array(this.#sizes.length * 2);
    let index = 0;
    for (const size of this) grown[index++] = size;
    this.#sizes = grown;
    this.#first = 0;
  }
}
