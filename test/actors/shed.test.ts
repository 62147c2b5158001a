/**
 * Bodies that left memory while their session stays: commits need none of them, reads bring them back, a walk
 * keeps those it started with, and bodies that cannot be read cost one answer and nothing else.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreEvent, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { NODES_BACK_PER_STEP } from "../../src/limits.ts";
import { BodiesShed } from "../../src/session/node-entry.ts";
import { NodeTable } from "../../src/session/node-table.ts";
import { runThrough } from "../../src/steps.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, commit, messageNode, replaceFull } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";

const BUDGET = 400_000;
const OPTIONS: StoreOptions = {
  graphPolicy: "permissive",
  snapshot: false,
  gc: false,
  maxResidentBytes: BUDGET,
};
const TEXT = "y".repeat(40_000);

/** Appends large nodes `n<from>` to `n<to - 1>` in one chain. */
async function grow(store: Store, sessionId: string, from: number, to: number, text = TEXT): Promise<void> {
  for (let n = from; n < to; n++) {
    const node = messageNode(`n${n}`, n === 0 ? undefined : `n${n - 1}`, `${n} ${text}`);
    await store
      .session(sessionId)
      .commitRuntimeState(commit({ sessionId, graph: append([node], node.nodeId) }));
  }
}

async function open(): Promise<{ store: Store; vfs: ReturnType<typeof withFaults>; events: StoreEvent[] }> {
  const events: StoreEvent[] = [];
  const vfs = withFaults(new MemoryVfs());
  const store = await openStore("/store", { ...OPTIONS, vfs, onEvent: (event) => events.push(event) });
  return { store, vfs, events };
}

