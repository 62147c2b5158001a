/** Assertions for us: a broken invariant of our own stops the work. Errors for the world live in errors.ts. */
import { storeError } from "./errors.ts";

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw storeError("INTERNAL", {}, `invariant broken: ${message}`);
}

/** The value, which an invariant of ours says is there. */
export function defined<Value>(value: Value | undefined | null, message: string): Value {
  if (value === undefined || value === null) throw storeError("INTERNAL", {}, `invariant broken: ${message}`);
  return value;
}
