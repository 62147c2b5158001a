/** Shapes of commits and arguments: what is refused, by which path, and what is normalised before hashing. */
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { decodeValue, encodeCanonical } from "../../src/codec.ts";
import {
  prepareCommit,
  prepareMeta,
  prepareNodeId,
  prepareNodeIds,
  prepareScope,
} from "../../src/session/prepare.ts";
import type { RuntimeCommit } from "../../src/session/types.ts";
import {
  append,
  commitOf,
  MAX_COMMIT_BYTES,
  message,
  node,
  refusal,
  replaceFull,
  SESSION,
} from "./session-bench.ts";

const LIMITS = { maxCommitBytes: MAX_COMMIT_BYTES };
const prepare = (commit: unknown) => prepareCommit(commit, SESSION, LIMITS);
const REF = "a".repeat(64);

/** A commit with one field replaced, by path. */
function withField(
  path: string,
  value: unknown,
  base: RuntimeCommit = append([message("n", "hi")], "n"),
): unknown {
  const commit = structuredClone(base);
  const keys = path.split(/[.[\]]+/).filter((key) => key !== "");
  let at = commit as unknown as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) {
    at[key] ??= {};
    at = at[key] as Record<string, unknown>;
  }
  at[keys.at(-1) as string] = value;
  return commit;
}

const approach = {
  kind: "observational_memory",
  observationMessageTokens: 1,
  observationBufferTokens: 2,
  observationBlockAfterTokens: 3,
  observationMaxTokensPerBatch: 4,
  previousObserverTokens: 5,
  reflectionObservationTokens: 6,
  reflectionBufferActivationBps: 7,
  reflectionBlockAfterTokens: 8,
};

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
  ["config.standardContextApproach", [{ ...approach, x: 1 }], "config.standardContextApproach.x"],
  [
    "config.standardContextApproach",
    [{ ...approach, previousObserverTokens: -1 }],
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

test("ids of 512 bytes of UTF-8 are accepted, whatever their characters", () => {
  const id = "é".repeat(256);
  prepare({ ...append([node(id), node("../a\u0000/b", id)], id), operationId: id });
});

test("unknown shapes are kept inside a payload", () => {
  const event = { brandNew: { deep: [1, { x: null }] }, other: true };
  const commit = withField("graph.nodes[0].event", event);
  const [fact] = prepare(commit).graph.nodes;
  assert.deepStrictEqual(decodeValue(fact?.body ?? new Uint8Array()), {
    timestamp: "t",
    kind: "event",
    event,
  });
});

test("missing counters are 0 before anything is hashed", () => {
  const full = { inputTokens: 1, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };
  const spare = withField("checkpoint.turnState.tokenUsage", { inputTokens: 1 });
  const whole = withField("checkpoint.turnState.tokenUsage", full);
  assert.equal(prepare(spare).checkpointRef, prepare(whole).checkpointRef);
  assert.deepStrictEqual(prepare(spare).checkpoint.turnState.tokenUsage, full);
});

test("execution mode, mode options and token usage have defaults", () => {
  const commit = commitOf();
  const { executionMode: _mode, ...config } = commit.config;
  const prepared = prepare({ ...commit, config, checkpoint: { turnState: { turnIndex: 3 } } });
  assert.equal(prepared.config.executionMode, "standard");
  assert.deepStrictEqual(prepared.checkpoint, {
    turnState: {
      turnIndex: 3,
      tokenUsage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 },
      modeTurnOptions: { modeId: "standard", payload: {} },
    },
  });
});

test("an observational approach is kept, its activation share may be left out", () => {
  const kept = prepare(withField("config.standardContextApproach", approach)).config.standardContextApproach;
  assert.deepStrictEqual(kept, approach);
  const { reflectionBufferActivationBps: _bps, ...rest } = approach;
  assert.deepStrictEqual(
    prepare(withField("config.standardContextApproach", rest)).config.standardContextApproach,
    {
      ...rest,
      reflectionBufferActivationBps: 5000,
    },
  );
});

