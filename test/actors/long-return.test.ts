/**
 * A long session whose bodies left memory is read: they come back a step a turn, so that the host goes on. The story: a
 * session of 100,000 nodes stopped its host for most of a second at its first read after memory ran short. Whatever
 * comes meanwhile finds the session as if nothing had ever left memory.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { Store, StoreEvent } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { LOAD_STEP_BYTES, PAGE_BYTES } from "../../src/limits.ts";
import type { GraphCommitDelta } from "../../src/session/types.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { keepEverything } from "../../src/vfs/memory-crash.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { append, commit, noise, pluginNode, replaceFull } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";
import { CountedTurns } from "../support/turns.ts";
import { add, IN_LOG, idsOf, idsUpTo, longSession, NODE_BYTES, OPTIONS, STORED } from "./long-session.ts";

/** Less than the session takes with its bodies. */
const LITTLE = { ...OPTIONS, maxResidentBytes: 1_000_000 };
const COUNT = STORED + IN_LOG + 1;
const ALL = idsUpTo(COUNT);

const node = (id: string, parent: string) => pluginNode(id, parent, noise(NODE_BYTES, 1));

async function commitGraph(store: Store, graph: GraphCommitDelta): Promise<void> {
  await store.session("root").commitRuntimeState(commit({ graph }));
}

/** A store in which the long session has taken another commit, and has no bodies in memory but that of a hidden node. */
async function openShed(vfs: Vfs): Promise<{ store: Store; counted: CountedTurns }> {
  const types: string[] = [];
  const counted = new CountedTurns(vfs);
  const onEvent = ({ type }: StoreEvent): void => void types.push(type);
  const store = await openStore("/store", { ...LITTLE, vfs: counted, clock: counted.clock, onEvent });
  await add(store, COUNT - 1);
  await commitGraph(store, append([node("hidden", "n0")], `n${COUNT - 1}`));
  await store.session("root").tombstoneNodes(["hidden"]);
  assert.ok(types.includes("shed") && !types.includes("passivated"), `${types}`);
  return { store, counted };
}

async function walk(store: Store): Promise<string[]> {
  const seen: string[] = [];
  for await (const { nodeId } of store.session("root").iterateGraph()) seen.push(nodeId);
  return seen;
}

/** Everything that needs the bodies. */
const NEEDS: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  "a read": async (store) => assert.deepEqual(await idsOf(store), ALL),
  "a walk": async (store) => assert.deepEqual(await walk(store), ALL),
  "a vacuum": async (store) =>
    assert.deepEqual(await store.session("root").vacuum(), { removedNodeCount: 1 }),
  "a replacement": (store) =>
    commitGraph(store, replaceFull([pluginNode("n0", undefined, noise(NODE_BYTES, 1))], "n0")),
};

test("bodies come back some pages, or some of the log, a turn, whoever needs them", async () => {
  const image = await longSession();
  for (const [name, need] of Object.entries(NEEDS)) {
    const { store, counted } = await openShed(image.crash(keepEverything));
    const before = counted.turns.length;
    await need(store);
    const turns = counted.ofMainThread.filter((turn) => counted.turns.indexOf(turn) >= before);
    const most = Math.max(...turns.map(({ read }) => read));
    // A step ends behind the page that fills it, and a page behind the node that does.
    assert.ok(most <= LOAD_STEP_BYTES + PAGE_BYTES + 2 * NODE_BYTES, `${name}: ${most} bytes in one turn`);
    assert.ok(turns.filter(({ read }) => read > 0).length > 10, name);
    await store.close();
  }
});

const NEW = ["new", "newer"];
const replaceAll = (store: Store) =>
  commitGraph(
    store,
    replaceFull([pluginNode("new", undefined, "x"), pluginNode("newer", "new", "y")], "newer"),
  );

/** What may happen between two steps, and the nodes that there are afterwards. */
const MEANWHILE: Readonly<
  Record<string, { act: (store: Store) => Promise<unknown>; after: string[] | undefined }>
> = {
  "a snapshot": { act: (store) => store.snapshot(), after: ALL },
  "two snapshots": { act: (store) => store.snapshot().then(() => store.snapshot()), after: ALL },
  "a gc": { act: (store) => store.gc(), after: ALL },
  "another read": { act: async (store) => assert.deepEqual(await idsOf(store), ALL), after: ALL },
  "a walk": { act: async (store) => assert.deepEqual(await walk(store), ALL), after: ALL },
  "a commit": {
    act: (store) => commitGraph(store, append([node("more", "n9")], "more")),
    after: [...ALL, "more"],
  },
  "a vacuum": { act: (store) => store.session("root").vacuum(), after: ALL },
  "a vacuum and a snapshot": {
    act: async (store) => {
      await Promise.all([store.session("root").vacuum(), store.snapshot()]);
    },
    after: ALL,
  },
  "a replacement": { act: replaceAll, after: NEW },
  "a replacement and a snapshot": {
    act: (store) => replaceAll(store).then(() => store.snapshot()),
    after: NEW,
  },
  "a deletion and a snapshot": {
    act: async (store) => {
      assert.equal(await store.deleteSession("root"), true);
      await store.snapshot();
    },
    after: undefined,
  },
  "the end": { act: (store) => store.close(), after: ALL },
};

for (const [name, { act, after }] of Object.entries(MEANWHILE)) {
  test(`${name} in any turn of bodies coming back finds the session as it is, and harms nothing`, async () => {
    const image = await longSession();
    let isOver = false;
    for (let turn = 1; !isOver; turn += 5) {
      const { store, counted } = await openShed(image.crash(keepEverything));
      let beside: Promise<unknown> | undefined;
      let turns = 0;
      counted.onTurn = (taker) => {
        if (taker === "loading" && ++turns === turn) beside = act(store);
      };
      const ids = await idsOf(store);
      counted.onTurn = undefined;
      isOver = beside === undefined;
      await beside;
      assert.ok(
        [ALL, after].some((nodes) => isDeepStrictEqual(ids, nodes)),
        `${ids}`,
      );
      if (name !== "the end" || isOver) assert.deepEqual(await idsOf(store), isOver ? ALL : after);
      await store.close();
      const again = await openStore("/store", { ...OPTIONS, vfs: counted });
      assert.deepEqual(await idsOf(again), isOver ? ALL : after, `turn ${turn}`);
      assert.deepEqual(await again.verify(), { ok: true, problems: [] });
      await again.close();
      assert.ok(turn > 10 || !isOver, `${turns} turns`);
    }
  });
}

test("a disk that fails in any turn costs what waits for the bodies, and nothing else", async () => {
  const image = await longSession();
  let failed = 0;
  let isOver = false;
  for (let turn = 1; !isOver; turn += 5) {
    const vfs = withFaults(image.crash(keepEverything));
    const { store, counted } = await openShed(vfs);
    let turns = 0;
    isOver = true;
    counted.onTurn = (taker) => {
      if (taker !== "loading" || ++turns !== turn) return;
      isOver = false;
      vfs.inject({ operation: "read", errno: "EIO", path: /wal|blobs/, times: "forever" });
    };
    const reads = [idsOf(store), idsOf(store)];
    const refused = (await Promise.allSettled(reads)).filter(({ status }) => status === "rejected").length;
    if (refused > 0) for (const read of reads) await refuses(read, "STORE_IO");
    failed += refused;
    await commitGraph(store, append([node("more", "n9")], "more"));
    vfs.heal();
    counted.onTurn = undefined;
    assert.deepEqual(await idsOf(store), [...ALL, "more"], `turn ${turn}`);
    await store.close();
  }
  assert.ok(failed > 4, `${failed} refused`);
});
