/**
 * Graph rules against a naive model: every small graph with every small delta, under both policies. The
 * model walks arrays and knows nothing of slots, missing parents or differences.
 */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import type { GraphPolicy, RuntimeCommit, SessionNodeRecord } from "../../src/session/types.ts";
import {
  append,
  commitOf,
  message,
  node,
  prepare,
  refusal,
  replaceFull,
  SessionBench,
} from "./session-bench.ts";

interface Naive {
  id: string;
  parent: string | undefined;
  hidden: boolean;
}

function hasCycle(nodes: readonly Naive[]): boolean {
  return nodes.some((start) => {
    let at: Naive | undefined = start;
    for (let steps = 0; at !== undefined && steps <= nodes.length; steps++) {
      const { parent }: Naive = at;
      at = nodes.find((candidate) => candidate.id === parent);
      if (at === start) return true;
    }
    return false;
  });
}

type Delta = { kind: "append" | "replaceFull"; nodes: Naive[]; leaf: string | undefined };

/** What the contract says of a delta: a code, or the ids in order. */
function naive(base: readonly Naive[], delta: Delta, policy: GraphPolicy): string {
  const ids = delta.nodes.map(({ id }) => id);
  const kept = delta.kind === "append" ? base : [];
  if (new Set(ids).size < ids.length || kept.some(({ id }) => ids.includes(id))) return "NODE_ID_COLLISION";
  const after = [...kept, ...delta.nodes];
  if (hasCycle(after)) return "INVALID_GRAPH";
  if (policy === "strict") {
    const live = after.filter(({ hidden }) => !hidden).map(({ id }) => id);
    const named = delta.nodes.map(({ parent }) => parent);
    if ([...named, delta.leaf].some((id) => id !== undefined && !live.includes(id))) return "INVALID_GRAPH";
  }
  return after
    .filter(({ hidden }) => !hidden)
    .map(({ id }) => id)
    .join();
}

function benchOf(base: readonly Naive[]): SessionBench {
  const bench = new SessionBench("permissive");
  bench.commit(append(base.map(({ id, parent }) => node(id, parent))));
  bench.tombstone(...base.filter(({ hidden }) => hidden).map(({ id }) => id));
  return bench;
}

function actual(bench: SessionBench, delta: Delta, policy: GraphPolicy): string {
  const before = bench.state;
  const nodes = delta.nodes.map(({ id, parent }) => node(id, parent));
  const commit = delta.kind === "append" ? append(nodes, delta.leaf) : replaceFull(nodes, delta.leaf);
  bench.policy = policy;
  try {
    bench.commit(commit);
    return bench.ids().join();
  } catch (error) {
    if (!isStoreError(error)) throw error;
    assert.equal(bench.state, before);
    return error.code;
  }
}

function same(base: readonly Naive[], delta: Delta): void {
  for (const policy of ["strict", "permissive"] as const) {
    const told = `${policy} ${JSON.stringify(base)} + ${JSON.stringify(delta)}`;
    assert.equal(actual(benchOf(base), delta, policy), naive(base, delta, policy), told);
  }
}

const NAMES = ["a", "b", "c", "d"];
const PARENTS = [undefined, ...NAMES];

/** Every list of nodes with these ids, each parent any of the four ids or none. */
function* forests(ids: readonly string[]): Generator<Naive[]> {
  const [id, ...rest] = ids;
  if (id === undefined) return yield [];
  for (const parent of PARENTS) {
    for (const others of forests(rest)) yield [{ id, parent, hidden: false }, ...others];
  }
}

function* hidings(nodes: readonly Naive[]): Generator<Naive[]> {
  for (let mask = 0; mask < 1 << nodes.length; mask++) {
    yield nodes.map((each, i) => ({ ...each, hidden: (mask & (1 << i)) !== 0 }));
  }
}

/** Every graph of two nodes that may be stored, with every set of tombstones. */
const BASES = [...forests(["a", "b"])]
  .filter((nodes) => !hasCycle(nodes))
  .flatMap((nodes) => [...hidings(nodes)]);

test("every append of two nodes to every graph of two is decided as the model decides it", () => {
  let leaf = 0;
  for (const base of BASES) {
    for (const nodes of forests(["c", "d"])) same(base, { kind: "append", nodes, leaf: PARENTS[leaf++ % 5] });
  }
});

test("every append of one node to every graph of two, with every leaf, is decided as the model decides it", () => {
  for (const base of BASES) {
    for (const leaf of PARENTS) {
      for (const nodes of forests(["c"])) same(base, { kind: "append", nodes, leaf });
    }
  }
});

test("every append of an existing or repeated id collides", () => {
  for (const base of BASES) {
    for (const ids of [["b"], ["c", "a"], ["c", "c"]]) {
      const nodes = ids.map((id) => ({ id, parent: undefined, hidden: false }));
      same(base, { kind: "append", nodes, leaf: undefined });
    }
  }
});

