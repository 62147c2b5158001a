/**
 * A snapshot that comes late: what was committed while the one before was at work is folded in pieces of about
 * `snapshot.logBytes`, so that a fold's memory does not follow the backlog; and nothing of it is lost between two pieces.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreEvent } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { checkpoint, commit, noise } from "../support/builders.ts";
import { holdWorkers } from "../support/held-workers.ts";

const LOG_BYTES = 64 * 1024;
const COMMIT_BYTES = 3000;
const SESSIONS = 7;

type Snapshot = StoreEvent & { readonly type: "snapshot" };

/** A store whose workers stand still until `release`, with three times `logBytes` committed meanwhile. */
async function behind() {
  const memory = new MemoryVfs();
  const { clock, release } = holdWorkers();
  const snapshots: Snapshot[] = [];
  const options = {
    segmentBytes: LOG_BYTES,
    gc: false,
    snapshot: { logBytes: LOG_BYTES },
    vfs: memory,
  } as const;
  const store = await openStore("/store", {
    ...options,
    clock,
    onEvent: (event) => {
      if (event.type === "snapshot") snapshots.push(event);
    },
  });
  let sent = 0;
  while (store.stats().log.unfoldedBytes < 3.5 * LOG_BYTES) {
    const executionState = noise(COMMIT_BYTES, sent);
    const sessionId = `s${sent % SESSIONS}`;
    await store
      .session(sessionId)
      .commitRuntimeState(commit({ sessionId, checkpoint: checkpoint({ executionState }) }));
    sent++;
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
