/** One failed operation: it ends the log, is told once, and loses nothing that was acknowledged. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { ProcessFiles } from "../../src/testing/simulation/process-files.ts";
import { type FaultyVfs, withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { type LogFixture, opened, payloadFor } from "./fixture.ts";

describe("a failure of the log", () => {
  const faults = [
    { operation: "write", errno: "EIO" },
    { operation: "write", errno: "ESHORT" },
    { operation: "datasync", errno: "EIO" },
  ] as const;

  for (const fault of faults) {
    it(`ends it for good: ${fault.errno} at ${fault.operation}`, async () => {
      const inner = new MemoryVfs();
      const vfs = withFaults(inner);
      const log = await opened({ vfs });
      await log.write(100, 100);
      vfs.inject({ ...fault, path: /\.wal$/ });
      const rolled = log.append(100) > 0 ? log.log.roll() : undefined;
      const rejected = assert.rejects(rolled ?? Promise.resolve(), (error) =>
        isStoreError(error, "STORE_POISONED"),
      );
      await log.settle();
      await rejected;
      assert.equal(vfs.fired.length, 1);
      assert.equal(log.failures.length, 1);
      assert.ok(isStoreError(log.failures[0], "STORE_IO"));
      assert.deepEqual([...log.durable.keys()], [1, 2]);
      assert.throws(
        () => log.log.append(payloadFor(1, 1)),
        (error) => isStoreError(error, "STORE_POISONED"),
      );
      await log.close();
      assert.deepEqual(vfs.syncsAfterFailure(), [], "no file is synced again after its sync failed");
      for (const { vfs: left } of inner.crashes()) {
        const crashed = log.on(left);
        await crashed.open();
        crashed.check([1, 2]);
      }
    });
  }

  it("at any operation, once, is told once and loses nothing that was acknowledged", async () => {
    for (let nth = 1; ; nth += 1) {
      const inner = new MemoryVfs();
      const vfs = withFaults(inner);
      const log = await opened({ vfs });
      vfs.inject({ operation: "any", errno: "EIO", nth, path: /wal/ });
      try {
        await log.write(30_000, 30_000, 100);
        log.log.retire((await log.roll()).segment - 2, { scrub: false });
        await log.write(100);
      } catch (error) {
        assert.ok(isStoreError(error), String(error));
      }
      await log.settle();
      await log.close();
      assert.ok(log.failures.length <= 1);
      assert.deepEqual(vfs.syncsAfterFailure(), []);
      const crashed = log.on(inner.crashKeepingNothing());
      await crashed.open();
      crashed.check(log.durable.keys());
      if (vfs.fired.length === 0) break;
    }
  });
});

describe("a failure while opening", () => {
  it("at any operation refuses the opening, and the next one finds everything", async () => {
    for (let nth = 1; ; nth += 1) {
      const inner = new MemoryVfs();
      const log = await opened({ vfs: inner });
      await log.write(100, 20_000);
      log.append(100);
      log.kill();
      const vfs = withFaults(inner, [{ operation: "any", errno: "EIO", nth }]);
      const reopened = log.on(vfs);
      const refused = await reopened.open().then(
        () => false,
        (error: unknown) => {
          assert.ok(isStoreError(error, "STORE_IO"), String(error));
          return true;
        },
      );
      if (vfs.fired.length === 0) break;
      assert.deepEqual(vfs.syncsAfterFailure(), []);
      // A copy in quarantine, or closing a file, may fail without harm.
      if (!refused) reopened.check([1, 2]);
      const again = log.on(inner.crashKeepingNothing());
      await again.open();
      again.check([1, 2]);
    }
  });
});

/**
 * Found by the simulation (seed 9610 of its day): an opening moved frames into a spare, the sync of that spare
 * failed, and the opening was refused. The next one made a segment of that same file, written anew and synced, as
 * if nothing had been; no sync of a file is believed after one that failed. A power cut took the segment.
 */