const shedCount = (events: readonly StoreEvent[]) => events.filter(({ type }) => type === "shed").length;
const textOf = (node: unknown) => JSON.stringify(node).match(/"(\d+) y/)?.[1];

test("a session larger than the budget stays in memory, takes commits and reads back whole", async () => {
  const { store, events } = await open();
  await grow(store, "big", 0, 30);
  assert.ok(shedCount(events) > 1, "it shed more than once");
  assert.equal(events.filter(({ type }) => type === "passivated").length, 0);
  assert.ok(store.stats().residentBytes <= BUDGET);
  for (const take of ["log", "snapshot"]) {
    const before = shedCount(events);
    const nodes = (await store.session("big").loadSession())?.graph.nodes ?? [];
    assert.deepEqual(
      nodes.map(textOf),
      Array.from({ length: 30 }, (_, n) => `${n}`),
      take,
    );
    assert.ok(shedCount(events) > before, "what the read brought back counts");
    // Over the budget again: read once more, the bodies come from the snapshot.
    await store.snapshot();
    await grow(store, take, 0, 10);
  }
  await store.close();
});

test("what the read of one node brings back counts against the budget at once", async () => {
  const { store, events } = await open();
  // So few that they are brought back for one of them.
  await grow(store, "big", 0, 4, TEXT.repeat(4));
  await grow(store, "other", 0, 10);
  const before = shedCount(events);
  assert.equal(textOf(await store.session("big").loadNode("n0")), "0");
  assert.ok(shedCount(events) > before, "all bodies came back with it, and most went again");
  assert.ok(store.stats().residentBytes <= BUDGET);
  await store.close();
});

test("a walk shows the nodes it began with, though they were shed, replaced and removed since", async () => {
  const { store, events } = await open();
  await grow(store, "walked", 0, 5);
  const walk = store.session("walked").iterateGraph()[Symbol.asyncIterator]();
  const seen = [textOf((await walk.next()).value)];
  // It has no node of the old graph, so nothing else brings those back.
  const replaced = commit({ sessionId: "walked", graph: replaceFull([messageNode("new")], "new") });
  const before = shedCount(events);
  await grow(store, "other", 0, 12);
  await store.session("walked").commitRuntimeState(replaced);
  await store.snapshot();
  await grow(store, "other", 12, 24);
  assert.ok(shedCount(events) > before);
  for (let next = await walk.next(); next.done !== true; next = await walk.next())
    seen.push(textOf(next.value));
  assert.deepEqual(
    seen,
    Array.from({ length: 5 }, (_, n) => `${n}`),
  );
  const left = (await store.session("walked").loadSession())?.graph.nodes.map(({ nodeId }) => nodeId);
  assert.deepEqual(left, ["new"]);
  // A walk that is over, or left, keeps nothing.
  for await (const _ of store.session("other").iterateGraph()) break;
  const afterwards = shedCount(events);
  await grow(store, "other", 24, 36);
  assert.ok(shedCount(events) > afterwards);
  await store.close();
});

test("bodies that cannot be read refuse what needs them, and cost the session nothing", async () => {
  const { store, vfs, events } = await open();
  await grow(store, "s", 0, 30);
  const session = store.session("s");
  await session.tombstoneNodes(["n29"]);
  const before = shedCount(events);
  await grow(store, "other", 0, 12);
  assert.ok(shedCount(events) > before);
  vfs.inject({ operation: "read", errno: "EIO", path: /wal/, times: "forever" });
  await refuses(session.loadSession(), "STORE_IO");
  const kept = messageNode("n0", undefined, `0 ${TEXT}`);
  const replaced = commit({ sessionId: "s", graph: replaceFull([kept], "n0") });
  await refuses(session.commitRuntimeState(replaced), "STORE_IO");
  await grow(store, "s", 30, 31);
  await refuses(session.vacuum(), "STORE_IO");
  vfs.heal();
  const nodes = (await session.loadSession())?.graph.nodes ?? [];
  assert.deepEqual(
    nodes.map(textOf),
    Array.from({ length: 31 }, (_, n) => `${n}`).filter((n) => n !== "29"),
  );
  await session.commitRuntimeState(replaced);
  assert.deepEqual((await session.loadSession())?.graph.nodes.map(textOf), ["0"]);
  await store.close();
});

test("vacuum of a session whose bodies were shed keeps those that stay", async () => {
  const { store } = await open();
  await grow(store, "s", 0, 30);
  const session = store.session("s");
  const branch = messageNode("branch", "n29", `77 ${TEXT}`);
  await session.commitRuntimeState(commit({ sessionId: "s", graph: append([branch], "n29") }));
  await session.tombstoneNodes(["branch"]);
  await grow(store, "other", 0, 12);
  assert.deepEqual(await session.vacuum(), { removedNodeCount: 1 });
  const nodes = (await session.loadSession())?.graph.nodes ?? [];
  assert.deepEqual(
    nodes.map(textOf),
    Array.from({ length: 30 }, (_, n) => `${n}`),
  );
  await store.close();
});

const entry = (id: string, body: string) => ({ id, parent: undefined, flags: 0, body: Buffer.from(body) });
const BODY = "z".repeat(3_000);

test("a table takes shed bodies back only from one that has the same nodes, and all of them or none", () => {
  const table = new NodeTable();
  for (const n of [0, 1, 2, 3]) table.add(entry(`n${n}`, `${n}${BODY}`));
  const full = table.bytes;
  table.needBodies();
  table.shed(4);
  const shed = table.bytes;
  assert.ok(shed <= full - 2 * BODY.length, `${shed} of ${full} bytes left`);
  const other = (change: (n: number) => [string, string]) => {
    const made = new NodeTable();
    for (const n of [0, 1, 2, 3]) made.add(entry(...change(n)));
    return made;
  };
  for (const wrong of [
    other((n) => [n === 1 ? "else" : `n${n}`, `${n}${BODY}`]),
    other((n) => [`n${n}`, n === 1 ? "short" : `${n}${BODY}`]),
    new NodeTable(),
  ]) {
    assert.throws(() => runThrough(table.takeBack(wrong)), /is not stored as it was/);
    assert.equal(table.bytes, shed);
    assert.throws(() => table.entries[0]?.body, BodiesShed);
    assert.throws(() => table.needBodies(), BodiesShed);
  }
  runThrough(table.takeBack(other((n) => [`n${n}`, `${n}${BODY}`])));
  table.needBodies();
  assert.deepEqual(
    table.entries.map(({ body }) => Buffer.from(body).toString()[0]),
    ["0", "1", "2", "3"],
  );
  assert.equal(table.bytes, full);
});

test("a table sheds nothing beyond the length it was told, and nothing while it is held", () => {
  const table = new NodeTable();
  for (const n of [0, 1, 2, 3]) table.add(entry(`n${n}`, `${n}${BODY}`));
  table.hold();
  table.shed(4);
  assert.equal(table.entries[0]?.body.length, BODY.length + 1);
  table.release();
  table.shed(1);
  assert.equal(table.entries[1]?.body.length, BODY.length + 1);
  assert.throws(() => table.entries[0]?.body, BodiesShed);
});

test("a table takes so many bodies back a step, whatever is added to it between two of them", () => {
  const count = 5 * NODES_BACK_PER_STEP;
  const tableOf = (): NodeTable => {
    const made = new NodeTable();
    for (let n = 0; n < count; n++) made.add(entry(`n${n}`, `${n}`));
    return made;
  };
  const table = tableOf();
  const full = table.bytes;
  table.shed(count);
  table.hold();
  let steps = 1;
  for (const _ of table.takeBack(tableOf())) {
    assert.ok(table.isShed);
    table.add(entry(`between${steps++}`, "new"));
    table.shed(table.entries.length);
  }
  // Each is looked at twice.
  assert.equal(steps, 11);
  table.release();
  const expected = [...Array.from({ length: count }, (_, n) => `${n}`), ...Array(10).fill("new")];
  assert.deepEqual(
    table.entries.map(({ body }) => Buffer.from(body).toString()),
    expected,
  );
  assert.ok(table.bytes > full && table.sheddableBytes > 0);
  table.shed(count);
  assert.throws(() => table.entries[0]?.body, BodiesShed);
  assert.equal(Buffer.from(table.entries[count + 9]?.body ?? []).toString(), "new");
});
