/** The model against cases written by hand from the contract, and the comparison against altered data. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  comparePicker,
  compareSession,
  type FoundSession,
  nothingCompared,
} from "../../src/cli/replay/found.ts";
import { SessionModel } from "../../src/cli/replay/model.ts";
import type { Step } from "../../src/cli/replay/script.ts";
import type { BlobRef } from "../../src/ids.ts";
import type {
  GraphCommitDelta,
  Part,
  PersistedSessionRead,
  SessionNodeRecord,
  TokenLedgerEntry,
} from "../../src/session/types.ts";

const CONFIG = { providerId: "p", configuredModel: "m", contextWindow: 0, executionMode: "standard" };
const ZERO = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };
const TURN = { turnIndex: 1, tokenUsage: ZERO, modeTurnOptions: { modeId: "standard", payload: {} } };

function step(revision: number, graph: GraphCommitDelta, more: Partial<Step> = {}): Step {
  return {
    revision,
    operationId: `op-${revision}`,
    role: "progress",
    config: CONFIG,
    graph,
    turnState: TURN,
    components: {
      toolState: { kind: "carry" },
      pluginSnapshot: { kind: "carry" },
      pluginSnapshotRevision: undefined,
      executionState: { kind: "carry" },
    },
    usage: [],
    after: [],
    retry: "no",
    branches: false,
    endsLap: false,
    ...more,
  };
}

function said(
  nodeId: string,
  parent: string | undefined,
  role: "User" | "Assistant",
  ...parts: Part[]
): SessionNodeRecord {
  const link = parent === undefined ? {} : { parentNodeId: parent };
  return {
    nodeId,
    ...link,
    timestamp: "t",
    kind: "event",
    event: { conversation: { id: nodeId, role, parts } },
  };
}
const part = (kind: Part["kind"], content: string): Part => ({
  id: "p",
  kind,
  content,
  pruneState: "Intact",
});
const ids = (nodes: readonly SessionNodeRecord[]) => nodes.map((node) => node.nodeId);
const append = (leafNodeId: string, ...nodes: SessionNodeRecord[]): GraphCommitDelta => ({
  kind: "append",
  nodes,
  leafNodeId,
});

function branched(): SessionModel {
  const model = new SessionModel();
  model.meta = { sessionId: "s", sessionName: "n", createdAt: "", model: "m" };
  model.commit(
    step(1, append("b", said("a", undefined, "User", part("Text", " Hello ")), said("b", "a", "Assistant"))),
  );
  model.commit(step(2, append("c", said("c", "a", "User", part("ToolResult", "x")))));
  return model;
}

test("nodes keep insertion order and the active path runs from the root to the leaf", () => {
  const model = branched();
  assert.deepEqual(ids(model.nodes()), ["a", "b", "c"]);
  assert.deepEqual(ids(model.activePath()), ["a", "c"]);
});

test("a tombstoned node is in no read", () => {
  const model = branched();
  model.act({ kind: "tombstone", nodeIds: ["b", "unknown"] });
  model.act({ kind: "vacuum" });
  assert.deepEqual(ids(model.nodes()), ["a", "c"]);
});

test("a replacement takes the new graph's order, and absent means no leaf", () => {
  const model = branched();
  const nodes = [said("c", undefined, "User"), said("a", undefined, "User")];
  model.commit(step(3, { kind: "replaceFull", graph: { nodes } }));
  assert.deepEqual(ids(model.nodes()), ["c", "a"]);
  assert.equal(model.leafNodeId, undefined);
  assert.deepEqual(model.activePath(), []);
});

test("the ledger sums by source and model in first-seen order and leaves rows of zeros out", () => {
  const row = (model: string, inputTokens: number): TokenLedgerEntry => ({
    source: "turn",
    model,
    usage: { ...ZERO, inputTokens },
  });
  const model = new SessionModel();
  model.commit(step(1, { kind: "unchanged" }, { usage: [row("zero", 0), row("b", 2), row("a", 3)] }));
  model.commit(step(2, { kind: "unchanged" }, { usage: [row("a", 4), row("zero", 1)] }));
  assert.deepEqual(model.ledger(), [row("b", 2), row("a", 7), row("zero", 1)]);
});

test("a component is carried until it is dropped", () => {
  const model = new SessionModel();
  const components = step(1, { kind: "unchanged" }).components;
  const bytes = new Uint8Array([1]);
  const sent = { ...components, executionState: { kind: "send", value: bytes } as const };
  model.commit(step(1, { kind: "unchanged" }, { components: { ...sent, pluginSnapshotRevision: 9n } }));
  model.commit(step(2, { kind: "unchanged" }));
  assert.deepEqual(model.checkpoint(), { turnState: TURN, executionState: bytes });
  model.commit(
    step(3, { kind: "unchanged" }, { components: { ...components, executionState: { kind: "none" } } }),
  );
  assert.deepEqual(model.checkpoint(), { turnState: TURN });
});

test("the listing counts prompts, skips tool results, and shows images by a phrase", () => {
  assert.deepEqual(branched().picker(), { firstUserMessage: "Hello", userMessageCount: 1 });
  const model = new SessionModel();
  const mixed = said(
    "a",
    undefined,
    "User",
    part("Text", "one"),
    part("ToolResult", "no"),
    part("Image", ""),
  );
  model.commit(step(1, append("a", mixed)));
  assert.equal(model.picker().firstUserMessage, "one\n\n[Image attached]");
});

test("a step out of order is a mistake of the caller", () => {
  assert.throws(() => new SessionModel().commit(step(2, { kind: "unchanged" })), /step 2 after 0/);
});

const NO_REF = "0".repeat(64) as BlobRef;

/** What a faultless store answers for the model. */
function foundFor(model: SessionModel): FoundSession & { read: PersistedSessionRead } {
  const leaf = model.leafNodeId === undefined ? {} : { leafNodeId: model.leafNodeId };
  const read: PersistedSessionRead = structuredClone({
    sessionId: "s",
    headRevision: model.revision,
    config: model.config ?? CONFIG,
    graph: { nodes: [...model.nodes()], ...leaf },
    graphIsPartial: false,
    checkpointRef: NO_REF,
    checkpoint: { turnState: TURN },
    tokenLedger: [...model.ledger()],
  });
  return { read, path: structuredClone(model.activePath()), meta: structuredClone(model.meta) };
}

