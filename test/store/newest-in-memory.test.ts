/**
 * The newest nodes of a session that is in memory, but not whole: what is there answers at once; what was shed is read from
 * its newest pages and records as if the session were not in memory, and does not come back for it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreEvent } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import type { SessionReadScope } from "../../src/session/types.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, commit, messageNode } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";

const BUDGET = 400_000;
const TEXT = "z".repeat(10_000);

async function open() {
  const events: StoreEvent[] = [];
  const vfs = withFaults(new MemoryVfs());
  const options = { snapshot: false, gc: false, maxResidentBytes: BUDGET } as const;
  const store = await openStore("/store", { ...options, vfs, onEvent: (event) => events.push(event) });
  const grow = async (sessionId: string, from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n++) {
      const node = messageNode(`n${n}`, n === 0 ? undefined : `n${n - 1}`, `${n} ${TEXT}`);
      const sent = commit({ sessionId, graph: append([node], node.nodeId) });
      await store.session(sessionId).commitRuntimeState(sent);
    }
  };
  const newest = async (sessionId: string, limit: number, leafNodeId?: string) => {
    const scope: SessionReadScope = {
      kind: "activePath",
      limit,
      ...(leafNodeId === undefined ? {} : { leafNodeId }),
    };
    const read = await store.session(sessionId).loadSession(scope);
    return [read?.nextOlderNodeId, ...(read?.graph.nodes.map(({ nodeId }) => nodeId) ?? [])];
  };
  const sheds = () => events.filter(({ type }) => type === "shed").length;
  return { store, vfs, grow, newest, sheds };
}

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `n${from + n}`);

test("what was committed last is read without a read of a file", async () => {
  const { store, vfs, grow, newest } = await open();
  await grow("s", 0, 200);
  vfs.inject({ operation: "read", errno: "EIO", times: "forever" });
  assert.deepEqual(await newest("s", 2), ["n197", "n198", "n199"]);
  // Where one is missing, that it cannot be read is said.
  await refuses(newest("s", 20), "STORE_IO");
  vfs.heal();
  assert.deepEqual(await newest("s", 20), ids(179, 200));
  await store.close();
});

test("what changed last is read without a read of a file, and all else as before", async () => {
  const { store, vfs, grow } = await open();
  await grow("s", 0, 200);
  const since = async (headRevision: number) => {
    const read = await store.session("s").loadSession({ kind: "changesSince", headRevision });
    return [read?.headRevision, ...(read?.graph.nodes.map(({ nodeId }) => nodeId) ?? [])];
  };
  vfs.inject({ operation: "read", errno: "EIO", times: "forever" });
  assert.deepEqual(await since(200), [200]);
  assert.deepEqual(await since(198), [200, "n198", "n199"]);
  await refuses(since(201), "REVISION_UNKNOWN");
  await refuses(since(100), "STORE_IO");
  vfs.heal();
  // A session without a commit has no changes, whatever revision is asked for.
  await store
    .session("bare")
    .saveSessionMeta({ sessionId: "bare", sessionName: "b", createdAt: "t", model: "m" });
  const bare = await store.session("bare").loadSession({ kind: "changesSince", headRevision: 7 });
  assert.equal(bare, undefined);
  assert.deepEqual(await since(100), [200, ...ids(100, 200)]);
  assert.deepEqual(await since(0), [200, ...ids(0, 200)]);
  await store.close();
});

for (const from of ["log", "snapshot"] as const) {
  test(`the newest nodes of a long session that shed its bodies come from the ${from}, and nothing comes back`, async () => {
    const { store, grow, newest, sheds } = await open();
    await grow("s", 0, 200);
    if (from === "snapshot") await store.snapshot();
    const before = [sheds(), store.stats().residentBytes];
    for (const limit of [1, 10, 40]) assert.deepEqual(await newest("s", limit), ids(199 - limit, 200));
    assert.deepEqual([sheds(), store.stats().residentBytes], before);
    // One that lies elsewhere has the session brought back, and is as right.
    assert.deepEqual(await newest("s", 2, "n7"), ids(5, 8));
    assert.deepEqual(await newest("s", 3, "n1"), [undefined, "n0", "n1"]);
    assert.deepEqual(await newest("s", 300), [undefined, ...ids(0, 200)]);
    await store.close();
  });
}

test("a session that is not much longer than what is asked for is brought back, and read from memory then", async () => {
  const { store, vfs, grow, newest } = await open();
  await grow("s", 0, 12);
  await grow("other", 0, 40);
  assert.deepEqual(await newest("s", 5), ids(6, 12));
  vfs.inject({ operation: "read", errno: "EIO", times: "forever" });
  assert.deepEqual(await newest("s", 11), ids(0, 12));
  vfs.heal();
  await store.close();
});

test("a commit that is not durable yet is not among them, and one that is answered is", async () => {
  const { store, grow, newest } = await open();
  await grow("s", 0, 200);
  const sent = grow("s", 200, 201);
  assert.deepEqual(await newest("s", 10), ids(189, 200));
  await sent;
  assert.deepEqual(await newest("s", 10), ids(190, 201));
  await store.close();
});
