/**
 * Reads the fields of an argument whose shape is known: unknown fields are refused, every field is read
 * once, and whatever the caller's code throws becomes a refusal that names the field. It deliberately knows
 * no shape itself; those lie in `prepare*.ts`. Payloads, whose keys are free, are checked in `payload.ts`.
 *
 * A symbol names no field, so what a library hangs on the caller's object under one is nobody's data; asking for them
 * would be a twentieth of a commit. Where keys are free they are data, and refused.
 */
import { type StoreError, storeError } from "../errors.ts";
import { type BlobRef, idProblem, isBlobRef } from "../ids.ts";
import { MAX_COUNTER } from "../limits.ts";
import { copyPayload, isPlain, type Refuse, step } from "./payload.ts";

/** An object whose keys were checked. Its fields are read through `Shape.get`. */
export type Fields = Record<string, unknown>;

/** Items for which room is taken before any was read; a length alone proves nothing. */
const MAX_ROOM_AT_ONCE = 1024;

export class Shape {
  readonly refuse: Refuse;

  constructor(refuse: Refuse) {
    this.refuse = refuse;
  }

  fail(path: string, problem: string, cause?: unknown): never {
    throw this.refuse(path, problem, cause);
  }

  /** A plain object that has no other fields than `names`; a field that is undefined is absent. */
  open(value: unknown, path: string, names: readonly string[]): Fields {
    return this.only(this.map(value, path), path, names);
  }

  /** A plain object whose fields depend on one of them: `only` must follow. */
  map(value: unknown, path: string): Fields {
    let problem: string | undefined;
    try {
      problem = mapProblem(value);
    } catch (error) {
      this.fail(path, "could not be read", error);
    }
    return problem === undefined ? (value as Fields) : this.fail(path, problem);
  }

  only(fields: Fields, path: string, names: readonly string[]): Fields {
    let unknown: string | undefined;
    try {
      unknown = unknownField(fields, names);
    } catch (error) {
      this.fail(path, "could not be read", error);
    }
    return unknown === undefined ? fields : this.fail(below(path, unknown), "is not a field of this store");
  }

  /** A plain object used as a map: its keys are free. */
  keys(value: unknown, path: string): string[] {
    const map = this.map(value, path);
    let hasSymbols: boolean;
    let keys: string[];
    try {
      hasSymbols = Object.getOwnPropertySymbols(map).length > 0;
      keys = Object.keys(map);
    } catch (error) {
      return this.fail(path, "could not be read", error);
    }
    return hasSymbols ? this.fail(path, "must not have symbols as keys") : keys;
  }

  /** Items of a list, read once. */
  list(value: unknown, path: string): unknown[] {
    let items: unknown[] | undefined;
    try {
      items = Array.isArray(value) ? itemsOf(value) : undefined;
    } catch (error) {
      this.fail(path, "could not be read", error);
    }
    return items ?? this.fail(path, `must be an array, not ${describe(value)}`);
  }

  get(fields: Fields, path: string, key: string): unknown {
    try {
      return fields[key];
    } catch (error) {
      return this.fail(below(path, key), "could not be read", error);
    }
  }

  text(fields: Fields, path: string, key: string): string {
    const value = this.get(fields, path, key);
    if (typeof value === "string") return value;
    return this.fail(below(path, key), `must be a string, not ${describe(value)}`);
  }

  optionalText(fields: Fields, path: string, key: string): string | undefined {
    const value = this.get(fields, path, key);
    if (value === undefined || typeof value === "string") return value;
    return this.fail(below(path, key), `must be a string or absent, not ${describe(value)}`);
  }

  counter(fields: Fields, path: string, key: string): number {
    return this.checkCounter(this.get(fields, path, key), path, key);
  }

  /** A counter that counts nothing when it is absent. */
  counterOrZero(fields: Fields, path: string, key: string): number {
    const value = this.get(fields, path, key);
    return value === undefined ? 0 : this.checkCounter(value, path, key);
  }

  optionalCounter(fields: Fields, path: string, key: string): number | undefined {
    const value = this.get(fields, path, key);
    return value === undefined ? undefined : this.checkCounter(value, path, key);
  }

  checkCounter(value: unknown, path: string, key: string): number {
    // Adding 0 makes -0 a 0.
    if (Number.isSafeInteger(value) && (value as number) >= 0) return (value as number) + 0;
    return this.fail(below(path, key), `must be an integer from 0 to ${MAX_COUNTER}, not ${describe(value)}`);
  }

  id(fields: Fields, path: string, key: string): string {
    return this.#idAt(this.get(fields, path, key), path, key);
  }

  optionalId(fields: Fields, path: string, key: string): string | undefined {
    const value = this.get(fields, path, key);
    return value === undefined ? undefined : this.#idAt(value, path, key);
  }

  #idAt(value: unknown, path: string, key: string): string {
    const problem = idProblem(value);
    return problem === undefined ? (value as string) : this.fail(below(path, key), problem);
  }

  checkId(value: unknown, path: string): string {
    const problem = idProblem(value);
    return problem === undefined ? (value as string) : this.fail(path, problem);
  }

  optionalRef(fields: Fields, path: string, key: string): BlobRef | undefined {
    const value = this.get(fields, path, key);
    if (value === undefined || isBlobRef(value)) return value;
    return this.fail(below(path, key), "must be a blob ref: 64 lowercase hex digits");
  }

  /**
   * A payload to be encoded at once: a plain one is still the caller's object, which code of the caller
   * that runs later (a getter of the next field) could change.
   */
  payload(value: unknown, path: string): unknown {
    return isPlain(value) ? value : this.snapshot(value, path);
  }

  /** A payload that outlives the reading of other fields: always a copy. */
  snapshot(value: unknown, path: string): unknown {
    return copyPayload(value, path, this.refuse);
  }
}

/** Why the value is no plain object, or undefined if it is one. */
function mapProblem(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return `must be a plain object, not ${describe(value)}`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null;
  return isPlain ? undefined : "must be a plain object, not one of a class";
}

function unknownField(value: Fields, names: readonly string[]): string | undefined {
  // Unlike Object.keys this makes no list; it also names what is inherited.
  for (const key in value) {
    if (!names.includes(key) && Object.hasOwn(value, key) && value[key] !== undefined) return key;
  }
  return undefined;
}

/** Read by index: the iterator could be the caller's. Of its length at once: a list that grows takes room for 17. */
function itemsOf(value: readonly unknown[]): unknown[] {
  const { length } = value;
  const items = new Array<unknown>(Math.min(length, MAX_ROOM_AT_ONCE));
  for (let i = 0; i < length; i++) items[i] = value[i];
  return items;
}

/** The path of a field; fields of the argument itself are named alone. */
export function below(path: string, key: string): string {
  return path === "" ? key : `${path}${step(key)}`;
}

export function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number" || typeof value === "undefined") return String(value);
  return Array.isArray(value) ? "an array" : `a value of type ${typeof value}`;
}

/** What a commit that cannot be accepted as it is gets. */
export function refuseCommit(path: string, problem: string, cause?: unknown): StoreError {
  return storeError("INVALID_COMMIT", { path }, `${path} ${problem}`, cause);
}

/** The shape of a commit: refusals are INVALID_COMMIT. */
export const commitShape = new Shape(
  (path, problem, cause): StoreError => refuseCommit(path === "" ? "commit" : path, problem, cause),
);

/** The shape of any other argument, called `argument`: refusals are INVALID_ARGUMENT. */
export const argumentShape = new Shape(
  (path, problem, cause): StoreError =>
    storeError("INVALID_ARGUMENT", { argument: path }, `${path} ${problem}`, cause),
);
