/**
 * Whether somebody holds the exclusive lock of a file, asked without taking it: even a moment's lock would
 * refuse a host that opens its store just then. Linux lists its locks in /proc; elsewhere the answer is
 * "unknown", and the caller goes by the text in `lock`.
 */
import { readFileSync, statSync } from "node:fs";

export type LockStatus = "held" | "free" | "unknown";

export function lockStatusOf(path: string, readLocks: () => string = readProcLocks): LockStatus {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return statusIn(readLocks(), dev, ino);
  } catch {
    return "unknown";
  }
}

function readProcLocks(): string {
  return readFileSync("/proc/locks", "latin1");
}

/** Lines of /proc/locks: `1: OFDLCK ADVISORY  WRITE -1 fe:00:2150805 0 EOF`. */
function statusIn(locks: string, dev: bigint, ino: bigint): LockStatus {
  let elsewhere = false;
  for (const match of locks.matchAll(/ WRITE +-?\d+ ([0-9a-f]+):([0-9a-f]+):(\d+) /g)) {
    const [, major = "", minor = "", inode = ""] = match;
    if (BigInt(inode) !== ino) continue;
    if (BigInt(`0x${major}`) === majorOf(dev) && BigInt(`0x${minor}`) === minorOf(dev)) return "held";
    elsewhere = true;
  }
  // Some file systems (btrfs, overlays) tell another device there than to stat.
  return elsewhere ? "unknown" : "free";
}

/** As glibc's makedev packs them. */
function majorOf(dev: bigint): bigint {
  return ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
}
function minorOf(dev: bigint): bigint {
  return (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
}
