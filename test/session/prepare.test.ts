/** Shapes of commits and arguments: what is refused, by which path, and what is normalised before hashing. */
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { decodeValue, encodeCanonical } from "../../src/codec.ts";
import { prepareCommit } from "../../src/session/prepare.ts";
import type { RuntimeCommit } from "../../src/session/types.ts";
import {
  append,
  commitOf,
  message,
  node,
  OBSERVATIONAL_MEMORY,
  prepare,
  refusal,
  replaceFull,
  SESSION,
  withField,
} from "./session-bench.ts";

const REF = "a".repeat(64);

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
  const kept = prepare(withField("config.standardContextApproach", OBSERVATIONAL_MEMORY)).config
    .standardContextApproach;
  assert.deepStrictEqual(kept, OBSERVATIONAL_MEMORY);
  const { reflectionBufferActivationBps: _bps, ...rest } = OBSERVATIONAL_MEMORY;
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
    ["config.modelVariant", "\ud800"],
    ["config.modelVariant", "\ufffd"],
    ["config.modelVariant", "\udc00"],
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
