/**
 * Decides what may be stored: the values of the contract (null, booleans, finite numbers, 64-bit integers,
 * strings, bytes, arrays without holes, plain objects), read exactly once before anything is encoded.
 * It deliberately knows no field names; the shapes around payloads are checked in `shape.ts` and `prepare*`.
 *
 * 1. A value called "plain" consists of data properties only, so reading it again gives the same value;
 *    it is encoded from the caller's object, without a copy.
 * 2. Anything else (bytes, accessors, proxies, keys that need an escape, long arrays) is copied while it is
 *    checked. What is stored is the copy, so a getter that answers differently later changes nothing.
 * 3. Whatever the caller's code throws while it is read becomes the refusal of this payload.
 */
import { types } from "node:util";
import type { Encoding } from "../codec.ts";
import { MAX_PAYLOAD_DEPTH } from "../limits.ts";

/** How a refusal is made: INVALID_COMMIT or INVALID_ARGUMENT. */
export type Refuse = (path: string, problem: string, cause?: unknown) => Error;

/** A value that may be stored: the caller's own if it is plain, else a copy. */
export interface CheckedPayload {
  readonly value: unknown;
  readonly encoding: Encoding;
}

/** Items of an array up to which asking each for its descriptor is cheaper than a copy. */
const MAX_PLAIN_ITEMS = 64;
const MIN_BIGINT = -(2n ** 63n);
const MAX_BIGINT = 2n ** 64n - 1n;

/** Throws what `refuse` makes, naming the exact path below `path`. */
export function checkPayload(value: unknown, path: string, refuse: Refuse): CheckedPayload {
  return plainPayload(value) ?? { value: copyPayload(value, path, refuse), encoding: "copy" };
}

/** A value that needs no copy, or undefined. */
export function plainPayload(value: unknown): CheckedPayload | undefined {
  return isPlain(value, MAX_PAYLOAD_DEPTH) ? { value, encoding: "plain" } : undefined;
}

/** A checked copy, whatever the value is. */
export function copyPayload(value: unknown, path: string, refuse: Refuse): unknown {
  return new PayloadCopier(path, refuse).copyAll(value);
}

/** Whether the value can be encoded as it is. Calls no code of the caller. */
function isPlain(value: unknown, levels: number): boolean {
  switch (typeof value) {
    case "string":
      return value.isWellFormed();
    case "number":
      return Number.isFinite(value);
    case "boolean":
      return true;
    case "bigint":
      return value >= MIN_BIGINT && value <= MAX_BIGINT;
    case "object":
      return value === null || (levels > 0 && !types.isProxy(value) && isPlainContainer(value, levels - 1));
    default:
      return false;
  }
}

function isPlainContainer(value: object, levels: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) return prototype === Array.prototype && isPlainArray(value, levels);
  if (prototype !== Object.prototype && prototype !== null) return false;
  if (Object.getOwnPropertySymbols(value).length > 0) return false;
  // Unlike Object.keys this makes no list; what it names that is inherited is no property of the value.
  for (const key in value) {
    // The codec writes such keys as an escape, which needs a copy.
    if (key === "__proto__" || !key.isWellFormed()) return false;
    if (!isPlainProperty(value, key, levels)) return false;
  }
  return true;
}

function isPlainArray(value: readonly unknown[], levels: number): boolean {
  const { length } = value;
  // A hole leaves fewer keys, another key more.
  if (length > MAX_PLAIN_ITEMS || Object.keys(value).length !== length) return false;
  if (Object.getOwnPropertySymbols(value).length > 0) return false;
  for (let i = 0; i < length; i++) if (!isPlainProperty(value, i, levels)) return false;
  return true;
}

function isPlainProperty(value: object, key: PropertyKey, levels: number): boolean {
  const property = Object.getOwnPropertyDescriptor(value, key);
  if (property?.enumerable !== true || property.get !== undefined) return false;
  return isPlain(property.value, levels);
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
