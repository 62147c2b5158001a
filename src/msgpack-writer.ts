/**
 * Writes msgpack by hand, for what is written at every commit: records, checkpoint manifests, and node bodies of
 * plain values. It knows only what they need. Everything else is msgpackr's (`codec.ts`).
 *
 * 1. The bytes are those msgpackr writes for the same value with the codec's settings: a value has one encoding.
 * 2. What `end` answers is a view of the writer's own buffer. Of a "reused" buffer it is valid until the next
 *    `begin`; of a "kept" one until `rewind`, or for ever if `leave` came before, and keeps that slab in memory.
 * 3. No code of a caller runs between `begin` and `end`.
 */
import { KIB } from "./limits.ts";

const SLAB_BYTES = 64 * KIB;
const NOTHING = Buffer.alloc(0);
/** A buffer that one large value made larger than this is given back. */
const MAX_SLAB_BYTES = 1024 * KIB;
/** Bytes that a slab must still have for a value to begin in it; fewer would often be copied to the next. */
const ROOM_BYTES = 4 * KIB;
/** Characters up to which a loop is faster than a call into the runtime. */
const SHORT_TEXT = 64;
/** Bytes of the longest header: a tag and a 32-bit length. */
const HEADER_BYTES = 5;
const NUMBER_BYTES = 9;
const TWO_32 = 0x1_0000_0000;
const TWO_63 = 2n ** 63n;

/** Tags of msgpack. */
const NIL = 0xc0;
const BIN_8 = 0xc4;
const FALSE = 0xc2;
const TRUE = 0xc3;
const FLOAT_64 = 0xcb;
const UINT_8 = 0xcc;
const UINT_64 = 0xcf;
const INT_8 = 0xd0;
const INT_16 = 0xd1;
const INT_32 = 0xd2;
const INT_64 = 0xd3;
const FIX_TEXT = 0xa0;
const TEXT_8 = 0xd9;
const FIX_ARRAY = 0x90;
const ARRAY_16 = 0xdc;
const FIX_MAP = 0x80;
const MAP_16 = 0xde;

export class MsgpackWriter {
  readonly #keeps: boolean;
  #bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #start = 0;
  #at = 0;

  constructor(buffer: "reused" | "kept") {
    this.#keeps = buffer === "kept";
  }

  begin(): void {
    const { length } = this.#bytes;
    const isSpent = this.#keeps && length - this.#at < ROOM_BYTES;
    if (isSpent || length > MAX_SLAB_BYTES) {
      this.#bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#at = 0;
    } else if (!this.#keeps) {
      this.#at = 0;
    }
    this.#start = this.#at;
  }

  /** Nothing that a "kept" buffer answered is needed any more: it is written again from its start. */
  rewind(): void {
    this.#at = 0;
  }

