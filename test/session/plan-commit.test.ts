/** The order in which a commit is decided, and each rule but the graph's (see plan-graph.test.ts). */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import type { BlobRef } from "../../src/ids.ts";
import { needs } from "../../src/session/plan.ts";
import { prepareCommit } from "../../src/session/prepare.ts";
import type { HydratedSessionCheckpoint, RuntimeCommit, TokenLedgerEntry } from "../../src/session/types.ts";
import {
  append,
  commitOf,
  MAX_COMMIT_BYTES,
  message,
  node,
  refusal,
  SESSION,
  SessionBench,
} from "./session-bench.ts";

const MISSING = "f".repeat(64) as BlobRef;

function withCheckpoint(fields: Partial<HydratedSessionCheckpoint>): RuntimeCommit {
  const commit = commitOf();
  return { ...commit, checkpoint: { ...commit.checkpoint, ...fields } };
}

const usage = (
  source: string,
  model: string,
  inputTokens: number,
  cachedInputTokens = 0,
): TokenLedgerEntry => ({
  source,
  model,
  usage: { inputTokens, outputTokens: 0, cachedInputTokens, reasoningTokens: 0 },
});

test("the first commit answers revision 1 and each commit one more", () => {
  const bench = new SessionBench();
  for (const revision of [1, 2, 3]) assert.equal(bench.commit(commitOf()).headRevision, revision);
});

test("an expected revision that is not the actual one conflicts, without a head the actual one is 0", () => {
  const bench = new SessionBench();
  const early = refusal("HEAD_REVISION_CONFLICT", () => bench.commit(commitOf({ expectedHeadRevision: 3 })));
  assert.deepEqual([early.expected, early.actual, early.retry], [3, 0, "reload"]);
  bench.commit(commitOf({ expectedHeadRevision: 0 }));
  const late = refusal("HEAD_REVISION_CONFLICT", () => bench.commit(commitOf({ expectedHeadRevision: 0 })));
  assert.deepEqual([late.expected, late.actual], [0, 1]);
  bench.commit(commitOf({ expectedHeadRevision: 1 }));
});

test("a commit without an expected revision is unconditional, also on an existing head", () => {
  const bench = new SessionBench();
  bench.commit(commitOf());
  assert.equal(bench.commit(commitOf()).headRevision, 2);
});

test("a refused commit leaves no trace and consumes no revision", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a")], "a"));
  const before = structuredClone({ ...bench.state, receipts: undefined });
  const commit = {
    ...append([node("a")], "a"),
    operationId: "op",
    usageDeltas: [usage("s", "m", 1)],
    checkpoint: { ...commitOf().checkpoint, executionState: new Uint8Array([1]) },
  };
  const plan = bench.plan(commit);
  assert.deepEqual(Object.keys(plan), ["kind", "error"]);
  refusal("NODE_ID_COLLISION", () => bench.commit(commit));
  assert.deepEqual(structuredClone({ ...bench.state, receipts: undefined }), before);
  const { entries, slots, missingParents } = bench.state.nodes;
  assert.deepEqual([entries.length, slots.size, missingParents.size], [1, 1, 0]);
  assert.equal(bench.state.receipts.find("op"), undefined);
  assert.equal(bench.commit(commitOf()).headRevision, 2);
});

test("a remembered operation with the same content is answered again, and nothing is written", () => {
  const bench = new SessionBench();
  const commit = {
    ...append([node("a")], "a"),
    operationId: "op",
    expectedHeadRevision: 0,
    usageDeltas: [usage("s", "m", 1)],
  };
  const first = bench.commit(commit);
  bench.commit(commitOf());
  const again = bench.commit(structuredClone(commit));
  assert.deepStrictEqual(again, { ...first, replayed: true });
  assert.equal(first.replayed, false);
  assert.equal(bench.records.length, 2);
});

test("a replayed answer aliases neither the first nor the next", () => {
  const bench = new SessionBench();
  const commit = { ...commitOf(), operationId: "op" };
  const first = bench.commit(commit);
  const second = bench.commit(commit);
  first.manifest.turnState.turnIndex = 99;
  second.manifest.turnState.turnIndex = 98;
  assert.equal(bench.commit(commit).manifest.turnState.turnIndex, 0);
});

