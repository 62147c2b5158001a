/**
 * Bytes of values. The only importer of msgpackr, which writes what `msgpack-writer.ts` does not, with one frozen setting that
 * belongs to the format; all reading is `msgpack-reader.ts`.
 *
 * msgpack alone cannot say three things our values may hold: a string with lone surrogates, a map with the
 * key `__proto__` (assigned, it would be the prototype), and a map that looks like our own escape. Those are written as
 * an escape map `{ "$v": [tag, data] }`; the first byte of an encoding says whether any escape is inside,
 * so the usual value pays nothing for it.
 *
 * It deliberately checks nothing: `session/payload.ts` decides what may be encoded and tells how
 * (`Encoding`). CRC first, decode second, shape third is the reader's order.
 */
// The "pack" entry is msgpackr without its native string extractor, which can corrupt strings silently
// under memory pressure (kriszyp/msgpackr-extract#18).
import { Packr, RESERVE_START_SPACE } from "msgpackr/pack";
import { KIB } from "./limits.ts";
import { MsgpackReader } from "./msgpack-reader.ts";
import { MsgpackWriter } from "./msgpack-writer.ts";

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  moreTypes: true,
  useBigIntExtension: true,
  copyBuffers: true,
  useToJSON: false,
});

/** Bytes of a buffer to pack into, and of one that a large value made larger than others need. */
const PACK_BUFFER_BYTES = 64 * KIB;
const MAX_PACK_BUFFER_BYTES = 1024 * KIB;

/** First byte of a value without escapes. */
export const PLAIN = 0;
const ESCAPED = 1;
/** For values of the caller, whose bytes are copied by whoever keeps them. `session/scratch.ts` rewinds it. */
export const plainWriter = new MsgpackWriter("kept");
const ESCAPE_KEY = "$v";

/** msgpack of a value made by ourselves (records, heads, footers). The result is a fresh copy. */
export function pack(value: unknown): Uint8Array {
  // pack() answers a view of a shared slab; keeping it would pin megabytes.
  return copyOf(packed(value));
}

/** msgpack without the copy: valid only until the next call into this module. Copy at once. */
export function packTransient(value: unknown): Uint8Array {
  return packed(value);
}

/** Decodes bytes made by `pack`. Throws on anything that is not exactly one value. */
export function unpack(bytes: Uint8Array): unknown {
  return readValue(bytes, 0, bytes.length);
}

/** One byte (plain or escaped), then msgpack. `undefined` members are dropped, -0 becomes 0. */
export function encodeValue(value: unknown): Uint8Array {
  return copyOf(encodeValueShared(value));
}

/** As `encodeValue` without the copy: a view of a slab that it shares with other values. */
export function encodeValueShared(value: unknown): Uint8Array {
  const copier = new Copier(false);
  const wire = copier.copy(value);
  return withFlag(copier.escaped ? ESCAPED : PLAIN, wire);
}

/** As `encodeValue`, with the keys of every map in code-point order: equal values give equal bytes. */
export function encodeCanonical(value: unknown): Uint8Array {
  const copier = new Copier(true);
  const wire = copier.copy(value);
  return copyOf(withFlag(copier.escaped ? ESCAPED : PLAIN, wire));
}

/** Decodes bytes made by `encodeValue` or `encodeCanonical`. The result aliases nothing. */
export function decodeValue(bytes: Uint8Array): unknown {
  return decodeValueAt(bytes, 0, bytes.length);
}

/** As `decodeValue`, of the bytes from `at` on. */
export function decodeValueAt(bytes: Uint8Array, at: number, length: number): unknown {
  const flag = bytes[at];
  if (length < 1 || (flag !== PLAIN && flag !== ESCAPED))
    throw new Error(`unknown value flag ${String(flag)}`);
  const value = readValue(bytes, at + 1, at + length);
  return flag === PLAIN ? value : restore(value);
}

function readValue(bytes: Uint8Array, start: number, end: number): unknown {
  const reader = new MsgpackReader(bytes, start, end);
  const value = reader.value();
  reader.finish();
  return value;
}

function withFlag(flag: number, wire: unknown): Uint8Array {
  const bytes = packed(wire, RESERVE_START_SPACE | 1);
  bytes[0] = flag;
  return bytes;
}

/** A view of msgpackr's own buffer, which it would keep for ever as large as its largest value made it. */
function packed(value: unknown, options?: number): Uint8Array {
  const bytes = packr.pack(value, options);
  if (bytes.buffer.byteLength > MAX_PACK_BUFFER_BYTES)
    packr.useBuffer(Buffer.allocUnsafeSlow(PACK_BUFFER_BYTES));
  return bytes;
}

export function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Code-point order, which differs from JavaScript's UTF-16 order above U+FFFF. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // Surrogates stand for code points above every other unit: lift them above U+E000..U+FFFF.
    return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

class Copier {
  escaped = false;
  readonly #sorted: boolean;

  constructor(sorted: boolean) {
    this.#sorted = sorted;
  }

  copy(value: unknown): unknown {
    if (typeof value === "string") return value.isWellFormed() ? value : this.#escape("s", utf16(value));
    if (typeof value === "number") return value === 0 ? 0 : value;
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return value.map((item) => this.copy(item));
    return this.#copyMap(value as Record<string, unknown>);
  }

  #copyMap(value: Record<string, unknown>): unknown {
    const keys = Object.keys(value).filter((key) => value[key] !== undefined);
    if (this.#sorted) keys.sort(compareCodePoints);
    if (keys.some((key) => key === "__proto__" || key === ESCAPE_KEY || !key.isWellFormed())) {
      return this.#escape(
        "m",
        keys.flatMap((key) => [this.copy(key), this.copy(value[key])]),
      );
    }
    // A Map keeps our order even for keys that look like integers.
    return new Map(keys.map((key) => [key, this.copy(value[key])]));
  }

  #escape(tag: "s" | "m", data: unknown): unknown {
    this.escaped = true;
    return new Map([[ESCAPE_KEY, [tag, data]]]);
  }
}

function utf16(text: string): Uint8Array {
  return Buffer.from(text, "utf16le");
}

function restore(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(restore);
  const map = value as Record<string, unknown>;
  const escaped = map[ESCAPE_KEY];
  if (escaped !== undefined) return restoreEscaped(escaped as [string, unknown]);
  for (const key of Object.keys(map)) map[key] = restore(map[key]);
  return map;
}

function restoreEscaped([tag, data]: [string, unknown]): unknown {
  if (tag === "s") return Buffer.from(data as Uint8Array).toString("utf16le");
  const flat = data as unknown[];
  const map = {};
  for (let i = 0; i < flat.length; i += 2) {
    // defineProperty, because assigning `__proto__` would set the prototype.
    Object.defineProperty(map, restore(flat[i]) as string, {
      value: restore(flat[i + 1]),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return map;
}
