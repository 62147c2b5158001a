/**
 * The footer of a heads file in memory: first keys and places of all blocks. A file of a million heads has some 60,000 of
 * them, and a store that opens needs none yet: so they stay the bytes they were, with numbers that say where each
 * lies, and are compared there. It deliberately reads no block.
 *
 * What a writer writes is walked by hand, nothing made of it; any other msgpack is decoded whole, as ever.
 */
import { asArray, asBytes, asNumber, asText } from "../session/record.ts";
import { type BlockPlace, placesFromWire } from "./block-file.ts";
import { compareAt } from "./compare-at.ts";
import { Filter } from "./filter.ts";

export interface HeadsFooter {
  readonly count: number;
  /** Of each block its first id and its place. */
  readonly firstIds: Keys;
  readonly places: Places;
  readonly filter: Filter;
  /** Of each list block its first key and its place. */
  readonly listFirstLsns: ArrayLike<number>;
  readonly listFirstIds: Keys;
  readonly listPlaces: Places;
}

/** UTF-8 of ids, where they lie in `bytes`. */
export class Keys {
  readonly #bytes: Buffer;
  /** Pairs (start, end), flat. */
  readonly #ranges: Uint32Array;

  constructor(bytes: Buffer, ranges: Uint32Array) {
    this.#bytes = bytes;
    this.#ranges = ranges;
  }

  static of(texts: readonly string[]): Keys {
    const parts = texts.map((text) => Buffer.from(text));
    const ranges = new Uint32Array(2 * parts.length);
    let at = 0;
    for (const [i, part] of parts.entries()) {
      ranges[2 * i] = at;
      at += part.length;
      ranges[2 * i + 1] = at;
    }
    return new Keys(Buffer.concat(parts), ranges);
  }

  get length(): number {
    return this.#ranges.length / 2;
  }

  /** Order of the key at `index` and `key`, as `Buffer.compare`. */
  compare(index: number, key: Uint8Array): number {
    return compareAt(this.#bytes, this.#ranges[2 * index] ?? 0, this.#ranges[2 * index + 1] ?? 0, key);
  }
}

/** Places of blocks, flat. */
export class Places {
  readonly #numbers: ArrayLike<number>;

  /** Pairs (offset, length). */
  constructor(numbers: ArrayLike<number>) {
    this.#numbers = numbers;
  }

  get length(): number {
    return this.#numbers.length / 2;
  }

  at(index: number): BlockPlace | undefined {
    const offset = this.#numbers[2 * index];
    const length = this.#numbers[2 * index + 1];
    return offset === undefined || length === undefined ? undefined : { offset, length };
  }

  *from(index: number): Generator<BlockPlace> {
    for (let i = index; i < this.length; i++) yield this.at(i) as BlockPlace;
  }
}

/** Throws a plain Error on anything that no writer writes. `decode` answers what the bytes are as a value. */
export function readHeadsFooter(payload: Buffer, decode: () => unknown): HeadsFooter {
  const footer = walked(payload) ?? footerFromWire(decode());
  if (
    footer.firstIds.length !== footer.places.length ||
    footer.listFirstIds.length !== footer.listPlaces.length ||
    footer.listFirstLsns.length < footer.listFirstIds.length
  )
    throw new Error("a block has no first key");
  return footer;
}

function footerFromWire(value: unknown): HeadsFooter {
  const wire = asArray(value, "heads footer");
  const count = asNumber(wire[0], "count");
  const ids = (item: unknown): Keys => Keys.of(asArray(item, "first ids").map((id) => asText(id, "id")));
  const places = (item: unknown): Places =>
    new Places(placesFromWire(item).flatMap(({ offset, length }) => [offset, length]));
  return {
    count,
    firstIds: ids(wire[1]),
    places: places(wire[2]),
    filter: Filter.fromBytes(asBytes(wire[3], "filter"), count),
    listFirstLsns: asArray(wire[4], "first LSNs").map((lsn) => asNumber(lsn, "first LSN")),
    listFirstIds: ids(wire[5]),
    listPlaces: places(wire[6]),
  };
}

const FOOTER_ITEMS = 7;
const FIXARRAY = 0x90;
const BYTES_EXTENSION = 0x74;
const BYTES_PREFIX = 1;

/** Undefined where a byte is not as a writer writes it. */
function walked(payload: Buffer): HeadsFooter | undefined {
  const walk = new Walk(payload);
  if (walk.array() !== FOOTER_ITEMS) return undefined;
  const count = walk.number();
  const firstIds = walk.keys();
  const places = walk.numbers();
  const filter = walk.binary();
  const listFirstLsns = walk.numbers();
  const listFirstIds = walk.keys();
  const listPlaces = walk.numbers();
  if (count === undefined || firstIds === undefined || places === undefined || filter === undefined)
    return undefined;
  if (listFirstLsns === undefined || listFirstIds === undefined || listPlaces === undefined) return undefined;
  if (!walk.isEnd || places.length % 2 !== 0 || listPlaces.length % 2 !== 0) return undefined;
  return {
    count,
    firstIds,
    places: new Places(places),
    filter: Filter.fromBytes(filter, count),
    listFirstLsns,
    listFirstIds,
    listPlaces: new Places(listPlaces),
  };
}

/** msgpack from the front, as far as a footer needs it; undefined for the rest. */
class Walk {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The items of an array that begins here. */
  array(): number | undefined {
    const type = this.#byte();
    if (type >= FIXARRAY && type < FIXARRAY + 16) return type - FIXARRAY;
    if (type === 0xdc) return this.#unsigned(2);
    return type === 0xdd ? this.#unsigned(4) : undefined;
  }

