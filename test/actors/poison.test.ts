/**
 * Publications that fail so that nobody knows which manifest counts, and jobs and calls that are under way
 * just then: all are answered, nothing is published afterwards, close ends, and nothing acknowledged is lost.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreEvent } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { refuses } from "../support/expect.ts";
import { checkSession, commitOf, Progress, sendNext } from "../support/history.ts";

const OPTIONS = { segmentBytes: 64 * 1024, snapshot: false, gc: false } as const;
/** The name of a manifest becomes durable by a sync of the root, and nothing else syncs it once a store runs. */
const UNKNOWN_MANIFEST = { operation: "syncDirectory", errno: "EIO", path: /^\/store$/ } as const;

async function openFaulty() {
  const memory = new MemoryVfs();
  const vfs = withFaults(memory);
  const events: StoreEvent[] = [];
  const store = await openStore("/store", { ...OPTIONS, vfs, onEvent: (event) => events.push(event) });
  const progress = new Progress();
  for (let turn = 0; turn < 3; turn++) await sendNext(store, "root", progress);
  return { memory, vfs, store, events, progress };
}

async function reopenAndCheck(memory: MemoryVfs, progress: Progress): Promise<void> {
  for (const left of [memory.crashKeepingNothing(), memory.crashKeepingEverything()]) {
    const again = await openStore("/store", { ...OPTIONS, vfs: left });
    await checkSession(again, "root", progress);
    assert.deepEqual(await again.verify(), { ok: true, problems: [] });
    await again.close();
  }
}

test("commits in flight while a publication poisons the store are answered, and close ends", async () => {
  const { memory, vfs, store, events, progress } = await openFaulty();
  vfs.inject(UNKNOWN_MANIFEST);
  const calls: Promise<unknown>[] = [];
  // The rename of the manifest is the operation before the one that fails: these are in flight then.
  memory.onOperation = ({ operation, path }) => {
    if (operation !== "rename" || !path.includes("manifest-")) return;
    for (let turn = 0; turn < 3; turn++) {
      calls.push(store.session("root").commitRuntimeState(commitOf("root", ++progress.sent)));
    }
    calls.push(store.session("root").tombstoneNodes(["nobody"]));
  };
  await refuses(store.snapshot(), "STORE_IO");
  memory.onOperation = undefined;
  assert.equal(calls.length, 4);
  for (const call of calls) await refuses(call, "COMMIT_OUTCOME_UNKNOWN");
  await refuses(store.session("root").commitRuntimeState(commitOf("root", 9)), "STORE_POISONED");
  // What was in flight becomes durable behind the store's back; the store must outlive that too.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  await store.close();
  assert.equal(events.filter(({ type }) => type === "poisoned").length, 1);
  await reopenAndCheck(memory, progress);
});

test("jobs that wait while a publication poisons the store publish nothing afterwards", async () => {
  for (const start of [
    (store: Store) => [store.gc(), store.snapshot()],
    (store: Store) => [store.snapshot(), store.gc()],
    (store: Store) => [store.snapshot(), store.snapshot()],
  ]) {
    const { memory, vfs, store, progress } = await openFaulty();
    vfs.inject(UNKNOWN_MANIFEST);
    const [first, second] = start(store);
    assert.ok(first && second);
    const waiting = refuses(second, "STORE_POISONED", { retry: "reopen" });
    await refuses(first, "STORE_IO");
    await waiting;
    const before = memory.list("/store");
    await store.close();
    assert.deepEqual(memory.list("/store"), before);
    assert.deepEqual(vfs.syncsAfterFailure(), []);
    await reopenAndCheck(memory, progress);
  }
});

test("reads and verify go on in a poisoned store", async () => {
  const { vfs, store, progress } = await openFaulty();
  await store.snapshot();
  await sendNext(store, "root", progress);
  vfs.inject(UNKNOWN_MANIFEST);
  await refuses(store.snapshot(), "STORE_IO");
  await checkSession(store, "root", progress);
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
});
