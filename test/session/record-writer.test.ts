/** Commits and blobs are written field by field; here as the arrays of docs/format.md, packed by msgpackr. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeCanonical, pack } from "../../src/codec.ts";
import type { BlobRef } from "../../src/ids.ts";
import { writeManifest } from "../../src/session/manifest-writer.ts";
import { type CommitRecord, encodeRecord, type GraphFact, type NodeFact } from "../../src/session/record.ts";
import type { PickerChange } from "../../src/session/state.ts";
import type { SessionCheckpoint } from "../../src/session/types.ts";

const counter = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
);
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 100 }),
  fc.constantFrom("", "\ud800", "a\udc00", "é".repeat(40)),
);
const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 70 }).filter((one) => one.isWellFormed());
const bytes = fc.uint8Array({ maxLength: 300 }).map((one) => Buffer.from(one));
const ref = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((digest) => Buffer.from(digest).toString("hex") as BlobRef);
const maybe = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined });
const node: fc.Arbitrary<NodeFact> = fc.record({ id, parent: maybe(id), flags: fc.nat(1), body: bytes });
const graph: fc.Arbitrary<GraphFact> = fc.oneof(
  fc.constant<GraphFact>({ kind: "unchanged" }),
  fc.array(node, { minLength: 1, maxLength: 20 }).map((nodes): GraphFact => ({ kind: "append", nodes })),
  fc
    .array(
      fc.oneof(
        node.map((one) => ({ kind: "node" as const, node: one })),
        fc.record({ kind: fc.constant("keep" as const), start: fc.nat(), count: fc.nat() }),
      ),
      { maxLength: 20 },
    )
    .map((steps): GraphFact => ({ kind: "replace", steps })),
);
const usage = fc.record({
  inputTokens: counter,
  outputTokens: counter,
  cachedInputTokens: counter,
  reasoningTokens: counter,
});
const commit: fc.Arbitrary<CommitRecord> = fc.record({
  kind: fc.constant("commit" as const),
  sessionId: id,
  revision: counter,
  config: fc.record({
    providerId: anyText,
    configuredModel: anyText,
    contextWindow: counter,
    executionMode: anyText,
  }),
  leafNodeId: maybe(id),
  checkpointRef: ref,
  manifest: bytes,
  toolStateRef: maybe(ref),
  pluginSnapshotRef: maybe(ref),
  executionStateRef: maybe(ref),
  graph,
  usage: fc.array(fc.record({ source: anyText, model: anyText, usage }), { maxLength: 20 }),
  picker: maybe(fc.record({ firstUserMessage: maybe(anyText), userMessageCount: counter })),
  operation: maybe(fc.record({ id, digest: bytes })),
});

/** A text as docs/format.md says: with lone surrogates, its UTF-16 code units as a binary. */
const text = (value: string): unknown => (value.isWellFormed() ? value : Buffer.from(value, "utf16le"));
const pickerText = ({ firstUserMessage }: PickerChange): unknown =>
  firstUserMessage === undefined ? null : text(firstUserMessage);
const digest = (value: string | undefined): unknown =>
  value === undefined ? null : Buffer.from(value, "hex");
const nodeArray = (one: NodeFact): unknown[] => [one.id, one.parent ?? null, one.flags, one.body];

function graphArray(fact: GraphFact): unknown {
  if (fact.kind === "unchanged") return null;
  if (fact.kind === "append") return [0, ...fact.nodes.map(nodeArray)];
  return [
    1,
    ...fact.steps.map((one) => (one.kind === "keep" ? [one.start, one.count] : nodeArray(one.node))),
  ];
}

function commitArray(record: CommitRecord): unknown[] {
  const { config, operation, picker } = record;
  return [
    2,
    record.sessionId,
    2,
    record.revision,
    [
      text(config.providerId),
      text(config.configuredModel),
      config.contextWindow,
      text(config.executionMode),
      config.standardContextApproach ?? null,
      config.modelVariant === undefined ? null : text(config.modelVariant),
    ],
    record.leafNodeId ?? null,
    digest(record.checkpointRef),
    record.manifest,
    digest(record.toolStateRef),
    digest(record.pluginSnapshotRef),
    digest(record.executionStateRef),
    graphArray(record.graph),
    record.usage.map(({ source, model, usage: sum }) => [
      text(source),
      text(model),
      sum.inputTokens,
      sum.outputTokens,
      sum.cachedInputTokens,
      sum.reasoningTokens,
    ]),
    picker === undefined ? null : [pickerText(picker), picker.userMessageCount],
    operation === undefined ? null : [operation.id, operation.digest],
  ];
}

test("a commit's bytes are those of its array", () => {
  fc.assert(
    fc.property(commit, (record) => {
      assert.deepEqual(Buffer.from(encodeRecord(record)), Buffer.from(pack(commitArray(record))));
    }),
    { numRuns: 1000 },
  );
});

test("a commit with a context approach and a model variant is written as its array", () => {
  const [sample] = fc.sample(commit, { numRuns: 1, seed: 1 });
  assert.ok(sample !== undefined);
  const record: CommitRecord = {
    ...sample,
    config: {
      ...sample.config,
      standardContextApproach: { kind: "rolling_history" },
      modelVariant: "\udfff",
    },
  };
  assert.deepEqual(Buffer.from(encodeRecord(record)), Buffer.from(pack(commitArray(record))));
});

test("a blob's bytes are those of its array", () => {
  fc.assert(
    fc.property(ref, counter, counter, bytes, (name, size, at, data) => {
      const record = { kind: "blob", ref: name, blobKind: "executionState", size, at, data } as const;
      assert.deepEqual(
        Buffer.from(encodeRecord(record)),
        Buffer.from(pack([1, digest(name), 3, size, at, data])),
      );
    }),
  );
});

test("a manifest with an empty mode is its canonical encoding", () => {
  const wellFormed = anyText.filter((one) => one.isWellFormed());
  const checkpoint = fc.record(
    {
      turnState: fc.record(
        {
          turnIndex: counter,
          tokenUsage: usage,
          lastPromptUsage: fc.record({
            promptContextTokens: counter,
            inputTokens: counter,
            cachedInputTokens: counter,
            contextBudgetTokens: counter,
          }),
          modeTurnOptions: fc.record({ modeId: wellFormed, payload: fc.constant({}) }),
        },
        { requiredKeys: ["turnIndex", "tokenUsage", "modeTurnOptions"] },
      ),
      toolStateRef: ref,
      pluginSnapshotRef: ref,
      executionStateRef: ref,
      pluginSnapshotRevision: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    },
    { requiredKeys: ["turnState"] },
  );
  fc.assert(
    fc.property(checkpoint, (value) => {
      const manifest = value as SessionCheckpoint;
      assert.deepEqual(Buffer.from(writeManifest(manifest)), Buffer.from(encodeCanonical(manifest)));
    }),
    { numRuns: 500 },
  );
});
