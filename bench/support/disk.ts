/** Bytes of a store's files, and of what a process gave to write calls. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Measured } from "./bench.ts";

/** Bytes in allocated blocks, so that holes in sparse files count nothing; of an open store too. */
export function bytesBelow(directory: string): number {
  let sum = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const stats = statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false });
    // A file that a working store renamed or removed since it was listed: what was summed is of no one moment.
    if (stats === undefined) return bytesBelow(directory);
    sum += stats.blocks * 512;
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
