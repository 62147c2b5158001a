/** Segments that come and go: retired, recycled, scrubbed, and missing because the disk is full. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { MAX_RECYCLABLE_SEGMENTS, SPARE_SEGMENTS } from "../../src/limits.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { type LogStart, scanLog } from "../../src/wal/log.ts";
import { DIRECTORY, opened, readFile, STORE_ID, segmentPathOf } from "./fixture.ts";

describe("sealed segments", () => {
  it("are read one after the other into the same memory", async () => {
    const log = await opened();
    const start = log.start as LogStart;
    for (let round = 0; round < 4; round += 1) {
      // The last is the longest.
      await log.write(...new Array(round + 1).fill(5_000));
      await log.roll();
    }
    const until = await log.roll();
    const memories = new Set<ArrayBufferLike>();
    const lsns: number[] = [];
    scanLog(log.vfs, DIRECTORY, STORE_ID, start, until, (lsn, _segment, _offset, payload) => {
      lsns.push(lsn);
      assert.ok(log.sent.get(lsn)?.equals(payload));
      memories.add(payload.buffer);
    });
    assert.deepEqual(
      lsns,
      Array.from({ length: 10 }, (_, i) => i + 1),
    );
    // A longer one than any before is read into memory of its own, which the next then has.
    assert.ok(memories.size <= 4);
    const shrinking = await opened();
    const from = shrinking.start as LogStart;
    for (let round = 4; round > 0; round -= 1) {
      await shrinking.write(...new Array(round).fill(5_000));
      await shrinking.roll();
    }
    const end = await shrinking.roll();
    memories.clear();
    scanLog(shrinking.vfs, DIRECTORY, STORE_ID, from, end, (lsn, _segment, _offset, payload) => {
      assert.ok(shrinking.sent.get(lsn)?.equals(payload));
      memories.add(payload.buffer);
    });
    assert.equal(memories.size, 1);
  });
});

describe("retired segments", () => {
  it("become spares again, and their old frames are never taken for new ones", async () => {
    const vfs = new MemoryVfs();
    const log = await opened({ vfs });
    for (let round = 0; round < 8; round += 1) {
      await log.write(20_000, 20_000, 100);
      log.start = await log.roll();
      log.log.retire(log.start.segment, { scrub: false });
      await log.settle();
    }
    await log.write(100);
    const last = log.durable.get(log.log.lastLsn)?.segment ?? 0;
    const bytes = readFile(vfs, segmentPathOf(last));
    assert.ok(
      bytes.subarray(30_000).some((byte) => byte !== 0),
      "the segment holds bytes of an earlier life",
    );
    for (const { vfs: left } of vfs.crashes()) {
      const crashed = log.on(left);
      await crashed.open();
      crashed.check([log.log.durableLsn]);
      assert.equal(crashed.found.length, 1);
    }
  });

  it("get a salt of their own in every life", async () => {
    const vfs = new MemoryVfs();
    const log = await opened({ vfs });
    const salts = new Set<bigint>();
    for (let round = 0; round < 8; round += 1) {
      await log.write(100);
      log.start = await log.roll();
      salts.add(log.start.salt);
      log.log.retire(log.start.segment, { scrub: false });
      await log.settle();
    }
    assert.equal(salts.size, 8);
  });

  it("are gone from the log's directory but for spares", async () => {
    const log = await opened();
    for (let round = 0; round < 6; round += 1) {
      await log.write(100);
      log.start = await log.roll();
    }
    assert.equal(log.log.stats().segments, 10);
    log.log.retire(log.log.stats().activeSegment, { scrub: false });
    await log.settle();
    assert.equal(log.log.stats().segments, 3);
  });

  it("are kept as many as were made since the last retirement, so that a busy log writes no zeros", async () => {
    const vfs = new MemoryVfs();
    const log = await opened({ vfs });
    const kept = () => vfs.list(DIRECTORY).filter((name) => name.startsWith("recycle-")).length;
    const go = async (rolls: number): Promise<void> => {
      for (let roll = 0; roll < rolls; roll += 1) {
        await log.write(100);
        log.start = await log.roll();
      }
      await log.settle();
    };
    const retire = async (): Promise<void> => {
      log.log.retire(log.log.stats().activeSegment, { scrub: false });
      await log.settle();
    };
    for (let round = 0; round < 2; round += 1) {
      await go(6);
      await retire();
    }
    assert.equal(kept(), 6);
    await go(6);
    assert.equal(kept(), 0);
    await go(30);
    await retire();
    assert.equal(kept(), MAX_RECYCLABLE_SEGMENTS);
    for (let round = 0; round < 12; round += 1) {
      await go(1);
      await retire();
    }
    assert.equal(kept(), SPARE_SEGMENTS);
  });

  it("leave no old bytes when scrubbed", async () => {
    const vfs = new MemoryVfs();
    const log = await opened({ vfs });
    await log.write(20_000);
    for (const scrub of [false, false, true]) {
      log.start = await log.roll();
      log.log.retire(log.start.segment, { scrub });
      await log.settle();
    }
    for (const name of vfs.list(DIRECTORY)) {
      const bytes = readFile(vfs, `${DIRECTORY}/${name}`);
      assert.ok(!bytes.includes(Buffer.alloc(64, 1)), name);
    }
    await log.write(60_000, 60_000, 60_000);
    assert.equal(log.durable.size, 4);
  });
});

describe("a full disk", () => {
  it("refuses room once active segment and spares are used up, and gives it back when there is space", async () => {
    const vfs = withFaults(new MemoryVfs());
    const log = await opened({ vfs });
    assert.equal(log.log.hasRoom(1_000_000), true, "as long as nothing failed");
    vfs.inject({ operation: "open", path: /(?:spare|recycle)-/, errno: "ENOSPC", times: "forever" });
    let written = 0;
    while (log.log.hasRoom(10_000)) {
      await log.write(10_000);
      written += 1;
      assert.ok(written < 40, "it ends");
    }
    assert.ok(written >= 15, `three segments hold ${written} records`);
    assert.equal(log.durable.size, written);
    assert.deepEqual(log.failures, []);
    await assert.rejects(log.roll(), (error) => isStoreError(error, "STORE_FULL"));
    vfs.heal();
    log.log.hasRoom(10_000);
    await log.settle();
    assert.equal(log.log.hasRoom(10_000), true);
    await log.write(10_000, 60_000, 60_000);
    await log.close();
    await log.open();
    log.check(Array.from({ length: written + 3 }, (_, index) => index + 1));
  });

  it("refuses rolls that were asked for before it was seen, and only those without a segment", async () => {
    const vfs = withFaults(new MemoryVfs());
    const log = await opened({ vfs });
    vfs.inject({ operation: "open", path: /(?:spare|recycle)-/, errno: "ENOSPC", times: "forever" });
    const asked = Promise.allSettled(Array.from({ length: SPARE_SEGMENTS + 2 }, () => log.log.roll()));
    await log.settle();
    const rolls = await asked;
    assert.deepEqual(
      rolls.map((roll) => roll.status === "rejected" && isStoreError(roll.reason, "STORE_FULL")),
      [...new Array(SPARE_SEGMENTS).fill(false), true, true],
    );
    await log.write(100);
    assert.deepEqual(log.failures, []);
    await log.close();
  });

  it("refuses a roll by a new attempt only, so the first one with space again is made", async () => {
    const vfs = withFaults(new MemoryVfs());
    const log = await opened({ vfs });
    vfs.inject({ operation: "open", path: /(?:spare|recycle)-/, errno: "ENOSPC", times: "forever" });
    await log.roll();
    const lastSpare = await log.roll();
    for (let count = 0; count < 3; count += 1) {
      const attempts = vfs.fired.length;
      const refused = assert.rejects(log.roll(), (error) => isStoreError(error, "STORE_FULL"));
      const written = log.write(100);
      await Promise.all([refused, written]);
      assert.ok(vfs.fired.length > attempts, "it was tried again");
      assert.equal(log.durable.size, count + 1, "commits go on in the segment there is");
    }
    vfs.heal();
    const { segment, lsn } = await log.roll();
    assert.deepEqual([segment, lsn], [lastSpare.segment + 1, 3]);
    await log.write(100);
    await log.close();
    await log.open();
    log.check([1, 2, 3, 4]);
  });

  it("makes a record without a segment wait, and is asked for room again from time to time", async () => {
    const timers: (() => void)[] = [];
    const clock = {
      now: () => 0,
      wall: () => 0,
      setTimeout: (fn: () => void) => timers.push(fn),
      clearTimeout: () => void timers.splice(0),
    };
    const vfs = withFaults(new MemoryVfs());
    const log = await opened({ vfs, clock });
    vfs.inject({ operation: "open", path: /spare-/, errno: "ENOSPC", times: "forever" });
    await log.write(200_000, 10);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      assert.deepEqual([log.durable.size, log.failures.length, timers.length], [0, 0, 1]);
      timers[0]?.();
      await log.settle();
    }
    vfs.heal();
    timers[0]?.();
    await log.settle();
    assert.deepEqual([...log.durable.keys()], [1, 2]);
  });

  it("makes a record without a segment wait, and close gives it up", async () => {
    const vfs = withFaults(new MemoryVfs());
    const log = await opened({ vfs });
    vfs.inject({ operation: "open", path: /spare-/, errno: "ENOSPC", times: "forever" });
    await log.write(200_000);
    assert.deepEqual([log.durable.size, log.failures.length], [0, 0]);
    await log.close();
    assert.equal(log.failures.length, 1);
    vfs.heal();
    await log.open();
    log.check([]);
  });
});
