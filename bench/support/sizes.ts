/** Sizes that several benches share. */
import type { StoreOptions } from "../../src/index.ts";
import type { BenchRun } from "./bench.ts";

const PREALLOCATED_BYTES = 256 << 20;
const PREALLOCATED_SMALL_BYTES = 2 << 20;

/** Bytes of zeros that a baseline's preallocated file begins with. */
export function zeros(run: BenchRun): number {
  return run.size === "small" ? PREALLOCATED_SMALL_BYTES : PREALLOCATED_BYTES;
}

export function pick<Value>(run: BenchRun, full: Value, small: Value): Value {
  return run.size === "small" ? small : full;
}

/** Full runs measure the store's defaults; small ones spare the zeros of large segments. */
export function sized(run: BenchRun): StoreOptions {
  return pick(run, {}, { segmentBytes: 1 << 20 });
}
