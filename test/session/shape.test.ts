/** Wrong shapes of a commit, field by field, each refused by its path. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import {
  append,
  commitOf,
  message,
  node,
  OBSERVATIONAL_MEMORY,
  prepare,
  refusal,
  SESSION,
  withField,
} from "./session-bench.ts";

/** [path of the field, refused values, path of the refusal if another] */
const refused: [string, unknown[], string?][] = [
  ["sessionId", ["", 1, undefined, null, "x".repeat(513), "é".repeat(257), "\ud800"]],
  ["expectedHeadRevision", [-1, 1.5, "1", null, 2 ** 53, Number.NaN, 1n]],
  ["operationId", ["", 1, null, "x".repeat(513), "\ud800"]],
  ["surprise", [1, null, {}]],
  ["config", [undefined, null, [], "x", new Map()]],
  ["config.surprise", [1]],
  ["config.providerId", [undefined, null, 1]],
  ["config.configuredModel", [undefined, null, 1]],
  ["config.contextWindow", [undefined, -1, 0.5, "0", 2 ** 53]],
  ["config.executionMode", [1, null]],
  ["config.modelVariant", [1, null]],
  ["config.standardContextApproach", [1, null, "rolling_history"]],
  ["config.standardContextApproach.kind", [undefined, "other"]],
  ["config.standardContextApproach", [{ kind: "rolling_history", x: 1 }], "config.standardContextApproach.x"],
  ["config.standardContextApproach", [{ ...OBSERVATIONAL_MEMORY, x: 1 }], "config.standardContextApproach.x"],
  [
    "config.standardContextApproach",
    [{ ...OBSERVATIONAL_MEMORY, previousObserverTokens: -1 }],
    "config.standardContextApproach.previousObserverTokens",
  ],
  ["graph", [undefined, null, [], "unchanged"]],
  ["graph.kind", [undefined, "other", null]],
  ["graph.surprise", [1]],
  ["graph", [{ kind: "unchanged", nodes: [] }], "graph.nodes"],
  ["graph", [{ kind: "replaceFull", nodes: [] }], "graph.nodes"],
  ["graph", [{ kind: "replaceFull" }], "graph.graph"],
  ["graph", [{ kind: "replaceFull", graph: {} }], "graph.graph.nodes"],
  ["graph", [{ kind: "replaceFull", graph: { nodes: [], x: 1 } }], "graph.graph.x"],
  ["graph.leafNodeId", ["", 1, null, "x".repeat(513)]],
  ["graph.nodes", [undefined, null, {}, "x"]],
  ["graph.nodes[0]", [null, undefined, 1, []]],
  ["graph.nodes[0].nodeId", ["", undefined, 1, "x".repeat(513)]],
  ["graph.nodes[0].parentNodeId", ["", null, 1]],
  ["graph.nodes[0].timestamp", [undefined, null, 1, new Date(0)]],
  ["graph.nodes[0].kind", [undefined, "message", null]],
  ["graph.nodes[0].surprise", [1, null]],
  ["graph.nodes[0].pluginType", ["on an event"]],
  ["graph.nodes[0].body", [1]],
  ["graph.nodes[0].event", [undefined, null, "text", 1, [], new Uint8Array()]],
  ["graph.nodes[0].event.conversation.parts[0].content", [() => 1, Number.NaN, new Date(0)]],
  ["checkpoint", [undefined, null, []]],
  ["checkpoint.surprise", [1]],
  ["checkpoint.turnState", [undefined, null]],
  ["checkpoint.turnState.surprise", [1]],
  ["checkpoint.turnState.turnIndex", [undefined, -1, 0.5, "1"]],
  ["checkpoint.turnState.tokenUsage", [null, []]],
  ["checkpoint.turnState.tokenUsage.inputTokens", [-1, 0.5, 2 ** 53, null]],
  ["checkpoint.turnState.tokenUsage.surprise", [1]],
  ["checkpoint.turnState.lastPromptUsage", [null, 1]],
  ["checkpoint.turnState.lastPromptUsage.promptContextTokens", [-1, null]],
  ["checkpoint.turnState.lastPromptUsage.surprise", [1]],
  ["checkpoint.turnState.modeTurnOptions", [null, 1]],
  ["checkpoint.turnState.modeTurnOptions.modeId", [undefined, null, 1]],
  ["checkpoint.turnState.modeTurnOptions.payload", [() => 1, new Map()]],
  ["checkpoint.turnState.modeTurnOptions.surprise", [1]],
  ["checkpoint.toolStateRef", ["", 1, null, "A".repeat(64), "a".repeat(63)]],
  ["checkpoint.pluginSnapshotRef", ["", 1, null]],
  ["checkpoint.executionStateRef", ["", 1, null]],
  ["checkpoint.pluginSnapshotRevision", [1, -1n, 2n ** 64n, null, "1"]],
  ["checkpoint.toolState", [null, [], 1]],
  ["checkpoint.toolState", [{ generation: 1 }], "checkpoint.toolState.tools"],
  ["checkpoint.toolState", [{ generation: -1, tools: {} }], "checkpoint.toolState.generation"],
  ["checkpoint.toolState", [{ generation: 1, tools: {}, x: 1 }], "checkpoint.toolState.x"],
  ["checkpoint.toolState", [{ generation: 1, tools: [] }], "checkpoint.toolState.tools"],
  ["checkpoint.toolState", [{ generation: 1, tools: { a: 1 } }], "checkpoint.toolState.tools.a"],
  [
    "checkpoint.toolState",
    [{ generation: 1, tools: { "a b": { manifest: 1, sourceId: "s", x: 1 } } }],
    'checkpoint.toolState.tools["a b"].x',
  ],
  [
    "checkpoint.toolState",
    [{ generation: 1, tools: { a: { sourceId: "s" } } }],
    "checkpoint.toolState.tools.a.manifest",
  ],
  [
    "checkpoint.toolState",
    [{ generation: 1, tools: { a: { manifest: 1 } } }],
    "checkpoint.toolState.tools.a.sourceId",
  ],
  ["checkpoint.pluginSnapshot", [null, {}, { plugins: [] }]],
  ["checkpoint.pluginSnapshot", [{ plugins: {}, x: 1 }], "checkpoint.pluginSnapshot.x"],
  [
    "checkpoint.pluginSnapshot",
    [{ plugins: { a: { b: () => 1 } } }],
    "checkpoint.pluginSnapshot.plugins.a.b",
  ],
  ["checkpoint.executionState", [null, [1], "x", new ArrayBuffer(1), new Uint16Array(1)]],
  ["usageDeltas", [undefined, null, {}]],
  ["usageDeltas[0]", [null, 1]],
  ["usageDeltas", [[{ model: "m", usage: {} }]], "usageDeltas[0].source"],
  ["usageDeltas", [[{ source: "s", model: 1, usage: {} }]], "usageDeltas[0].model"],
  ["usageDeltas", [[{ source: "s", model: "m" }]], "usageDeltas[0].usage"],
  ["usageDeltas", [[{ source: "s", model: "m", usage: {}, x: 1 }]], "usageDeltas[0].x"],
  [
    "usageDeltas",
    [[{ source: "s", model: "m", usage: { outputTokens: -1 } }]],
    "usageDeltas[0].usage.outputTokens",
  ],
];
for (const [field, values, path = field] of refused) {
  test(`a commit with a wrong ${field} is refused by the path ${path}`, () => {
    for (const value of values) {
      const error = refusal("INVALID_COMMIT", () => prepare(withField(field, value)));
      assert.ok(error.path === path || error.path.startsWith(`${path}.`), `${String(value)}: ${error.path}`);
      assert.ok(error.message.startsWith(error.path));
    }
  });
}

