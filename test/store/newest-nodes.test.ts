/**
 * The newest nodes of a path, of a session that is not in memory: read from its newest pages and its records beyond
 * them, and nothing else. Whatever was forked, hidden, replaced or removed, the answer is that of the loaded session;
 * and where the newest pages do not tell, the session is loaded.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { SessionReader, Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { KIB, MAX_NEWEST_PAGE_BYTES, MAX_NEWEST_RECORDS, PAGE_BYTES } from "../../src/limits.ts";
import type { GraphPolicy, SessionNodeRecord, SessionReadScope } from "../../src/session/types.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import {
  append,
  commit,
  messageNode,
  noise,
  pluginNode,
  replaceFull,
  unchanged,
} from "../support/builders.ts";
import { CountedTurns } from "../support/turns.ts";

const OPTIONS: StoreOptions = { segmentBytes: 256 * KIB, snapshot: false, gc: false };
const ALL = MAX_NEWEST_RECORDS * 1000;

const IDS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
const anyId = fc.constantFrom(...IDS);
const leaf = fc.option(anyId, { nil: undefined, freq: 9 });
const nodes = fc.uniqueArray(
  fc.record({ id: anyId, parent: leaf, bytes: fc.constantFrom(0, 10, 4_000, 60_000, 700_000) }),
  { minLength: 1, maxLength: 4, selector: ({ id }) => id },
);
const anyStep = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant("append" as const), nodes, leaf }), weight: 12 },
  { arbitrary: fc.record({ kind: fc.constant("replace" as const), nodes, leaf }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant("leaf" as const), leaf }), weight: 4 },
  {
    arbitrary: fc.record({ kind: fc.constant("hide" as const), ids: fc.array(anyId, { maxLength: 3 }) }),
    weight: 6,
  },
  { arbitrary: fc.constant({ kind: "vacuum" as const }), weight: 3 },
  { arbitrary: fc.constant({ kind: "snapshot" as const }), weight: 6 },
  { arbitrary: fc.constant({ kind: "delete" as const }), weight: 1 },
);
type Step = typeof anyStep extends fc.Arbitrary<infer Value> ? Value : never;

function nodeOf({ id, parent, bytes }: { id: string; parent: string | undefined; bytes: number }) {
  return pluginNode(id, parent, { noise: noise(bytes, id.charCodeAt(0)) });
}

/** What is refused has no effect, and is not what this is about. */
async function take(store: Store, step: Step): Promise<void> {
  const session = store.session("root");
  try {
    if (step.kind === "snapshot") await store.snapshot();
    else if (step.kind === "delete") await store.deleteSession("root");
    else if (step.kind === "vacuum") await session.vacuum();
    else if (step.kind === "hide") await session.tombstoneNodes(step.ids);
    else if (step.kind === "leaf") await session.commitRuntimeState(commit({ graph: unchanged(step.leaf) }));
    else {
      const made = step.nodes.map(nodeOf);
      const graph = step.kind === "append" ? append(made, step.leaf) : replaceFull(made, step.leaf);
      await session.commitRuntimeState(commit({ graph }));
    }
  } catch (error) {
    if (!isStoreError(error) || error.code === "INTERNAL" || error.code === "CORRUPT") throw error;
  }
}

const QUESTIONS: SessionReadScope[] = [undefined, ...IDS, "nobody"].flatMap((leafNodeId) =>
  [1, 2, ALL].map((limit) => ({
    kind: "activePath" as const,
    limit,
    ...(leafNodeId === undefined ? {} : { leafNodeId }),
  })),
);

/** Each node by itself. */
async function nodesOf(session: SessionReader): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const id of [...IDS, "nobody"]) found.push((await session.loadNode(id)) ?? id);
  return found;
}

/** Asks without the session in memory; answers how many answers did not need it there. */
async function compare(vfs: MemoryVfs, graphPolicy: GraphPolicy): Promise<number> {
  const open = () => openStore("/store", { ...OPTIONS, graphPolicy, vfs });
  let store = await open();
  const unloaded = new Map<SessionReadScope, unknown>();
  let loads = 0;
  for (const question of QUESTIONS) {
    const found = await store.session("root").loadSession(question);
    if (store.stats().residentSessions === 0) unloaded.set(question, found);
    else {
      if (++loads === 3) break;
      await store.close();
      store = await open();
    }
  }
  const alone = await nodesOf(store.session("root"));
  await store.session("root").loadSession();
  for (const [question, found] of unloaded) {
    assert.deepEqual(found, await store.session("root").loadSession(question), JSON.stringify(question));
  }
  assert.deepEqual(alone, await nodesOf(store.session("root")));
  const view = await openStoreReadOnly("/store", { vfs });
  const whole = new Map<SessionReadScope, unknown>();
  for (const question of QUESTIONS) {
    const found = await view.session("root").loadSession(question);
    whole.set(question, await store.session("root").loadSession(question));
    assert.deepEqual(found, whole.get(question), JSON.stringify(question));
  }
  await view.close();
  const beside = await openStoreReadOnly("/store", { vfs });
  assert.deepEqual(await nodesOf(beside.session("root")), alone);
  await beside.close();
  await store.close();
  await compareShed(vfs, graphPolicy, whole);
  return unloaded.size;
}

