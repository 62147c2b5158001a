/**
 * Opening that fails at any step, and closing at any moment: the lock is freed, every file is closed, every
 * call made before is answered, and no timer goes on.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/clock.ts";
import type { Store, StoreEvent, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { refuses } from "../support/expect.ts";
import { checkSession, commitOf, hide, Progress, sendNext } from "../support/history.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

/** A clock whose timers the test sees and runs. */
class TestClock implements Clock {
  readonly timers = new Map<object, () => void>();
  now(): number {
    return 0;
  }
  wall(): number {
    return 0;
  }
  setTimeout(fn: () => void): object {
    const id = {};
    this.timers.set(id, fn);
    return id;
  }
  clearTimeout(id: unknown): void {
    this.timers.delete(id as object);
  }
  turn(_taker: string, fn: () => void): void {
    setImmediate(fn);
  }
}

async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A store with a snapshot, a tail, and what a crash leaves over; and what is known of its session. */
async function crashedStore(): Promise<{ memory: MemoryVfs; progress: Progress }> {
  const memory = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  const progress = new Progress();
  for (let turn = 0; turn < 4; turn++) await sendNext(store, "root", progress);
  await store.snapshot();
  for (let turn = 0; turn < 4; turn++) await sendNext(store, "root", progress);
  await hide(store, "root", 2, progress);
  const left = memory.crashKeepingEverything();
  for (const path of ["/store/heads/000099.heads.tmp", "/store/manifest-000099.tmp"])
    left.open(path, "create").close();
  await store.close();
  return { memory: left, progress };
}

for (const operation of [
  "open",
  "read",
  "write",
  "list",
  "sync",
  "syncDirectory",
  "remove",
  "rename",
] as const) {
  test(`opening with EIO of ${operation} at any step frees the lock, closes every file and stops every timer`, async () => {
    let refused = 0;
    const { memory, progress } = await crashedStore();
    for (let nth = 1; nth < 200; nth++) {
      const disk = memory.crashKeepingEverything();
      const faulty = withFaults(disk, [{ operation, errno: "EIO", nth }]);
      const vfs = new CountingVfs(faulty);
      const clock = new TestClock();
      const events: StoreEvent[] = [];
      const onEvent = (event: StoreEvent) => void events.push(event);
      const opening = openStore("/store", {
        ...OPTIONS,
        vfs,
        clock,
        onEvent,
        snapshot: { intervalMs: 1000 },
      });
      const opened: Store | undefined = await opening.catch((error: unknown) => {
        assert.ok(isStoreError(error) && error.code !== "INTERNAL", `${operation} #${nth}: ${String(error)}`);
        return undefined;
      });
      await turns();
      if (faulty.fired.length === 0) {
        await opened?.close();
        break;
      }
      if (opened !== undefined) {
        const isPoisoned = events.some(({ type }) => type === "poisoned");
        assert.equal(opened.stats().state, isPoisoned ? "poisoned" : "open", `${operation} #${nth}`);
        await opened.close();
      } else {
        refused++;
      }
      assert.deepEqual(vfs.openPaths, [], `${operation} #${nth}`);
      assert.equal(clock.timers.size, 0, `${operation} #${nth}`);
      const again = await openStore("/store", { ...OPTIONS, vfs: disk });
      await checkSession(again, "root", progress);
      await again.close();
    }
    assert.ok(refused > 0 || operation === "remove", `${operation} never failed the opening`);
  });
}

test("a log that fails while the store opens is not forgotten", async () => {
  let met = 0;
  const { memory } = await crashedStore();
  for (let nth = 1; nth < 20; nth++) {
    const fault = { operation: "syncDirectory", errno: "EIO", nth, path: /wal$/ } as const;
    const vfs = withFaults(memory.crashKeepingEverything(), [fault]);
    const events: StoreEvent[] = [];
    const onEvent = (event: StoreEvent) => void events.push(event);
    const store = await openStore("/store", { ...OPTIONS, vfs, onEvent }).catch(() => undefined);
    await turns(20);
    if (vfs.fired.length === 0) {
      await store?.close();
      break;
    }
    met++;
    if (store === undefined) continue;
    assert.equal(store.stats().state, "poisoned", `sync #${nth} of wal/`);
    assert.equal(events.filter(({ type }) => type === "poisoned").length, 1);
    await refuses(store.session("root").commitRuntimeState(commitOf("root", 9)), "STORE_POISONED");
    await refuses(store.snapshot(), "STORE_POISONED");
    await store.close();
  }
  assert.ok(met > 1);
});