test("a manifest is the canonical encoding of the checkpoint, whatever the mode's payload", () => {
  const payloads: unknown[] = [
    {},
    { b: 1, a: [{}] },
    null,
    "text",
    [],
    new Uint8Array([1]),
    { $v: 1 },
    "\ud800",
  ];
  for (const payload of payloads) {
    const commit = commitOf({
      checkpoint: {
        turnState: {
          turnIndex: 1,
          tokenUsage: { inputTokens: 1, outputTokens: 2, cachedInputTokens: 3, reasoningTokens: 4 },
          lastPromptUsage: {
            promptContextTokens: 1,
            inputTokens: 2,
            cachedInputTokens: 3,
            contextBudgetTokens: 4,
          },
          modeTurnOptions: { modeId: "m", payload: payload as never },
        },
        toolStateRef: REF as never,
        pluginSnapshotRef: REF as never,
        executionStateRef: REF as never,
        pluginSnapshotRevision: 2n ** 64n - 1n,
      },
    });
    const prepared = prepare(commit);
    assert.deepStrictEqual(Buffer.from(prepared.manifest), Buffer.from(encodeCanonical(commit.checkpoint)));
    assert.equal(prepared.checkpointRef, createHash("sha256").update(prepared.manifest).digest("hex"));
    assert.deepStrictEqual(prepared.checkpoint, commit.checkpoint);
  }
});

test("equal components have equal refs, whatever the order of their keys", () => {
  const a = {
    generation: 1,
    tools: { x: { manifest: { p: 1, q: [2] }, sourceId: "s" }, y: { manifest: 1, sourceId: "" } },
  };
  const b = {
    tools: { y: { sourceId: "", manifest: 1 }, x: { sourceId: "s", manifest: { q: [2], p: 1 } } },
    generation: 1,
  };
  const [one] = prepare(withField("checkpoint.toolState", a)).components;
  const [other] = prepare(withField("checkpoint.toolState", b)).components;
  assert.equal(one?.ref, other?.ref);
  assert.equal(
    one?.ref,
    createHash("sha256")
      .update(one?.value ?? "")
      .digest("hex"),
  );
});

test("a Buffer and a Uint8Array with the same bytes are the same execution state", () => {
  const [one] = prepare(withField("checkpoint.executionState", Buffer.from([1, 2]))).components;
  const [other] = prepare(withField("checkpoint.executionState", new Uint8Array([1, 2]))).components;
  assert.equal(one?.ref, other?.ref);
});

test("a hydrated value wins over any ref, and an empty execution state is a value", () => {
  const commit = commitOf();
  const { turnState } = commit.checkpoint;
  const checkpoint = {
    turnState,
    executionState: new Uint8Array(),
    executionStateRef: REF,
    toolStateRef: REF,
  };
  const { components } = prepare({ ...commit, checkpoint });
  assert.deepEqual(
    components.map(({ component, ref, value }) => [component, ref === REF, value !== undefined]),
    [
      ["toolState", true, false],
      ["executionState", false, true],
    ],
  );
});

test("tools and plugins called __proto__ are kept", () => {
  const tools: unknown = JSON.parse('{"__proto__":{"manifest":1,"sourceId":"s"}}');
  const [component] = prepare(withField("checkpoint.toolState", { generation: 0, tools })).components;
  assert.equal(
    JSON.stringify(decodeValue(component?.value ?? new Uint8Array())),
    '{"generation":0,"tools":{"__proto__":{"manifest":1,"sourceId":"s"}}}',
  );
});

test("all-zero usage is left out of the record but not of the digest", () => {
  const zero = { source: "z", model: "m", usage: { inputTokens: 0 } };
  const commit = { ...commitOf(), operationId: "op" };
  const prepared = prepare({ ...commit, usageDeltas: [zero] });
  assert.deepEqual(prepared.usage, []);
  assert.notDeepEqual(prepared.operation?.digest, prepare(commit).operation?.digest);
});

