/**
 * A commit to a session that is not in memory: of a small one it reads the head and no page, decides the same as on the
 * whole session, and what needs bodies afterwards finds them, also where the log behind the snapshot needs them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, commit, messageNode, replaceFull } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";

const OPTIONS: StoreOptions = { graphPolicy: "strict", snapshot: false, gc: false };
const TEXT = "x".repeat(500);
type Faulty = ReturnType<typeof withFaults>;

const send = (store: Store, revision: number, graph: ReturnType<typeof append>) =>
  store.session("s").commitRuntimeState(commit({ sessionId: "s", expectedHeadRevision: revision, graph }));
const next = (id: string, parent?: string) => append([messageNode(id, parent, `${id} ${TEXT}`)], id);

/** A store in which session "s" has the chain a, b, c, in its snapshot alone, and is not in memory. */
async function cold(behind?: (store: Store) => Promise<unknown>): Promise<{ store: Store; vfs: Faulty }> {
  const vfs = withFaults(new MemoryVfs());
  const before = await openStore("/store", { ...OPTIONS, vfs });
  await send(before, 0, next("a"));
  await send(before, 1, next("b", "a"));
  await send(before, 2, next("c", "b"));
  await before.snapshot();
  await behind?.(before);
  await before.close();
  return { store: await openStore("/store", { ...OPTIONS, vfs }), vfs };
}

const withoutPages = (vfs: Faulty) =>
  vfs.inject({ operation: "read", errno: "EIO", path: /\/blobs\//, times: "forever" });

async function shows(
  store: Store,
  expected: readonly string[],
  hidden: readonly string[] = [],
): Promise<void> {
  const nodes = (await store.session("s").loadSession())?.graph.nodes ?? [];
  assert.deepEqual(
    nodes.map(({ nodeId }) => nodeId),
    expected,
  );
  for (const node of nodes)
    assert.ok(JSON.stringify(node).includes(`${node.nodeId} ${TEXT}`), `${node.nodeId} has its own body`);
  for (const id of hidden) assert.equal(await store.session("s").loadNode(id), undefined);
}

test("commits to a small session that is not in memory read no page, and later reads show all of it", async () => {
  const { store, vfs } = await cold();
  withoutPages(vfs);
  await send(store, 3, next("d", "c"));
  await send(store, 4, next("e", "d"));
  await refuses(store.session("s").loadSession(), "STORE_IO");
  await send(store, 5, next("f", "e"));
  vfs.heal();
  await shows(store, ["a", "b", "c", "d", "e", "f"]);
  await store.snapshot();
  await shows(store, ["a", "b", "c", "d", "e", "f"]);
  assert.ok((await store.verify()).ok);
  await store.close();
});

test("commits to one of which the log has a record behind the snapshot read no page either, and follow that record", async () => {
  const { store, vfs } = await cold((before) => send(before, 3, next("d", "c")));
  withoutPages(vfs);
  await refuses(send(store, 3, next("e", "c")), "HEAD_REVISION_CONFLICT");
  await send(store, 4, next("e", "d"));
  vfs.heal();
  await shows(store, ["a", "b", "c", "d", "e"]);
  await store.close();
});

test("a head that cannot be read is the answer to the commit that needs it, and is read again for the next", async () => {
  const { store, vfs } = await cold();
  vfs.inject({ operation: "read", errno: "EIO", path: /\/heads\// });
  await refuses(send(store, 3, next("d", "c")), "STORE_IO");
  await send(store, 3, next("d", "c"));
  await shows(store, ["a", "b", "c", "d"]);
  await store.close();
});

test("what a commit may not do it may not do to a session of which only the outline was read", async () => {
  const { store, vfs } = await cold();
  withoutPages(vfs);
  await refuses(send(store, 2, next("d", "c")), "HEAD_REVISION_CONFLICT");
  await refuses(send(store, 3, next("d", "nowhere")), "INVALID_GRAPH");
  await refuses(send(store, 3, next("b", "c")), "NODE_ID_COLLISION");
  vfs.heal();
  await shows(store, ["a", "b", "c"]);
  await store.close();
});

test("a record behind the snapshot that needs bodies has the whole session read", async () => {
  const behind: readonly [string, (store: Store) => Promise<unknown>, number, readonly string[]][] = [
    [
      "a replacement",
      (store) => send(store, 3, replaceFull([messageNode("a", undefined, `a ${TEXT}`)], "a")),
      4,
      ["a", "z"],
    ],
    [
      "the first message goes",
      async (store) => {
        await send(store, 3, next("y"));
        await store.session("s").tombstoneNodes(["a", "b", "c"]);
        await store.session("s").vacuum();
      },
      4,
      ["y", "z"],
    ],
    ["one more", (store) => send(store, 3, next("y", "c")), 4, ["a", "b", "c", "y", "z"]],
  ];
  for (const [name, change, revision, expected] of behind) {
    const { store } = await cold(change);
    const parent = expected.at(-2) as string;
    await send(store, revision, next("z", parent));
    await shows(store, expected);
    await store.snapshot();
    await shows(store, expected);
    assert.ok((await store.verify()).ok, name);
    await store.close();
  }
});

test("nodes that are hidden in the outline stay hidden, and their ids taken", async () => {
  const { store, vfs } = await cold(async (before) => {
    await send(before, 3, next("side", "a"));
    await before.session("s").tombstoneNodes(["b", "c"]);
    await before.snapshot();
  });
  withoutPages(vfs);
  await refuses(send(store, 4, next("d", "c")), "INVALID_GRAPH");
  await send(store, 4, next("d", "side"));
  vfs.heal();
  await refuses(send(store, 5, next("c", "d")), "NODE_ID_COLLISION");
  await shows(store, ["a", "side", "d"], ["b", "c"]);
  await store.close();
});

test("of a session that is long the pages are read", async () => {
  const many = Array.from({ length: 200 }, (_, at) => messageNode(`m${at}`, "c", `m${at} ${TEXT}`));
  const { store, vfs } = await cold(async (before) => {
    await send(before, 3, append(many, "m0"));
    await before.snapshot();
  });
  withoutPages(vfs);
  await refuses(send(store, 4, next("z", "m199")), "STORE_IO");
  vfs.heal();
  await send(store, 4, next("z", "m199"));
  await shows(store, ["a", "b", "c", ...many.map(({ nodeId }) => nodeId), "z"]);
  await store.close();
});
