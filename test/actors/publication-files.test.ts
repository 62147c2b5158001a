/**
 * The files of publications: opened once and let go, kept for whoever still reads them, removed when a job
 * fails, and nothing in the way of the next job.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { commit } from "../support/builders.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { listed, refuses } from "../support/expect.ts";
import { checkSession, commitOf, Progress, sendNext } from "../support/history.ts";
import { carrying, holding, withGarbage } from "./garbage.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

test("many publications and reopenings open no more files than the newest view has", async () => {
  const memory = new MemoryVfs();
  const vfs = new CountingVfs(memory);
  const progress = new Progress();
  for (let opening = 0; opening < 4; opening++) {
    const store = await openStore("/store", { ...OPTIONS, vfs });
    for (let turn = 0; turn < 12; turn++) {
      await sendNext(store, "root", progress);
      await (turn % 5 === 4 ? store.gc() : store.snapshot());
      await listed(store);
      const { headsFiles, packs } = store.stats().snapshot;
      const open = vfs.openPaths.filter((path) => /heads|blobs/.test(path));
      assert.equal(open.length, headsFiles + packs, open.join("\n"));
    }
    await store.close();
    assert.deepEqual(vfs.openPaths, []);
  }
});

test("a listing under way across publications shows every session once, and then lets its files go", async () => {
  const vfs = new CountingVfs(new MemoryVfs());
  const store = await openStore("/store", { ...OPTIONS, vfs });
  for (let n = 0; n < 20; n++) await sendNext(store, `s${n}`, new Progress());
  await store.snapshot();
  const seen: string[] = [];
  for await (const { sessionId } of store.listSessions()) {
    seen.push(sessionId);
    if (seen.length % 4 !== 0) continue;
    await store.session("s0").commitRuntimeState(commit({ sessionId: "s0" }));
    await (seen.length % 8 === 0 ? store.gc() : store.snapshot());
  }
  assert.equal(new Set(seen).size, seen.length);
  assert.equal(seen.length, 20);
  const { headsFiles, packs } = store.stats().snapshot;
  assert.equal(vfs.openPaths.filter((path) => /heads|blobs/.test(path)).length, headsFiles + packs);
  await store.close();
  assert.deepEqual(vfs.openPaths, []);
});

test("old receipts are found across publications that removed the pages they lay in", async () => {
  const vfs = new MemoryVfs();
  const before = await openStore("/store", { ...OPTIONS, vfs });
  const progress = new Progress();
  for (let turn = 0; turn < 10; turn++) await sendNext(before, "root", progress);
  await before.snapshot();
  await before.close();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const root = store.session("root");
  // Loads the session and no receipt: these have no operation id. Then the files it was loaded from go.
  for (let turn = 0; turn < 5; turn++) {
    await root.commitRuntimeState(commit());
    await store.gc();
    await store.snapshot();
  }
  for (const revision of [1, 5, 10]) {
    const again = await root.commitRuntimeState(commitOf("root", revision));
    assert.deepEqual([again.replayed, again.headRevision], [true, revision]);
  }
  await store.close();
});

test("a collection that failed leaves nothing behind that hinders the following ones", async () => {
  const memory = new MemoryVfs();
  const vfs = withFaults(memory);
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const refs = await withGarbage(store);
  vfs.inject({ operation: "write", errno: "ENOSPC", path: /blobs\/.*tmp/, nth: 2 });
  const failed = await store.gc().catch((error: unknown) => error);
  vfs.heal();
  if (isStoreError(failed)) assert.equal(failed.code, "STORE_IO");
  for (let turn = 0; turn < 12; turn++) {
    await store.session("one").commitRuntimeState(holding("one", 50 + turn));
    await store.snapshot();
  }
  assert.ok(
    store.stats().snapshot.packs <= 9,
    `${store.stats().snapshot.packs} packs: small ones are merged`,
  );
  await store.gc();
  for (const ref of refs)
    await refuses(store.session("late").commitRuntimeState(carrying("late", ref)), "BLOB_MISSING");
  assert.deepEqual(
    memory.list("/store/blobs").filter((name) => name.endsWith(".tmp")),
    [],
  );
  await store.close();
});

test("a fold that failed for want of room leaves no file, and the next one has everything", async () => {
  for (const path of [/blobs\/.*tmp/, /heads\/.*tmp/, /manifest-.*tmp/]) {
    const memory = new MemoryVfs();
    const vfs = withFaults(memory);
    const store = await openStore("/store", { ...OPTIONS, vfs });
    const progress = new Progress();
    for (let turn = 0; turn < 4; turn++) await sendNext(store, "root", progress);
    vfs.inject({ operation: "write", errno: "ENOSPC", path, times: "forever" });
    await refuses(store.snapshot(), "STORE_IO", { errno: "ENOSPC" });
    assert.deepEqual([...memory.list("/store/heads"), ...memory.list("/store/blobs")], []);
    await sendNext(store, "root", progress);
    vfs.heal();
    await store.snapshot();
    await checkSession(store, "root", progress);
    assert.equal(store.stats().log.unfoldedBytes, 0);
    await store.close();
    const again = await openStore("/store", { ...OPTIONS, vfs: memory });
    await checkSession(again, "root", progress);
    await again.close();
  }
});
