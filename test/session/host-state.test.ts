/** From a host's state to a commit and back. Every argument is frozen: a helper that mutates throws. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import type { BlobRef } from "../../src/ids.ts";
import {
  defaultSessionConfig,
  defaultSessionPolicy,
  defaultSessionState,
  emptySessionGraph,
  emptySessionHead,
  emptySessionHeadMeta,
} from "../../src/session/defaults.ts";
import {
  applyCommitResult,
  checkpointFromState,
  commitFromState,
  commitFromStateWithGraph,
  configFromState,
  deltaLeafNodeId,
  loadPersistedSessionState,
  loadPersistedSessionStateActivePath,
  refreshPersistedSessionState,
  type SessionSource,
  stateFromHead,
  stateFromRead,
  turnStateFromState,
} from "../../src/session/host-state.ts";
import type {
  PersistedSessionRead,
  PersistedSessionState,
  SessionReadScope,
} from "../../src/session/types.ts";
import { node, refusal } from "./session-bench.ts";

function frozen<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    for (const member of Object.values(value)) frozen(member);
    Object.freeze(value);
  }
  return value;
}
const ref = (digit: string) => digit.repeat(64) as BlobRef;
const USAGE = { inputTokens: 1, outputTokens: 2, cachedInputTokens: 3, reasoningTokens: 4 };
const PROMPT = { promptContextTokens: 1, inputTokens: 2, cachedInputTokens: 3, contextBudgetTokens: 4 };

/** A state with every optional field set. */
const FULL: PersistedSessionState = frozen({
  sessionId: "s",
  policy: {
    model: "model",
    provider: { kind: "provider", key: "secret" },
    maxContextTokens: 100,
    modelVariant: "variant",
    sessionId: "host",
    autonomous: true,
    maxTurns: 5,
    executionMode: "rlm",
    standardContextApproach: { kind: "rolling_history" },
    prompt: { text: "p" },
  },
  sessionGraph: { nodes: [node("a")], leafNodeId: "a" },
  turnIndex: 7,
  tokenUsage: USAGE,
  lastPromptUsage: PROMPT,
  modeTurnOptions: { modeId: "rlm", payload: { x: 1 } },
  toolStateRef: ref("1"),
  toolStateGeneration: 3,
  toolStateSnapshot: { generation: 4, tools: {} },
  pluginSnapshotRef: ref("2"),
  pluginSnapshotRevision: 9n,
  pluginSnapshot: { plugins: {} },
  executionStateRef: ref("3"),
  executionStateSnapshot: new Uint8Array([1]),
  tokenLedger: [{ source: "s", model: "m", usage: USAGE }],
  checkpointRef: ref("4"),
  headRevision: 6,
  graphReplaceRequired: false,
  graphIsPartial: false,
});

const READ: PersistedSessionRead = frozen({
  sessionId: "s",
  headRevision: 6,
  config: {
    providerId: "provider",
    configuredModel: "model",
    contextWindow: 100,
    executionMode: "rlm",
    standardContextApproach: { kind: "rolling_history" },
    modelVariant: "variant",
  },
  graph: { nodes: [node("a")], leafNodeId: "a" },
  graphIsPartial: false,
  checkpointRef: ref("4"),
  checkpoint: {
    turnState: {
      turnIndex: 7,
      tokenUsage: USAGE,
      lastPromptUsage: PROMPT,
      modeTurnOptions: { modeId: "rlm", payload: { x: 1 } },
    },
    toolStateRef: ref("1"),
    toolState: { generation: 4, tools: {} },
    pluginSnapshotRef: ref("2"),
    pluginSnapshotRevision: 9n,
    pluginSnapshot: { plugins: {} },
    executionStateRef: ref("3"),
    executionState: new Uint8Array([1]),
  },
  tokenLedger: [{ source: "s", model: "m", usage: USAGE }],
});

test("a configuration takes provider kind, model, window, mode, approach and variant from the policy", () => {
  assert.deepStrictEqual(configFromState(FULL), READ.config);
  assert.deepStrictEqual(configFromState(frozen(defaultSessionState())), {
    providerId: "unconfigured",
    configuredModel: "",
    contextWindow: 0,
    executionMode: "standard",
    standardContextApproach: { kind: "rolling_history" },
  });
});

test("turn state and checkpoint take refs and hydrated values, absent ones stay absent", () => {
  assert.deepStrictEqual(turnStateFromState(FULL), READ.checkpoint.turnState);
  assert.deepStrictEqual(checkpointFromState(FULL), READ.checkpoint);
  const bare = checkpointFromState(frozen(defaultSessionState()));
  assert.deepStrictEqual(bare, {
    turnState: {
      turnIndex: 0,
      tokenUsage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 },
      modeTurnOptions: { modeId: "standard", payload: {} },
    },
  });
});

