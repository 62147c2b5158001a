/**
 * Found by the simulation. A roll writes the LINK of the new segment with its first group. When the sync of
 * that group failed, or the process was killed before it, the LINK is seen in the page cache and is not on the
 * disk. The next opening took it for the end of the chain and named that segment in a LINK of its own, which it
 * did sync: after a power cut the middle of the chain was gone, and the whole store was refused as CORRUPT.
 * What was visible had been taken for durable. The last segment is now written again, whole, before another
 * segment rests on its LINK.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAINTENANCE_SLICE_BYTES } from "../../src/limits.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { DIRECTORY, type LogFixture, opened, readFile, segmentPathOf } from "./fixture.ts";
import { TAIL } from "./small.ts";

const FAULTS = [
  { operation: "datasync", errno: "EIO" },
  { operation: "write", errno: "ESHORT" },
] as const;

/** Names of files that are no segment yet. */
const UNNAMED = /(?:spare|recycle)-\d+\.tmp$/;

/** A log whose first segment is nearly full, so that the next record of 30,000 bytes rolls. */
async function nearlyFull(
  vfs: MemoryVfs,
  fault: (typeof FAULTS)[number] | undefined,
  segmentBytes = 65_536,
): Promise<LogFixture> {
  const faulty = withFaults(vfs);
  const log = await opened({ vfs: faulty, segmentBytes });
  await log.write(segmentBytes - 15_536);
  if (fault !== undefined) faulty.inject({ ...fault, path: /0003\.wal$/ });
  return log;
}

/** Killed behind the group that begins segment 3, whose sync failed. */
async function withUnprovenLink(vfs: MemoryVfs, segmentBytes: number): Promise<LogFixture> {
  const log = await nearlyFull(vfs, FAULTS[0], segmentBytes);
  await log.write(30_000);
  log.kill();
  return log;
}

/** Opens what is left, leaves it without a word, and opens it again after a power cut that took what it could. */
async function openTwice(log: LogFixture, vfs: MemoryVfs): Promise<LogFixture> {
  const second = log.on(vfs);
  await second.open();
  await second.write(100);
  const acknowledged = [...log.durable.keys(), ...second.durable.keys()];
  second.kill();
  const third = second.on(vfs.crashKeepingNothing());
  await third.open();
  third.check(acknowledged);
  return third;
}

