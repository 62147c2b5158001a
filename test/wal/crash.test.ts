/**
 * Power cuts at every operation of a log that fills segments, rolls, recycles, closes and opens again; and
 * power cuts at every operation of the recovery from them. What was durable is there, with its bytes; what
 * was not is there as a prefix, or not; nothing is refused.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { chooseRandomly, keepEverything, keepNothing } from "../../src/vfs/memory-crash.ts";
import type { LogStart, SyncPolicy } from "../../src/wal/log.ts";
import { LogFixture } from "./fixture.ts";

/** What a cut left, and what had been promised before it. */
interface Cut {
  readonly title: string;
  readonly vfs: MemoryVfs;
  readonly promised: readonly number[];
  readonly start: LogStart;
}

type Workload = (log: LogFixture) => Promise<void>;

const WORKLOADS: Readonly<Record<string, Workload>> = {
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
async function cutsOf(
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
async function checkCut(log: LogFixture, cut: Cut, onRecovery?: (vfs: MemoryVfs) => void): Promise<void> {
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

describe("a power cut", () => {
  for (const [name, workload] of Object.entries(WORKLOADS)) {
    it(`at any operation loses nothing durable: ${name}`, async () => {
      const { log, cuts } = await cutsOf(workload, "always", 4);
      assert.ok(cuts.length > 100);
      for (const cut of cuts) await checkCut(log, cut);
    });
  }

  for (const sync of ["interval", "never"] as const) {
    it(`refuses nothing and finds a prefix under sync policy ${sync}`, async () => {
      for (const workload of Object.values(WORKLOADS)) {
        const { log, cuts } = await cutsOf(workload, sync, 1);
        for (const cut of cuts) await checkCut(log, cut);
      }
    });
  }

  it("leaves everything that a killed process was told, under every policy", async () => {
    for (const sync of ["interval", "never"] as const) {
      const vfs = new MemoryVfs();
      const log = new LogFixture({ vfs, sync }).create();
      await log.open();
      await log.write(100, 9000, 40_000, 40_000, 10);
      const after = log.on(vfs.crashKeepingEverything());
      await after.open();
      after.check(log.durable.keys());
    }
  });

  it("with every single part lost, kept, torn or garbled loses nothing durable", async () => {
    const vfs = new MemoryVfs();
    const log = new LogFixture({ vfs }).create();
    const cuts: Cut[] = [];
    vfs.onOperation = ({ operation, path }) => {
      if (operation !== "datasync" && operation !== "rename") return;
      for (const { title, vfs: left } of vfs.crashes()) {
        const promised = [...log.durable.keys()];
        cuts.push({
          title: `${operation} ${path}: ${title}`,
          vfs: left,
          promised,
          start: log.start ?? assert.fail(),
        });
      }
    };
    await log.open();
    for (const batch of [[10], [700, 30, 900], [9000], [1]]) await log.write(...batch);
    log.start = await log.roll();
    await log.write(600, 600);
    assert.ok(cuts.length > 300, String(cuts.length));
    for (const cut of cuts) await checkCut(log, cut);
  });

  it("during recovery from a power cut loses nothing durable", async () => {
    for (const workload of Object.values(WORKLOADS)) {
      const { log, cuts } = await cutsOf(workload, "always", 1);
      const sample = cuts.filter((_, index) => index % 5 === 0);
      for (const cut of sample) {
        const second: Cut[] = [];
        await checkCut(log, cut, (vfs) => {
          const seed = second.length;
          for (const chooser of [keepNothing, keepEverything, chooseRandomly(seed)]) {
            second.push({
              ...cut,
              title: `${cut.title}, again at ${second.length}`,
              vfs: vfs.crash(chooser),
            });
          }
        });
        for (const again of second) await checkCut(log, again);
      }
    }
  });
});

describe("frames above what is proven durable", () => {
  it("are framed anew, so that a second power cut cannot refuse the store", async () => {
    const vfs = new MemoryVfs();
    const log = new LogFixture({ vfs }).create();
    await log.open();
    await log.write(100);
    vfs.onOperation = ({ operation, path }) => {
      // The second batch was written; its sync never returns.
      if (operation === "datasync" && path.endsWith(".wal")) throw new Error("power cut");
    };
    await log.write(100, 100);
    assert.deepEqual([...log.durable.keys()], [1]);
    vfs.onOperation = undefined;
    const first = log.on(vfs.crashKeepingEverything());
    await first.open();
    first.check([1]);
    assert.equal(first.found.length, 3, "both unacknowledged records are kept");
    assert.deepEqual(
      first.found.map(({ segment }) => segment),
      [2, 3, 3],
      "in the new segment",
    );
    await first.write(50);
    // Now the old segment loses what was never synced there.
    const second = log.on((first.vfs as MemoryVfs).crashKeepingNothing());
    await second.open();
    assert.deepEqual(
      second.found.map(({ lsn }) => lsn),
      [1, 2, 3, 4],
    );
  });
});
