/** What happens to the machine during one life of a store: faults, a full disk, a slow one, clocks that jump. */
import { FAST_DISK, type Machine, type Process } from "../../src/testing/simulation/machine.ts";
import type { Random } from "../../src/testing/simulation/random.ts";
import type { FaultErrno, FiredFault } from "../../src/vfs/fault.ts";
import type { VfsOperation } from "../../src/vfs/io-error.ts";
import type { Coverage } from "./coverage.ts";
import type { Settings } from "./settings.ts";

/** Milliseconds after which a fault, a full or a slow disk is over. */
const TROUBLE_MS = 400;

const FAULTS: readonly (readonly [VfsOperation | "any", readonly FaultErrno[]])[] = [
  ["write", ["EIO", "ENOSPC", "ESHORT"]],
  ["datasync", ["EIO", "ENOSPC"]],
  ["datasync", ["EIO"]],
  ["sync", ["EIO", "ENOSPC"]],
  ["syncDirectory", ["EIO"]],
  ["open", ["EMFILE", "EIO", "ENOSPC"]],
  ["rename", ["EIO", "ENOSPC"]],
  ["remove", ["EIO", "EROFS"]],
  ["read", ["EIO"]],
  ["list", ["EIO", "EMFILE"]],
  ["stat", ["EIO"]],
  ["close", ["EIO"]],
  ["truncate", ["EIO"]],
  ["any", ["EIO"]],
];

/**
 * No store can go on in a directory whose sync has failed, nor on a lock file whose bytes no later sync can be
 * trusted to have stored, and no file system does: it is mounted anew, with what is on the disk.
 */
export function needsRemount(fired: readonly FiredFault[]): boolean {
  return fired.some(
    ({ operation, path }) =>
      operation === "syncDirectory" || (operation === "sync" && path.endsWith("/format")),
  );
}

export interface TroubleParts {
  readonly machine: Machine;
  readonly process: Process;
  readonly settings: Settings;
  readonly coverage: Coverage;
  readonly random: Random;
}

/** True if the disk may refuse something. All of it is over after a while. */
export function arrangeTrouble({ machine, process, settings, coverage, random }: TroubleParts): boolean {
  machine.speed = FAST_DISK;
  let isTroubled = false;
  if (random.chance(settings.faults)) {
    isTroubled = true;
    for (let count = random.between(1, 3); count > 0; count--) injectFault(process, random);
  }
  if (random.chance(settings.fullDisk)) {
    isTroubled = true;
    process.later(random.spread(1, 200), "disk full", () => {
      machine.isFull = true;
      coverage.add("disk was full");
    });
  }
  if (random.chance(settings.slowDisk)) {
    coverage.add("disk was slow");
    machine.speed = { syncMs: random.spread(1, 50), otherMs: 0.05, hiccups: 0.01, hiccupMs: 800 };
  }
  if (random.chance(settings.clockJump)) {
    process.later(random.spread(1, 200), "clock jump", () => {
      coverage.add("clock jumped");
      machine.wallSkew += random.between(-10_000_000, 10_000_000);
      machine.scheduler.advance(random.spread(1, 200_000));
    });
  }
  process.later(TROUBLE_MS, "trouble over", () => {
    machine.isFull = false;
    process.heal();
  });
  return isTroubled;
}

function injectFault(process: Process, random: Random): void {
  const [operation, errnos] = random.pickAny(FAULTS) ?? ["write", ["EIO"]];
  const path = random.pick([undefined, /\.wal$/, /manifest/, /\.(heads|pack)/, /wal$/]);
  process.inject({
    operation,
    errno: random.pickAny(errnos) ?? "EIO",
    ...(path === undefined ? {} : { path }),
    nth: random.spread(1, 100),
    times: random.chance(0.7) ? "once" : "forever",
  });
}
