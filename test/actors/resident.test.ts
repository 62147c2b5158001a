/**
 * Sessions that leave memory and come back: with a budget so small that hardly one fits, a store answers as
 * one that keeps everything; none is lost while its commits are in flight; what cannot be read for a moment
 * costs nothing that was known.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Store, StoreEvent, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import {
  append,
  checkpoint,
  commit,
  ledgerEntry,
  messageNode,
  meta,
  noise,
  replaceFull,
  toolState,
  usage,
} from "../support/builders.ts";
import { listed, refuses } from "../support/expect.ts";
import { checkSession, commitOf, Progress, sendNext } from "../support/history.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

const KINDS = [
  ...["append", "append", "append", "append", "replace", "hide", "retry", "retry"],
  ...["vacuum", "meta", "delete", "snapshot", "gc", "reopen"],
] as const;
const anyOp = fc.record({
  kind: fc.constantFrom(...KINDS),
  session: fc.integer({ min: 0, max: 3 }),
  seed: fc.integer({ min: 0, max: 30 }),
});
type Op = typeof anyOp extends fc.Arbitrary<infer Value> ? Value : never;

/** What a call answered, so that two stores can be compared. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return (await call) ?? "done";
  } catch (error) {
    if (isStoreError(error) && error.code !== "INTERNAL" && error.code !== "CORRUPT") return error.code;
    throw error;
  }
}

async function run(store: Store, op: Op, text = ""): Promise<unknown> {
  if (op.kind === "snapshot") return await outcome(store.snapshot());
  if (op.kind === "gc") return await outcome(store.gc());
  if (op.kind === "reopen") return "reopened";
  const sessionId = `s${op.session}`;
  const handle = store.session(sessionId);
  if (op.kind === "vacuum") return await outcome(handle.vacuum());
  if (op.kind === "delete") return await outcome(store.deleteSession(sessionId));
  if (op.kind === "meta") return await outcome(handle.saveSessionMeta(meta(sessionId)));
  if (op.kind === "hide") return await outcome(handle.tombstoneNodes([`a${op.seed}`, `b${op.seed}`]));
  const nodes = [messageNode(`a${op.seed}`, undefined, text), messageNode(`b${op.seed}`, `a${op.seed}`)];
  const replaced = [
    messageNode(`a${op.seed % 3}`, undefined, text),
    ...(op.seed % 2 ? [messageNode("kept")] : []),
  ];
  const sent = commit({
    sessionId,
    operationId: `${op.kind === "replace" ? "replace" : "append"} ${op.seed}`,
    graph:
      op.kind === "replace" ? replaceFull(replaced) : append(nodes, op.seed % 4 ? `b${op.seed}` : undefined),
    checkpoint: checkpoint({ toolState: toolState(op.seed % 5), executionState: noise(40, op.seed % 7) }),
    usageDeltas: [ledgerEntry("turn", `m${op.seed % 2}`, usage(op.seed))],
  });
  return await outcome(handle.commitRuntimeState(sent));
}

async function everything(store: Store): Promise<unknown> {
  const sessions: unknown[] = [];
  for (let n = 0; n < 4; n++) {
    const handle = store.session(`s${n}`);
    sessions.push(
      await handle.loadSession(),
      await handle.loadSession({ kind: "activePath" }),
      await handle.loadSessionMeta(),
    );
  }
  return { sessions, list: await listed(store) };
}

/** Runs the same random courses on a store with a small budget and on one that keeps everything. */
async function compareBudgets(small: { maxResidentBytes: number; text?: string }): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  await fc.assert(
    fc.asyncProperty(fc.array(anyOp, { minLength: 5, maxLength: 40 }), async (ops) => {
      const kinds = [small.maxResidentBytes, 1e9].map((maxResidentBytes, at) => ({
        ...OPTIONS,
        maxResidentBytes,
        receiptsKept: 6,
        vfs: new MemoryVfs(),
        onEvent: (event: StoreEvent) => at === 0 && events.push(event),
      }));
      const stores = await Promise.all(kinds.map((options) => openStore("/store", options)));
      for (const op of ops) {
        const [tiny, huge] = await Promise.all(stores.map((store) => run(store, op, small.text)));
        assert.deepEqual(tiny, huge);
        if (op.kind !== "reopen") continue;
        for (const [at, options] of kinds.entries()) {
          await stores[at]?.close();
          stores[at] = await openStore("/store", options);
        }
      }
      const [tiny, huge] = await Promise.all(stores.map(everything));
      assert.deepEqual(tiny, huge);
      for (const store of stores) {
        assert.deepEqual(await store.verify(), { ok: true, problems: [] });
        await store.close();
      }
    }),
    { numRuns: 15 },
  );
  return events;
}

test("a store that keeps nothing in memory answers as one that keeps everything", async () => {
  await compareBudgets({ maxResidentBytes: 1024 });
});

test("a store whose sessions shed their bodies answers as one that keeps everything", async () => {
  const events = await compareBudgets({ maxResidentBytes: 300_000, text: "x".repeat(100_000) });
  assert.ok(events.some(({ type }) => type === "shed"));
});

