/** What reads answer. Sequences of operations are read back in apply.test.ts. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { DECODE_STEP_BYTES } from "../../src/limits.ts";
import { BodiesShed } from "../../src/session/node-entry.ts";
import { NodeTable } from "../../src/session/node-table.ts";
import { isAtHand, readGraph, readGraphInSteps, readNode } from "../../src/session/read.ts";
import type { SessionNodeRecord, SessionReadScope } from "../../src/session/types.ts";
import { normal, payloads } from "./payloads.ts";
import { append, commitOf, message, node, SessionBench } from "./session-bench.ts";

test("the full graph gives live nodes in insertion order and the head's leaf", () => {
  const bench = new SessionBench();
  const nodes = [message("c", "x"), node("a", "c"), message("b", "y", { parent: "c" })];
  bench.commit(append(nodes, "a"));
  assert.deepStrictEqual(bench.graph(), { nodes, leafNodeId: "a" });
});

test("an active path is given root first; without a leaf it is the head's", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b", "a"), node("c", "b"), node("x", "a")], "c"));
  assert.deepEqual(bench.ids({ kind: "activePath" }), ["a", "b", "c"]);
  assert.deepEqual(bench.ids({ kind: "activePath", leafNodeId: "x" }), ["a", "x"]);
});

test("without a leaf of the head the active path is an empty graph without leaf", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a")]));
  assert.deepStrictEqual(bench.graph({ kind: "activePath" }), { nodes: [] });
});

test("an unknown or tombstoned leaf gives zero nodes and the leaf that was asked for", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b", "a")], "a"));
  bench.tombstone("b");
  for (const leafNodeId of ["b", "nowhere"]) {
    assert.deepStrictEqual(bench.graph({ kind: "activePath", leafNodeId }), { nodes: [], leafNodeId });
  }
});

test("a path ends below a missing or tombstoned parent", () => {
  const bench = new SessionBench("permissive");
  bench.commit(append([node("a", "missing"), node("b", "a"), node("c", "b"), node("d", "c")], "d"));
  assert.deepEqual(bench.ids({ kind: "activePath" }), ["a", "b", "c", "d"]);
  bench.tombstone("b");
  assert.deepEqual(bench.ids({ kind: "activePath" }), ["c", "d"]);
});

test("a read of a path takes its newest nodes up to the limit, and names the one that would have been next", () => {
  const bench = new SessionBench("permissive");
  bench.commit(append([node("a", "missing"), node("b", "a"), node("c", "b")], "c"));
  const read = (limit: number) => {
    const { graph, nextOlderNodeId } = readGraph(bench.state, { kind: "activePath", limit });
    return [graph.nodes.map(({ nodeId }) => nodeId).join(""), nextOlderNodeId];
  };
  assert.deepEqual([1, 2, 3, 4].map(read), [
    ["c", "b"],
    ["bc", "a"],
    ["abc", undefined],
    ["abc", undefined],
  ]);
});

test("only a read by active path is partial", () => {
  const { state } = new SessionBench();
  assert.equal(readGraph(state, { kind: "fullGraph" }).graphIsPartial, false);
  assert.equal(readGraph(state, { kind: "activePath" }).graphIsPartial, true);
});

test("a node is found on or off the active path, and not when it is tombstoned or unknown", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b"), node("c")], "a"));
  bench.tombstone("c");
  assert.deepStrictEqual(readNode(bench.state, "b"), node("b"));
  assert.equal(readNode(bench.state, "c"), undefined);
  assert.equal(readNode(bench.state, "nowhere"), undefined);
});

test("what a read answers is mutable and aliases nothing", () => {
  const bench = new SessionBench();
  const mine = message("a", "before");
  bench.commit(append([mine], "a"));
  const first = bench.graph();
  const [read] = first.nodes as { event: { conversation: { parts: { content: string }[] } } }[];
  assert.ok(read?.event.conversation.parts[0]);
  read.event.conversation.parts[0].content = "after";
  first.nodes.push(node("x"));
  assert.deepStrictEqual(bench.graph(), { nodes: [message("a", "before")], leafNodeId: "a" });
  bench.commit(commitOf());
});

/** Nodes in a row, whose bodies have so many bytes. */
function row(count: number, bodyBytes: number): SessionBench {
  const rowOf = (texts: number): SessionBench => {
    const bench = new SessionBench();
    bench.maxCommitBytes = 4 * count * bodyBytes;
    const nodes = Array.from({ length: count }, (_, n): SessionNodeRecord => {
      const parent = n === 0 ? {} : { parentNodeId: `n${n - 1}` };
      return { ...node(`n${n}`), ...parent, body: "x".repeat(texts) } as SessionNodeRecord;
    });
    bench.commit(append(nodes, `n${count - 1}`));
    return bench;
  };
  const beside = (rowOf(bodyBytes - 100).state.nodes.entries[0]?.body.length ?? 0) - bodyBytes + 100;
  return rowOf(bodyBytes - beside);
}

