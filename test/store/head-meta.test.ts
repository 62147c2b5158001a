/**
 * What a look-up of a head's meta costs and needs: no page, so also not one that is damaged; and no actor, so a
 * host may look at a million sessions without having them in memory.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReadOnlyStore, Store } from "../../src/contract.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, commit, messageNode } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";

const OPTIONS = { segmentBytes: 64 * 1024, snapshot: false, gc: false } as const;

/**
 * Revision 1 lies in files that both generations name, revision 2 in the log; then the oldest pack is removed,
 * or every heads file.
 */
async function without(folder: "blobs" | "heads"): Promise<MemoryVfs> {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  await store.session("root").commitRuntimeState(commit({ graph: append([messageNode("a")], "a") }));
  await store.snapshot();
  const other = commit({ sessionId: "other", graph: append([messageNode("o")], "o") });
  await store.session("other").commitRuntimeState(other);
  await store.snapshot();
  await store.session("root").commitRuntimeState(commit({ graph: append([messageNode("b", "a")], "b") }));
  await store.close();
  const names = vfs.list(`/store/${folder}`).sort();
  for (const name of folder === "blobs" ? names.slice(0, 1) : names) vfs.remove(`/store/${folder}/${name}`);
  return vfs;
}

async function figures(store: Pick<Store | ReadOnlyStore, "session">): Promise<unknown> {
  const head = await store.session("root").loadSessionHeadMeta();
  return [head?.headRevision, head?.leafNodeId, head?.graphNodeCount];
}

test("head meta is answered where the session's pages are lost, and the session itself is not", async () => {
  const vfs = await without("blobs");
  const store = await openStore("/store", { ...OPTIONS, vfs });
  assert.deepEqual(await figures(store), [2, "b", 2]);
  await refuses(store.session("root").loadSession(), "CORRUPT", { sessionId: "root" });
  assert.deepEqual(await figures(store), [2, "b", 2]);
  await store.close();
  const view = await openStoreReadOnly("/store", { vfs });
  assert.deepEqual(await figures(view), [2, "b", 2]);
  await refuses(view.session("root").loadSession(), "CORRUPT", { sessionId: "root" });
  await view.close();
});

test("a session's own record is answered so too: by the log, by the snapshot, after a commit, and never after its deletion", async () => {
  const vfs = new MemoryVfs();
  const metaOf = (sessionName: string) => ({ sessionId: "root", sessionName, createdAt: "t", model: "m" });
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const session = store.session("root");
  assert.equal(await session.loadSessionMeta(), undefined);
  await session.saveSessionMeta(metaOf("first"));
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs });
  const root = again.session("root");
  const found: unknown[] = [await root.loadSessionMeta(), again.stats().residentSessions];
  await again.snapshot();
  found.push(await root.loadSessionMeta(), again.stats().residentSessions);
  await root.commitRuntimeState(commit({ graph: append([messageNode("a")], "a") }));
  await root.saveSessionMeta(metaOf("second"));
  await root.commitRuntimeState(commit({ graph: append([messageNode("b", "a")], "b") }));
  const view = await openStoreReadOnly("/store", { vfs });
  found.push(await root.loadSessionMeta(), await view.session("root").loadSessionMeta());
  await again.deleteSession("root");
  await view.refresh();
  found.push(await root.loadSessionMeta(), await view.session("root").loadSessionMeta());
  assert.deepEqual(found, [
    metaOf("first"),
    0,
    metaOf("first"),
    0,
    metaOf("second"),
    metaOf("second"),
    undefined,
    undefined,
  ]);
  await view.close();
  await again.close();
});

test("a session's own record is answered where its pages are lost", async () => {
  const vfs = await without("blobs");
  const store = await openStore("/store", { ...OPTIONS, vfs });
  assert.equal(await store.session("root").loadSessionMeta(), undefined);
  await refuses(store.session("root").loadNode("a"), "CORRUPT", { sessionId: "root" });
  await store.close();
});

test("a heads file that is lost makes head meta CORRUPT, never absent", async () => {
  const store = await openStore("/store", { ...OPTIONS, vfs: await without("heads") });
  await refuses(store.session("root").loadSessionHeadMeta(), "CORRUPT", { sessionId: "root" });
  await refuses(store.session("new").loadSessionHeadMeta(), "CORRUPT", { sessionId: "new" });
  await refuses(store.session("new").loadSessionMeta(), "CORRUPT", { sessionId: "new" });
  await store.close();
});

test("a look-up brings no session into memory", async () => {
  const store = await openStore("/store", { ...OPTIONS, vfs: new MemoryVfs() });
  for (let n = 0; n < 5; n++) await store.session(`s${n}`).loadSessionHeadMeta();
  assert.equal(store.stats().residentSessions, 0);
  await store.close();
});

test("an iteration over a view goes on when the view is refreshed", async () => {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const nodes = [messageNode("a"), messageNode("b", "a"), messageNode("c", "b")];
  await store.session("root").commitRuntimeState(commit({ graph: append(nodes, "c") }));
  const view = await openStoreReadOnly("/store", { vfs });
  const seen: string[] = [];
  for await (const { nodeId } of view.session("root").iteratePath()) {
    seen.push(nodeId);
    if (seen.length > 1) continue;
    const more = commit({ graph: append([messageNode("d", "c")], "d") });
    await store.session("root").commitRuntimeState(more);
    await view.refresh();
  }
  assert.deepEqual(seen, ["c", "b", "a"]);
  assert.deepEqual(
    await view
      .session("root")
      .loadSessionHeadMeta()
      .then((head) => head?.leafNodeId),
    "d",
  );
  await view.close();
  await store.close();
});
