/**
 * Reads msgpack by hand: any msgpack for the values that a store writes, wherever it lies in a larger piece of memory.
 * msgpackr reads at most one value a buffer, and drops a byte order mark in front of a text of more than 64 bytes.
 * It knows one extension type, that of bytes, and nothing of what values mean.
 *
 * 1. Nothing outside `start` and `end` is read, whatever a length says; what does not fit throws a plain Error.
 * 2. What it answers aliases nothing of the bytes, but for what `view` answers.
 * 3. Every text comes back character for character; bytes that are no UTF-8, which no writer writes, become U+FFFD.
 */

/** Bytes up to which a text is compared and looked up here; above it a call into the runtime costs less. */
const SHORT_TEXT = 24;
/** Short texts that come again and again (keys, kinds, roles) are made once. A power of two. */
const REMEMBERED = 1024;

/** Containers in containers. A payload has at most 200, each of them three if it is escaped; more would end the stack. */
const MAX_DEPTH = 1000;

/** Tags of msgpack. */
const FIX_MAP = 0x80;
const FIX_ARRAY = 0x90;
const FIX_TEXT = 0xa0;
const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const BIN_8 = 0xc4;
const BIN_32 = 0xc6;
const FLOAT_32 = 0xca;
const FLOAT_64 = 0xcb;
const UINT_8 = 0xcc;
const UINT_16 = 0xcd;
const UINT_32 = 0xce;
const UINT_64 = 0xcf;
const INT_8 = 0xd0;
const INT_16 = 0xd1;
const INT_32 = 0xd2;
const INT_64 = 0xd3;
const TEXT_8 = 0xd9;
const TEXT_32 = 0xdb;
const ARRAY_16 = 0xdc;
const ARRAY_32 = 0xdd;
const MAP_16 = 0xde;
const MAP_32 = 0xdf;
const LEAST_NEGATIVE = 0xe0;
const EXTENSION_8 = 0xc7;
const EXTENSION_32 = 0xc9;
const FIX_EXTENSION_1 = 0xd4;
const FIX_EXTENSION_16 = 0xd8;
/** Type of an extension that is a typed array, and its first byte if that is one of bytes. */
const TYPED_ARRAY = 0x74;
const UINT_8_ARRAY = 1;

const keys: (string | undefined)[] = new Array(REMEMBERED).fill(undefined);
const values: (string | undefined)[] = new Array(REMEMBERED).fill(undefined);

