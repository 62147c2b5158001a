/**
 * A commit to a long session that is not in memory: it reads the index of ids and the newest pages, decides the same as on the
 * whole session, and what needs old nodes finds them, also where the log behind the snapshot needs them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { type GraphPolicy, openStore } from "../../src/index.ts";
import { MIN_INDEXED_BYTES } from "../../src/limits.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, commit, messageNode, replaceFull, unchanged } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";
import { watchReads } from "../support/watch-reads.ts";

const OPTIONS: StoreOptions = { snapshot: false, gc: false, blobCompression: "none" };
const TEXT = "x".repeat(1000);
const OLD = 8 * Math.ceil(MIN_INDEXED_BYTES / TEXT.length);
const LEAF = `m${OLD - 1}`;
const SESSION = "s";

const textNode = (id: string, parent?: string) => messageNode(id, parent, `${id} ${TEXT}`);
const next = (id: string, parent?: string) => append([textNode(id, parent)], id);
const oldNodes = (first?: string) =>
  Array.from({ length: OLD }, (_, n) => textNode(`m${n}`, n === 0 ? first : `m${n - 1}`));
const oldIds = oldNodes().map(({ nodeId }) => nodeId);

interface Policies {
  readonly graphPolicy?: GraphPolicy;
  readonly reopened?: GraphPolicy;
  /** Parent of the first node. */
  readonly first?: string;
}

class Cold {
  readonly store: Store;
  readonly #reads: { bytes: number };
  #revision: number;

  private constructor(store: Store, reads: { bytes: number }, revision: number) {
    this.store = store;
    this.#reads = reads;
    this.#revision = revision;
  }

  /** A store in which the session has a long chain in its snapshot, and what was done behind it in the log; it is not in memory. */
  static async open(
    behind: (before: Cold) => Promise<unknown> = async () => {},
    { graphPolicy = "strict", reopened = graphPolicy, first }: Policies = {},
  ): Promise<Cold> {
    const memory = new MemoryVfs();
    const reads = { bytes: 0 };
    const vfs = watchReads(memory, (path, _position, target) => {
      if (path.includes("/blobs/")) reads.bytes += target.length;
    });
    const before = new Cold(await openStore("/store", { ...OPTIONS, vfs, graphPolicy }), reads, 0);
    await before.send(append(oldNodes(first), LEAF));
    await before.store.snapshot();
    await behind(before);
    await before.store.close();
    return new Cold(
      await openStore("/store", { ...OPTIONS, vfs, graphPolicy: reopened }),
      reads,
      before.#revision,
    );
  }

  async send(graph: ReturnType<typeof append>): Promise<void> {
    const expectedHeadRevision = this.#revision;
    await this.session.commitRuntimeState(commit({ sessionId: SESSION, expectedHeadRevision, graph }));
    this.#revision++;
  }

  get session() {
    return this.store.session(SESSION);
  }

  /** Bytes of packs that the work reads. */
  async reads(work: () => Promise<unknown>): Promise<number> {
    const before = this.#reads.bytes;
    await work();
    return this.#reads.bytes - before;
  }

  /** The session shows these nodes, before and after a snapshot, and all of the store is in order. */
  async shows(expected: readonly string[]): Promise<void> {
    for (let look = 0; look < 2; look++) {
      const nodes = (await this.session.loadSession())?.graph.nodes ?? [];
      assert.deepEqual(
        nodes.map(({ nodeId }) => nodeId),
        expected,
      );
      for (const node of nodes) assert.ok(JSON.stringify(node).includes(`${node.nodeId} ${TEXT}`));
      await this.store.snapshot();
    }
    assert.deepEqual((await this.store.verify()).problems, []);
    await this.store.close();
  }
}

test("commits to a long session that is not in memory read its newest page and no other, and later reads show all", async () => {
  const cold = await Cold.open();
  const bytes = await cold.reads(async () => {
    await cold.send(next("a", LEAF));
    await cold.send(next("b", "a"));
    await cold.send(append([textNode("c", "b"), textNode("d", "c")], "d"));
  });
  assert.ok(bytes < 2 * MIN_INDEXED_BYTES, `${bytes} bytes`);
  assert.ok(cold.store.stats().residentBytes < 3 * MIN_INDEXED_BYTES);
  await cold.shows([...oldIds, "a", "b", "c", "d"]);
});

test("what a commit brings stays as it was while it waits for its session, whatever is committed meanwhile", async () => {
  const cold = await Cold.open();
  const waiting = cold.send(next("a", LEAF));
  const other = (expectedHeadRevision: number, graph: ReturnType<typeof append>) =>
    cold.store
      .session("other")
      .commitRuntimeState(commit({ sessionId: "other", expectedHeadRevision, graph }));
  // The first encodes no node: it gives memory back that it never used.
  await Promise.all([
    other(0, unchanged()),
    other(1, append([messageNode("o", undefined, "z".repeat(2000))], "o")),
    waiting,
  ]);
  await cold.shows([...oldIds, "a"]);
});

