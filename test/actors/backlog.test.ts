/**
 * Snapshots that fail for long: commits go on as long as the disk has room for the log, attempts are few, a
 * failed attempt costs no segment of its own, and the first one that succeeds brings everything in order.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/clock.ts";
import type { StoreEvent, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { MAX_UNFOLDED_SEGMENTS } from "../../src/limits.ts";
import { type FaultSpec, withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { checkpoint, commit, noise } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";
import { holdWorkers } from "../support/held-workers.ts";
import { checkSession, Progress, sendNext } from "../support/history.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, gc: false };
/** A fold cannot write its files; the log goes on. */
const NO_FOLD: FaultSpec = {
  operation: "open",
  errno: "ENOSPC",
  path: /(heads|blobs)\/.*tmp/,
  times: "forever",
};

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function openFailing(snapshot: StoreOptions["snapshot"], clock?: Clock) {
  const memory = new MemoryVfs();
  const vfs = withFaults(memory);
  const failed: StoreEvent[] = [];
  const onEvent = (event: StoreEvent): void => {
    if (event.type === "snapshotFailed") failed.push(event);
  };
  const store = await openStore("/store", {
    ...OPTIONS,
    vfs,
    onEvent,
    ...(clock && { clock }),
    ...(snapshot !== undefined && { snapshot }),
  });
  return { memory, vfs, store, failed, progress: new Progress() };
}

test("commits go on while snapshots keep failing, and the tries are few", async () => {
  const { memory, vfs, store, failed, progress } = await openFailing({ logBytes: 4096 });
  vfs.inject(NO_FOLD);
  for (let turn = 0; turn < 150; turn++) {
    await sendNext(store, "root", progress);
    await turns(2);
  }
  const { unfoldedBytes } = store.stats().log;
  assert.ok(unfoldedBytes > 10 * 4 * 4096, "far beyond where a snapshot that works would be waited for");
  assert.ok(failed.length >= 2, "it is tried again");
  const grown = Math.log(unfoldedBytes / 4096) / Math.log(1.5);
  assert.ok(failed.length <= grown + 1, `${failed.length} tries`);
  vfs.heal();
  await store.snapshot();
  assert.equal(store.stats().log.unfoldedBytes, 0);
  // And from now on it is as it ever was.
  const before = store.stats().snapshot.automatic;
  for (let turn = 0; turn < 30; turn++) {
    await sendNext(store, "root", progress).catch((error: unknown) => {
      assert.ok(isStoreError(error, "STORE_BUSY"));
      progress.sent--;
    });
    await turns(2);
  }
  assert.ok(store.stats().snapshot.automatic > before);
  await checkSession(store, "root", progress);
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs: memory });
  await checkSession(again, "root", progress);
  await again.close();
});

test("commits that outrun a snapshot that works are refused as busy, and taken once it caught up", async () => {
  const { store } = await openFailing({ logBytes: 4096 });
  const big = (seed: number) =>
    commit({ operationId: `op-${seed}`, checkpoint: checkpoint({ executionState: noise(3000, seed) }) });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 3 }, async (_, group) => {
      for (let turn = 0; turn < 30; turn++)
        await store
          .session(`s${group}`)
          .commitRuntimeState({ ...big(group * 100 + turn), sessionId: `s${group}` });
    }),
  );
  const busy = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [outcome.reason as unknown] : [],
  );
  for (const error of busy) assert.ok(isStoreError(error, "STORE_BUSY"), String(error));
  await store.snapshot();
  await store.session("s0").commitRuntimeState({ ...big(7_777), sessionId: "s0" });
  await store.close();
});

test("a commit is refused as busy once four times logBytes wait behind a snapshot at work, and not before", async () => {
  const workers = holdWorkers();
  const { store } = await openFailing({ logBytes: 4096 }, workers.clock);
  const send = (seed: number) =>
    store
      .session("root")
      .commitRuntimeState(commit({ checkpoint: checkpoint({ executionState: noise(1000, seed) }) }));
  let seed = 0;
  while (store.stats().log.unfoldedBytes < 4 * 4096) await send(seed++);
  assert.ok(workers.held > 0, "a snapshot is at work");
  await refuses(send(seed), "STORE_BUSY");
  assert.equal((await store.session("root").loadSession())?.headRevision, seed, "reads go on");
  workers.release();
  await store.snapshot();
  assert.equal((await send(seed)).headRevision, seed + 1);
  await store.close();
});

test("an attempt that fails costs no further segment while nothing is committed", async () => {
  const { vfs, store, progress } = await openFailing(false);
  await sendNext(store, "root", progress);
  vfs.inject(NO_FOLD);
  await refuses(store.snapshot(), "STORE_IO", { errno: "ENOSPC" });
  await turns(10);
  const before = store.stats().log.fileBytes;
  for (let turn = 0; turn < 20; turn++) await refuses(store.snapshot(), "STORE_IO");
  await turns(10);
  assert.equal(store.stats().log.fileBytes, before);
  vfs.heal();
  await store.snapshot();
  await checkSession(store, "root", progress);
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
});

test("a session whose head is damaged stops neither the commits nor the snapshots of others", async () => {
  const { memory, store, progress } = await openFailing({ logBytes: 4096 });
  for (let turn = 0; turn < 3; turn++) await sendNext(store, "doomed", progress);
  await store.snapshot();
  const [heads] = memory.list("/store/heads");
  const file = memory.open(`/store/heads/${heads}`, "write");
  file.write([new Uint8Array(16).fill(0xff)], 80);
  file.close();
  const other = new Progress();
  for (let turn = 0; turn < 60; turn++) {
    await sendNext(store, "healthy", other);
    await turns(2);
  }
  await store.snapshot();
  await sendNext(store, "healthy", other);
  await checkSession(store, "healthy", other);
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs: memory });
  await checkSession(again, "healthy", other);
  // Not merged into a newer file, and so not forgotten: its damage is still told.
  await refuses(again.session("doomed").loadSession(), "CORRUPT", {
    file: `/store/heads/${heads}`,
    sessionId: "doomed",
  });
  await again.close();
});

test("reopening again and again without a commit lets the log not grow", async () => {
  const memory = new MemoryVfs();
  const progress = new Progress();
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  await sendNext(store, "root", progress);
  await store.close();
  const sizes: number[] = [];
  for (let turn = 0; turn < 30; turn++) {
    const again = await openStore("/store", { ...OPTIONS, vfs: memory });
    await checkSession(again, "root", progress);
    await again.close();
    sizes.push(memory.list("/store/wal").length);
  }
  // Two generations of snapshots, each that long, and what is made ahead.
  const most = 2 * MAX_UNFOLDED_SEGMENTS + 8;
  assert.ok(Math.max(...sizes) <= most, `files after each opening: ${sizes.join()}`);
});
