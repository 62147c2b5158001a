/** A Bloom filter: "surely not here" without reading the file. 10 bits and 7 probes a key: about 1 % wrong. */
import { crc32 } from "../checksum.ts";

const BITS_PER_KEY = 10;
const PROBES = 7;

export class Filter {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  static forKeys(count: number): Filter {
    return new Filter(new Uint8Array(bytesFor(count)));
  }

  /** The filter of a file of `count` keys. Throws a plain Error on another size, which would deny keys. */
  static fromBytes(bytes: Uint8Array, count: number): Filter {
    if (bytes.length !== bytesFor(count))
      throw new Error(`the filter of ${count} keys has ${bytes.length} bytes`);
    return new Filter(bytes);
  }

  add(key: Uint8Array): void {
    this.#probe(key, (byte, bit) => {
      this.bytes[byte] = (this.bytes[byte] ?? 0) | bit;
      return true;
    });
  }

  mayHave(key: Uint8Array): boolean {
    return this.#probe(key, (byte, bit) => ((this.bytes[byte] ?? 0) & bit) !== 0);
  }

  /** Double hashing: probe i is h1 + i × h2. False as soon as `visit` is. */
  #probe(key: Uint8Array, visit: (byte: number, bit: number) => boolean): boolean {
    const bits = this.bytes.length * 8;
    const first = crc32(key);
    const step = fnv1a(key) | 1;
    for (let i = 0; i < PROBES; i++) {
      const at = ((first + Math.imul(i, step)) >>> 0) % bits;
      if (!visit(at >>> 3, 1 << (at & 7))) return false;
    }
    return true;
  }
}

function bytesFor(keys: number): number {
  return Math.max(8, Math.ceil((keys * BITS_PER_KEY) / 8));
}

/** A second hash that is no linear relative of the CRC. */
function fnv1a(key: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
