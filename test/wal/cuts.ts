/**
 * Power cuts: what workloads are cut, what each cut leaves, and what must hold behind it. A cut is taken
 * before every operation that changes the file system.
 */
import assert from "node:assert/strict";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { chooseRandomly, keepEverything, keepNothing } from "../../src/vfs/memory-crash.ts";
import type { LogStart, SyncPolicy } from "../../src/wal/log.ts";
import { LogFixture } from "./fixture.ts";

/** What a cut left, and what had been promised before it. */
export interface Cut {
  readonly title: string;
  readonly vfs: MemoryVfs;
  readonly promised: readonly number[];
  readonly start: LogStart;
}

export type Workload = (log: LogFixture) => Promise<void>;

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  "small batches": async (log) => {
    await log.open();
    for (const batch of [[10], [700, 30, 900], [5000], [1]]) await log.write(...batch);
  },
  "segments, rolls and recycling": async (log) => {
    await log.open();
    for (let round = 0; round < 4; round += 1) {
      await log.write(25_000, 20_000, 100);
      await log.write(20_000);
      // As a manifest does: published first, then what lies before it is retired.
      log.start = await log.roll();
      log.log.retire(log.start.segment, { scrub: round === 2 });
      await log.settle();
    }
    await log.write(30, 30);
  },
  "a record of its own segment": async (log) => {
    await log.open();
    await log.write(10, 90_000, 10);
    await log.write(10);
  },
  "clean ends and new beginnings": async (log) => {
    for (let round = 0; round < 3; round += 1) {
      await log.open();
      await log.write(100, 9000);
      await log.close();
    }
  },
  "killed processes": async (log) => {
    for (let round = 0; round < 4; round += 1) {
      await log.open();
      await log.write(100);
      log.append(800);
      // The batch is written and its sync is still to come, or nothing is written yet.
      if (round % 2 === 0) log.turns.shift()?.();
      log.kill();
    }
    await log.open();
    await log.write(100);
  },
};

/** Runs the workload; before each operation that changes the file system, keeps what cuts would leave. */
export async function cutsOf(
  workload: Workload,
  sync: SyncPolicy,
  seeds: number,
): Promise<{ log: LogFixture; cuts: Cut[] }> {
  const vfs = new MemoryVfs();
  const log = new LogFixture({ vfs, sync }).create();
  const cuts: Cut[] = [];
  vfs.onOperation = ({ at, operation, path }) => {
    const choosers = [keepNothing, keepEverything];
    for (let seed = 0; seed < seeds; seed += 1) choosers.push(chooseRandomly(at * 1009 + seed));
    choosers.forEach((chooser, index) => {
      cuts.push({
        title: `cut ${index} before #${at} ${operation} ${path}`,
        vfs: vfs.crash(chooser),
        promised: sync === "always" ? [...log.durable.keys()] : [],
        start: log.start ?? assert.fail(),
      });
    });
  };
  await workload(log);
  vfs.onOperation = undefined;
  return { log, cuts };
}

/** Opens what a cut left and checks every promise; then the log must go on and keep what it promises now. */
export async function checkCut(
  log: LogFixture,
  cut: Cut,
  onRecovery?: (vfs: MemoryVfs) => void,
): Promise<void> {
  const after = log.on(cut.vfs);
  after.start = cut.start;
  if (onRecovery !== undefined) cut.vfs.onOperation = () => onRecovery(cut.vfs);
  try {
    await after.open();
    after.check(cut.promised);
    for (const { lsn, segment, offset } of after.found) {
      assert.ok(after.sent.get(lsn)?.equals(after.log.read(segment, offset)), `LSN ${lsn} at its place`);
    }
    cut.vfs.onOperation = undefined;
    await after.write(200);
    assert.deepEqual(after.failures, []);
    const again = after.on(cut.vfs.crashKeepingNothing());
    await again.open();
    // What recovery handed out is durable under every policy; what was written since, under its own.
    const promised = log.config.sync === "always" ? after.durable.keys() : [];
    again.check([...after.found.map(({ lsn }) => lsn), ...promised]);
  } catch (error) {
    throw new Error(`${cut.title}: ${error}`, { cause: error });
  }
}
