/** Bytes of records. That replayed records give an equal state is tested in apply.test.ts. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import type { BlobRef } from "../../src/ids.ts";
import { decodeRecord, encodeRecord, type LogRecord } from "../../src/session/record.ts";

const bytes = (...values: number[]) => Buffer.from(values);
const REF = "ab".repeat(32) as BlobRef;
const ODD = "\ud800 odd";

const full: LogRecord = {
  kind: "commit",
  sessionId: "s",
  revision: 2 ** 53 - 1,
  config: {
    providerId: ODD,
    configuredModel: "m",
    contextWindow: 5,
    executionMode: ODD,
    standardContextApproach: { kind: "rolling_history" },
    modelVariant: ODD,
  },
  leafNodeId: "leaf",
  checkpointRef: REF,
  manifest: bytes(1, 2, 3),
  toolStateRef: REF,
  pluginSnapshotRef: undefined,
  executionStateRef: REF,
  graph: {
    kind: "replace",
    steps: [
      { kind: "keep", start: 3, count: 70_000 },
      { kind: "node", node: { id: "n", parent: "p", flags: 1, body: bytes(9) } },
      { kind: "node", node: { id: "o", parent: undefined, flags: 0, body: bytes() } },
    ],
  },
  usage: [
    {
      source: ODD,
      model: ODD,
      usage: { inputTokens: 1, outputTokens: 2, cachedInputTokens: 3, reasoningTokens: 4 },
    },
  ],
  picker: { firstUserMessage: ODD, userMessageCount: 3 },
  operation: { id: "op", digest: bytes(7, 7) },
};
const records: LogRecord[] = [
  full,
  { ...full, graph: { kind: "append", nodes: [{ id: "n", parent: undefined, flags: 0, body: bytes(1) }] } },
  {
    ...full,
    graph: { kind: "unchanged" },
    leafNodeId: undefined,
    toolStateRef: undefined,
    executionStateRef: undefined,
    usage: [],
    picker: undefined,
    operation: undefined,
    config: { providerId: "", configuredModel: "", contextWindow: 0, executionMode: "" },
  },
  { kind: "blob", ref: REF, blobKind: "executionState", size: 9, at: 4, data: bytes(1) },
  {
    kind: "meta",
    sessionId: "s",
    meta: { sessionId: "s", sessionName: ODD, createdAt: ODD, model: "m", cwd: ODD, parentSessionId: "p" },
  },
  { kind: "meta", sessionId: "s", meta: { sessionId: "s", sessionName: "", createdAt: "", model: "" } },
  {
    kind: "tombstone",
    sessionId: "s",
    nodeIds: ["a", "b"],
    picker: { firstUserMessage: "", userMessageCount: 0 },
  },
  { kind: "tombstone", sessionId: "s", nodeIds: ["a"], picker: undefined },
  { kind: "vacuum", sessionId: "s" },
  { kind: "delete", sessionId: "s" },
];

for (const record of records) {
  const what = record.kind === "commit" ? `commit (${record.graph.kind})` : record.kind;
  test(`a ${what} record comes back equal, texts with lone surrogates too`, () => {
    assert.deepStrictEqual(decodeRecord(encodeRecord(record)), record);
  });
}

test("bytes that are no record are refused, not guessed", () => {
  for (const wrong of [bytes(0x01), bytes(0x90), bytes(0x91, 0x63), bytes(0xc1)]) {
    assert.throws(() => decodeRecord(wrong), Error);
  }
});
