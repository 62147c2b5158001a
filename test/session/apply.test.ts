/**
 * Random sequences of operations against a naive model that stores plain arrays and recomputes everything,
 * and the promise that the encoded records alone give the same state.
 */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { isStoreError } from "../../src/errors.ts";
import { apply } from "../../src/session/apply.ts";
import { readNode } from "../../src/session/read.ts";
import { decodeRecord, encodeRecord, type SessionRecord } from "../../src/session/record.ts";
import { emptySession, type SessionState } from "../../src/session/state.ts";
import { Model } from "./naive-session.ts";
import { IDS, outcome, runOn, step } from "./random-steps.ts";
import { append, commitOf, node, SESSION, SessionBench } from "./session-bench.ts";

function compare(bench: SessionBench, model: Model): void {
  const { state } = bench;
  assert.deepStrictEqual(bench.graph().nodes, model.live());
  assert.equal(state.head?.leafNodeId, model.leaf);
  assert.equal(state.head?.revision ?? 0, model.revision);
  assert.equal(state.hiddenCount, model.stored.length - model.live().length);
  assert.equal(state.length, model.stored.length);
  if (state.head !== undefined) assert.equal(state.head.nodeCount, model.live().length);
  assert.deepStrictEqual(state.ledger, model.ledger());
  assert.deepStrictEqual(state.picker, model.picker());
  assert.equal(state.meta?.sessionName, model.meta);
  assert.equal(state.deleted, model.deleted);
  for (const leafNodeId of [...IDS, "nowhere"]) {
    const path = bench.graph({ kind: "activePath", leafNodeId });
    assert.deepStrictEqual(path, { nodes: model.path(leafNodeId), leafNodeId });
    assert.deepStrictEqual(
      readNode(state, leafNodeId),
      model.live().find(({ nodeId }) => nodeId === leafNodeId),
    );
  }
}

/** A state as plain data, without what only counts in memory. */
function dataOf(state: SessionState, operations: readonly string[]): unknown {
  const { nodes, receipts, ordinal: _ordinal, ...rest } = state;
  return {
    ...rest,
    entries: nodes.entries.map(({ hiddenAt, body, ...entry }) => ({
      ...entry,
      body: Buffer.from(body).toString("hex"),
      hidden: hiddenAt <= state.ordinal,
    })),
    slots: nodes.entries.map(({ id }) => nodes.slots.get(id)),
    size: nodes.slots.size,
    missing: [...nodes.missingParents].sort(),
    bytes: nodes.bytes,
    receipts: operations.map((each) => receipts.find(each)),
  };
}

for (const policy of ["strict", "permissive"] as const) {
  test(`any sequence of operations answers and reads as the model does (${policy})`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const bench = new SessionBench(policy);
        const model = new Model();
        for (const each of steps) {
          assert.deepStrictEqual(
            outcome(() => runOn(bench, each)),
            outcome(() => model.run(each, policy)),
          );
          compare(bench, model);
        }
      }),
      { numRuns: 300 },
    );
  });

  test(`the encoded records alone give an equal state (${policy})`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const bench = new SessionBench(policy);
        for (const each of steps) outcome(() => runOn(bench, each));
        let replayed = emptySession(SESSION, 10);
        for (const bytes of bench.log) {
          const record = decodeRecord(bytes) as SessionRecord;
          assert.deepStrictEqual(Buffer.from(encodeRecord(record)), Buffer.from(bytes));
          replayed = apply(replayed, record, replayed.lastLsn + 1);
        }
        assert.deepStrictEqual(dataOf(replayed, ["op1", "op2"]), dataOf(bench.state, ["op1", "op2"]));
      }),
      { numRuns: 150 },
    );
  });
}

// --- records that do not follow ---------------------------------------------------------------------------

function recordOf(commit: unknown): SessionRecord {
  const bench = new SessionBench("permissive");
  bench.commit(commit);
  return bench.records[0] as SessionRecord;
}