test("every full replacement by four nodes is decided as the model decides it", () => {
  const bases = [BASES[0] ?? [], BASES.find((base) => base.some(({ hidden }) => hidden)) ?? []];
  let leaf = 0;
  for (const base of bases) {
    for (const nodes of forests(NAMES)) same(base, { kind: "replaceFull", nodes, leaf: PARENTS[leaf++ % 5] });
  }
});

test("every full replacement by up to two of three ids, in any order, gives its order and revives its ids", () => {
  for (const base of BASES) {
    for (const ids of [[], ["a"], ["b", "a"], ["c", "a"], ["b", "c"], ["c", "c"]]) {
      const nodes = ids.map((id) => ({ id, parent: undefined, hidden: false }));
      same(base, { kind: "replaceFull", nodes, leaf: undefined });
    }
  }
});

test("a node that an older one names as its missing parent is looked at for a cycle", () => {
  const bench = new SessionBench("permissive");
  bench.commit(append([node("child", "later"), node("grandchild", "child")]));
  refusal("INVALID_GRAPH", () => bench.commit(append([node("later", "grandchild")])));
  bench.commit(append([node("later", "elsewhere")]));
  refusal("INVALID_GRAPH", () => bench.commit(append([node("elsewhere", "child")])));
});

test("a parent that vacuum removed can come back, but not below its own child", () => {
  const bench = new SessionBench("permissive");
  bench.commit(append([node("p"), node("c", "p")]));
  bench.tombstone("p");
  bench.vacuum();
  refusal("INVALID_GRAPH", () => bench.commit(append([node("p", "c")])));
  bench.commit(append([node("p")], "c"));
  assert.deepEqual(bench.ids({ kind: "activePath" }), ["p", "c"]);
});

test("a leaf that is not live is refused in strict and kept in permissive, also unchanged", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b")]));
  bench.tombstone("b");
  for (const leafNodeId of ["b", "nowhere"]) {
    const commit = commitOf({ graph: { kind: "unchanged", leafNodeId } });
    bench.policy = "strict";
    assert.equal(refusal("INVALID_GRAPH", () => bench.commit(commit)).nodeId, leafNodeId);
    bench.policy = "permissive";
    bench.commit(commit);
    assert.deepEqual(bench.graph({ kind: "activePath" }), { nodes: [], leafNodeId });
  }
});

test("the first node of a session is refused in strict when it names a parent or a leaf", () => {
  for (const commit of [append([node("a", "x")]), append([node("a")], "x")]) {
    const bench = new SessionBench();
    refusal("INVALID_GRAPH", () => bench.commit(commit));
    bench.policy = "permissive";
    bench.commit(commit);
    assert.deepEqual(bench.ids(), ["a"]);
  }
});

test("the leaf is explicit: absent means none, not keep", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a")], "a"));
  bench.commit(commitOf({ graph: { kind: "unchanged" } }));
  assert.equal("leafNodeId" in bench.graph(), false);
});

test("a parent may come later in the same delta", () => {
  const bench = new SessionBench();
  bench.commit(append([node("child", "parent"), node("parent")], "child"));
  assert.deepEqual(bench.ids({ kind: "activePath" }), ["parent", "child"]);
  assert.deepEqual(bench.ids(), ["child", "parent"]);
});

test("an error names the node: the one that collides, the one with the parent, the leaf", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a")]));
  assert.equal(refusal("NODE_ID_COLLISION", () => bench.commit(append([node("a")]))).nodeId, "a");
  assert.equal(refusal("INVALID_GRAPH", () => bench.commit(append([node("b", "x")]))).nodeId, "b");
  assert.equal(refusal("INVALID_GRAPH", () => bench.commit(append([node("b")], "x"))).nodeId, "x");
  assert.equal(refusal("INVALID_GRAPH", () => bench.commit(append([node("b", "b")]))).nodeId, "b");
});

// --- a replacement as a difference ----------------------------------------------------------------------

/** What the record of a replacement says, in short: "a-c" a kept run, "+x" a written node. */
function factOf(
  base: readonly SessionNodeRecord[],
  next: readonly SessionNodeRecord[],
  hidden: string[] = [],
): string {
  const bench = new SessionBench("permissive");
  bench.commit(append([...base]));
  bench.tombstone(...hidden);
  bench.commit(replaceFull([...next]));
  const record = bench.records.at(-1);
  assert.ok(record?.kind === "commit");
  assert.deepStrictEqual(bench.graph().nodes, next);
  const { graph } = record;
  if (graph.kind === "unchanged") return "unchanged";
  if (graph.kind === "append") return `append ${graph.nodes.map(({ id }) => id).join()}`;
  return graph.steps
    .map((step) => (step.kind === "keep" ? `${step.start}x${step.count}` : `+${step.node.id}`))
    .join(" ");
}