test("a store that keeps few of the bodies committed last answers as one that keeps everything", async () => {
  await compareBudgets({ maxResidentBytes: 60_000 });
});

test("bodies committed last are read from memory, older ones from the log, and all of them are right", async () => {
  const vfs = withFaults(new MemoryVfs());
  const store = await openStore("/store", { ...OPTIONS, vfs, maxResidentBytes: 1_000_000 });
  const idOf = (n: number) => `n${n}`;
  const count = 1000;
  for (let n = 0; n < count; n++) {
    const node = messageNode(idOf(n), n < 2 ? undefined : idOf(n - 2), `${n} ${"x".repeat(200)}`);
    const sessionId = `s${n % 2}`;
    await store
      .session(sessionId)
      .commitRuntimeState(commit({ sessionId, graph: append([node], node.nodeId) }));
  }
  vfs.inject({ operation: "read", errno: "EIO", path: /wal/, times: "forever" });
  const textOf = (node: unknown) => JSON.stringify(node).match(/"(\d+) x/)?.[1];
  assert.equal(textOf(await store.session("s1").loadNode(idOf(count - 1))), `${count - 1}`);
  await refuses(store.session("s1").loadNode(idOf(1)), "STORE_IO");
  await refuses(store.session("s1").loadSession(), "STORE_IO");
  vfs.heal();
  for (const half of [0, 1]) {
    const nodes = (await store.session(`s${half}`).loadSession())?.graph.nodes ?? [];
    assert.deepEqual(
      nodes.map(textOf),
      Array.from({ length: count / 2 }, (_, n) => `${2 * n + half}`),
    );
  }
  await store.close();
});

test("a vacuum behind a replacement in flight and much that was appended to it is decided at once", async () => {
  const store = await openStore("/store", { ...OPTIONS, vfs: new MemoryVfs() });
  const root = store.session("root");
  const first = messageNode("first");
  await root.commitRuntimeState(commit({ graph: append([first], "first") }));
  const many = Array.from({ length: 40 }, (_, n) => messageNode(`n${n}`, undefined, "x".repeat(10_000)));
  const [, , , vacuumed] = await Promise.all([
    root.commitRuntimeState(commit({ graph: replaceFull([messageNode("other")]) })),
    root.commitRuntimeState(commit({ graph: append(many, "n39") })),
    root.tombstoneNodes(["n0"]),
    root.vacuum(),
  ]);
  assert.deepEqual(vacuumed, { removedNodeCount: 1 });
  assert.equal((await root.loadSession())?.graph.nodes.length, 40);
  await store.close();
});

test("sessions passivate under a tiny budget while their commits are in flight, and none is lost", async () => {
  const events: StoreEvent[] = [];
  const vfs = new MemoryVfs();
  const store = await openStore("/store", {
    ...OPTIONS,
    vfs,
    maxResidentBytes: 1024,
    onEvent: (event) => events.push(event),
  });
  const sessions = Array.from({ length: 40 }, (_, n) => ({ id: `s${n}`, progress: new Progress() }));
  for (let round = 0; round < 3; round++) {
    await Promise.all(sessions.map(({ id, progress }) => sendNext(store, id, progress)));
    if (round === 1) await store.snapshot();
  }
  assert.ok(events.some(({ type }) => type === "passivated"));
  assert.ok(store.stats().residentSessions < 5, `${store.stats().residentSessions} in memory`);
  for (const { id, progress } of sessions) await checkSession(store, id, progress);
  await store.close();
});

test("old receipts that cannot be read for a moment cost none that were made since", async () => {
  const memory = new MemoryVfs();
  const vfs = withFaults(memory);
  const before = await openStore("/store", { ...OPTIONS, vfs });
  const progress = new Progress();
  for (let turn = 0; turn < 3; turn++) await sendNext(before, "root", progress);
  await before.snapshot();
  await before.close();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const root = store.session("root");
  // Loads the session, but no receipt: this commit has no operation id.
  const { operationId: _none, ...plain } = commitOf("root", 4);
  await root.commitRuntimeState(plain);
  vfs.inject({ operation: "read", errno: "EIO", path: /blobs|heads/, times: "forever" });
  await refuses(root.commitRuntimeState(commitOf("root", 5)), "STORE_IO");
  vfs.heal();
  const first = await root.commitRuntimeState(commitOf("root", 5));
  assert.equal(first.replayed, false);
  const again = await root.commitRuntimeState(commitOf("root", 5));
  assert.deepEqual(again, { ...first, replayed: true });
  await store.close();
  // The same with a receipt that a replayed tail brought, before the old ones were ever read.
  const reopened = await openStore("/store", { ...OPTIONS, vfs });
  await reopened.session("root").loadSession();
  vfs.inject({ operation: "read", errno: "EIO", path: /blobs|heads/, times: "forever" });
  await refuses(reopened.session("root").commitRuntimeState(commitOf("root", 5)), "STORE_IO");
  vfs.heal();
  assert.equal((await reopened.session("root").commitRuntimeState(commitOf("root", 5))).replayed, true);
  assert.equal((await reopened.session("root").commitRuntimeState(commitOf("root", 2))).replayed, true);
  await reopened.close();
});
