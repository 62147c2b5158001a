/**
 * Sessions whose nodes alone are more than the memory budget: commits at their end read nothing, whatever needs an old
 * node has all of them back, and what cannot be read costs one answer and nothing else.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { shedEntries } from "../../src/actors/shedding.ts";
import type { Store, StoreEvent, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { ENTRIES_KEPT } from "../../src/limits.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, commit, messageNode, replaceFull } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";
import { SessionRig } from "./session-rig.ts";

const BUDGET = 400_000;
/** Nodes whose entries are more than that. */
const LONG = 6_000;
const PER_COMMIT = 50;
const OPTIONS: StoreOptions = { snapshot: false, gc: false, maxResidentBytes: BUDGET };

const nodeOf = (n: number) => messageNode(`n${n}`, n === 0 ? undefined : `n${n - 1}`, `text ${n}`);
const idsUpTo = (length: number) => Array.from({ length }, (_, n) => `n${n}`);

async function grow(store: Store, sessionId: string, from: number, to: number): Promise<void> {
  const session = store.session(sessionId);
  for (let n = from; n < to; n += PER_COMMIT) {
    const nodes = Array.from({ length: Math.min(PER_COMMIT, to - n) }, (_, i) => nodeOf(n + i));
    await session.commitRuntimeState(commit({ sessionId, graph: append(nodes, nodes.at(-1)?.nodeId) }));
  }
}

async function open(options: StoreOptions = {}) {
  const events: StoreEvent[] = [];
  const vfs = withFaults(new MemoryVfs());
  const onEvent = (event: StoreEvent) => void events.push(event);
  const count = (type: StoreEvent["type"]) => events.filter((event) => event.type === type).length;
  const store = await openStore("/store", { ...OPTIONS, ...options, vfs, onEvent });
  return { store, vfs, count };
}

async function idsOf(store: Store, sessionId: string): Promise<string[] | undefined> {
  return (await store.session(sessionId).loadSession())?.graph.nodes.map(({ nodeId }) => nodeId);
}

for (const from of ["log", "snapshot"] as const) {
  test(`a session of more nodes than the budget holds takes commits without a read, and reads back whole from the ${from}`, async () => {
    const { store, vfs, count } = await open();
    await grow(store, "long", 0, LONG);
    if (from === "snapshot") await store.snapshot();
    assert.equal(count("passivated"), 0);
    assert.ok(store.stats().residentBytes <= BUDGET, `${store.stats().residentBytes} bytes`);
    vfs.inject({ operation: "read", errno: "EIO", times: "forever" });
    await grow(store, "long", LONG, LONG + 2_000);
    const session = store.session("long");
    // Who names an old node learns that it cannot be read, not that it is not there.
    const twice = commit({ sessionId: "long", graph: append([messageNode("n5", "n4")], "n5") });
    await refuses(session.commitRuntimeState(twice), "STORE_IO");
    await refuses(session.loadNode("n5"), "STORE_IO");
    await refuses(session.tombstoneNodes(["n5"]), "STORE_IO");
    const anew = commit({ sessionId: "long", graph: replaceFull([messageNode("new")], "new") });
    await refuses(session.commitRuntimeState(anew), "STORE_IO");
    // Who names none that ever was is answered as always.
    const dangling = commit({ sessionId: "long", graph: append([messageNode("x", "nobody")], "x") });
    await refuses(session.commitRuntimeState(dangling), "INVALID_GRAPH");
    assert.equal(await session.loadNode("nobody"), undefined);
    vfs.heal();
    await refuses(session.commitRuntimeState(twice), "NODE_ID_COLLISION");
    assert.deepEqual(await idsOf(store, "long"), idsUpTo(LONG + 2_000));
    await store.close();
  });
}

test("what names an old node is decided as if it had stayed", async () => {
  const { store, vfs, count } = await open();
  await grow(store, "long", 0, LONG);
  const session = store.session("long");
  const again = async (): Promise<void> => {
    const before = count("shed");
    await grow(store, "other", 0, LONG);
    await store.deleteSession("other").catch(() => false);
    assert.ok(count("shed") > before, "what came back left again");
  };
  const branch = commit({ sessionId: "long", graph: append([messageNode("branch", "n7")], "branch") });
  await session.commitRuntimeState(branch);
  const path = await session.loadSession({ kind: "activePath" });
  assert.deepEqual(
    path?.graph.nodes.map(({ nodeId }) => nodeId),
    [...idsUpTo(8), "branch"],
  );
  const leaf = commit({
    sessionId: "long",
    graph: { kind: "unchanged", leafNodeId: `n${LONG - 1}` },
  });
  await session.commitRuntimeState(leaf);
  await refuses(session.tombstoneNodes(["n5"]), "NODE_IN_USE");
  await session.tombstoneNodes(["branch"]);
  assert.deepEqual(await session.vacuum(), { removedNodeCount: 1 });
  assert.deepEqual(await idsOf(store, "long"), idsUpTo(LONG));
  await again();
  const changes = await session.loadSession({ kind: "changesSince", headRevision: 1 });
  assert.deepEqual(
    changes?.graph.nodes.map(({ nodeId }) => nodeId),
    idsUpTo(LONG).slice(PER_COMMIT),
  );
  await session.commitRuntimeState(
    commit({ sessionId: "long", graph: replaceFull([messageNode("new")], "new") }),
  );
  await store.close();
  const reopened = await openStore("/store", { ...OPTIONS, vfs });
  assert.deepEqual(await idsOf(reopened, "long"), ["new"]);
  await reopened.close();
});

test("many long sessions in turn are not read again for their commits", async () => {
  const { store, vfs, count } = await open({ maxResidentBytes: 4 * BUDGET });
  const ids = ["a", "b", "c", "d"];
  const length = LONG;
  for (let n = 0; n < length; n += PER_COMMIT) for (const id of ids) await grow(store, id, n, n + PER_COMMIT);
  assert.ok(count("shed") > 0);
  assert.equal(count("passivated"), 0);
  vfs.inject({ operation: "read", errno: "EIO", times: "forever" });
  for (const id of ids) await grow(store, id, length, length + PER_COMMIT);
  vfs.heal();
  for (const id of ids) assert.deepEqual(await idsOf(store, id), idsUpTo(length + PER_COMMIT));
  await store.close();
});

test("entries that are looked at by a plan are there until it is applied", async () => {
  const rig = new SessionRig();
  const chain = Array.from({ length: 2 * ENTRIES_KEPT }, (_, n) => nodeOf(n));
  rig.commit("first", commit({ graph: append(chain, chain.at(-1)?.nodeId) }));
  rig.durable();
  rig.onAppend = () => shedEntries(rig.cell, ENTRIES_KEPT);
  rig.commit("branch", commit({ graph: append([messageNode("branch", "n3")], "branch") }));
  assert.deepEqual(rig.poisoned, []);
  rig.durable();
  rig.store();
  shedEntries(rig.cell, ENTRIES_KEPT);
  rig.commit("again", commit({ graph: append([messageNode("again", "n4")], "again") }));
  while (await rig.turn());
  rig.durable();
  assert.deepEqual(rig.told, ["first: 1", "branch: 2", "again: 3"]);
});
