/** Changes bytes at random, by a seed: flips, numbers at the edges, msgpack heads, pieces moved and spliced in. */
import { randomFrom } from "../../src/vfs/memory-random.ts";

/** Bytes that an input grows to at most. */
export const MAX_INPUT_BYTES = 16 * 1024;
const MOST_CHANGES = 6;
const EDGE_BYTES = 128;
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
/** First bytes of msgpack: fixed and sized maps, arrays, texts, bytes, numbers, extensions, null. */
const HEADS = [
  0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc3, 0xc4, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcf,
];
const MORE_HEADS = [0xd3, 0xd4, 0xd6, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff];

export class Mutator {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<Value>(values: readonly Value[]): Value {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error("nothing to pick from");
    return value;
  }

  mutate(input: Uint8Array, corpus: readonly Uint8Array[]): Uint8Array {
    let bytes = Buffer.from(input);
    for (let change = this.below(MOST_CHANGES); change >= 0; change--) bytes = this.#change(bytes, corpus);
    return bytes.subarray(0, MAX_INPUT_BYTES);
  }

  /** Anywhere, or near the front or the end: headers and trailers say how to read the rest. */
  #position(length: number): number {
    const near = Math.min(length + 1, EDGE_BYTES);
    return this.pick([this.below(length + 1), this.below(near), length - this.below(near)]);
  }

  #change(bytes: Buffer, corpus: readonly Uint8Array[]): Buffer<ArrayBuffer> {
    const copy = Buffer.from(bytes);
    const at = this.#position(copy.length);
    const length = 1 + this.below(this.pick([4, 16, 256]));
    switch (this.below(8)) {
      case 0:
        if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << this.below(8));
        return copy;
      case 1:
        if (at < copy.length) copy[at] = this.pick([...HEADS, ...MORE_HEADS, this.below(256)]);
        return copy;
      case 2:
        if (at + 4 <= copy.length) copy.writeUInt32LE(this.pick(EDGES), at);
        return copy;
      case 3:
        if (at + 4 <= copy.length) copy.writeUInt32BE(this.pick(EDGES), at);
        return copy;
      case 4:
        return Buffer.concat([copy.subarray(0, at), copy.subarray(at + length)]);
      case 5:
        return Buffer.concat([copy.subarray(0, at), copy.subarray(at, at + length), copy.subarray(at)]);
      case 6: {
        const other = Buffer.from(this.pick(corpus));
        const from = this.below(other.length + 1);
        return Buffer.concat([copy.subarray(0, at), other.subarray(from, from + length), copy.subarray(at)]);
      }
      default: {
        const other = Buffer.from(this.pick(corpus));
        return Buffer.concat([copy.subarray(0, at), other.subarray(Math.min(at, other.length))]);
      }
    }
  }
}