describe("a LINK that is seen and may not be on the disk", () => {
  for (const fault of FAULTS) {
    it(`carries no other segment after a ${fault.operation} that failed with ${fault.errno}`, async () => {
      const vfs = new MemoryVfs();
      const log = await nearlyFull(vfs, fault);
      await log.write(30_000);
      assert.equal(log.failures.length, 1, "the group that begins the segment failed");
      log.kill();
      await openTwice(log, vfs);
    });
  }

  it("carries no other segment after the process was killed between its write and its sync", async () => {
    const vfs = new MemoryVfs();
    const log = await nearlyFull(vfs, undefined);
    log.append(30_000);
    const left: MemoryVfs[] = [];
    vfs.onOperation = ({ operation, path }) => {
      // The page cache as it is then: written, and not synced.
      if (operation === "datasync" && path === segmentPathOf(3)) left.push(vfs);
      if (left.length > 0) throw new Error("killed");
    };
    await log.settle();
    vfs.onOperation = undefined;
    assert.equal(left.length, 1);
    log.kill();
    await openTwice(log, vfs);
  });

  /** What proves the LINK of segment 3: its log, and what is left without TAIL. */
  const PROOFS: Readonly<Record<string, (log: LogFixture) => Promise<void>>> = {
    TAIL: (log) => log.write(30_000),
    "a stamp": async (log) => {
      await log.write(30_000);
      await log.write(100);
      log.vfs.remove(TAIL);
    },
    "the manifest": async (log) => {
      log.start = await log.roll();
      log.vfs.remove(TAIL);
    },
  };
  for (const [proof, prove] of Object.entries(PROOFS)) {
    it(`is left where it is when ${proof} proves it: no segment is written again`, async () => {
      const vfs = new MemoryVfs();
      const log = await nearlyFull(vfs, undefined);
      await prove(log);
      const { ino } = vfs.stat(segmentPathOf(3)) ?? { ino: -1 };
      const bytes = readFile(vfs, segmentPathOf(3));
      log.kill();
      const second = log.on(vfs);
      await second.open();
      assert.equal(vfs.stat(segmentPathOf(3))?.ino, ino);
      assert.deepEqual(readFile(vfs, segmentPathOf(3)), bytes);
    });
  }

  it("is left where it is when a roll that nothing followed told TAIL, in whichever slot", async () => {
    for (const batches of [1, 2]) {
      const vfs = new MemoryVfs();
      const log = await opened({ vfs });
      for (let batch = 1; batch <= batches; batch += 1) await log.write(100);
      await log.roll();
      const { segment = 0 } = log.durable.get(batches) ?? {};
      const last = segmentPathOf(segment + 1);
      const { ino } = vfs.stat(last) ?? { ino: -1 };
      log.kill();
      const second = log.on(vfs);
      await second.open();
      assert.equal(vfs.stat(last)?.ino, ino, `${batches} batches`);
      second.check(log.durable.keys());
    }
  });

  it("is written again in slices, each synced before the next one", async () => {
    const vfs = new MemoryVfs();
    const log = await withUnprovenLink(vfs, 4 * MAINTENANCE_SLICE_BYTES);
    const operations: string[] = [];
    vfs.onOperation = ({ operation, path }) => {
      if (UNNAMED.test(path) && /write|sync/.test(operation)) operations.push(operation);
    };
    const bytes = readFile(vfs, segmentPathOf(3));
    await log.on(vfs).open();
    vfs.onOperation = undefined;
    assert.deepEqual(operations.slice(0, 8), [
      ...["write", "datasync", "write", "datasync", "write", "datasync"],
      ...["write", "sync"],
    ]);
    assert.deepEqual(readFile(vfs, segmentPathOf(3)), bytes);
  });

  it("stays as it is when it cannot be written again, and no file of that attempt is left or open", async () => {
    for (const operation of ["write", "datasync", "sync"] as const) {
      const vfs = new MemoryVfs();
      const log = await withUnprovenLink(vfs, 2 * MAINTENANCE_SLICE_BYTES);
      const bytes = readFile(vfs, segmentPathOf(3));
      const faulty = withFaults(vfs);
      faulty.inject({ operation, errno: "EIO", path: UNNAMED });
      const counting = new CountingVfs(faulty);
      const unnamed = (): string[] => vfs.list(DIRECTORY).filter((name) => UNNAMED.test(name));
      const second = log.on(counting);
      await assert.rejects(second.open(), { code: "STORE_IO" }, operation);
      const { path } = faulty.fired[0] ?? assert.fail(`no ${operation} failed`);
      assert.equal(vfs.stat(path), undefined, `${path} is there after a failed ${operation}`);
      assert.deepEqual(counting.openPaths, [], operation);
      assert.deepEqual(readFile(vfs, segmentPathOf(3)), bytes, operation);
      await openTwice(log, vfs);
      assert.deepEqual(unnamed(), []);
    }
  });

  it("is written again unchanged, byte for byte", async () => {
    const vfs = new MemoryVfs();
    const log = await nearlyFull(vfs, FAULTS[0]);
    await log.write(30_000);
    const { ino } = vfs.stat(segmentPathOf(3)) ?? { ino: -1 };
    const bytes = readFile(vfs, segmentPathOf(3));
    log.kill();
    const second = log.on(vfs);
    await second.open();
    assert.notEqual(vfs.stat(segmentPathOf(3))?.ino, ino);
    assert.deepEqual(readFile(vfs, segmentPathOf(3)), bytes);
  });
});