test("a remembered operation with other content conflicts, before its revision is looked at", () => {
  const bench = new SessionBench();
  bench.commit({ ...commitOf(), operationId: "op", expectedHeadRevision: 0 });
  const other = { ...append([node("a")]), operationId: "op", expectedHeadRevision: 7 };
  assert.equal(refusal("OPERATION_CONFLICT", () => bench.commit(other)).operationId, "op");
});

test("only accepted commits are remembered", () => {
  const bench = new SessionBench();
  refusal("HEAD_REVISION_CONFLICT", () =>
    bench.commit({ ...commitOf(), operationId: "op", expectedHeadRevision: 5 }),
  );
  assert.equal(bench.commit({ ...commitOf(), operationId: "op" }).replayed, false);
});

test("the oldest operation is forgotten first", () => {
  const bench = new SessionBench("strict", 2);
  for (const operationId of ["a", "b", "c"]) bench.commit({ ...commitOf(), operationId });
  assert.equal(bench.commit({ ...commitOf(), operationId: "c" }).replayed, true);
  assert.equal(bench.commit({ ...commitOf(), operationId: "b" }).replayed, true);
  assert.equal(bench.commit({ ...commitOf(), operationId: "a" }).replayed, false);
});

test("a hydrated value is stored as a blob and answered by its ref, whatever ref was passed", () => {
  const bench = new SessionBench();
  const executionState = new Uint8Array([1, 2]);
  const { manifest } = bench.commit(withCheckpoint({ executionState, executionStateRef: MISSING }));
  const ref = manifest.executionStateRef as BlobRef;
  assert.notEqual(ref, MISSING);
  assert.equal(bench.blobs.get(ref)?.kind, "executionState");
  assert.equal(bench.state.head?.refs.executionState, ref);
});

test("a value that exists already is not written again", () => {
  const bench = new SessionBench();
  const commit = withCheckpoint({ executionState: new Uint8Array([1]) });
  const plan = bench.plan(commit);
  assert.equal(plan.kind === "accepted" && plan.blobs.length, 1);
  bench.commit(commit);
  const again = bench.plan(commit);
  assert.equal(again.kind === "accepted" && again.blobs.length, 0);
});

test("a ref alone is carried, and neither value nor ref drops the component", () => {
  const bench = new SessionBench();
  const toolState = { generation: 1, tools: {} };
  const { toolStateRef } = bench.commit(withCheckpoint({ toolState })).manifest;
  assert.ok(toolStateRef !== undefined);
  assert.equal(bench.commit(withCheckpoint({ toolStateRef })).manifest.toolStateRef, toolStateRef);
  assert.deepEqual(Object.keys(bench.commit(commitOf()).manifest), ["turnState"]);
  assert.equal(bench.state.head?.refs.toolState, undefined);
});

test("a ref that names no blob, or one of another kind, is missing by its component", () => {
  const bench = new SessionBench();
  const { executionStateRef } = bench.commit(
    withCheckpoint({ executionState: new Uint8Array([1]) }),
  ).manifest;
  const none = refusal("BLOB_MISSING", () => bench.commit(withCheckpoint({ pluginSnapshotRef: MISSING })));
  assert.deepEqual([none.component, none.ref], ["pluginSnapshot", MISSING]);
  const other = withCheckpoint({ toolStateRef: executionStateRef as BlobRef });
  const kind = refusal("BLOB_MISSING", () => bench.commit(other));
  assert.deepEqual([kind.component, kind.ref], ["toolState", executionStateRef]);
  const manifestRef = bench.state.head?.checkpointRef as BlobRef;
  refusal("BLOB_MISSING", () => bench.commit(withCheckpoint({ executionStateRef: manifestRef })));
});