test("a commit with a known revision expects it and sends only the leaf", () => {
  assert.deepStrictEqual(commitFromState(FULL, READ.tokenLedger), {
    sessionId: "s",
    expectedHeadRevision: 6,
    config: READ.config,
    graph: { kind: "unchanged", leafNodeId: "a" },
    checkpoint: READ.checkpoint,
    usageDeltas: READ.tokenLedger,
  });
});

test("without a known revision, or when it must be replaced, the full graph is sent; revision 0 is expected", () => {
  const { headRevision: _known, ...unknown } = FULL;
  const first = commitFromState(frozen(unknown), []);
  assert.equal(first.expectedHeadRevision, 0);
  assert.deepStrictEqual(first.graph, { kind: "replaceFull", graph: FULL.sessionGraph });
  const replaced = commitFromState(frozen({ ...FULL, graphReplaceRequired: true }), []);
  assert.equal(replaced.graph.kind, "replaceFull");
  assert.equal(replaced.expectedHeadRevision, 6);
});

test("a commit with an explicit delta sends that delta", () => {
  const delta = frozen({ kind: "append" as const, nodes: [node("b", "a")], leafNodeId: "b" });
  const commit = commitFromStateWithGraph(frozen({ ...FULL, graphReplaceRequired: true }), delta, []);
  assert.deepStrictEqual(commit.graph, delta);
  assert.equal(commit.expectedHeadRevision, 6);
});

test("a partial graph is never sent as a full replacement", () => {
  const partial = frozen({ ...FULL, graphIsPartial: true, graphReplaceRequired: true });
  assert.equal(refusal("PARTIAL_GRAPH", () => commitFromState(partial, [])).sessionId, "s");
  const delta = { kind: "replaceFull" as const, graph: FULL.sessionGraph };
  refusal("PARTIAL_GRAPH", () => commitFromStateWithGraph(partial, delta, []));
  assert.equal(commitFromState(frozen({ ...FULL, graphIsPartial: true }), []).graph.kind, "unchanged");
});

test("the leaf of a delta is the one the head will have", () => {
  assert.equal(deltaLeafNodeId({ kind: "unchanged", leafNodeId: "a" }), "a");
  assert.equal(deltaLeafNodeId({ kind: "append", nodes: [] }), undefined);
  assert.equal(deltaLeafNodeId({ kind: "replaceFull", graph: { nodes: [], leafNodeId: "a" } }), "a");
});

test("a state from a read has the policy of the configuration and all of the checkpoint", () => {
  const { policy, ...rest } = stateFromRead(READ);
  const { policy: _policy, ...expected } = FULL;
  assert.deepStrictEqual(rest, { ...expected, toolStateGeneration: 4 });
  assert.deepStrictEqual(policy, {
    model: "model",
    provider: { kind: "unconfigured" },
    maxContextTokens: 100,
    modelVariant: "variant",
    autonomous: false,
    executionMode: "rlm",
    standardContextApproach: { kind: "rolling_history" },
  });
});

test("a window of 0 is no window, and an absent approach stays absent", () => {
  const { policy } = stateFromHead(frozen(emptySessionHead()));
  assert.deepStrictEqual(policy, {
    model: "",
    provider: { kind: "unconfigured" },
    autonomous: false,
    executionMode: "standard",
  });
});

test("a head without a checkpoint gives a fresh turn and no refs", () => {
  const state = stateFromHead(frozen({ ...emptySessionHead(), headRevision: 2 }));
  const { policy: _policy, ...expected } = defaultSessionState();
  const { policy: _mine, ...rest } = state;
  assert.deepStrictEqual(rest, { ...expected, headRevision: 2 });
});

test("a ref without a value gives no generation", () => {
  const { toolState: _value, ...checkpoint } = READ.checkpoint;
  const state = stateFromHead(READ, frozen(checkpoint));
  assert.equal("toolStateGeneration" in state, false);
  assert.equal(state.toolStateRef, ref("1"));
});

test("a state answers a new graph: changing it leaves the read alone", () => {
  stateFromRead(READ).sessionGraph.nodes.push(node("z"));
  assert.equal(READ.graph.nodes.length, 1);
});

/** A session that answers `read` and remembers the scopes it was asked for. */
function sourceOf(
  read: PersistedSessionRead | undefined,
): SessionSource & { scopes: (SessionReadScope | undefined)[] } {
  const scopes: (SessionReadScope | undefined)[] = [];
  return {
    scopes,
    async loadSession(scope) {
      scopes.push(scope);
      return read;
    },
  };
}

