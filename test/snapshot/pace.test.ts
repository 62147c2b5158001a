/**
 * The pace of workers' writes: how it follows the log, and that each synced slice takes its time, whoever writes.
 * Time here is the test's own; no test waits for any.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAINTENANCE_BYTES_PER_MS, MAINTENANCE_SLICE_BYTES, MIB } from "../../src/limits.ts";
import { BlockFileWriter } from "../../src/snapshot/block-file-writer.ts";
import { Pace, pacedVfs, paceFor } from "../../src/snapshot/pace.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";

const LOG_BYTES = 64 * MIB;
const SLICE_MS = MAINTENANCE_SLICE_BYTES / MAINTENANCE_BYTES_PER_MS;

/** A clock whose sleeps pass at once; `busy` is what each look at it takes besides. */
function testTime(onSleep: () => void = () => undefined) {
  const time = {
    at: 0,
    slept: [] as number[],
    now: () => time.at,
    sleep: (words: Int32Array<SharedArrayBuffer>, expected: number, ms: number) => {
      assert.equal(Atomics.load(words, 0), expected);
      time.slept.push(ms);
      time.at += ms;
      onSleep();
    },
  };
  return time;
}

function writeSlices(vfs: MemoryVfs, paced: ReturnType<typeof pacedVfs>, slices: number): void {
  vfs.makeDirectory("/d");
  const writer = new BlockFileWriter(paced, "/d/f", { kind: "pack", storeId: new Uint8Array(16), number: 1 });
  writer.append(new Uint8Array(slices * MAINTENANCE_SLICE_BYTES));
  writer.finish([]);
}

test("the pace is 32 MiB a second with nothing to fold, and grows with the log up to no pace at all", () => {
  assert.equal(paceFor(0, LOG_BYTES), Math.round((32 * MIB) / 1000));
  assert.equal(paceFor(LOG_BYTES, LOG_BYTES), 2 * MAINTENANCE_BYTES_PER_MS);
  assert.equal(paceFor(1.99 * LOG_BYTES, LOG_BYTES) > 2.8 * MAINTENANCE_BYTES_PER_MS, true);
  // Commits are refused as busy at four times the trigger: from half of it on nothing is held back.
  assert.equal(paceFor(2 * LOG_BYTES, LOG_BYTES), 0);
  assert.equal(paceFor(100 * LOG_BYTES, LOG_BYTES), 0);
});

test("every synced slice takes its time, and what the worker did meanwhile counts", () => {
  const vfs = new MemoryVfs();
  const time = testTime();
  writeSlices(vfs, pacedVfs(vfs, new Pace().words, time), 4);
  assert.equal(time.slept.length, 4);
  for (const ms of time.slept) assert.ok(Math.abs(ms - SLICE_MS) < 1e-6, `${ms} ms`);

  const slow = testTime();
  vfs.onOperation = ({ operation }) => {
    if (operation === "write") slow.at += 2;
  };
  writeSlices(vfs, pacedVfs(vfs, new Pace().words, slow), 4);
  assert.equal(slow.slept.length, 4);
  for (const ms of slow.slept) assert.ok(ms <= SLICE_MS - 2 + 1e-6, `${ms} ms`);
});

test("time that was lost is not made good by a burst", () => {
  const vfs = new MemoryVfs();
  const time = testTime();
  const paced = pacedVfs(vfs, new Pace().words, time);
  time.at += 60_000;
  writeSlices(vfs, paced, 4);
  // The first slice had its time already; the others have not.
  assert.equal(time.slept.length, 3);
});

test("nothing is held back when there is no pace, also from the middle of a file on", () => {
  const vfs = new MemoryVfs();
  const pace = new Pace();
  const time = testTime(() => pace.hurry());
  writeSlices(vfs, pacedVfs(vfs, pace.words, time), 8);
  assert.equal(time.slept.length, 1);
  pace.follow(0, LOG_BYTES);
  writeSlices(vfs, pacedVfs(vfs, pace.words, time), 1);
  assert.equal(time.slept.length, 2);
});

test("a paced file has the bytes that an unpaced one has", () => {
  const [plain, paced] = [new MemoryVfs(), new MemoryVfs()];
  writeSlices(plain, plain, 3);
  writeSlices(paced, pacedVfs(paced, new Pace().words, testTime()), 3);
  const [a, b] = [plain, paced].map((vfs) => {
    const file = vfs.open("/d/f", "read");
    const bytes = Buffer.alloc(file.stat().size);
    file.read(bytes, 0);
    file.close();
    return bytes;
  });
  assert.deepEqual(a, b);
});
