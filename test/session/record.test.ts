/** Bytes of records. That replayed records give an equal state is tested in apply.test.ts. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { pack, unpack } from "../../src/codec.ts";
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
    assert.deepStrictEqual(decodeRecord(encodeRecord(record), "views"), record);
  });
}

test("copies outlive the bytes of their record, and of views only the digest of an operation does, which is kept", () => {
  const [, appended] = records;
  assert.ok(appended?.kind === "commit" && full.kind === "commit");
  for (const taken of ["copies", "views"] as const) {
    const encoded = Buffer.from(encodeRecord(appended));
    const found = decodeRecord(encoded, taken);
    encoded.fill(0);
    assert.ok(found.kind === "commit" && found.graph.kind === "append");
    assert.deepEqual(found.operation, full.operation);
    const isView = taken === "views";
    assert.deepEqual(found.manifest, isView ? bytes(0, 0, 0) : full.manifest);
    assert.deepEqual(found.graph.nodes[0]?.body, isView ? bytes(0) : bytes(1));
  }
});

test("bytes that are no record are refused, not guessed", () => {
  for (const wrong of [bytes(0x01), bytes(0x90), bytes(0x91, 0x63), bytes(0xc1)]) {
    assert.throws(() => decodeRecord(wrong), Error);
  }
});

/** The bytes of a record with another value at that place of its array. */
function withItem(record: LogRecord, path: readonly number[], value: unknown): Uint8Array {
  const wire = unpack(encodeRecord(record)) as unknown[];
  let at = wire;
  for (const index of path.slice(0, -1)) at = at[index] as unknown[];
  at[path.at(-1) ?? 0] = value;
  return pack(wire);
}

const [, appending] = records;
const meta = records.find(({ kind }) => kind === "meta");
const tombstone = records.find(({ kind }) => kind === "tombstone");
const blob = records.find(({ kind }) => kind === "blob");
type Wrong = readonly [what: string, record: LogRecord | undefined, places: readonly (readonly number[])[]];

test("a field of another type is refused by its name, wherever it stands", () => {
  // A number is neither a text, nor bytes, nor an array; half of one is no integer.
  const other: Readonly<Record<string, unknown>> = { integer: 0.5, string: 5, bytes: 5, array: 5 };
  const wrong: readonly Wrong[] = [
    ["session is not a string", full, [[1]]],
    ["session is not a string", meta, [[1]]],
    ["session is not a string", tombstone, [[1]]],
    ["session is not a string", { kind: "vacuum", sessionId: "s" }, [[1]]],
    ["session is not a string", { kind: "delete", sessionId: "s" }, [[1]]],
    ["revision is not an integer", full, [[3]]],
    ["config is not an array", full, [[4]]],
    ["provider is not a string", full, [[4, 0]]],
    ["model is not a string", full, [[4, 1]]],
    ["window is not an integer", full, [[4, 2]]],
    ["mode is not a string", full, [[4, 3]]],
    ["variant is not a string", full, [[4, 5]]],
    ["leaf is not a string", full, [[5]]],
    ["checkpoint is not bytes", full, [[6]]],
    ["manifest is not bytes", full, [[7]]],
    ["ref is not bytes", full, [[8], [9], [10]]],
    ["graph is not an array", full, [[11]]],
    ["step is not an array", full, [[11, 1]]],
    ["start is not an integer", full, [[11, 1, 0]]],
    ["count is not an integer", full, [[11, 1, 1]]],
    ["node id is not a string", full, [[11, 2, 0]]],
    ["parent is not a string", full, [[11, 2, 1]]],
    ["flags is not an integer", full, [[11, 2, 2]]],
    ["body is not bytes", full, [[11, 2, 3]]],
    ["node is not an array", appending, [[11, 1]]],
    ["usage is not an array", full, [[12], [12, 0]]],
    ["source is not a string", full, [[12, 0, 0]]],
    ["model is not a string", full, [[12, 0, 1]]],
    ["input is not an integer", full, [[12, 0, 2]]],
    ["output is not an integer", full, [[12, 0, 3]]],
    ["cached is not an integer", full, [[12, 0, 4]]],
    ["reasoning is not an integer", full, [[12, 0, 5]]],
    ["picker is not an array", full, [[13]]],
    ["picker is not an array", tombstone, [[3]]],
    ["first message is not a string", full, [[13, 0]]],
    ["count is not an integer", full, [[13, 1]]],
    ["operation is not an array", full, [[14]]],
    ["operation id is not a string", full, [[14, 0]]],
    ["operation digest is not bytes", full, [[14, 1]]],
    ["digest is not bytes", blob, [[1]]],
    ["size is not an integer", blob, [[3]]],
    ["at is not an integer", blob, [[4]]],
    ["data is not bytes", blob, [[5]]],
    ["meta is not an array", meta, [[2]]],
    ["name is not a string", meta, [[2, 0]]],
    ["created is not a string", meta, [[2, 1]]],
    ["model is not a string", meta, [[2, 2]]],
    ["cwd is not a string", meta, [[2, 3]]],
    ["parent is not a string", meta, [[2, 4]]],
    ["ids is not an array", tombstone, [[2]]],
    ["id is not a string", tombstone, [[2, 0]]],
  ];
  for (const [what, record, places] of wrong) {
    assert.ok(record !== undefined);
    const value = Object.entries(other).find(([type]) => what.endsWith(type))?.[1];
    for (const path of places)
      for (const taken of ["copies", "views"] as const)
        assert.throws(() => decodeRecord(withItem(record, path, value), taken), { message: what }, `${path}`);
  }
});

test("a kind, a layout, a graph fact or a kind of blob that is not known is refused by its number", () => {
  const wrong: readonly (readonly [LogRecord, readonly number[], unknown, string])[] = [
    [full, [0], 9, "unknown record kind 9"],
    [full, [2], 7, "unknown commit layout 7"],
    [full, [11, 0], 3, "unknown graph fact 3"],
    [blob ?? full, [2], 4, "unknown blob kind 4"],
    [blob ?? full, [2], "0", "unknown blob kind 0"],
  ];
  for (const [record, path, value, message] of wrong)
    assert.throws(() => decodeRecord(withItem(record, path, value)), { message });
});
