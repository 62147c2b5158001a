/**
 * A disk that fails under the whole store: every kind of operation, at every turn, once and for good. A call
 * is answered or refused with a typed error; what was acknowledged is there after reopening; nothing is
 * synced again that failed to sync. Then the promises of poisoning and of a full disk, one by one.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { type FaultSpec, type FaultyVfs, withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, commit, messageNode } from "../support/builders.ts";
import { nodeIds, read, refuses } from "../support/expect.ts";
import { checkSession, commitOf, hide, Progress, sendNext } from "../support/history.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };
/** Turns of an operation that the sweep fails, at most; the workload has fewer of most. */
const MOST_TURNS = 400;
const OPERATIONS = [
  "open",
  "write",
  "datasync",
  "sync",
  "syncDirectory",
  "rename",
  "remove",
  "truncate",
  "makeDirectory",
] as const;

/** Answers undefined for a call that a failing disk may refuse. */
async function tolerate(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isStoreError(error) || error.code === "INTERNAL") throw error;
  }
}

async function workload(store: Store, progress: Progress): Promise<void> {
  for (let round = 0; round < 2; round++) {
    for (let turn = 0; turn < 4; turn++) await tolerate(attempt(store, progress));
    await tolerate(hide(store, "root", Math.max(progress.acknowledged, 1), progress));
    await tolerate(store.snapshot());
    await tolerate(attempt(store, progress));
  }
  await tolerate(store.gc());
  await tolerate(attempt(store, progress));
  await tolerate(store.session("root").loadSession());
}

/** Sends the commit after the last acknowledged one; a refused one may be sent again with the same content. */
async function attempt(store: Store, progress: Progress): Promise<void> {
  progress.sent = progress.acknowledged;
  await sendNext(store, "root", progress);
}

async function sweep(fault: FaultSpec): Promise<FaultyVfs> {
  const memory = new MemoryVfs();
  const vfs = withFaults(memory, [fault]);
  const progress = new Progress();
  let store: Store | undefined;
  try {
    store = await openStore("/store", { ...OPTIONS, vfs });
  } catch (error) {
    if (!isStoreError(error) || error.code === "INTERNAL") throw error;
  }
  if (store !== undefined) {
    await workload(store, progress);
    await tolerate(store.close());
  }
  assert.deepEqual(vfs.syncsAfterFailure(), []);
  for (const left of [memory.crashKeepingNothing(), memory.crashKeepingEverything()]) {
    const again = await openStore("/store", { ...OPTIONS, vfs: left });
    await checkSession(again, "root", progress);
    const next = await again.session("root").loadSession();
    const revision = (next?.headRevision ?? 0) + 1;
    assert.equal(
      (await again.session("root").commitRuntimeState(commitOf("root", revision))).headRevision,
      revision,
    );
    assert.deepEqual(await again.verify(), { ok: true, problems: [] });
    await again.close();
  }
  return vfs;
}

for (const operation of OPERATIONS) {
  for (const times of ["once", "forever"] as const) {
    test(`EIO of ${operation} at every turn, ${times}: nothing acknowledged is lost`, async () => {
      let fired = 0;
      for (let nth = 1; nth <= MOST_TURNS; nth += nth < 20 ? 1 : 7) {
        const fault: FaultSpec = { operation, errno: "EIO", nth, times };
        const vfs = await sweep(fault).catch((cause: unknown) => {
          throw new Error(`${operation} #${nth} ${times}`, { cause });
        });
        if (vfs.fired.length === 0) break;
        fired++;
      }
      assert.ok(fired > 0, `${operation} never happened`);
    });
  }
}

for (const operation of ["write", "open", "datasync"] as const) {
  test(`ENOSPC of ${operation} from any turn on: nothing acknowledged is lost`, async () => {
    for (let nth = 1; nth <= MOST_TURNS; nth += nth < 20 ? 1 : 9) {
      const vfs = await sweep({ operation, errno: "ENOSPC", nth, times: "forever" }).catch(
        (cause: unknown) => {
          throw new Error(`${operation} #${nth}`, { cause });
        },
      );
      if (vfs.fired.length === 0) break;
    }
  });
}

async function openFaulty(): Promise<{ memory: MemoryVfs; vfs: FaultyVfs; store: Store }> {
  const memory = new MemoryVfs();
  const vfs = withFaults(memory);
  return { memory, vfs, store: await openStore("/store", { ...OPTIONS, vfs }) };
}

test("a failed sync of the log: outcome unknown for what is in flight, poisoned for the rest, reads go on", async () => {
  const { memory, vfs, store } = await openFaulty();
  const session = store.session("root");
  await session.commitRuntimeState(commit({ graph: append([messageNode("a")], "a") }));
  vfs.inject({ operation: "datasync", errno: "EIO", path: /wal/ });
  const inFlight = [commit({ operationId: "x" }), commit({ operationId: "y" })].map((sent) =>
    session.commitRuntimeState(sent),
  );
  for (const call of inFlight) await refuses(call, "COMMIT_OUTCOME_UNKNOWN", { retry: "reopen" });
  const poisoned = await refuses(session.commitRuntimeState(commit()), "STORE_POISONED", { retry: "reopen" });
  assert.ok(isStoreError(poisoned.cause, "STORE_IO"), String(poisoned.cause));
  for (const call of [
    session.saveSessionMeta({ sessionId: "root", sessionName: "n", createdAt: "t", model: "m" }),
    session.tombstoneNodes(["b"]),
    session.vacuum(),
    store.deleteSession("root"),
    store.snapshot(),
    store.gc(),
    session.gcUnreachable(),
  ]) {
    await refuses(call, "STORE_POISONED");
  }
  assert.equal(store.stats().state, "poisoned");
  assert.equal((await read(session)).headRevision, 1);
  assert.deepEqual(await nodeIds(session), ["a"]);
  vfs.heal();
  await refuses(session.commitRuntimeState(commit()), "STORE_POISONED");
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs: memory });
  const { headRevision } = await read(again.session("root"));
  const retried = await again.session("root").commitRuntimeState(commit({ operationId: "x" }));
  assert.ok(headRevision === 1 ? !retried.replayed : retried.replayed, "a retry is answered once");
  assert.equal(retried.headRevision, 2);
  await again.close();
});

