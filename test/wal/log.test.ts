/** The door of the log, inline and in memory: order, promises, rolls, policies, reading. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { openLogReader, verifyLog } from "../../src/wal/log.ts";
import { DIRECTORY, LogFixture, opened, payloadFor, refusal, STORE_ID, segmentPathOf } from "./fixture.ts";

describe("a log", () => {
  it("answers every record in order at the place where it can be read", async () => {
    const log = await opened();
    await log.write(1, 100, 8192, 8193, 20_000, 5);
    assert.deepEqual([...log.durable.keys()], [1, 2, 3, 4, 5, 6]);
    for (const [lsn, { segment, offset }] of log.durable) {
      assert.ok(log.sent.get(lsn)?.equals(log.log.read(segment, offset)), `LSN ${lsn}`);
    }
    assert.deepEqual([log.log.lastLsn, log.log.durableLsn, log.log.queuedBytes], [6, 6, 0]);
  });

  it("copies the payload before append returns", async () => {
    const log = await opened();
    const payload = payloadFor(1, 50);
    log.log.append(payload);
    payload.fill(0xee);
    await log.settle();
    const { segment = 0, offset = 0 } = log.durable.get(1) ?? {};
    assert.deepEqual(Buffer.from(log.log.read(segment, offset)), payloadFor(1, 50));
  });

  it("acknowledges nothing before its sync", async () => {
    const vfs = new MemoryVfs();
    const log = await opened({ vfs });
    const synced = new Set<number>();
    vfs.onOperation = ({ operation, path }) => {
      if (operation === "datasync" && path.endsWith(".wal")) assert.equal(log.durable.size, synced.size);
    };
    for (let turn = 0; turn < 5; turn += 1) {
      await log.write(10, 10);
      for (const lsn of log.durable.keys()) synced.add(lsn);
      const crashed = log.on(vfs.crashKeepingNothing());
      await crashed.open();
      crashed.check(log.durable.keys());
    }
  });

  it("finds all records again after close, and says that the close was clean", async () => {
    const log = await opened();
    await log.write(10, 20, 30);
    await log.close();
    const recovery = await log.open();
    log.check([1, 2, 3]);
    assert.deepEqual([recovery.cleanClose, recovery.tornBytes, recovery.lastLsn], [true, 0, 3]);
    assert.equal(recovery.replayedBytes, 60);
  });

  it("drains what was appended before close", async () => {
    const log = await opened();
    for (let index = 0; index < 40; index += 1) log.append(3000);
    await log.close();
    await log.open();
    log.check(Array.from({ length: 40 }, (_, index) => index + 1));
  });

  it("refuses appends and rolls after close", async () => {
    const log = await opened();
    await log.close();
    assert.throws(
      () => log.log.append(payloadFor(1, 5)),
      (error) => isStoreError(error, "STORE_CLOSED"),
    );
    await assert.rejects(log.log.roll(), (error) => isStoreError(error, "STORE_CLOSED"));
  });

  it("keeps order when the ring is full and when frames do not fit it", async () => {
    const log = await opened({ ringBytes: 4096 });
    await log.write(...Array.from({ length: 60 }, (_, index) => 1 + ((index * 977) % 4000)));
    assert.deepEqual(
      [...log.durable.keys()],
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
    await log.close();
    await log.open();
    log.check(log.durable.keys());
  });

  it("gives a record that fits no segment one of its own", async () => {
    const log = await opened();
    await log.write(10, 300_000, 10, 70_000, 10);
    assert.equal(log.durable.size, 5);
    await log.close();
    await log.open();
    log.check([1, 2, 3, 4, 5]);
    assert.deepEqual(verifyLog(log.vfs, DIRECTORY, STORE_ID, log.start ?? assert.fail()), []);
  });

  it("goes on with dense LSNs over many openings", async () => {
    const log = new LogFixture().create();
    for (let round = 0; round < 6; round += 1) {
      await log.open();
      log.check(log.durable.keys());
      await log.write(100, 40_000);
      await log.close();
    }
    assert.equal(log.durable.size, 12);
  });
});

describe("a roll", () => {
  it("answers the start behind everything appended before", async () => {
    const log = await opened();
    log.append(100);
    log.append(100);
    const start = await log.roll();
    assert.equal(start.lsn, 2);
    await log.write(50);
    await log.close();
    const { start: first } = log;
    assert.deepEqual(log.scan(start), [1, 2]);
    log.start = start;
    await log.open();
    log.check([3]);
    assert.deepEqual(log.scan(), [3]);
    log.start = first;
    assert.deepEqual(log.scan(), [1, 2, 3]);
  });

  it("syncs first under every policy, and so does close", async () => {
    for (const sync of ["interval", "never"] as const) {
      const vfs = new MemoryVfs();
      const log = await opened({ vfs, sync });
      await log.write(100, 100);
      assert.deepEqual([...log.durable.keys()], [1, 2], "acknowledged when written");
      await log.roll();
      let crashed = log.on(vfs.crashKeepingNothing());
      await crashed.open();
      crashed.check([1, 2]);
      await log.write(40_000, 40_000, 10);
      await log.close();
      crashed = log.on(vfs.crashKeepingNothing());
      assert.equal((await crashed.open()).cleanClose, true);
      crashed.check([1, 2, 3, 4, 5]);
    }
  });

  it("scans exactly the segments between two starts", async () => {
    const log = await opened();
    await log.write(10);
    const first = await log.roll();
    await log.write(10, 60_000, 60_000);
    const second = await log.roll();
    await log.write(10);
    log.start = first;
    assert.deepEqual(log.scan(second), [2, 3, 4]);
    assert.deepEqual(log.scan(first), []);
  });

  it("refuses a scan up to a start that is another one", async () => {
    const log = await opened();
    await log.write(10);
    const start = await log.roll();
    for (const wrong of [{ crc: 1 }, { lsn: 7 }, { salt: 7n }, { segment: start.segment + 1 }]) {
      await refusal(Promise.resolve().then(() => log.scan({ ...start, ...wrong })));
    }
  });
});

describe("sync policy interval", () => {
  it("syncs when the interval is over although nothing new comes", async () => {
    let now = 0;
    const timers: (() => void)[] = [];
    const clock = {
      now: () => now,
      wall: () => 0,
      setTimeout: (fn: () => void) => timers.push(fn),
      clearTimeout: () => void timers.splice(0),
    };
    const vfs = new MemoryVfs();
    const log = await opened({ vfs, sync: "interval", clock });
    await log.write(100);
    const before = log.log.stats().syncs;
    now = 100;
    timers.pop()?.();
    await log.settle();
    assert.equal(log.log.stats().syncs, before + 1);
    const crashed = log.on(vfs.crashKeepingNothing());
    await crashed.open();
    crashed.check([1]);
  });
  it("syncs what is older than the interval while new writes keep coming", async () => {
    // Were the interval counted from the newest write, a log that is never idle would never be synced.
    let now = 0;
    const clock = { now: () => now, wall: () => 0, setTimeout: () => 0, clearTimeout: () => undefined };
    const vfs = new MemoryVfs();
    const log = await opened({ vfs, sync: "interval", clock });
    for (let lsn = 1; lsn <= 10; lsn += 1) {
      now = 40 * lsn;
      await log.write(100);
      const crashed = log.on(vfs.crashKeepingNothing());
      await crashed.open();
      crashed.check([...log.durable.keys()].filter((written) => 40 * written <= now - 100));
    }
  });
});

describe("reading", () => {
  it("refuses damage, and positions where nothing was written", async () => {
    const vfs = new MemoryVfs();
    const log = await opened({ vfs });
    await log.write(100, 20_000);
    const { segment = 0, offset = 0 } = log.durable.get(2) ?? {};
    const file = vfs.open(segmentPathOf(segment), "write");
    file.write([Buffer.from([0xff])], offset + 15_000);
    file.close();
    const reader = openLogReader(vfs, DIRECTORY, STORE_ID);
    const refused = await refusal(Promise.resolve().then(() => reader.read(segment, offset)));
    assert.deepEqual([refused.file, refused.offset], [segmentPathOf(segment), offset]);
    await refusal(Promise.resolve().then(() => reader.read(segment, offset + 8)));
    await refusal(Promise.resolve().then(() => reader.read(99, 4096)));
    reader.close();
  });

  it("beside a live writer finds everything acknowledged and nothing else", async () => {
    const log = await opened();
    for (let round = 0; round < 10; round += 1) {
      await log.write(500, 9000);
      log.append(10);
      assert.deepEqual(log.scan(), [...log.durable.keys()]);
      await log.settle();
    }
  });

  it("at any operation of a live writer finds nothing that a power cut could take", async () => {
    const vfs = new MemoryVfs();
    const log = await opened({ vfs });
    const looks: { seen: number[]; left: MemoryVfs }[] = [];
    vfs.onOperation = () => looks.push({ seen: log.scan(), left: vfs.crashKeepingNothing() });
    await log.write(500, 9000);
    await log.write(10);
    await log.roll();
    await log.write(100, 100);
    vfs.onOperation = undefined;
    for (const { seen, left } of looks) {
      const crashed = log.on(left);
      await crashed.open();
      crashed.check(seen);
    }
    assert.deepEqual(looks.at(-1)?.seen.slice(0, 3), [1, 2, 3]);
  });
});

describe("a log of another store", () => {
  it("is refused, naming the segment", async () => {
    const log = await opened();
    await log.write(10);
    log.kill();
    Object.assign(log.config, { storeId: Uint8Array.from(STORE_ID, (byte) => byte ^ 1) });
    const error = await refusal(log.open());
    assert.equal(error.file, segmentPathOf(1));
    assert.match(String(error), /belongs to another store/);
  });
});
