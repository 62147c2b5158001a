/**
 * Decides what may be stored: the values of the contract (null, booleans, finite numbers, 64-bit integers,
 * strings, bytes, arrays without holes, plain objects), read exactly once.
 * It deliberately knows no field names; the shapes around payloads are checked in `shape.ts` and `prepare*`.
 *
 * 1. A value called "plain" consists of data properties only. It is written while it is checked, in one pass over the
 *    caller's object, and no code of the caller runs before that pass has ended.
 * 2. Anything else (bytes, accessors, proxies, keys that need an escape) is copied while it is
 *    checked. What is stored is the copy, so a getter that answers differently later changes nothing.
 * 3. Whatever the caller's code throws while it is read becomes the refusal of this payload.
 */
import { types } from "node:util";
import { plainWriter } from "../codec.ts";
import { MAX_PAYLOAD_DEPTH } from "../limits.ts";
import type { MsgpackWriter } from "../msgpack-writer.ts";

/** How a refusal is made: INVALID_COMMIT or INVALID_ARGUMENT. */
export type Refuse = (path: string, problem: string, cause?: unknown) => Error;

const MIN_BIGINT = -(2n ** 63n);
const MAX_BIGINT = 2n ** 64n - 1n;
/** The getter of a property, undefined if it has none. It calls none. */
const lookupGetter = (Object.prototype as unknown as { __lookupGetter__(key: PropertyKey): unknown })
  .__lookupGetter__;

/** A checked copy, whatever the value is. Throws what `refuse` makes, naming the exact path below `path`. */
export function copyPayload(value: unknown, path: string, refuse: Refuse): unknown {
  return new PayloadCopier(path, refuse).copyAll(value);
}

/** Writes the value if it is plain. False: it is not, and what was written of it must be cancelled. */
export function writePlain(to: MsgpackWriter, value: unknown): boolean {
  return !isPolluted() && writeValue(to, value, MAX_PAYLOAD_DEPTH);
}

/** Whether the value is plain, for who encodes it in another way. */
export function isPlain(value: unknown): boolean {
  plainWriter.begin();
  const isSo = writePlain(plainWriter, value);
  plainWriter.cancel();
  return isSo;
}

function writeValue(to: MsgpackWriter, value: unknown, levels: number): boolean {
  switch (typeof value) {
    case "string":
      return writeText(to, value);
    case "number":
      if (!Number.isFinite(value)) return false;
      to.number(value);
      return true;
    case "boolean":
      to.boolean(value);
      return true;
    case "bigint":
      if (value < MIN_BIGINT || value > MAX_BIGINT) return false;
      to.bigint(value);
      return true;
    case "object":
      if (value !== null) return levels > 0 && !types.isProxy(value) && writeContainer(to, value, levels - 1);
      to.nil();
      return true;
    default:
      return false;
  }
}

function writeText(to: MsgpackWriter, value: string): boolean {
  if (!value.isWellFormed()) return false;
  to.text(value);
  return true;
}

function writeContainer(to: MsgpackWriter, value: object, levels: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) return prototype === Array.prototype && writeArray(to, value, levels);
  if (prototype !== Object.prototype && prototype !== null) return false;
  if (Object.getOwnPropertySymbols(value).length > 0) return false;
  // Unlike Object.keys this makes no list.
  let size = 0;
  for (const _ in value) size++;
  to.map(size);
  for (const key in value) {
    // The codec writes such keys as an escape, which needs a copy.
    if (key === "__proto__" || !writeText(to, key)) return false;
    if (!writeProperty(to, value, key, levels)) return false;
  }
  return true;
}

function writeArray(to: MsgpackWriter, value: readonly unknown[], levels: number): boolean {
  if (!hasItemsAlone(value) || Object.getOwnPropertySymbols(value).length > 0) return false;
  const { length } = value;
  to.array(length);
  for (let i = 0; i < length; i++) if (!writeProperty(to, value, i, levels)) return false;
  return true;
}

/** Whether the enumerable keys are those of the items and no others: indexes come first and ascending. */
function hasItemsAlone(value: readonly unknown[]): boolean {
  const { length } = value;
  const keys = Object.keys(value);
  return keys.length === length && (length === 0 || keys[length - 1] === String(length - 1));
}