test("loading asks for the full graph or for a path, and no head gives undefined", async () => {
  const source = sourceOf({ ...READ, graphIsPartial: true });
  assert.equal((await loadPersistedSessionState(source))?.graphIsPartial, true);
  await loadPersistedSessionStateActivePath(source, "a");
  await loadPersistedSessionStateActivePath(source);
  assert.deepStrictEqual(source.scopes, [
    { kind: "fullGraph" },
    { kind: "activePath", leafNodeId: "a" },
    { kind: "activePath" },
  ]);
  assert.equal(await loadPersistedSessionState(sourceOf(undefined)), undefined);
  assert.equal(await loadPersistedSessionStateActivePath(sourceOf(undefined), "a"), undefined);
});

test("a refresh is a fresh full load that keeps provider, session id, turns, prompt and autonomy", async () => {
  const source = sourceOf({ ...READ, headRevision: 9, config: { ...READ.config, configuredModel: "newer" } });
  const fresh = await refreshPersistedSessionState(source, FULL);
  assert.equal(fresh.headRevision, 9);
  assert.deepStrictEqual(fresh.policy, { ...FULL.policy, model: "newer" });
  assert.deepStrictEqual(source.scopes, [{ kind: "fullGraph" }]);
});

test("a refresh without a head answers the state as it is", async () => {
  assert.equal(await refreshPersistedSessionState(sourceOf(undefined), FULL), FULL);
});

test("a commit's result is adopted: revision and refs, and hydrated values are dropped", () => {
  const state = frozen({ ...FULL, graphReplaceRequired: true });
  const turnState = READ.checkpoint.turnState;
  const manifest = {
    turnState,
    toolStateRef: ref("7"),
    executionStateRef: ref("8"),
    pluginSnapshotRef: ref("9"),
    pluginSnapshotRevision: 10n,
  };
  const next = applyCommitResult(
    state,
    frozen({ headRevision: 7, checkpointRef: ref("5"), manifest, replayed: false }),
  );
  const { toolStateSnapshot: _t, pluginSnapshot: _p, executionStateSnapshot: _e, ...kept } = FULL;
  assert.deepStrictEqual(next, {
    ...kept,
    toolStateRef: ref("7"),
    toolStateGeneration: 4,
    pluginSnapshotRef: ref("9"),
    pluginSnapshotRevision: 10n,
    executionStateRef: ref("8"),
    checkpointRef: ref("5"),
    headRevision: 7,
    graphReplaceRequired: false,
  });
});

test("the tool generation stays with a carried ref and is cleared with neither value nor ref", () => {
  const { toolStateSnapshot: _value, ...carried } = FULL;
  const turnState = READ.checkpoint.turnState;
  const result = { headRevision: 7, checkpointRef: ref("5"), replayed: false };
  const withRef = applyCommitResult(carried, { ...result, manifest: { turnState, toolStateRef: ref("1") } });
  assert.equal(withRef.toolStateGeneration, 3);
  const dropped = applyCommitResult(carried, { ...result, manifest: { turnState } });
  for (const key of [
    "toolStateGeneration",
    "toolStateRef",
    "pluginSnapshotRef",
    "pluginSnapshotRevision",
    "executionStateRef",
  ]) {
    assert.equal(key in dropped, false, key);
  }
});

test("factories answer the contract's defaults, a new value each time", () => {
  assert.deepStrictEqual(emptySessionGraph(), { nodes: [] });
  assert.deepStrictEqual(defaultSessionConfig(), {
    providerId: "",
    configuredModel: "",
    contextWindow: 0,
    executionMode: "standard",
  });
  assert.deepStrictEqual(defaultSessionPolicy(), {
    model: "",
    provider: { kind: "unconfigured" },
    autonomous: false,
    executionMode: "standard",
    standardContextApproach: { kind: "rolling_history" },
  });
  assert.deepStrictEqual(defaultSessionState(), {
    sessionId: "root",
    policy: defaultSessionPolicy(),
    sessionGraph: { nodes: [] },
    turnIndex: 0,
    tokenUsage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 },
    modeTurnOptions: { modeId: "standard", payload: {} },
    tokenLedger: [],
    graphReplaceRequired: false,
    graphIsPartial: false,
  });
  const head = { sessionId: "root", headRevision: 0, config: defaultSessionConfig(), tokenLedger: [] };
  assert.deepStrictEqual(emptySessionHead(), { ...head, graph: { nodes: [] } });
  assert.deepStrictEqual(emptySessionHeadMeta(), { ...head, graphNodeCount: 0 });
  for (const make of [emptySessionGraph, defaultSessionState, emptySessionHead])
    assert.notEqual(make(), make());
});
