/** A recorded store is the store it stands before, and its history holds; a store that lies is found out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore, openStoreReadOnly } from "../../../src/index.ts";
import { History } from "../../../src/testing/history/history.ts";
import { recordSecondOpen, recordStore } from "../../../src/testing/history/record-store.ts";
import { recordView } from "../../../src/testing/history/record-view.ts";
import { MemoryVfs } from "../../../src/vfs/memory.ts";
import {
  append,
  chain,
  checkpoint,
  commit,
  ledgerEntry,
  meta,
  toolState,
  usage,
} from "../../support/builders.ts";

const FULL = commit({
  operationId: "op-1",
  graph: append([...chain("a", "b"), ...chain("x")], "b"),
  checkpoint: checkpoint({ toolState: toolState(1), executionState: new Uint8Array([1, 2]) }),
  usageDeltas: [ledgerEntry("turn", "m", usage(5))],
});

async function entriesOf(listing: AsyncIterable<{ sessionId: string }>): Promise<string[]> {
  const ids: string[] = [];
  for await (const { sessionId } of listing) ids.push(sessionId);
  return ids;
}

test("a store that is recorded answers as before, and what it did is a history that holds", async () => {
  const vfs = new MemoryVfs();
  const history = new History();
  const open = () => openStore("/store", { vfs, snapshot: false, gc: false });
  const store = recordStore(history, await open());
  const session = store.session("root");
  const first = await session.commitRuntimeState(FULL);
  assert.deepEqual(await session.commitRuntimeState(FULL), { ...first, replayed: true });
  await session.saveSessionMeta(meta("root", { cwd: "/c" }));
  await session.tombstoneNodes(["x"]);
  await assert.rejects(session.tombstoneNodes(["b"]), { code: "NODE_IN_USE" });
  await assert.rejects(session.commitRuntimeState({ ...FULL, usageDeltas: [] }), {
    code: "OPERATION_CONFLICT",
  });
  assert.equal((await session.loadSession())?.graph.nodes.length, 2);
  assert.equal((await session.loadSession({ kind: "activePath", leafNodeId: "a" }))?.graph.nodes.length, 1);
  assert.equal((await session.loadNode("a"))?.nodeId, "a");
  assert.equal(await session.loadNode("x"), undefined);
  assert.deepEqual(await session.loadSessionMeta(), meta("root", { cwd: "/c" }));
  assert.deepEqual(await session.vacuum(), { removedNodeCount: 1 });
  await recordSecondOpen(history, open);
  const view = await recordView(history, () => openStoreReadOnly("/store", { vfs }));
  await store.session("other").commitRuntimeState({ ...FULL, sessionId: "other" });
  assert.deepEqual(await entriesOf(store.listSessions()), ["other", "root"]);
  assert.deepEqual(await entriesOf(view.listSessions()), ["root"]);
  await view.refresh();
  assert.equal((await view.session("other").loadSession())?.headRevision, 1);
  await view.close();
  await store.snapshot();
  assert.equal((await store.gc()).deletedBlobCount, 0);
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  assert.equal(await store.deleteSession("other"), true);
  await store.close();
  const again = recordStore(history, await open());
  assert.equal((await again.session("root").loadSession())?.headRevision, 1);
  assert.equal(await again.session("other").loadSession(), undefined);
  await again.close();
  history.assertHolds();
  assert.equal(history.events.filter(({ type }) => type === "invoked").length, 25);
});

test("a history that was copied before a crash goes on with the image of the crash", async () => {
  const vfs = new MemoryVfs();
  const history = new History();
  const store = recordStore(history, await openStore("/store", { vfs, snapshot: false, gc: false }));
  await store.session("root").commitRuntimeState(FULL);
  const flying = store.session("root").commitRuntimeState(commit());
  const crashed = history.copy();
  crashed.ended("powerCut");
  const left = vfs.crashKeepingNothing();
  await flying;
  await store.close();
  const again = recordStore(crashed, await openStore("/store", { vfs: left, snapshot: false, gc: false }));
  assert.equal((await again.session("root").loadSession())?.headRevision, 1);
  await again.close();
  history.assertHolds();
  crashed.assertHolds();
});

test("a read that is not what was committed makes assertHolds throw, naming session and promise", async () => {
  const history = new History();
  const vfs = new MemoryVfs();
  const store = recordStore(history, await openStore("/store", { vfs }));
  await store.session("root").commitRuntimeState(FULL);
  await store.close();
  // Another store under the same history: as if the first had lost everything.
  const other = recordStore(history, await openStore("/store", { vfs: new MemoryVfs() }));
  await other.session("root").loadSession();
  await other.close();
  assert.throws(
    () => history.assertHolds(),
    /broken: LSNs only grow;.*\n.*nothing acknowledged or seen is lost; session "root":/,
  );
});
