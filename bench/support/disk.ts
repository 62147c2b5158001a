/** Bytes of a store's files, and of what a process gave to write calls. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Measured } from "./bench.ts";

export function bytesBelow(directory: string): number {
  let sum = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    // Allocated blocks, so that holes in sparse files count nothing.
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name)).blocks * 512;
  }
  return sum;
}

/** What a store takes without its log, which is preallocated whatever is in it. */
export function bytesWithoutLog(store: string): number {
  return bytesBelow(store) - bytesBelow(join(store, "wal"));
}

/** Bytes that this process gave to write calls; undefined where nobody counts them. */
export function writtenBytes(): number | undefined {
  try {
    const found = /^wchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"));
    return found === null ? undefined : Number(found[1]);
  } catch {
    // Another system than Linux.
    return undefined;
  }
}

/** What a bench answers where `writtenBytes` does not. */
export const NOT_COUNTED: Measured = {
  rows: [],
  verified: [],
  absent: ["this system does not count the bytes of a process: nothing is measured"],
  plots: [],
};