test("a record names of the picker only what changes", () => {
  const bench = new SessionBench();
  const pickers = [
    commitOf(),
    append([message("first", "hello")]),
    append([node("a", "first")]),
    append([message("answer", "hi", { role: "Assistant" })]),
    append([message("second", "again")]),
    commitOf({ graph: { kind: "replaceFull", graph: { nodes: [message("other", "new")] } } }),
  ].map((commit) => {
    bench.commit(commit);
    const record = bench.records.at(-1);
    return record?.kind === "commit" ? record.picker : assert.fail();
  });
  assert.deepEqual(pickers, [
    undefined,
    { firstUserMessage: "hello", userMessageCount: 1 },
    undefined,
    undefined,
    { firstUserMessage: undefined, userMessageCount: 2 },
    { firstUserMessage: "new", userMessageCount: 1 },
  ]);
  assert.deepEqual(bench.state.picker, { firstUserMessage: "new", userMessageCount: 1 });
});

test("turn state and plugin revision are copied into the manifest", () => {
  const bench = new SessionBench();
  const { manifest } = bench.commit(withCheckpoint({ pluginSnapshotRevision: 2n ** 64n - 1n }));
  assert.deepStrictEqual(manifest, {
    turnState: commitOf().checkpoint.turnState,
    pluginSnapshotRevision: 2n ** 64n - 1n,
  });
});

test("every component ref is asked for", () => {
  const executionState = new Uint8Array([1]);
  const prepared = prepareCommit(withCheckpoint({ executionState, toolStateRef: MISSING }), SESSION, {
    maxCommitBytes: MAX_COMMIT_BYTES,
  });
  assert.deepEqual(needs(prepared), [MISSING, prepared.checkpoint.executionStateRef]);
});

test("usage beyond a safe integer is refused by source, model and counter", () => {
  const bench = new SessionBench();
  const most = usage("s", "m", 1, Number.MAX_SAFE_INTEGER);
  bench.commit(commitOf({ usageDeltas: [most] }));
  const error = refusal("USAGE_OVERFLOW", () =>
    bench.commit(commitOf({ usageDeltas: [usage("s", "m", 0, 1)] })),
  );
  assert.deepEqual([error.source, error.model, error.counter], ["s", "m", "cachedInputTokens"]);
  refusal("USAGE_OVERFLOW", () =>
    bench.commit(commitOf({ usageDeltas: [usage("t", "m", 0, 1), { ...most, source: "t" }] })),
  );
  bench.commit(commitOf({ usageDeltas: [usage("s", "other", 0, 1)] }));
});

test("rules are decided in the contract's order", () => {
  const bench = new SessionBench();
  const wrong: [string, Partial<RuntimeCommit>][] = [
    ["HEAD_REVISION_CONFLICT", { expectedHeadRevision: 9 }],
    ["BLOB_MISSING", withCheckpointOnly({ toolStateRef: MISSING })],
    ["INVALID_GRAPH", { graph: { kind: "unchanged", leafNodeId: "nowhere" } }],
    ["USAGE_OVERFLOW", { usageDeltas: [usage("s", "m", Number.MAX_SAFE_INTEGER), usage("s", "m", 1)] }],
  ];
  for (let first = 0; first < wrong.length; first++) {
    const commit = Object.assign({}, commitOf(), ...wrong.slice(first).map(([, fields]) => fields));
    const plan = bench.plan(commit);
    assert.equal(plan.kind === "refused" && plan.error.code, wrong[first]?.[0]);
  }
});

function withCheckpointOnly(fields: Partial<HydratedSessionCheckpoint>): Partial<RuntimeCommit> {
  return { checkpoint: withCheckpoint(fields).checkpoint };
}

test("a deleted session refuses a commit before anything else, also a remembered operation", () => {
  const bench = new SessionBench();
  bench.commit({ ...commitOf(), operationId: "op" });
  bench.delete();
  const error = refusal("SESSION_DELETED", () => bench.commit({ ...commitOf(), operationId: "op" }));
  assert.equal(error.sessionId, SESSION);
});

test("the answer holds the head's revision, checkpoint ref and manifest, and aliases nothing", () => {
  const bench = new SessionBench();
  const payload = { a: [1] };
  const commit = commitOf();
  commit.checkpoint.turnState.modeTurnOptions = { modeId: "m", payload };
  const result = bench.commit(commit);
  assert.equal(result.checkpointRef, bench.state.head?.checkpointRef);
  payload.a.push(2);
  assert.deepStrictEqual(result.manifest.turnState.modeTurnOptions, { modeId: "m", payload: { a: [1] } });
});