test("close at any moment of commits, a snapshot, a gc and a verify answers all of them and closes every file", async () => {
  for (let wait = 0; wait < 24; wait++) {
    const vfs = new CountingVfs(new MemoryVfs());
    const store = await openStore("/store", { ...OPTIONS, vfs });
    const progress = new Progress();
    for (let turn = 0; turn < 3; turn++) await sendNext(store, "root", progress);
    const calls: Promise<unknown>[] = [
      sendNext(store, "root", progress),
      store.verify(),
      store.snapshot(),
      sendNext(store, "root", progress),
      store.gc(),
      store.verify(),
      store.snapshot(),
    ];
    await turns(wait);
    const closing = store.close();
    assert.equal(store.close(), closing);
    await refuses(store.verify(), "STORE_CLOSED");
    await closing;
    const answers = await Promise.allSettled(calls);
    const bad = answers.flatMap((answer) => (answer.status === "rejected" ? [String(answer.reason)] : []));
    assert.deepEqual(bad, [], `closed after ${wait} turns`);
    assert.deepEqual(vfs.openPaths, []);
    assert.equal(store.close(), closing);
  }
});

test("a verify under way on a worker thread when close is called is answered", async (t) => {
  const store = await openStore(temporaryDirectory(t), OPTIONS);
  const progress = new Progress();
  for (let turn = 0; turn < 3; turn++) await sendNext(store, "root", progress);
  await store.snapshot();
  const checks = [store.verify(), store.verify()];
  await store.close();
  for (const check of checks) assert.deepEqual(await check, { ok: true, problems: [] });
});

test("a file that cannot be closed keeps neither the lock nor the log", async () => {
  const memory = new MemoryVfs();
  const faulty = withFaults(memory);
  const vfs = new CountingVfs(faulty);
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const progress = new Progress();
  await sendNext(store, "root", progress);
  await store.snapshot();
  await sendNext(store, "root", progress);
  faulty.inject({ operation: "close", errno: "EIO", path: /heads/ });
  await store.close().catch((error: unknown) => assert.ok(isStoreError(error, "STORE_IO"), String(error)));
  assert.equal(store.stats().state, "closed");
  assert.deepEqual(
    vfs.openPaths.filter((path) => !path.includes("/blobs/")),
    [],
  );
  const again = await openStore("/store", { ...OPTIONS, vfs: memory });
  assert.ok(again.recovery.cleanClose, "the log was sealed all the same");
  await checkSession(again, "root", progress);
  await again.close();
});

test("a listener that throws, rejects, or calls the store harms nothing", async () => {
  let store: Store | undefined;
  let rejected = 0;
  const onUnhandled = (): void => void rejected++;
  process.on("unhandledRejection", onUnhandled);
  try {
    let told = 0;
    const onEvent = (event: StoreEvent): Promise<void> => {
      told++;
      if (event.type === "snapshot") void store?.session("other").commitRuntimeState(commitOf("other", 1));
      return Promise.reject(new Error("the listener failed"));
    };
    store = await openStore("/store", { ...OPTIONS, vfs: new MemoryVfs(), onEvent });
    const progress = new Progress();
    await sendNext(store, "root", progress);
    await store.snapshot();
    await store.close();
    await turns();
    assert.ok(told >= 3);
    assert.equal(rejected, 0);
  } finally {
    process.off("unhandledRejection", onUnhandled);
  }
});

test("a listener that closes the store on the event of its poisoning is fine", async () => {
  const vfs = withFaults(new MemoryVfs());
  let store: Store | undefined;
  let closing: Promise<void> | undefined;
  const onEvent = (event: StoreEvent): void => {
    if (event.type === "poisoned") closing = store?.close();
  };
  store = await openStore("/store", { ...OPTIONS, vfs, onEvent });
  vfs.inject({ operation: "datasync", errno: "EIO", path: /wal/ });
  await refuses(store.session("root").commitRuntimeState(commitOf("root", 1)), "COMMIT_OUTCOME_UNKNOWN");
  assert.ok(closing !== undefined);
  await closing;
  assert.equal(store.stats().state, "closed");
});