/** `key` names an enumerable property that is the value's own. */
function writeProperty(to: MsgpackWriter, value: object, key: PropertyKey, levels: number): boolean {
  // Unlike a descriptor this makes no object. An accessor without a getter reads as undefined, which is not plain.
  if (lookupGetter.call(value, key) !== undefined) return false;
  return writeValue(to, (value as Record<PropertyKey, unknown>)[key], levels);
}

/** Whether somebody gave all objects an enumerable property: a loop over their keys would name it with their own. */
function isPolluted(): boolean {
  for (const _ in Object.prototype) return true;
  return false;
}

/** Copies a value, reading every property once, or refuses it by its path. */
class PayloadCopier {
  readonly #path: string;
  readonly #refuse: Refuse;
  /** Keys from the payload down to what is being read; the path if it must be refused. */
  readonly #keys: (string | number)[] = [];
  readonly #ancestors: object[] = [];
  /** The refusal made by this copier, told apart from whatever the caller's code throws. */
  #refusal: Error | undefined;

  constructor(path: string, refuse: Refuse) {
    this.#path = path;
    this.#refuse = refuse;
  }

  copyAll(value: unknown): unknown {
    try {
      return this.#copy(value);
    } catch (error) {
      if (error === this.#refusal) throw error;
      throw this.#refuse(pathOf(this.#path, this.#keys), "could not be read", error);
    }
  }

  #copy(value: unknown): unknown {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        if (!Number.isFinite(value)) this.#fail(`must be a finite number, not ${value}`);
        return value === 0 ? 0 : value;
      case "bigint":
        if (value < MIN_BIGINT || value > MAX_BIGINT) this.#fail("must fit in 64 bits");
        return value;
      case "object":
        return value === null ? null : this.#copyObject(value);
      case "undefined":
        return this.#fail("must not be undefined, nor a hole of an array");
      default:
        return this.#fail(`must not be a ${typeof value}`);
    }
  }

  #copyObject(value: object): unknown {
    // Copied, because the bytes may be a Buffer, shared, or carry properties of their own.
    if (types.isUint8Array(value)) return new Uint8Array(value);
    if (this.#ancestors.includes(value)) this.#fail("must not contain itself");
    if (this.#ancestors.length >= MAX_PAYLOAD_DEPTH) {
      this.#fail(`must not be deeper than ${MAX_PAYLOAD_DEPTH} levels`);
    }
    this.#ancestors.push(value);
    const copy = Array.isArray(value) ? this.#copyArray(value) : this.#copyMap(value);
    this.#ancestors.pop();
    return copy;
  }

  #copyArray(value: readonly unknown[]): unknown[] {
    if (Object.getPrototypeOf(value) !== Array.prototype) this.#fail("must be a plain array");
    const { length } = value;
    // Own keys are the items and `length`; a hole that hides behind an extra key is met as undefined.
    if (Reflect.ownKeys(value).length !== length + 1) {
      this.#fail("must be an array without holes and without other keys");
    }
    const copy: unknown[] = [];
    for (let i = 0; i < length; i++) {
      this.#keys.push(i);
      copy.push(this.#copy(value[i]));
      this.#keys.pop();
    }
    return copy;
  }

  #copyMap(value: object): object {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null)
      this.#fail(`must be plain, not ${kindOf(value)}`);
    if (Object.getOwnPropertySymbols(value).length > 0) this.#fail("must not have symbols as keys");
    const copy = {};
    for (const key of Object.keys(value)) {
      this.#keys.push(key);
      const member: unknown = (value as Record<string, unknown>)[key];
      if (member !== undefined) setOwn(copy, key, this.#copy(member));
      this.#keys.pop();
    }
    return copy;
  }

  #fail(problem: string): never {
    this.#refusal = this.#refuse(pathOf(this.#path, this.#keys), problem);
    throw this.#refusal;
  }
}

/** Sets an own property, also one called `__proto__`, which an assignment would take for the prototype. */
export function setOwn(target: object, key: string, value: unknown): void {
  if (key !== "__proto__") {
    (target as Record<string, unknown>)[key] = value;
    return;
  }
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

function pathOf(base: string, keys: readonly (string | number)[]): string {
  return keys.reduce<string>((path, key) => `${path}${step(key)}`, base);
}

/** A key as source text reads it: `[3]`, `.content`, `["a key"]`. */
export function step(key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function kindOf(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "an object of a class";
}