test("what a commit may not do it may not do either, and what it may it may, with nodes that were not read", async () => {
  const cold = await Cold.open();
  await cold.send(next("a", LEAF));
  const bytes = await cold.reads(async () => {
    await refuses(cold.send(next("b", "nowhere")), "INVALID_GRAPH");
    await refuses(cold.send(unchanged("nowhere")), "INVALID_GRAPH");
  });
  assert.equal(bytes, 0);
  await refuses(cold.send(next("m7", "a")), "NODE_ID_COLLISION");
  await cold.shows([...oldIds, "a"]);
});

test("below an old node, and with an old leaf, a commit reads that node's page and no other", async () => {
  for (const graphPolicy of ["strict", "permissive"] as const) {
    for (const graph of [
      next("b", "m3"),
      unchanged("m3"),
      append([textNode("b", "m5"), textNode("c", "m7")], "m9"),
    ]) {
      const cold = await Cold.open(undefined, { graphPolicy });
      const bytes = await cold.reads(() => cold.send(graph));
      assert.ok(bytes < 6 * MIN_INDEXED_BYTES && bytes < (OLD * TEXT.length) / 1.3, `${bytes} bytes`);
      assert.ok(cold.store.stats().residentBytes < 3 * MIN_INDEXED_BYTES);
      const added = graph.kind === "append" ? graph.nodes.map(({ nodeId }) => nodeId) : [];
      await cold.shows([...oldIds, ...added]);
    }
  }
});

test("a node of the log is found below an old one, and one that was hidden there is not", async () => {
  const cold = await Cold.open(
    async (before) => {
      await before.send(next("y", "m4"));
      await before.session.tombstoneNodes(["m9"]);
    },
    { graphPolicy: "permissive", reopened: "strict" },
  );
  await cold.send(next("z", "y"));
  await refuses(cold.send(next("b", "m9")), "INVALID_GRAPH");
  await cold.send(next("b", "m8"));
  await cold.shows([...oldIds.filter((id) => id !== "m9"), "y", "z", "b"]);
});

test("nodes that were not read can be hidden, and removed", async () => {
  const cold = await Cold.open(undefined, { graphPolicy: "permissive" });
  await cold.send(next("a", LEAF));
  await cold.session.tombstoneNodes(["m1", LEAF]);
  await refuses(cold.send(next("m1", "a")), "NODE_ID_COLLISION");
  await cold.session.vacuum();
  await cold.send(next("m1", "a"));
  await cold.shows([...oldIds.filter((id) => id !== "m1" && id !== LEAF), "a", "m1"]);
});

test("what was hidden before the snapshot stays hidden, and its id taken", async () => {
  const hide = async (before: Cold) => {
    await before.session.tombstoneNodes(["m1", "m2"]);
    await before.store.snapshot();
  };
  const cold = await Cold.open(hide, { graphPolicy: "permissive", reopened: "strict" });
  const bytes = await cold.reads(() => cold.send(next("a", LEAF)));
  assert.ok(bytes < 2 * MIN_INDEXED_BYTES, `${bytes} bytes`);
  await refuses(cold.send(next("b", "m2")), "INVALID_GRAPH");
  assert.equal(await cold.session.loadNode("m2"), undefined);
  await refuses(cold.send(next("m2", "a")), "NODE_ID_COLLISION");
  await cold.shows([...oldIds.filter((id) => id !== "m1" && id !== "m2"), "a"]);
});

test("records behind the snapshot are followed, whatever nodes they name", async () => {
  const whole = oldIds.map((id) => id);
  const behind: readonly [string, (before: Cold) => Promise<unknown>, readonly string[], string][] = [
    ["one more", (before) => before.send(next("y", LEAF)), [...whole, "y"], "y"],
    ["a branch", (before) => before.send(next("y", "m4")), [...whole, "y"], "y"],
    ["an old leaf", (before) => before.send(unchanged("m4")), whole, LEAF],
    [
      "a tombstone",
      (before) => before.session.tombstoneNodes(["m4"]),
      whole.filter((id) => id !== "m4"),
      LEAF,
    ],
    [
      "a vacuum",
      async (before) => {
        await before.session.tombstoneNodes(["m0", "m4"]);
        await before.session.vacuum();
      },
      whole.filter((id) => id !== "m0" && id !== "m4"),
      LEAF,
    ],
    ["a replacement", (before) => before.send(replaceFull([textNode("m0")], "m0")), ["m0"], "m0"],
  ];
  for (const [name, change, expected, parent] of behind) {
    const cold = await Cold.open(change, { graphPolicy: "permissive" });
    await cold.send(next("z", parent)).catch((error) => assert.fail(`${name}: ${error}`));
    await refuses(cold.send(next(expected.at(-1) as string, "z")), "NODE_ID_COLLISION");
    await cold.shows([...expected, "z"]);
  }
});

test("a node that closes a cycle through nodes that were not read is refused", async () => {
  for (const graphPolicy of ["permissive", "strict"] as const) {
    const dangling = await Cold.open(undefined, {
      graphPolicy: "permissive",
      reopened: graphPolicy,
      first: "later",
    });
    await refuses(dangling.send(next("later", LEAF)), "INVALID_GRAPH");
    await dangling.send(next("other", LEAF));
    await dangling.shows([...oldIds, "other"]);
  }
});