test("answers that rest on a write that failed share its fate: nothing is told that is not durable", async () => {
  const { vfs, store } = await openFaulty();
  const session = store.session("root");
  await session.commitRuntimeState(commit());
  vfs.inject({ operation: "datasync", errno: "EIO", path: /wal/ });
  const first = session.commitRuntimeState(
    commit({ operationId: "op", graph: append([messageNode("a")], "a") }),
  );
  const replay = session.commitRuntimeState(
    commit({ operationId: "op", graph: append([messageNode("a")], "a") }),
  );
  const collision = session.commitRuntimeState(commit({ graph: append([messageNode("a")], "a") }));
  const noop = session.tombstoneNodes(["nobody"]);
  for (const call of [first, replay, collision, noop]) await refuses(call, "COMMIT_OUTCOME_UNKNOWN");
  assert.deepEqual(await nodeIds(session), []);
  await store.close();
});

test("reads see nothing that the log has not made good", async () => {
  const { vfs, store } = await openFaulty();
  const session = store.session("root");
  await session.commitRuntimeState(commit());
  vfs.inject({ operation: "datasync", errno: "EIO", path: /wal/ });
  const failed = session.commitRuntimeState(commit({ graph: append([messageNode("a")], "a") }));
  const beside = session.loadSession();
  await refuses(failed, "COMMIT_OUTCOME_UNKNOWN");
  assert.equal((await beside)?.headRevision, 1);
  assert.equal((await read(session)).headRevision, 1);
  assert.equal(await session.loadNode("a"), undefined);
  await store.close();
});

test("a failed temporary file of a snapshot fails that snapshot alone", async () => {
  const { memory, vfs, store } = await openFaulty();
  const progress = new Progress();
  for (let turn = 0; turn < 5; turn++) await sendNext(store, "root", progress);
  vfs.inject({ operation: "write", errno: "EIO", path: /(heads|blobs)\// });
  await refuses(store.snapshot(), "STORE_IO");
  await sendNext(store, "root", progress);
  await store.snapshot();
  assert.ok(store.stats().snapshot.failed >= 1);
  await checkSession(store, "root", progress);
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs: memory });
  await checkSession(again, "root", progress);
  assert.deepEqual(await again.verify(), { ok: true, problems: [] });
  await again.close();
});

test("a full disk is STORE_FULL before anything is written, reads go on, and room makes it work again", async () => {
  const { memory, vfs, store } = await openFaulty();
  const progress = new Progress();
  await sendNext(store, "root", progress);
  // Segments are made under a temporary name, so this is a disk that has no room for another one.
  vfs.inject({ operation: "write", errno: "ENOSPC", path: /\.tmp/, times: "forever" });
  let full: unknown;
  for (let turn = 0; turn < 600 && full === undefined; turn++) {
    await attempt(store, progress).catch((error: unknown) => {
      full = error;
    });
  }
  assert.ok(isStoreError(full, "STORE_FULL"), String(full));
  assert.equal(full.retry, "same");
  assert.equal((await read(store.session("root"))).headRevision, progress.acknowledged);
  vfs.heal();
  for (let turn = 0; turn < 200; turn++) {
    const before = progress.acknowledged;
    await attempt(store, progress).catch((error: unknown) =>
      assert.ok(isStoreError(error, "STORE_FULL"), String(error)),
    );
    if (progress.acknowledged > before) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal((await read(store.session("root"))).headRevision, progress.acknowledged);
  progress.sent = progress.acknowledged;
  await sendNext(store, "root", progress);
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs: memory });
  await checkSession(again, "root", progress);
  await again.close();
});

test("on a full disk snapshot and gc are STORE_FULL, commits and reads go on, and with room the first one runs", async () => {
  for (const job of ["snapshot", "gc"] as const) {
    const { memory, vfs, store } = await openFaulty();
    const progress = new Progress();
    await sendNext(store, "root", progress);
    vfs.inject({ operation: "write", errno: "ENOSPC", path: /\.tmp/, times: "forever" });
    // The spares there are take a few; each needs another segment, and then files of its own.
    let refused: unknown;
    for (let turn = 0; turn < 10 && !isStoreError(refused, "STORE_FULL"); turn++) {
      await sendNext(store, "root", progress);
      await store[job]().catch((error: unknown) => {
        refused = error;
      });
    }
    assert.ok(isStoreError(refused, "STORE_FULL"), String(refused));
    await sendNext(store, "root", progress);
    await refuses(store[job](), "STORE_FULL", { retry: "same" });
    assert.equal((await read(store.session("root"))).headRevision, progress.acknowledged);
    vfs.heal();
    await store[job]();
    const { snapshot, log } = store.stats();
    assert.ok(snapshot.manifest > 1 && log.unfoldedBytes === 0, "what was written is in the snapshot");
    await sendNext(store, "root", progress);
    await store.close();
    const again = await openStore("/store", { ...OPTIONS, vfs: memory });
    await checkSession(again, "root", progress);
    await again.close();
  }
});