  /** Somebody goes on needing what was answered: the buffer is his, whatever comes next, and the next value begins in another. */
  leave(): void {
    if (this.#at === 0) return;
    this.#bytes = NOTHING;
    this.#at = 0;
  }

  end(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#at);
  }

  /** Forgets what was written since `begin`. */
  cancel(): void {
    this.#at = this.#start;
  }

  /** One byte as it is. */
  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** Bytes that are msgpack already. */
  encoded(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  nil(): void {
    this.byte(NIL);
  }

  /** The items follow. */
  array(length: number): void {
    this.#reserve(HEADER_BYTES);
    if (length < 16) this.#bytes[this.#at++] = FIX_ARRAY | length;
    else this.#header(ARRAY_16, length, 1);
  }

  /** So many pairs, key and value, follow. */
  map(size: number): void {
    this.#reserve(HEADER_BYTES);
    if (size < 16) this.#bytes[this.#at++] = FIX_MAP | size;
    else this.#header(MAP_16, size, 1);
  }

  boolean(value: boolean): void {
    this.byte(value ? TRUE : FALSE);
  }

  /** Any finite number; -0 is 0. */
  number(value: number): void {
    if (value >>> 0 === value) return this.integer(value);
    this.#reserve(NUMBER_BYTES);
    if (value >> 0 === value) this.#negative(value);
    else this.#float(value);
  }

  /** An integer from 0 to 2^53 - 1; from 2^32 on it is a float, which holds it exactly. */
  integer(value: number): void {
    this.#reserve(NUMBER_BYTES);
    if (value < 0x80) this.#bytes[this.#at++] = value;
    else if (value < TWO_32) this.#header(UINT_8, value, 0);
    else this.#float(value);
  }

  /** From -2^63 to 2^64 - 1. */
  bigint(value: bigint): void {
    this.#reserve(NUMBER_BYTES);
    const isSigned = value < TWO_63;
    this.#bytes[this.#at++] = isSigned ? INT_64 : UINT_64;
    this.#at = isSigned
      ? this.#bytes.writeBigInt64BE(value, this.#at)
      : this.#bytes.writeBigUInt64BE(value, this.#at);
  }

  /** A text without lone surrogates. */
  text(value: string): void {
    const { length } = value;
    this.#reserve(HEADER_BYTES + 3 * length);
    if (length < SHORT_TEXT && this.#ascii(value)) return;
    const bytes = this.#bytes;
    // Written behind the longest header that it could need, and moved down in the rare case that it needs a shorter one.
    const from = this.#at + textHeaderBytes(3 * length);
    const size = bytes.write(value, from, "utf8");
    this.#textHeader(size);
    if (this.#at !== from) bytes.copyWithin(this.#at, from, from + size);
    this.#at += size;
  }

  binary(value: Uint8Array): void {
    const { length } = value;
    this.#reserve(HEADER_BYTES + length);
    this.#header(BIN_8, length, 0);
    this.#bytes.set(value, this.#at);
    this.#at += length;
  }

  /** A binary given as lowercase hex. */
  hexBinary(value: string): void {
    const length = value.length / 2;
    this.#reserve(HEADER_BYTES + length);
    this.#header(BIN_8, length, 0);
    this.#at += this.#bytes.write(value, this.#at, "hex");
  }

  #float(value: number): void {
    this.#bytes[this.#at++] = FLOAT_64;
    this.#at = this.#bytes.writeDoubleBE(value, this.#at);
  }

  /** An integer from -2^31 to -1. */
  #negative(value: number): void {
    const bytes = this.#bytes;
    if (value >= -0x20) {
      bytes[this.#at++] = value;
    } else if (value >= -0x80) {
      bytes[this.#at++] = INT_8;
      bytes[this.#at++] = value;
    } else if (value >= -0x8000) {
      bytes[this.#at++] = INT_16;
      this.#at = bytes.writeInt16BE(value, this.#at);
    } else {
      bytes[this.#at++] = INT_32;
      this.#at = bytes.writeInt32BE(value, this.#at);
    }
  }

  /** Writes a text of ASCII; false, and nothing, if it has another character. */
  #ascii(value: string): boolean {
    const bytes = this.#bytes;
    const { length } = value;
    const from = this.#at + (length < 32 ? 1 : 2);
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[from + i] = unit;
    }
    this.#textHeader(length);
    this.#at += length;
    return true;
  }

  #textHeader(length: number): void {
    if (length < 32) this.#bytes[this.#at++] = FIX_TEXT | length;
    else this.#header(TEXT_8, length, 0);
  }

  /** A number of 8, 16 or 32 bits behind its tag, `tag` being that of the width at `first` (0: 8 bits, 1: 16). */
  #header(tag: number, value: number, first: 0 | 1): void {
    const bytes = this.#bytes;
    if (first === 0 && value < 0x100) {
      bytes[this.#at++] = tag;
      bytes[this.#at++] = value;
    } else if (value < 0x10000) {
      bytes[this.#at++] = tag + 1 - first;
      bytes[this.#at++] = value >>> 8;
      bytes[this.#at++] = value & 0xff;
    } else {
      bytes[this.#at++] = tag + 2 - first;
      this.#at = bytes.writeUInt32BE(value, this.#at);
    }
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, 2 * (needed - this.#start)));
    grown.set(this.#bytes.subarray(this.#start, this.#at));
    this.#bytes = grown;
    this.#at -= this.#start;
    this.#start = 0;
  }
}

function textHeaderBytes(size: number): number {
  if (size < 32) return 1;
  if (size < 0x100) return 2;
  return size < 0x10000 ? 3 : HEADER_BYTES;
}
