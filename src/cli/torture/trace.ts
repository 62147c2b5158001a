/**
 * System calls on the files of a store, as strace lists them and as it can be told to kill at them. Pure text;
 * it deliberately starts nothing.
 *
 * 1. Calls are counted as strace's `when=` counts them: per thread, per call, among those on one path.
 */

/** One moment to kill at: before the `turn`th `call` of a thread on `path`. */
export interface KillPoint {
  readonly call: string;
  readonly path: string;
  readonly turn: number;
}

/** Calls that change something. A name a machine does not have is passed over, which "?" asks strace for. */
const CALLS = [
  "open",
  "openat",
  "write",
  "writev",
  "pwrite64",
  "pwritev",
  "pwritev2",
  "fdatasync",
  "fsync",
  "rename",
  "renameat",
  "renameat2",
  "unlink",
  "unlinkat",
  "ftruncate",
  "mkdir",
  "mkdirat",
];
export const TRACED_CALLS = CALLS.map((call) => `?${call}`).join(",");

/** "-y" shows the path of a descriptor behind it. */
const LINE = /^(\d+) +(\w+)\((.*)$/;
const DESCRIPTOR = /^\d+<([^>]+)>/;
const QUOTED = /"((?:[^"\\]|\\.)*)"/;

/** Arguments of strace that list such calls in `output`. */
export function listingArguments(output: string): string[] {
  return ["-f", "-qq", "-y", "-o", output, "-e", `trace=${TRACED_CALLS}`, "-e", "signal=none"];
}

/** Arguments of strace that kill the process at that point, before the call has an effect. */
export function killArguments({ call, path, turn }: KillPoint, output: string): string[] {
  const inject = `inject=${call}:signal=KILL:when=${turn}`;
  return ["-f", "-qq", "-o", output, "-P", path, "-e", `trace=${call}`, "-e", inject];
}

/** Every point of a listing that lies below `root`, once. */
export function pointsOf(listing: string, root: string): KillPoint[] {
  const turns = new Map<string, number>();
  const points = new Map<string, KillPoint>();
  for (const line of listing.split("\n")) {
    const [, thread = "", call = "", rest = ""] = LINE.exec(line) ?? [];
    const path = pathOf(rest);
    if (path === undefined || (path !== root && !path.startsWith(`${root}/`))) continue;
    const counted = `${thread} ${call} ${path}`;
    const turn = (turns.get(counted) ?? 0) + 1;
    turns.set(counted, turn);
    // An opening that only reads leaves nothing behind that the call before it did not.
    if (call.startsWith("open") && !/O_CREAT/.test(rest)) continue;
    points.set(`${call} ${path} ${turn}`, { call, path, turn });
  }
  return [...points.values()];
}

/** The path a call is about: of its descriptor, or the first it names. */
function pathOf(rest: string): string | undefined {
  const descriptor = rest.startsWith("AT_FDCWD") ? undefined : DESCRIPTOR.exec(rest)?.[1];
  return descriptor ?? QUOTED.exec(rest)?.[1];
}