  /** An integer that is not negative and that a number holds exactly. */
  number(): number | undefined {
    const type = this.#byte();
    if (type >= 0 && type < 0x80) return type;
    if (type === 0xcc) return this.#unsigned(1);
    if (type === 0xcd) return this.#unsigned(2);
    if (type === 0xce) return this.#unsigned(4);
    if (type !== 0xcb || this.#at + 8 > this.#bytes.length) return undefined;
    this.#at += 8;
    const value = this.#bytes.readDoubleBE(this.#at - 8);
    return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  }

  numbers(): Float64Array | undefined {
    const length = this.#length();
    if (length === undefined) return undefined;
    const values = new Float64Array(length);
    for (let i = 0; i < length; i++) {
      const value = this.number();
      if (value === undefined) return undefined;
      values[i] = value;
    }
    return values;
  }

  keys(): Keys | undefined {
    const length = this.#length();
    if (length === undefined) return undefined;
    const ranges = new Uint32Array(2 * length);
    for (let i = 0; i < length; i++) {
      const type = this.#byte();
      let bytes: number | undefined;
      if (type >= 0xa0 && type < 0xc0) bytes = type - 0xa0;
      else if (type === 0xd9) bytes = this.#unsigned(1);
      else if (type === 0xda) bytes = this.#unsigned(2);
      if (!this.#skip(bytes)) return undefined;
      ranges[2 * i] = this.#at - (bytes ?? 0);
      ranges[2 * i + 1] = this.#at;
    }
    return new Keys(this.#bytes, ranges);
  }

  /** Bytes as `bin`, or as the extension that stands for them; see docs/format.md. */
  binary(): Buffer | undefined {
    const type = this.#byte();
    if (type >= 0xc4 && type <= 0xc6) return this.#part(this.#unsigned(2 ** (type - 0xc4)));
    const bytes = type >= 0xc7 && type <= 0xc9 ? this.#unsigned(2 ** (type - 0xc7)) : undefined;
    if (bytes === undefined || this.#byte() !== BYTES_EXTENSION || this.#byte() !== BYTES_PREFIX)
      return undefined;
    return this.#part(bytes - 1);
  }

  #part(bytes: number | undefined): Buffer | undefined {
    return this.#skip(bytes) ? this.#bytes.subarray(this.#at - (bytes ?? 0), this.#at) : undefined;
  }

  /** The items of an array; each takes a byte at least, so that a damaged length allocates nothing. */
  #length(): number | undefined {
    const length = this.array();
    return length === undefined || length > this.#bytes.length - this.#at ? undefined : length;
  }

  #skip(bytes: number | undefined): boolean {
    if (bytes === undefined || bytes < 0 || this.#at + bytes > this.#bytes.length) return false;
    this.#at += bytes;
    return true;
  }

  /** −1 behind the end. */
  #byte(): number {
    return this.#bytes[this.#at++] ?? -1;
  }

  #unsigned(bytes: number): number | undefined {
    return this.#skip(bytes) ? this.#bytes.readUIntBE(this.#at - bytes, bytes) : undefined;
  }
}
