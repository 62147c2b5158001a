/**
 * A snapshot that comes late: what was committed while the one before was at work is folded in pieces of about
 * `snapshot.logBytes`, so that a fold's memory does not follow the backlog; and nothing of it is lost between two pieces.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreEvent, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { checkpoint, commit, noise } from "../support/builders.ts";
import { holdWorkers } from "../support/held-workers.ts";

const LOG_BYTES = 64 * 1024;
const COMMIT_BYTES = 3000;
const SESSIONS = 7;

type Snapshot = StoreEvent & { readonly type: "snapshot" };

interface Given {
  readonly vfs?: Vfs;
  readonly snapshot?: StoreOptions["snapshot"];
  /** Runs once the store is open. */
  readonly onOpen?: (store: Store) => void;
  /** Runs behind every commit. */
  readonly onCommit?: (unfoldedBytes: number) => void;
}

/**
 * A store whose workers stand still until `release`, with three times `logBytes` committed meanwhile, or what a disk
 * took.
 */
async function behind(given: Given = {}) {
  const memory = new MemoryVfs();
  const { clock, release } = holdWorkers();
  const snapshots: Snapshot[] = [];
  const options = {
    segmentBytes: LOG_BYTES,
    gc: false,
    snapshot: given.snapshot ?? { logBytes: LOG_BYTES },
    vfs: given.vfs ?? memory,
  } as const;
  const store = await openStore("/store", {
    ...options,
    clock,
    onEvent: (event) => {
      if (event.type === "snapshot") snapshots.push(event);
    },
  });
  given.onOpen?.(store);
  let sent = 0;
  while (store.stats().log.unfoldedBytes < 3.5 * LOG_BYTES) {
    const executionState = noise(COMMIT_BYTES, sent);
    const sessionId = `s${sent % SESSIONS}`;
    const next = commit({ sessionId, checkpoint: checkpoint({ executionState }) });
    try {
      await store.session(sessionId).commitRuntimeState(next);
    } catch (error) {
      if (isStoreError(error, "STORE_FULL")) break;
      throw error;
    }
    sent++;
    given.onCommit?.(store.stats().log.unfoldedBytes);
  }
  return { memory, options, store, snapshots, sent, release };
}

async function checkAll(store: Store, sent: number): Promise<void> {
  for (let session = 0; session < SESSIONS; session++) {
    const read = await store.session(`s${session}`).loadSession();
    const commits = Math.ceil((sent - session) / SESSIONS);
    assert.equal(read?.headRevision, commits);
    const newest = session + (commits - 1) * SESSIONS;
    assert.deepEqual(read?.checkpoint.executionState, noise(COMMIT_BYTES, newest));
  }
}

test("a snapshot that is asked for behind a long one folds the backlog in pieces, and all of it", async () => {
  const { options, store, snapshots, sent, release } = await behind();
  await checkAll(store, sent);
  const asked = store.snapshot();
  release();
  await asked;
  assert.equal(store.stats().log.unfoldedBytes, 0);
  assert.ok(snapshots.length >= 3, `${snapshots.length} snapshots`);
  const most = Math.max(...snapshots.map(({ foldedBytes }) => foldedBytes));
  assert.ok(most < 1.5 * LOG_BYTES, `${most} bytes in one fold`);
  await checkAll(store, sent);
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
  const again = await openStore("/store", options);
  await checkAll(again, sent);
  await again.close();
});

test("a crash between two pieces loses nothing: the log has what is not folded", async () => {
  const { memory, options, store, snapshots, sent, release } = await behind();
  release();
  while (snapshots.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(store.stats().log.unfoldedBytes >= LOG_BYTES, "pieces are left");
  await checkAll(store, sent);
  const crashed = memory.crashKeepingNothing();
  await store.close();
  const again = await openStore("/store", { ...options, vfs: crashed });
  await checkAll(again, sent);
  assert.deepEqual(await again.verify(), { ok: true, problems: [] });
  await again.close();
});

test("a store that takes no snapshots of its own folds all there is when one is asked for", async () => {
  const asked: Promise<unknown>[] = [];
  const { store, snapshots, sent, release } = await behind({
    snapshot: false,
    onOpen: (opened) => void asked.push(opened.snapshot()),
  });
  asked.push(store.snapshot());
  release();
  await Promise.all(asked);
  assert.ok(snapshots.some(({ foldedBytes }) => foldedBytes > 3 * LOG_BYTES));
  await checkAll(store, sent);
  await store.close();
});

test("a backlog on a disk without room for another segment is folded once there is room", async () => {
  const vfs = withFaults(new MemoryVfs());
  const { options, store, sent, release } = await behind({
    vfs,
    onOpen: () =>
      vfs.inject({ operation: "open", path: /(?:spare|recycle)-/, errno: "ENOSPC", times: "forever" }),
  });
  assert.ok(store.stats().log.unfoldedBytes < 3.5 * LOG_BYTES, "the disk was full");
  await checkAll(store, sent);
  vfs.heal();
  release();
  await store.snapshot();
  assert.equal(store.stats().log.unfoldedBytes, 0);
  await checkAll(store, sent);
  await store.close();
  const again = await openStore("/store", options);
  await checkAll(again, sent);
  await again.close();
});

test("a piece that cannot be sealed for want of a segment stays with the one behind it", async () => {
  const vfs = withFaults(new MemoryVfs());
  let isFull = false;
  const { store, sent, release } = await behind({
    vfs,
    onCommit: (unfoldedBytes) => {
      // Behind the first piece: the spares that are there take the second, and none is left to end it.
      if (isFull || unfoldedBytes < 1.05 * LOG_BYTES) return;
      isFull = true;
      vfs.inject({ operation: "open", path: /(?:spare|recycle)-/, errno: "ENOSPC", times: "forever" });
    },
  });
  assert.ok(isFull && store.stats().log.unfoldedBytes < 3.5 * LOG_BYTES, "the disk was full");
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  await checkAll(store, sent);
  vfs.heal();
  release();
  await store.snapshot();
  assert.equal(store.stats().log.unfoldedBytes, 0);
  await checkAll(store, sent);
  await store.close();
});
