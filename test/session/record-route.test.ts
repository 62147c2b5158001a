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

/** Bytes that can be looked at by hand, and that a decoder finds nothing in. */
function undecodable({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return { buffer, byteOffset, byteLength } as unknown as Uint8Array;
}

const DIGEST = Buffer.alloc(32, 7);
const REF = DIGEST.toString("hex") as BlobRef;
const WIDTHS = [0, 1, 127, 128, 255, 256, 65_535, 65_536];

test("commits and blobs are routed without being decoded, whatever the widths of what they say", () => {
  assert.throws(() => routeRecord(undecodable(encodeRecord({ kind: "vacuum", sessionId: "s" }))));
  for (const length of [0, 1, 31, 32, 255, 256, 512]) {
    const id = "i".repeat(length);
    for (const layout of [1, 2]) {
      const bytes = pack([2, id, layout, ...Array.from({ length: 12 }, () => null)]);
      assert.deepEqual(routeRecord(undecodable(bytes)), { kind: "commit", sessionId: id });
    }
  }
  for (const [kind, blobKind] of BLOB_KINDS.entries()) {
    for (const width of WIDTHS) {
      for (const [size, at, dataBytes] of [
        [width, 5, 5],
        [5, width, 5],
        [5, 5, width],
        [2 ** 32 - 1, 2 ** 32 - 1, width],
      ] as const) {
        const route = routeRecord(undecodable(pack([1, DIGEST, kind, size, at, Buffer.alloc(dataBytes)])));
        assert.deepEqual(route, { kind: "blob", ref: REF, blobKind, size, at, dataBytes });
      }
    }
  }
});

test("what the front does not tell by hand is decoded: wider numbers, and what is no commit or blob at all", () => {
  const wide = pack([1, DIGEST, 0, 2 ** 32, 2 ** 40, Buffer.alloc(3)]);
  assert.deepEqual(routeRecord(wide), {
    kind: "blob",
    ref: REF,
    blobKind: "manifest",
    size: 2 ** 32,
    at: 2 ** 40,
    dataBytes: 3,
  });
  const nils = (count: number): null[] => Array.from({ length: count }, () => null);
  const strange: readonly (readonly [unknown[], RegExp])[] = [
    [[1, DIGEST, 4, 5, 5, DIGEST], /unknown blob kind 4/],
    [[1, DIGEST, null, 5, 5, DIGEST], /unknown blob kind null/],
    [[1, DIGEST, 0, 5, {}, DIGEST], /at is not an integer/],
    [[1, DIGEST, 0, null, 5, DIGEST], /size is not an integer/],
    [[1, "text", 0, 5, 5, DIGEST], /digest is not bytes/],
    [[1, DIGEST, 0, 5, 5, "text"], /data is not bytes/],
    [[1, DIGEST, 0, 5, 5, [5]], /data is not bytes/],
    // Taken for a text of 32 bytes, it would be followed by a layout.
    [[2, null, Buffer.alloc(30), 2, ...nils(11)], /unknown commit layout/],
    [[1, "s", 2, ...nils(12)], /digest is not bytes/],
    [[2, "s", 2, 1, null, null], /a commit has 6 items/],
    [[9, "s", 2, ...nils(12)], /unknown record kind 9/],
    [[9, DIGEST, 0, 5, 5, DIGEST], /unknown record kind 9/],
  ];
  for (const [items, problem] of strange) assert.throws(() => routeRecord(pack(items)), problem);
});

test("a record that is cut at any byte of its front is refused by a plain Error", () => {
  const blobBytes = pack([1, DIGEST, 0, 70_000, 300, Buffer.alloc(300)]);
  const commitBytes = pack([2, "s".repeat(300), 2, ...Array.from({ length: 12 }, () => null)]);
  // Array and tag, a text of 300 bytes behind its three, and the layout; what follows is not looked at.
  for (const [bytes, front] of [
    [blobBytes, blobBytes.length],
    [commitBytes, 2 + 303 + 1],
  ] as const) {
    for (let length = 0; length < front; length++) {
      assert.throws(
        () => routeRecord(bytes.subarray(0, length)),
        (error) => error instanceof Error && !("code" in error),
        `${length} of ${bytes.length} bytes`,
      );
    }
  }
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