const [a, b, c, d] = [node("a"), node("b", "a"), node("c", "b"), message("d", "hi", { parent: "c" })];
test("a replacement keeps runs and writes only what is new", () => {
  assert.equal(factOf([a, b, c], [a, b, c]), "unchanged");
  assert.equal(factOf([a, b, c], [a, b, c, d]), "append d");
  assert.equal(factOf([], [a, b]), "append a,b");
  assert.equal(factOf([a, b, c, d], [a, b]), "0x2");
  assert.equal(factOf([a, b, c, d], [c, d, a, b]), "2x2 0x2");
  assert.equal(factOf([a, b, c], [a, node("x"), c]), "0x1 +x 2x1");
  assert.equal(factOf([a, b], []), "");
});

test("a run of kept nodes ends where a new one stands between two of them", () => {
  assert.equal(factOf([a, b, c], [a, node("x"), b, c]), "0x1 +x 1x2");
  assert.equal(factOf([a, b], [a, node("x"), node("y"), b]), "0x1 +x +y 1x1");
});

test("a node whose parent or body changed is written anew", () => {
  assert.equal(factOf([a, b, c], [a, node("b"), c]), "0x1 +b 2x1");
  assert.equal(factOf([a, d], [a, message("d", "other", { parent: "c" })]), "0x1 +d");
  assert.equal(factOf([a, d], [a, node("d", "c")]), "0x1 +d");
});

test("a replacement revives a tombstoned node that it lists again, and drops the others", () => {
  assert.equal(factOf([a, b, c], [a, b, c], ["b"]), "0x3");
  assert.equal(factOf([a, b, c], [a, c], ["b"]), "0x1 2x1");
});

test("what else a commit writes counts against maxCommitBytes together with its changed nodes", () => {
  const bench = new SessionBench();
  bench.commit(append([message("m", "x".repeat(2000))]));
  const usage = { inputTokens: 1, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };
  const commit = {
    ...replaceFull([message("m", "y".repeat(2000))]),
    usageDeltas: [{ source: "s".repeat(500), model: "m", usage }],
  };
  const { baseBytes } = prepare(commit);
  assert.ok(baseBytes > 500);
  // The body of the node is a little more than its text.
  for (const [maxCommitBytes, isRefused] of [
    [baseBytes + 2000, true],
    [baseBytes + 2400, false],
  ] as const) {
    bench.maxCommitBytes = maxCommitBytes;
    if (isRefused)
      assert.equal(refusal("INVALID_COMMIT", () => bench.commit(commit)).path, "graph.graph.nodes");
    else bench.commit(commit);
  }
});

test("a replacement may write exactly what is left of maxCommitBytes: its new nodes and its kept runs", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b"), node("c")]));
  const commit = replaceFull([node("c"), node("a"), node("b"), message("m", "hi")]);
  const { baseBytes, graph } = prepare(commit);
  const [written] = graph.nodes.slice(-1);
  assert.ok(written);
  // Two runs, each a kind, a slot and a count; and one node with its body, its id in UTF-8 and 16 bytes beside.
  const bytes = 2 * 12 + written.body.length + 3 * "m".length + 16;
  bench.maxCommitBytes = baseBytes + bytes - 1;
  assert.equal(refusal("INVALID_COMMIT", () => bench.commit(commit)).path, "graph.graph.nodes");
  bench.maxCommitBytes = baseBytes + bytes;
  bench.commit(commit);
  assert.deepEqual(bench.ids(), ["c", "a", "b", "m"]);
});

test("only the difference counts against maxCommitBytes", () => {
  const bench = new SessionBench();
  const large = Array.from({ length: 20 }, (_, i) => message(`m${i}`, "x".repeat(1000)));
  bench.commit(append(large));
  bench.maxCommitBytes = 3000;
  bench.commit(replaceFull([...large.slice(1), message("n", "y".repeat(1000))]));
  const changed = large.map(({ nodeId }) => message(nodeId, "z".repeat(1000)));
  assert.equal(refusal("INVALID_COMMIT", () => bench.commit(replaceFull(changed))).path, "graph.graph.nodes");
});

test("the strict policy refuses a parent or a leaf that is not there, of a replacement and of several nodes", () => {
  const bench = new SessionBench("strict");
  const refused = (commit: RuntimeCommit) => refusal("INVALID_GRAPH", () => bench.commit(commit)).nodeId;
  assert.equal(refused(replaceFull([node("a"), node("b", "none")])), "b");
  assert.equal(refused(replaceFull([node("a"), node("b", "a")], "none")), "none");
  assert.equal(refused(append([node("a"), node("b", "none")])), "b");
  assert.equal(refused(append([node("a"), node("b", "a")], "none")), "none");
  assert.equal(bench.state.head, undefined);
  bench.commit(replaceFull([node("a"), node("b", "a")], "b"));
  bench.commit(append([node("c", "b"), node("d", "c")], "d"));
  assert.deepEqual(bench.ids(), ["a", "b", "c", "d"]);
});