test("a read decodes so many bytes of nodes a step, and some for each node, whichever nodes it reads", () => {
  const { state } = row(18, DECODE_STEP_BYTES / 8 - 512);
  const scopes: SessionReadScope[] = [
    { kind: "fullGraph" },
    { kind: "activePath" },
    { kind: "changesSince", headRevision: 0 },
  ];
  for (const scope of scopes) {
    const steps = readGraphInSteps(state, scope);
    // Eight nodes fill a step to its last byte; two are left for the third one.
    for (let pauses = 0; pauses < 2; pauses++) assert.equal(steps.next().done, false, scope.kind);
    const last = steps.next();
    assert.ok(last.done, scope.kind);
    assert.equal(last.value.graph.nodes.length, 18);
  }
});

test("what a read decodes is at hand if it is all in memory and no more than a step", () => {
  // Eight nodes are a step.
  const { state } = row(18, DECODE_STEP_BYTES / 8 - 512);
  const path = (limit: number, leafNodeId = "n17") =>
    isAtHand(state, { kind: "activePath", limit, leafNodeId });
  const changes = (headRevision: number) => isAtHand(state, { kind: "changesSince", headRevision });
  assert.deepEqual([path(8), path(9), path(9, "n7"), path(9, "nobody")], [true, false, true, true]);
  assert.deepEqual([changes(1), changes(0), changes(99)], [true, false, true]);
  assert.equal(isAtHand(state, { kind: "fullGraph" }), false);
  state.nodes.shed(10);
  assert.throws(() => path(9, "n7"), BodiesShed);
  assert.equal(path(1), true);
  assert.throws(() => changes(0), BodiesShed);
});

test("nodes stored before their revisions were are sent to a copy of nothing, and to no other", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b")]));
  const old = new NodeTable();
  for (const entry of bench.state.nodes.entries) old.add(entry, 0, entry.hiddenAt);
  const sent = (headRevision: number): number =>
    readGraph({ ...bench.state, nodes: old }, { kind: "changesSince", headRevision }).graph.nodes.length;
  assert.deepEqual([sent(0), sent(1)], [2, 0]);
});

test("any event and any plugin body comes back unharmed, in plain objects", () => {
  fc.assert(
    fc.property(payloads, payloads, fc.string({ unit: "binary" }), (value, body, text) => {
      const nodes = [
        { nodeId: "e", timestamp: `${text}\ud800`, kind: "event", event: { unknownShape: value } },
        { nodeId: "p", parentNodeId: "e", timestamp: text, kind: "plugin", pluginType: text, body },
      ] as SessionNodeRecord[];
      const bench = new SessionBench();
      bench.commit(append(nodes));
      const read = bench.graph().nodes;
      assert.deepStrictEqual(read, normal(nodes));
      assert.deepEqual(Object.keys(read[1] ?? {}), [
        "nodeId",
        "parentNodeId",
        "timestamp",
        "kind",
        "pluginType",
        "body",
      ]);
    }),
  );
});