test("an operation's digest covers every field but the id, and nothing else", () => {
  const base = { ...append([message("n", "hi")], "n"), operationId: "op", expectedHeadRevision: 0 };
  const digest = (commit: unknown) => Buffer.from(prepare(commit).operation?.digest ?? []).toString("hex");
  const same = digest(base);
  assert.equal(digest({ ...structuredClone(base), operationId: "other" }), same);
  const shuffled = Object.fromEntries(Object.entries(base).reverse());
  assert.equal(digest(shuffled), same);
  const changes: [string, unknown][] = [
    ["expectedHeadRevision", 1],
    ["expectedHeadRevision", undefined],
    ["config.modelVariant", "v"],
    ["config.contextWindow", 1],
    ["graph.leafNodeId", undefined],
    ["graph.kind", "unchanged"],
    ["graph.nodes[0].timestamp", "u"],
    ["graph.nodes[0].parentNodeId", "q"],
    ["graph.nodes[0].event.extra", 1],
    ["checkpoint.turnState.turnIndex", 9],
    ["checkpoint.toolStateRef", REF],
    ["checkpoint.executionState", new Uint8Array()],
    ["usageDeltas", [{ source: "s", model: "m", usage: { inputTokens: 1 } }]],
  ];
  const digests = changes.map(([path, value]) => {
    const commit = withField(path, value, base as RuntimeCommit) as RuntimeCommit;
    return digest(
      path === "graph.kind" ? { ...commit, graph: { kind: "unchanged", leafNodeId: "n" } } : commit,
    );
  });
  assert.equal(new Set([same, ...digests]).size, changes.length + 1);
});

test("a value and the ref of the same value are different content", () => {
  const executionState = new Uint8Array([1]);
  const commit = { ...commitOf(), operationId: "op" };
  const withValue = prepare(withField("checkpoint.executionState", executionState, commit));
  const withRef = prepare(withField("checkpoint.executionStateRef", withValue.components[0]?.ref, commit));
  assert.equal(withValue.checkpointRef, withRef.checkpointRef);
  assert.notDeepEqual(withValue.operation?.digest, withRef.operation?.digest);
});

test("a commit that writes more than maxCommitBytes is refused, components not counted", () => {
  const text = "x".repeat(1000);
  const small = { maxCommitBytes: 1500 };
  prepareCommit(append([message("n", text)]), SESSION, small);
  const two = append([message("n", text), message("o", text)]);
  assert.equal(refusal("INVALID_COMMIT", () => prepareCommit(two, SESSION, small)).path, "graph.nodes");
  prepareCommit(withField("checkpoint.executionState", new Uint8Array(4000)), SESSION, small);
  refusal("INVALID_COMMIT", () => prepareCommit(withField("config.modelVariant", text), SESSION, small));
  // How much of a replacement is new shows only against the session.
  prepareCommit(replaceFull([message("n", text), message("o", text)]), SESSION, small);
});

test("changing the argument after the call changes nothing", () => {
  const commit = append([message("n", "before")], "n");
  const before = prepare(structuredClone(commit));
  const prepared = prepare(commit);
  const executionState = new Uint8Array([1]);
  const other = prepare({ ...commit, checkpoint: { ...commit.checkpoint, executionState } });
  executionState[0] = 9;
  commit.config.providerId = "after";
  (commit.graph as { nodes: unknown[] }).nodes.length = 0;
  commit.checkpoint.turnState.modeTurnOptions.payload = "after";
  commit.usageDeltas.push({ source: "s", model: "m", usage: { inputTokens: 1 } as never });
  assert.deepStrictEqual(prepared, before);
  assert.deepStrictEqual(decodeValue(other.components[0]?.value ?? new Uint8Array()), new Uint8Array([1]));
});

test("a field is read once, and what its getter throws becomes INVALID_COMMIT by its path", () => {
  let reads = 0;
  const commit = {
    ...commitOf(),
    get sessionId() {
      reads++;
      return reads === 1 ? SESSION : 5;
    },
  };
  prepare(commit);
  assert.equal(reads, 1);
  const thrown = new TypeError("hostile");
  const config = {
    get providerId() {
      throw thrown;
    },
  };
  const error = refusal("INVALID_COMMIT", () => prepare({ ...commitOf(), config }));
  assert.deepEqual([error.path, error.cause], ["config.providerId", thrown]);
  const proxy = new Proxy(
    {},
    {
      ownKeys: () => {
        throw thrown;
      },
    },
  );
  assert.equal(refusal("INVALID_COMMIT", () => prepare({ ...commitOf(), config: proxy })).cause, thrown);
  assert.equal(
    refusal("INVALID_COMMIT", () =>
      prepare({
        ...commitOf(),
        usageDeltas: new Proxy([], {
          get: () => {
            throw thrown;
          },
        }),
      }),
    ).cause,
    thrown,
  );
});