/** The same answers of a session that is in memory with its ids and edges, but mostly without bodies. */
async function compareShed(
  vfs: MemoryVfs,
  graphPolicy: GraphPolicy,
  whole: ReadonlyMap<SessionReadScope, unknown>,
): Promise<void> {
  const store = await openStore("/store", { ...OPTIONS, graphPolicy, vfs, maxResidentBytes: 60_000 });
  const session = store.session("root");
  await session.loadSession();
  for (const [question, expected] of whole)
    assert.deepEqual(await session.loadSession(question), expected, JSON.stringify(question));
  await store.close();
}

for (const graphPolicy of ["strict", "permissive"] as const) {
  test(`whatever happened to a session, its newest nodes are those of the loaded session (${graphPolicy})`, async () => {
    let unloaded = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 3, maxLength: 20 }), async (steps) => {
        const vfs = new MemoryVfs({ crashable: false });
        const store = await openStore("/store", { ...OPTIONS, graphPolicy, vfs });
        for (const step of steps) await take(store, step);
        await store.close();
        unloaded += await compare(vfs, graphPolicy);
      }),
      { numRuns: 40 },
    );
    assert.ok(unloaded > 40 * 10, `${unloaded} answers needed no session in memory`);
  });
}

const TEXT = "x".repeat(1_000);

/** Node `n` of a chain of nodes of about 1 KB. */
function chained(n: number): SessionNodeRecord {
  return messageNode(`n${n}`, n === 0 ? undefined : `n${n - 1}`, `${n} ${TEXT}`);
}

/** A chain of so many nodes in pages, and then `steps` on it. */
async function longSession(
  count: number,
  more?: (store: Store) => Promise<void>,
  first?: SessionNodeRecord,
): Promise<MemoryVfs> {
  const vfs = new MemoryVfs({ crashable: false });
  const store = await openStore("/store", { ...OPTIONS, graphPolicy: "permissive", vfs });
  if (first !== undefined) await store.session("root").commitRuntimeState(commit({ graph: append([first]) }));
  for (let at = 0; at < count; at += 500) {
    const some = Array.from({ length: 500 }, (_, n) => chained(at + n));
    await store.session("root").commitRuntimeState(commit({ graph: append(some, `n${at + 499}`) }));
  }
  await store.snapshot();
  await more?.(store);
  await store.close();
  return vfs;
}

interface Asked {
  readonly ids: string[];
  readonly next: string | undefined;
  readonly bytes: number;
  readonly resident: number;
}

/** The first read after opening. */
async function ask(vfs: MemoryVfs, scope: { leafNodeId?: string; limit: number }): Promise<Asked> {
  const counted = new CountedTurns(vfs);
  const store = await openStore("/store", { ...OPTIONS, vfs: counted, clock: counted.clock });
  const readSoFar = () => counted.ofMainThread.reduce((sum, turn) => sum + turn.read, 0);
  const before = readSoFar();
  const found = await readOf(store.session("root"), scope);
  const bytes = readSoFar() - before;
  const { residentSessions } = store.stats();
  await store.close();
  return { ...found, bytes, resident: residentSessions };
}

async function readOf(session: SessionReader, scope: { leafNodeId?: string; limit: number }) {
  const found = await session.loadSession({ kind: "activePath", ...scope });
  return { ids: found?.graph.nodes.map(({ nodeId }) => nodeId) ?? [], next: found?.nextOlderNodeId };
}

test("the newest nodes of a long session are read without the session, from its newest pages", async () => {
  const vfs = await longSession(10_000);
  const { ids, next, bytes, resident } = await ask(vfs, { limit: 100 });
  assert.deepEqual(
    ids,
    Array.from({ length: 100 }, (_, n) => `n${9_900 + n}`),
  );
  assert.equal(next, "n9899");
  assert.equal(resident, 0);
  assert.ok(bytes < 3 * PAGE_BYTES, `${bytes} bytes were read`);
});

test("a node of a long session is read without the session, wherever it lies", async () => {
  const vfs = await longSession(10_000, async (store) => {
    await store.session("root").commitRuntimeState(commit({ graph: append([chained(10_000)], "n10000") }));
  });
  const counted = new CountedTurns(vfs);
  const store = await openStore("/store", { ...OPTIONS, vfs: counted, clock: counted.clock });
  const session = store.session("root");
  const readSoFar = () => counted.ofMainThread.reduce((sum, turn) => sum + turn.read, 0);
  for (const n of [0, 1, 5_000, 9_999, 10_000]) {
    const before = readSoFar();
    assert.deepEqual(await session.loadNode(`n${n}`), chained(n));
    assert.ok(readSoFar() - before < 4 * PAGE_BYTES, `${readSoFar() - before} bytes were read for node ${n}`);
  }
  assert.equal(await session.loadNode("nobody"), undefined);
  assert.equal(store.stats().residentSessions, 0);
  await store.deleteSession("root");
  assert.equal(await session.loadNode("n1"), undefined);
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs });
  assert.equal(await again.session("root").loadNode("n1"), undefined);
  await again.close();
});