test("a record that does not follow its state throws a plain error", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a")], "a"));
  const first = bench.records[0] as SessionRecord;
  const old = bench.state;
  bench.commit(append([node("b", "a")], "b"));
  const second = bench.records[1] as SessionRecord;
  const { state } = bench;
  const hidden = new SessionBench("permissive");
  hidden.commit(append([node("a"), node("b")]));
  hidden.tombstone("a");
  const wrong: [SessionState, SessionRecord, number, RegExp][] = [
    [state, first, 3, /revision 1 does not follow 2/],
    [emptySession("other", 1), first, 1, /session "root"/],
    [state, { kind: "vacuum", sessionId: SESSION }, 2, /LSN 2 does not follow 2/],
    [old, second, 3, /successor/],
    [old, { kind: "tombstone", sessionId: SESSION, nodeIds: ["a"], picker: undefined }, 3, /successor/],
    [old, { kind: "vacuum", sessionId: SESSION }, 3, /successor/],
    [old, { ...second, graph: { kind: "replace", steps: [] } } as SessionRecord, 3, /successor/],
    [
      hidden.state,
      { kind: "tombstone", sessionId: SESSION, nodeIds: ["a"], picker: undefined },
      3,
      /not live/,
    ],
    [state, { kind: "tombstone", sessionId: SESSION, nodeIds: ["x"], picker: undefined }, 3, /not live/],
    [
      emptySession(SESSION, 1),
      {
        ...recordOf(commitOf()),
        graph: { kind: "replace", steps: [{ kind: "keep", start: 0, count: 1 }] },
      } as SessionRecord,
      1,
      /slot 0/,
    ],
    [state, { ...second, revision: 3 } as SessionRecord, 3, /"b" exists already/],
    [
      state,
      {
        ...second,
        revision: 3,
        graph: {
          kind: "replace",
          steps: [
            { kind: "keep", start: 0, count: 1 },
            { kind: "keep", start: 0, count: 1 },
          ],
        },
      } as SessionRecord,
      3,
      /kept twice/,
    ],
    [{ ...state, deleted: true }, { kind: "vacuum", sessionId: SESSION }, 3, /deletion/],
  ];
  for (const [from, record, lsn, message] of wrong) {
    assert.throws(
      () => apply(from, record, lsn),
      (error: Error) => !isStoreError(error) && message.test(error.message),
    );
  }
});

test("whichever one field of the config changes, the state has the new config", () => {
  const config = {
    providerId: "p",
    configuredModel: "m",
    contextWindow: 1,
    executionMode: "standard",
    modelVariant: "v",
  };
  const rolling = { kind: "rolling_history" as const };
  const changes = [
    { providerId: "q" },
    { configuredModel: "n" },
    { contextWindow: 2 },
    { executionMode: "fast" },
    { modelVariant: "w" },
    { standardContextApproach: rolling },
  ];
  for (const change of changes) {
    const bench = new SessionBench();
    bench.commit(commitOf({ config }));
    for (const next of [{ ...config, ...change }, { ...config, ...change }, config]) {
      bench.commit(commitOf({ config: next }));
      assert.deepEqual(bench.state.head?.config, next, JSON.stringify(change));
    }
  }
});

test("whichever one component of the checkpoint changes, the state has the new refs", () => {
  const values = {
    toolState: { generation: 1, tools: {} },
    pluginSnapshot: { plugins: {} },
    executionState: Uint8Array.of(1),
  };
  const others = {
    toolState: { generation: 2, tools: {} },
    pluginSnapshot: { plugins: { x: null } },
    executionState: Uint8Array.of(2),
  };
  const turnState = commitOf().checkpoint.turnState;
  const bench = new SessionBench();
  for (const component of ["toolState", "pluginSnapshot", "executionState"] as const) {
    bench.commit(commitOf({ checkpoint: { turnState, ...values } }));
    const before = bench.state.head?.refs ?? assert.fail();
    bench.commit(commitOf({ checkpoint: { turnState, ...values } }));
    assert.deepEqual(bench.state.head?.refs, before);
    bench.commit(commitOf({ checkpoint: { turnState, ...values, [component]: others[component] } }));
    const after = bench.state.head?.refs ?? assert.fail();
    const changed = (["toolState", "pluginSnapshot", "executionState"] as const).filter(
      (name) => after[name] !== before[name],
    );
    assert.deepEqual(changed, [component]);
  }
});

test("every accepted record counts one up", () => {
  const bench = new SessionBench();
  const ordinals = [
    () => bench.commit(append([node("a")])),
    () => bench.tombstone("a"),
    () => bench.vacuum(),
    () => bench.saveMeta({ sessionId: SESSION, sessionName: "n", createdAt: "t", model: "m" }),
    () => bench.delete(),
  ].map((write) => {
    write();
    return bench.state.ordinal;
  });
  assert.deepEqual(ordinals, [1, 2, 3, 4, 5]);
});

test("a state that has a successor is not changed again", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a")]));
  const before = bench.state;
  bench.commit(append([node("b")]));
  const record = bench.records[1] ?? assert.fail();
  assert.throws(() => apply(before, record, 9), /has a successor/);
});
