/**
 * Changes since a revision: whoever keeps a copy of the full graph and applies them has what a full load would show,
 * whichever revision the copy is of, and whenever at that revision it was taken.
 */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_REMOVALS_KEPT } from "../../src/limits.ts";
import { applyChanges } from "../../src/session/graph.ts";
import { prepareScope } from "../../src/session/prepare.ts";
import { readGraph } from "../../src/session/read.ts";
import type { SessionState } from "../../src/session/state.ts";
import type { SessionGraph } from "../../src/session/types.ts";
import { Model } from "./naive-session.ts";
import { outcome, runOn, step } from "./random-steps.ts";
import { append, commitOf, node, refusal, replaceFull, SessionBench } from "./session-bench.ts";

interface Copy {
  readonly revision: number;
  readonly graph: SessionGraph;
}

function changes(state: SessionState, headRevision: number) {
  const read = readGraph(state, prepareScope({ kind: "changesSince", headRevision }));
  return { sent: read.graph.nodes.map(({ nodeId }) => nodeId), removed: read.removedNodeIds };
}

/** As the model shows it, before and after each step. */
function graphOf(model: Model): SessionGraph {
  const nodes = model.live();
  return model.leaf === undefined ? { nodes } : { nodes, leafNodeId: model.leaf };
}

function checkCopies(bench: SessionBench, model: Model, copies: readonly Copy[]): void {
  for (const { revision, graph } of copies) {
    const read = readGraph(bench.state, prepareScope({ kind: "changesSince", headRevision: revision }));
    assert.deepStrictEqual(applyChanges(graph, read), graphOf(model), `a copy of revision ${revision}`);
    const shown = copies.filter((copy) => copy.revision === revision).flatMap((copy) => copy.graph.nodes);
    const ids = new Set(shown.map(({ nodeId }) => nodeId));
    for (const id of read.removedNodeIds ?? [])
      assert.ok(ids.has(id), `${id} was never shown at ${revision}`);
  }
}

for (const policy of ["strict", "permissive"] as const) {
  test(`a copy of any state and its changes are the full graph (${policy})`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const bench = new SessionBench(policy);
        const model = new Model();
        const copies: Copy[] = [{ revision: 0, graph: { nodes: [] } }];
        for (const each of steps) {
          outcome(() => runOn(bench, each));
          outcome(() => model.run(each, policy));
          if (model.deleted) return;
          copies.push({ revision: model.revision, graph: graphOf(model) });
          checkCopies(bench, model, copies);
        }
      }),
      { numRuns: 300 },
    );
  });
}

test("appends are sent alone, whatever was there before", () => {
  const bench = new SessionBench();
  for (const id of ["a", "b", "c"]) bench.commit(append([node(id)], id));
  assert.deepEqual(changes(bench.state, 1), { sent: ["b", "c"], removed: [] });
  assert.deepEqual(changes(bench.state, 3), { sent: [], removed: [] });
  assert.deepEqual(changes(bench.state, 0), { sent: ["a", "b", "c"], removed: [] });
});

test("a node hidden at the copy's own revision is named, and its vacuum changes nothing", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b")], "a"));
  bench.tombstone("b");
  assert.deepEqual(changes(bench.state, 1), { sent: [], removed: ["b"] });
  bench.vacuum();
  assert.deepEqual(changes(bench.state, 1), { sent: [], removed: ["b"] });
  bench.commit(append([node("b")], "b"));
  assert.deepEqual(changes(bench.state, 1), { sent: ["b"], removed: ["b"] });
  assert.deepEqual(changes(bench.state, 2), { sent: [], removed: [] });
});

test("a replacement sends what stands behind the first new node, and leaves in place what is before it", () => {
  const bench = new SessionBench();
  bench.commit(
    append(
      ["a", "b", "c", "d"].map((id) => node(id)),
      "a",
    ),
  );
  bench.commit(replaceFull([node("a"), node("c"), node("x"), node("d")], "a"));
  const { sent, removed } = changes(bench.state, 1);
  assert.deepEqual(sent, ["x", "d"]);
  assert.deepEqual(removed?.toSorted(), ["b", "d"]);
});

test("a replacement that keeps the order only drops what it leaves out", () => {
  const bench = new SessionBench();
  bench.commit(
    append(
      ["a", "b", "c", "d"].map((id) => node(id)),
      "a",
    ),
  );
  bench.commit(replaceFull([node("a"), node("d")], "a"));
  assert.deepEqual(changes(bench.state, 1), { sent: [], removed: ["b", "c"] });
});

test("a hidden node that a replacement revives is sent, to copies from before and behind its hiding", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b"), node("c")], "a"));
  bench.tombstone("b");
  bench.commit(replaceFull([node("a"), node("b"), node("c")], "a"));
  const { sent, removed } = changes(bench.state, 1);
  assert.deepEqual(sent, ["b", "c"]);
  assert.deepEqual(removed?.toSorted(), ["b", "c"]);
});

test("a state sees no removal that was planned behind it", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b"), node("c")], "a"));
  const visible = bench.state;
  bench.tombstone("b");
  bench.commit(replaceFull([node("a")], "a"));
  assert.deepEqual(changes(visible, 1), { sent: [], removed: [] });
  assert.deepEqual(changes(bench.state, 1), { sent: [], removed: ["b", "c"] });
});

test("a revision above the head's is unknown, with both named", () => {
  const bench = new SessionBench();
  bench.commit(commitOf());
  const error = refusal("REVISION_UNKNOWN", () => changes(bench.state, 2));
  assert.deepEqual([error.asked, error.newest], [2, 1]);
});

test("more removals than are kept are gone, and the oldest revision that can be told is named", () => {
  const bench = new SessionBench();
  bench.maxCommitBytes = 8 * 1024 * 1024;
  const many = Array.from({ length: 2 * MAX_REMOVALS_KEPT }, (_, n) => node(`n${n}`));
  bench.commit(append(many));
  bench.commit(append([node("z")], "z"));
  bench.commit(replaceFull([node("z")], "z"));
  const error = refusal("HISTORY_GONE", () => changes(bench.state, 1));
  assert.deepEqual([error.asked, error.oldest], [1, 3]);
  assert.deepEqual(changes(bench.state, 3), { sent: [], removed: [] });
  assert.deepEqual(changes(bench.state, 0), { sent: ["z"], removed: [] });
});