/** No index of ids knows its parent, so there is none. */
const DANGLING = messageNode("dangling", "nowhere", "text");

test("a path from an old leaf of a long session is found by the index of ids, in its pages", async () => {
  const vfs = await longSession(10_000);
  const { ids, next, bytes, resident } = await ask(vfs, { leafNodeId: "n5000", limit: 100 });
  assert.deepEqual(
    ids,
    Array.from({ length: 100 }, (_, n) => `n${4_901 + n}`),
  );
  assert.deepEqual([next, resident], ["n4900", 0]);
  assert.ok(bytes < 4 * PAGE_BYTES, `${bytes} bytes were read`);
});

test("a path that takes more pages than may be read is found by loading the session", async () => {
  const wide = await longSession(500, async (store) => {
    for (let n = 0; n < 12; n++) {
      const node = pluginNode(`p${n}`, n === 0 ? undefined : `p${n - 1}`, {
        noise: noise(PAGE_BYTES, n + 1),
      });
      await store.session("root").commitRuntimeState(commit({ graph: append([node], `p${n}`) }));
    }
    await store.session("root").commitRuntimeState(commit({ graph: append([chained(500)], "n500") }));
    await store.snapshot();
  });
  const all = await ask(wide, { leafNodeId: "p11", limit: 12 });
  assert.deepEqual([all.ids.length, all.next, all.resident], [12, undefined, 1]);
  const some = await ask(wide, { leafNodeId: "p5", limit: 3 });
  assert.deepEqual([some.ids, some.next, some.resident], [["p3", "p4", "p5"], "p2", 0]);
});

test("an old leaf of a long session that has no index is found by loading the session", async () => {
  const vfs = await longSession(10_000, undefined, DANGLING);
  const { ids, next, resident } = await ask(vfs, { leafNodeId: "n1", limit: 100 });
  assert.deepEqual([ids, next, resident], [["n0", "n1"], undefined, 1]);
});

test("a leaf that is no node ends the look at the newest pages, or at the index", async () => {
  const { ids, resident } = await ask(await longSession(10_000), { leafNodeId: "nobody", limit: 100 });
  assert.deepEqual([ids, resident], [[], 0]);
  const without = await ask(await longSession(10_000, undefined, DANGLING), {
    leafNodeId: "nobody",
    limit: 1,
  });
  assert.deepEqual([without.ids, without.resident], [[], 1]);
});

test("an id that comes again after a vacuum is the new node", async () => {
  const vfs = await longSession(500, async (store) => {
    const session = store.session("root");
    await session.commitRuntimeState(commit({ graph: unchanged("n498") }));
    await session.tombstoneNodes(["n499"]);
    await session.vacuum();
    await session.commitRuntimeState(commit({ graph: append([chained(499)], "n499") }));
  });
  const { ids, next, resident } = await ask(vfs, { limit: 2 });
  assert.deepEqual([ids, next, resident], [["n498", "n499"], "n497", 0]);
});

test("a look at the newest pages that finds nothing reads no more of them than it may", async () => {
  // Pages that do not deflate: what is read is what they hold.
  const vfs = new MemoryVfs({ crashable: false });
  const store = await openStore("/store", { ...OPTIONS, graphPolicy: "permissive", vfs });
  for (let n = 0; n < 24; n++) {
    const node = pluginNode(`p${n}`, "nowhere", { noise: noise(PAGE_BYTES, n + 1) });
    await store.session("root").commitRuntimeState(commit({ graph: append([node], `p${n}`) }));
  }
  await store.snapshot();
  await store.close();
  const all = 24 * PAGE_BYTES;
  const { bytes, resident } = await ask(vfs, { leafNodeId: "nobody", limit: 1 });
  assert.equal(resident, 1);
  assert.ok(bytes >= all, "the session was loaded");
  assert.ok(bytes < all + MAX_NEWEST_PAGE_BYTES + 3 * PAGE_BYTES, `${bytes} bytes were read`);
});

test("a session with many records beyond its pages is loaded, so that they are read once", async () => {
  const commits = async (store: Store, count: number) => {
    for (let n = 0; n < count; n++) {
      await store
        .session("root")
        .commitRuntimeState(commit({ graph: append([chained(500 + n)], `n${500 + n}`) }));
    }
  };
  const few = await ask(await longSession(500, (store) => commits(store, MAX_NEWEST_RECORDS)), { limit: 2 });
  assert.deepEqual(
    [few.ids, few.resident],
    [[`n${498 + MAX_NEWEST_RECORDS}`, `n${499 + MAX_NEWEST_RECORDS}`], 0],
  );
  const many = await ask(await longSession(500, (store) => commits(store, MAX_NEWEST_RECORDS + 1)), {
    limit: 1,
  });
  assert.deepEqual([many.ids, many.resident], [[`n${500 + MAX_NEWEST_RECORDS}`], 1]);
});