test("a value inside a payload is named by its whole path", () => {
  const nodes = [node("a"), node("b"), node("c"), message("d", "x")];
  const commit = withField("graph.nodes[3].event.conversation.parts[0].content", Number.NaN, append(nodes));
  assert.equal(
    refusal("INVALID_COMMIT", () => prepare(commit)).path,
    "graph.nodes[3].event.conversation.parts[0].content",
  );
});

for (const value of [undefined, null, 1, "x", [], new Map(), () => 1]) {
  test(`${value === null ? "null" : typeof value} ${String(Array.isArray(value))} is no commit`, () => {
    assert.equal(refusal("INVALID_COMMIT", () => prepare(value)).path, "commit");
  });
}

test("a field whose value is undefined is absent, an unknown one too", () => {
  const commit = {
    ...commitOf(),
    operationId: undefined,
    expectedHeadRevision: undefined,
    surprise: undefined,
  };
  const prepared = prepare(commit);
  assert.equal(prepared.operation, undefined);
  assert.equal(prepared.expectedHeadRevision, undefined);
});

test("another session's id is a binding mismatch, told after the shape", () => {
  const error = refusal("SESSION_BINDING_MISMATCH", () => prepare(commitOf({ sessionId: "other" })));
  assert.equal(error.boundSessionId, SESSION);
  assert.equal(error.attemptedSessionId, "other");
  refusal("INVALID_COMMIT", () => prepare({ ...commitOf({ sessionId: "other" }), surprise: 1 }));
});

test("a component larger than 256 MiB is refused by its path", () => {
  const executionState = new Uint8Array(256 * 1024 * 1024 + 1);
  const commit = commitOf();
  const checkpoint = { ...commit.checkpoint, executionState };
  assert.equal(
    refusal("INVALID_COMMIT", () => prepare({ ...commit, checkpoint })).path,
    "checkpoint.executionState",
  );
});