test("a store that holds what was sent has no differences", () => {
  const counts = nothingCompared();
  assert.deepEqual(compareSession(branched(), foundFor(branched()), counts), []);
  assert.deepEqual(counts, { sessions: 1, nodes: 3, leaves: 1, ledgerRows: 0, checkpointValues: 0 });
});

type Found = ReturnType<typeof foundFor>;
const ALTERATIONS: readonly (readonly [name: string, alter: (found: Found) => void, sentence: RegExp])[] = [
  [
    "text of one node",
    ({ read }) => {
      read.graph.nodes[0] = said("a", undefined, "User", part("Text", " Hallo "));
    },
    /^node a: event\.conversation\.parts\[0\]\.content is " Hallo " but " Hello " was sent$/,
  ],
  ["missing node", ({ read }) => void read.graph.nodes.splice(1, 1), /^node b was sent but is not there$/],
  [
    "extra node",
    ({ read }) => void read.graph.nodes.push(said("x", undefined, "User")),
    /^node x is there but was never sent$/,
  ],
  [
    "order of nodes",
    ({ read }) => void read.graph.nodes.reverse(),
    /^node a was sent at place 0, c is there$/,
  ],
  [
    "doubled node",
    ({ read }) => void read.graph.nodes.push(...read.graph.nodes.slice(0, 1)),
    /more than once/,
  ],
  [
    "leaf",
    ({ read }) => {
      read.graph.leafNodeId = "b";
    },
    /^leafNodeId is "b" but "c" was sent$/,
  ],
  [
    "revision",
    ({ read }) => {
      read.headRevision = 3;
    },
    /^headRevision is 3 but 2 was sent$/,
  ],
  [
    "ledger row",
    ({ read }) => void read.tokenLedger.push({ source: "x", model: "y", usage: ZERO }),
    /^tokenLedger/,
  ],
  [
    "checkpoint value",
    ({ read }) => {
      read.checkpoint.executionState = new Uint8Array(1);
    },
    /^checkpoint\.executionState is 1 bytes 00 but absent was sent$/,
  ],
  [
    "ref without a value",
    ({ read }) => {
      read.checkpoint.toolStateRef = NO_REF;
    },
    /^checkpoint\.toolStateRef is 0+ but no value was sent$/,
  ],
  [
    "key order inside a node",
    ({ read }) => {
      const node = said("b", "a", "Assistant");
      read.graph.nodes[1] = {
        ...node,
        event: { conversation: { role: "Assistant", id: "b", parts: [] } },
      } as typeof node;
    },
    /^node b: the key conversation\.id is not where it was sent$/,
  ],
  [
    "active path",
    (found) => void Object.assign(found, { path: found.path.slice(1) }),
    /^active path: node a was sent/,
  ],
  [
    "meta",
    (found) => void Object.assign(found, { meta: undefined }),
    /^meta is absent but an object of 4 keys/,
  ],
  [
    "whole session",
    (found) => void Object.assign(found, { read: undefined }),
    /^headRevision is 0 but 2 was sent$/,
  ],
];
for (const [name, alter, sentence] of ALTERATIONS) {
  test(`an altered ${name} is named`, () => {
    const found = foundFor(branched());
    alter(found);
    const [first] = compareSession(branched(), found, nothingCompared());
    assert.match(first ?? "nothing was said", sentence);
  });
}

test("a listing that differs is named", () => {
  const listed = {
    sessionId: "s",
    firstUserMessage: "Hello",
    userMessageCount: 1,
    headRevision: 2,
    cursor: "c",
  };
  assert.deepEqual(comparePicker(branched(), listed), []);
  assert.deepEqual(comparePicker(branched(), { ...listed, userMessageCount: 2 }), [
    "listing.userMessageCount is 2 but 1 was sent",
  ]);
  assert.deepEqual(comparePicker(branched(), undefined), ["it is missing in the listing"]);
});
