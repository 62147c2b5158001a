/**
 * A record's route, read from its front, is what the whole record says; and bytes that are no record are refused
 * as they are when they are decoded whole. The story: an opening decoded every record of its log whole, and the
 * garbage of that stopped its host for a hundred milliseconds at a time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pack } from "../../src/codec.ts";
import type { BlobRef } from "../../src/ids.ts";
import { BLOB_KINDS, decodeRecord, encodeRecord, type LogRecord } from "../../src/session/record.ts";
import { routeRecord } from "../../src/session/record-route.ts";

const number = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32),
);
const sessionId = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 300 })
  .filter((id) => id.isWellFormed() && Buffer.byteLength(id) <= 512);
const ref = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((d) => Buffer.from(d).toString("hex") as BlobRef);
const blob = fc.record({
  kind: fc.constant("blob" as const),
  ref,
  blobKind: fc.constantFrom(...BLOB_KINDS),
  size: number,
  at: number,
  data: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(new Uint8Array(0), new Uint8Array(70_000)),
  ),
});
const commit = fc.record({
  kind: fc.constant("commit" as const),
  sessionId,
  revision: number,
  config: fc.constant({ providerId: "p", configuredModel: "m", contextWindow: 0, executionMode: "standard" }),
  leafNodeId: fc.constant(undefined),
  checkpointRef: ref,
  manifest: fc.uint8Array({ maxLength: 40 }),
  toolStateRef: fc.constant(undefined),
  pluginSnapshotRef: fc.constant(undefined),
  executionStateRef: fc.constant(undefined),
  graph: fc.constant({ kind: "unchanged" as const }),
  usage: fc.constant([]),
  picker: fc.constant(undefined),
  operation: fc.constant(undefined),
});
const other = fc.oneof(
  fc.record({ kind: fc.constantFrom("vacuum" as const, "delete" as const), sessionId }),
  fc.record({
    kind: fc.constant("tombstone" as const),
    sessionId,
    nodeIds: fc.array(sessionId, { minLength: 1, maxLength: 3 }),
    picker: fc.constant(undefined),
  }),
);
const record: fc.Arbitrary<LogRecord> = fc.oneof(blob, commit, other);

test("the route of a record is what the whole record says", () => {
  fc.assert(
    fc.property(record, (given) => {
      const route = routeRecord(encodeRecord(given));
      assert.equal(route.kind, given.kind);
      if (route.kind !== "blob" || given.kind !== "blob") {
        assert.equal("sessionId" in route && route.sessionId, "sessionId" in given && given.sessionId);
        return;
      }
      const { kind, blobKind, size, at, data } = given;
      assert.deepEqual(route, { kind, ref: given.ref, blobKind, size, at, dataBytes: data.length });
    }),
    { numRuns: 500 },
  );
});

test("a blob record that is cut short or goes on is refused as when it is decoded whole", () => {
  fc.assert(
    fc.property(blob, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (given, share) => {
      const bytes = encodeRecord({ ...given, data: given.data.subarray(0, 300) });
      const cut = bytes.subarray(0, Math.floor(share * bytes.length));
      assert.throws(() => routeRecord(cut));
      const longer = Buffer.concat([bytes, Buffer.from([0])]);
      assert.throws(() => decodeRecord(longer));
      assert.throws(() => routeRecord(longer));
    }),
    { numRuns: 200 },
  );
});

test("any bytes are routed, or refused by a plain Error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        routeRecord(bytes);
      } catch (error) {
        assert.ok(error instanceof Error && !("code" in error), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test("a commit of a layout that is not known is refused, not guessed", () => {
  const items = [2, "a", 3, ...Array.from({ length: 12 }, () => null)];
  assert.throws(() => routeRecord(pack(items)), /unknown commit layout 3/);
});
