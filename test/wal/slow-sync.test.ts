/** Slow syncs are told of: through the log's door, and as an event of a store. The clock is the test's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { StoreEvent } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { SLOW_SYNC_EVENT_MS, SLOW_SYNC_MS } from "../../src/limits.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { commit } from "../support/builders.ts";
import { opened } from "./fixture.ts";

/** A disk whose syncs of segment files take a time of the test's choice. */
function slowDisk() {
  const disk = { now: 0, syncMs: 0 };
  const vfs = new MemoryVfs();
  vfs.onOperation = ({ operation, path }) => {
    if (operation === "datasync" && path.endsWith(".wal")) disk.now += disk.syncMs;
  };
  const clock: Clock = { ...systemClock, now: () => disk.now };
  return { vfs, clock, disk };
}

test("a sync that takes long is told with its duration, one just below the limit is not", async () => {
  const { vfs, clock, disk } = slowDisk();
  const log = await opened({ vfs, clock });
  disk.syncMs = SLOW_SYNC_MS - 1;
  await log.write(100);
  assert.deepEqual(log.slowSyncs, []);
  disk.syncMs = SLOW_SYNC_MS;
  await log.write(100);
  assert.deepEqual(log.slowSyncs, [500]);
});

test("a disk that stays slow is told of once per interval, with the longest sync since", async () => {
  const { vfs, clock, disk } = slowDisk();
  const log = await opened({ vfs, clock });
  for (const ms of [600, 700, 2_000, 900]) {
    disk.syncMs = ms;
    await log.write(100);
  }
  assert.deepEqual(log.slowSyncs, [600]);
  disk.now += SLOW_SYNC_EVENT_MS;
  disk.syncMs = 1;
  await log.write(100);
  assert.deepEqual(log.slowSyncs, [600, 2_000]);
  disk.now += SLOW_SYNC_EVENT_MS;
  await log.write(100);
  assert.deepEqual(log.slowSyncs, [600, 2_000], "nothing was slow since");
});

test("a slow sync at a roll is told of like one of a commit", async () => {
  const { vfs, clock, disk } = slowDisk();
  const log = await opened({ vfs, clock, sync: "never" });
  await log.write(100);
  disk.syncMs = 800;
  await log.roll();
  assert.deepEqual(log.slowSyncs, [800]);
});

test("a store tells of a slow sync as an event, and the commit succeeds", async () => {
  const { vfs, clock, disk } = slowDisk();
  const events: StoreEvent[] = [];
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const store = await openStore("/store", { vfs, clock, snapshot: false, onEvent });
  disk.syncMs = 1_500;
  const { headRevision } = await store.session("root").commitRuntimeState(commit());
  assert.equal(headRevision, 1);
  disk.syncMs = 0;
  await store.close();
  assert.deepEqual(
    events.filter(({ type }) => type === "slowSync"),
    [{ type: "slowSync", durationMs: 1_500 }],
  );
});