export class MsgpackReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;
  #depth = 0;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** Where the next value begins. */
  get at(): number {
    return this.#at;
  }

  /** Throws unless everything was read. */
  finish(): void {
    if (this.#at !== this.#end) throw new Error(`${this.#end - this.#at} bytes are left behind the value`);
  }

  value(): unknown {
    const tag = this.#byte();
    if (tag < FIX_MAP) return tag;
    if (tag < FIX_ARRAY) return this.#map(tag - FIX_MAP);
    if (tag < FIX_TEXT) return this.#array(tag - FIX_ARRAY);
    if (tag < NIL) return this.#text(tag - FIX_TEXT, values);
    if (tag >= LEAST_NEGATIVE) return tag - 0x100;
    switch (tag) {
      case NIL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      default:
        if (isBinary(tag)) return this.#binary(this.#length(tag - BIN_8));
        if (tag >= TEXT_8 && tag <= TEXT_32) return this.#text(this.#length(tag - TEXT_8), values);
        if (tag === ARRAY_16 || tag === ARRAY_32) return this.#array(this.#length(tag - ARRAY_16 + 1));
        if (tag === MAP_16 || tag === MAP_32) return this.#map(this.#length(tag - MAP_16 + 1));
        if (isExtension(tag)) return this.#uint8Array(this.#beginExtension(tag));
        return this.#number(tag);
    }
  }

  /** The items of an array that comes next; they follow. `what` names it in the error, here and below. */
  array(what?: string): number {
    const tag = this.#byte();
    if (tag >= FIX_ARRAY && tag < FIX_TEXT) return tag - FIX_ARRAY;
    if (tag === ARRAY_16 || tag === ARRAY_32) return this.#length(tag - ARRAY_16 + 1);
    throw new Error(
      what === undefined ? `an array was expected, not ${hex(tag)}` : `${what} is not an array`,
    );
  }

  /** Bytes of a value of bytes, in either form, that comes next and is passed over: it ends at `at`. */
  skipBytes(what?: string): number {
    const tag = this.#byte();
    if (!isBinary(tag) && !isExtension(tag))
      throw new Error(what === undefined ? `bytes were expected, not ${hex(tag)}` : `${what} is not bytes`);
    const length = isBinary(tag) ? this.#length(tag - BIN_8) : this.#beginExtension(tag);
    this.#take(length);
    return length;
  }

  /** Bytes of a text that comes next and is passed over: it ends at `at`. */
  skipTextBytes(what: string): number {
    const tag = this.#byte();
    const isLong = tag >= TEXT_8 && tag <= TEXT_32;
    if (!isLong && (tag < FIX_TEXT || tag >= NIL)) throw new Error(`${what} is not a string`);
    const length = isLong ? this.#length(tag - TEXT_8) : tag - FIX_TEXT;
    this.#take(length);
    return length;
  }

  /** The bytes that come next, in either form, where they lie. */
  view(what?: string): Uint8Array {
    const length = this.skipBytes(what);
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** The bytes that come next, in either form, as lowercase hexadecimal. */
  hex(what?: string): string {
    const length = this.skipBytes(what);
    return this.#bytes.toString("hex", this.#at - length, this.#at);
  }

  /** True if nil comes next; only then it is passed over. */
  nil(): boolean {
    if (this.#at >= this.#end || this.#bytes[this.#at] !== NIL) return false;
    this.#at += 1;
    return true;
  }

  /** True if the next value is this text, all ASCII and below 256 characters; only then it is passed over. */
  skipText(text: string): boolean {
    const { length } = text;
    const bytes = this.#bytes;
    const isFix = length < 32;
    const from = this.#at + (isFix ? 1 : 2);
    if (from + length > this.#end || bytes[this.#at] !== (isFix ? FIX_TEXT + length : TEXT_8)) return false;
    if ((!isFix && bytes[from - 1] !== length) || !isAt(text, bytes, from)) return false;
    this.#at = from + length;
    return true;
  }

  #number(tag: number): number | bigint {
    const bytes = this.#bytes;
    switch (tag) {
      case FLOAT_32:
        return bytes.readFloatBE(this.#take(4));
      case FLOAT_64:
        return bytes.readDoubleBE(this.#take(8));
      case UINT_8:
        return this.#byte();
      case UINT_16:
        return bytes.readUInt16BE(this.#take(2));
      case UINT_32:
        return bytes.readUInt32BE(this.#take(4));
      case UINT_64:
        return bytes.readBigUInt64BE(this.#take(8));
      case INT_8:
        return bytes.readInt8(this.#take(1));
      case INT_16:
        return bytes.readInt16BE(this.#take(2));
      case INT_32:
        return bytes.readInt32BE(this.#take(4));
      case INT_64:
        return bytes.readBigInt64BE(this.#take(8));
      default:
        throw new Error(`${hex(tag)} begins no value`);
    }
  }

  #array(length: number): unknown[] {
    // Not made at its length at once: a few bytes could ask for gigabytes.
    const items: unknown[] = [];
    this.#enter();
    for (let i = 0; i < length; i++) items.push(this.value());
    this.#depth--;
    return items;
  }

  #map(size: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    this.#enter();
    for (let i = 0; i < size; i++) {
      const key = this.#key();
      // The codec writes this key as an escape; assigned, it would be the prototype.
      if (key === "__proto__") throw new Error("a map has the key __proto__");
      map[key] = this.value();
    }
    this.#depth--;
    return map;
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH) throw new Error(`more than ${MAX_DEPTH} containers lie in each other`);
  }

  #key(): string {
    const tag = this.#byte();
    if (tag >= FIX_TEXT && tag < NIL) return this.#text(tag - FIX_TEXT, keys);
    if (tag >= TEXT_8 && tag <= TEXT_32) return this.#text(this.#length(tag - TEXT_8), keys);
    throw new Error(`a key of a map is no text but ${hex(tag)}`);
  }

  #text(length: number, remembered: (string | undefined)[]): string {
    const from = this.#take(length);
    const bytes = this.#bytes;
    if (length === 0) return "";
    if (length > SHORT_TEXT) return bytes.toString("utf8", from, from + length);
    const place =
      (length * 0x9e5 + (bytes[from] as number) * 0x1f + (bytes[from + length - 1] as number) * 0x3d) &
      (REMEMBERED - 1);
    const before = remembered[place];
    if (before !== undefined && before.length === length && isAt(before, bytes, from)) return before;
    const text = bytes.toString("utf8", from, from + length);
    // One with other characters has fewer units than bytes, and would never be found again.
    if (text.length === length) remembered[place] = text;
    return text;
  }

  /** Of the form that a Buffer is written in, so that one comes back. */
  #binary(length: number): Uint8Array {
    const from = this.#take(length);
    return Uint8Array.prototype.slice.call(this.#bytes, from, from + length);
  }

  #uint8Array(length: number): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(this.#take(length), this.#at));
  }

  /** Passes over all but the bytes themselves, and answers how many they are. */
  #beginExtension(tag: number): number {
    const length = tag >= FIX_EXTENSION_1 ? 1 << (tag - FIX_EXTENSION_1) : this.#length(tag - EXTENSION_8);
    const type = this.#byte();
    if (type !== TYPED_ARRAY || length === 0 || this.#byte() !== UINT_8_ARRAY)
      throw new Error(`unknown extension type ${hex(type)}`);
    return length - 1;
  }

  /** A length of 8, 16 or 32 bits, by its width's number. */
  #length(width: number): number {
    if (width === 0) return this.#byte();
    return width === 1 ? this.#bytes.readUInt16BE(this.#take(2)) : this.#bytes.readUInt32BE(this.#take(4));
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  /** Where so many bytes begin, which are then passed. */
  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at)
      throw new Error(`${length} bytes were expected, ${this.#end - at} are there`);
    this.#at = at + length;
    return at;
  }
}

/** Whether the text, all ASCII, stands there; one with other characters never does. */
function isAt(text: string, bytes: Uint8Array, from: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit !== bytes[from + i] || unit >= 0x80) return false;
  }
  return true;
}

function isBinary(tag: number): boolean {
  return tag >= BIN_8 && tag <= BIN_32;
}

function isExtension(tag: number): boolean {
  return (tag >= EXTENSION_8 && tag <= EXTENSION_32) || (tag >= FIX_EXTENSION_1 && tag <= FIX_EXTENSION_16);
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, "0")}`;
}