describe("a spare whose sync failed while opening", () => {
  it("is part of no log again: what the next opening acknowledges survives a power cut", async () => {
    let refusals = 0;
    for (let nth = 1; ; nth += 1) {
      const inner = new MemoryVfs();
      const log = await opened({ vfs: inner });
      await log.write(50_000);
      await leaveGroupUnsynced(log, inner);
      const vfs = withFaults(inner, [{ operation: "datasync", errno: "ENOSPC", nth }]);
      const refused = log.on(vfs);
      const refusal = await refused.open().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (vfs.fired.length === 0) break;
      assert.ok(isStoreError(refusal, "STORE_IO"), String(refusal));
      refusals += 1;
      const next = refused.on(inner);
      await next.open();
      await next.write(100);
      const acknowledged = [...log.durable.keys(), ...next.durable.keys()];
      next.kill();
      const last = next.on(inner.crashKeepingNothing());
      await last.open();
      last.check(acknowledged);
    }
    assert.ok(refusals > 0);
  });
});

/** Killed between the write of a group that rolls and its sync. */
async function leaveGroupUnsynced(log: LogFixture, vfs: MemoryVfs): Promise<void> {
  log.append(30_000);
  vfs.onOperation = ({ operation }) => {
    if (operation === "datasync") throw new Error("killed");
  };
  await log.settle();
  vfs.onOperation = undefined;
  log.kill();
}

describe("a close that fails", () => {
  // All were found by the simulation.
  it("leaves no other file of the log open", async () => {
    const { vfs, files, log } = await counted();
    vfs.inject({ operation: "close", errno: "EIO", path: /\.wal$/, times: "forever" });
    await log.close();
    assert.ok(vfs.fired.length > 0);
    assert.equal(files.openFiles, 0);
  });

  it("at a roll leaves no other file of the log open", async () => {
    const { vfs, files, log } = await counted();
    vfs.inject({ operation: "close", errno: "EIO", path: /0002\.wal$/ });
    await log.write(60_000);
    assert.equal(log.failures.length, 1);
    await log.close();
    assert.equal(files.openFiles, 0);
  });

  // Seeds 1139 and 2295 of their day: close stopped at the first of several segments it had read records from.
  it("of a segment that was only read leaves none open, and is no failure", async () => {
    const { vfs, files, log } = await counted();
    await log.write(60_000, 60_000);
    for (const lsn of [1, 2, 3]) {
      const { segment, offset } = log.durable.get(lsn) ?? assert.fail(`${lsn} is durable`);
      assert.equal(log.log.read(segment, offset).length, lsn === 1 ? 10_000 : 60_000);
    }
    vfs.inject({ operation: "close", errno: "EIO", path: /000[23]\.wal$/, times: "forever" });
    await log.close();
    assert.equal(vfs.fired.length, 2);
    assert.deepEqual(log.failures, []);
    assert.equal(files.openFiles, 0);
  });

  // Seed 9618 of its day: the log had failed elsewhere, and closing what was left of it ended at the writer.
  it("of a log that failed elsewhere leaves no file open, and is not told again", async () => {
    const { vfs, files, log } = await counted();
    await log.write(60_000);
    const { segment, offset } = log.durable.get(1) ?? assert.fail("1 is durable");
    assert.equal(log.log.read(segment, offset).length, 10_000);
    vfs.inject({ operation: "syncDirectory", errno: "EIO", path: /wal$/ });
    await log.write(60_000);
    assert.equal(log.failures.length, 1);
    vfs.inject({ operation: "close", errno: "EIO", path: /\.wal$/, times: "forever" });
    await log.close();
    assert.equal(files.openFiles, 0);
  });
});

/** A log whose open files are counted. */
async function counted(): Promise<{ vfs: FaultyVfs; files: ProcessFiles; log: LogFixture }> {
  const vfs = withFaults(new MemoryVfs());
  const environment = { before: () => undefined, isFull: () => false, trace: () => undefined };
  const files = new ProcessFiles(vfs, environment);
  const log = await opened({ vfs: files });
  await log.write(10_000);
  return { vfs, files, log };
}
