/**
 * Power cuts at every operation of a log that fills segments, rolls, recycles, closes and opens again. What
 * was durable is there, with its bytes; what was not is there as a prefix, or not; nothing is refused.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { type Cut, checkCut, cutsOf, WORKLOADS } from "./cuts.ts";
import { LogFixture } from "./fixture.ts";

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