test("a getter cannot change what was checked before it", () => {
  const manifest: Record<string, unknown> = { fine: 1 };
  const tools = {
    a: { manifest, sourceId: "s" },
    b: {
      manifest: 1,
      get sourceId() {
        manifest.fine = () => "unchecked";
        return "s";
      },
    },
  };
  const [component] = prepare({
    ...commitOf(),
    checkpoint: { ...commitOf().checkpoint, toolState: { generation: 1, tools } },
  }).components;
  assert.deepStrictEqual(decodeValue(component?.value ?? new Uint8Array()), {
    generation: 1,
    tools: { a: { manifest: { fine: 1 }, sourceId: "s" }, b: { manifest: 1, sourceId: "s" } },
  });
});

// --- other arguments -----------------------------------------------------------------------------------

const META = { sessionId: SESSION, sessionName: "n", createdAt: "free text", model: "m" };

test("meta is copied, its optional fields absent when they are undefined", () => {
  assert.deepStrictEqual(prepareMeta({ ...META, cwd: undefined }, SESSION), META);
  const full = { ...META, cwd: "/", parentSessionId: "p" };
  assert.deepStrictEqual(prepareMeta(full, SESSION), full);
});

const wrongMeta: [string, unknown][] = [
  ["meta", null],
  ["meta.sessionId", { ...META, sessionId: "" }],
  ["meta.sessionName", { ...META, sessionName: 1 }],
  ["meta.createdAt", { ...META, createdAt: new Date(0) }],
  ["meta.model", { ...META, model: undefined }],
  ["meta.cwd", { ...META, cwd: null }],
  ["meta.parentSessionId", { ...META, parentSessionId: "" }],
  ["meta.surprise", { ...META, surprise: 1 }],
];
for (const [argument, value] of wrongMeta) {
  test(`a wrong ${argument} is INVALID_ARGUMENT`, () => {
    assert.equal(refusal("INVALID_ARGUMENT", () => prepareMeta(value, SESSION)).argument, argument);
  });
}

test("meta of another session is a binding mismatch", () => {
  refusal("SESSION_BINDING_MISMATCH", () => prepareMeta({ ...META, sessionId: "other" }, SESSION));
});

test("node ids are checked one by one", () => {
  assert.deepEqual(prepareNodeIds(["a", "a", "b"]), ["a", "a", "b"]);
  assert.equal(refusal("INVALID_ARGUMENT", () => prepareNodeIds("a")).argument, "nodeIds");
  assert.equal(refusal("INVALID_ARGUMENT", () => prepareNodeIds(["a", ""])).argument, "nodeIds[1]");
  assert.equal(prepareNodeId("a"), "a");
  assert.equal(refusal("INVALID_ARGUMENT", () => prepareNodeId(1)).argument, "nodeId");
});

test("the default scope is the full graph", () => {
  assert.deepStrictEqual(prepareScope(undefined), { kind: "fullGraph" });
  assert.deepStrictEqual(prepareScope({ kind: "fullGraph", leafNodeId: undefined }), { kind: "fullGraph" });
  assert.deepStrictEqual(prepareScope({ kind: "activePath", leafNodeId: undefined }), { kind: "activePath" });
  assert.deepStrictEqual(prepareScope({ kind: "activePath", leafNodeId: "a" }), {
    kind: "activePath",
    leafNodeId: "a",
  });
});

test("any other scope is UNSUPPORTED_READ_SCOPE and carries the scope", () => {
  const throwing = {
    get kind() {
      throw new Error("hostile");
    },
  };
  for (const scope of [
    null,
    1,
    "fullGraph",
    {},
    { kind: "other" },
    { kind: "fullGraph", leafNodeId: "a" },
    { kind: "activePath", x: 1 },
    [],
    throwing,
  ]) {
    assert.equal(refusal("UNSUPPORTED_READ_SCOPE", () => prepareScope(scope)).scope, scope);
  }
  assert.equal(
    refusal("INVALID_ARGUMENT", () => prepareScope({ kind: "activePath", leafNodeId: "" })).argument,
    "scope.leafNodeId",
  );
});
