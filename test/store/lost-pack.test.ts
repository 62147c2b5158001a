/**
 * A pack is gone that both generations name. Once that made the whole store unreadable. Now sessions whose
 * values lie elsewhere go on with everything, snapshots included; what lay in the pack is CORRUPT, by session
 * and file, and never absent: not for a read, not for a ref that a commit carries, not for a gc.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreEvent } from "../../src/contract.ts";
import type { BlobRef } from "../../src/ids.ts";
import { openStore } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, checkpoint, commit, messageNode, toolState } from "../support/builders.ts";
import { read, refuses } from "../support/expect.ts";

const OPTIONS = { segmentBytes: 64 * 1024, snapshot: false, gc: false } as const;

interface Lost {
  readonly vfs: MemoryVfs;
  readonly pack: string;
  readonly toolStateRef: BlobRef;
}

/** Session `hurt` lies in a pack that is gone, session `whole` in another one. */
async function lost(): Promise<Lost> {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const { manifest } = await grow(store, "hurt", 1);
  await store.snapshot();
  await grow(store, "whole", 1);
  await store.snapshot();
  await store.close();
  const [name] = vfs.list("/store/blobs");
  const pack = `/store/blobs/${name}`;
  vfs.remove(pack);
  assert.ok(manifest.toolStateRef);
  return { vfs, pack, toolStateRef: manifest.toolStateRef };
}

function grow(store: Store, id: string, revision: number) {
  const node = messageNode(`n${revision}`, revision === 1 ? undefined : `n${revision - 1}`);
  return store.session(id).commitRuntimeState(
    commit({
      sessionId: id,
      expectedHeadRevision: revision - 1,
      graph: append([node], node.nodeId),
      checkpoint: checkpoint({ toolState: toolState(revision, id) }),
    }),
  );
}

test("the other sessions commit, fold and reopen as ever, and the loss is told", async () => {
  const { vfs, pack } = await lost();
  const events: StoreEvent[] = [];
  const store = await openStore("/store", { ...OPTIONS, vfs, onEvent: (event) => void events.push(event) });
  const warnings = events.flatMap((event) => (event.type === "recovered" ? event.warnings : []));
  assert.ok(
    warnings.some((warning) => warning.includes(pack)),
    warnings.join(),
  );
  for (let revision = 2; revision < 14; revision++) {
    await grow(store, "whole", revision);
    await store.snapshot();
  }
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs });
  const { headRevision, checkpoint: state } = await read(again.session("whole"));
  assert.equal(headRevision, 13);
  assert.deepEqual(state.toolState, toolState(13, "whole"));
  await refuses(again.session("hurt").loadSession(), "CORRUPT", { file: pack, sessionId: "hurt" });
  await again.close();
});

test("a ref whose blob may lie in the lost pack is CORRUPT, and one that was never stored as well", async () => {
  const { vfs, pack, toolStateRef } = await lost();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  for (const ref of [toolStateRef, "0".repeat(64) as BlobRef]) {
    const carried = commit({ sessionId: "whole", checkpoint: checkpoint({ toolStateRef: ref }) });
    await refuses(store.session("whole").commitRuntimeState(carried), "CORRUPT", {
      file: pack,
      sessionId: "whole",
    });
  }
  assert.equal((await read(store.session("whole"))).headRevision, 1);
  await store.close();
});

test("a value that may lie in the lost pack is stored anew", async () => {
  const { vfs } = await lost();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const same = checkpoint({ toolState: toolState(1, "hurt") });
  await store.session("whole").commitRuntimeState(commit({ sessionId: "whole", checkpoint: same }));
  await store.snapshot();
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs });
  assert.deepEqual((await read(again.session("whole"))).checkpoint.toolState, toolState(1, "hurt"));
  await again.close();
});

test("a gc refuses with CORRUPT and deletes nothing", async () => {
  const { vfs, pack } = await lost();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  await grow(store, "whole", 2);
  await refuses(store.gc(), "CORRUPT", { file: pack });
  assert.equal(store.stats().gc.deletedBlobs, 0);
  assert.equal((await read(store.session("whole"))).headRevision, 2);
  const { ok, problems } = await store.verify();
  assert.equal(ok, false);
  assert.ok(problems.some(({ file, code }) => file === pack && code === "CORRUPT"));
  await store.close();
});
