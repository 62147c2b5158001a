/** Manifest files: bytes, names, and what is not accepted as one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "../../src/checksum.ts";
import { pack } from "../../src/codec.ts";
import { isStoreError } from "../../src/errors.ts";
import {
  encodeManifest,
  headsPath,
  type Manifest,
  manifestNumber,
  manifestPath,
  packPath,
  readManifest,
} from "../../src/snapshot/manifest.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { corruptionOf, makeDirectories, put, ROOT, STORE_ID } from "./fixture.ts";

const MANIFEST: Manifest = {
  number: 42,
  storeId: STORE_ID,
  log: { segment: 3, salt: 2n ** 64n - 1n, lsn: 2 ** 40, crc: 0xffff_ffff },
  heads: [
    { number: 1, bytes: 4096, count: 3 },
    { number: 7, bytes: 2 ** 33, count: 2 ** 32 },
  ],
  packs: [{ number: 1_234_567, bytes: 5, count: 0 }],
  deadBytes: 2 ** 36,
  nextFile: 1_234_568,
};

function written(manifest: Manifest, path = manifestPath(ROOT, manifest.number)): MemoryVfs {
  const vfs = new MemoryVfs({ crashable: false });
  makeDirectories(vfs);
  put(vfs, path, encodeManifest(manifest));
  return vfs;
}

test("a manifest is read as it was written, 64-bit salt and large numbers included", () => {
  const read = readManifest(written(MANIFEST), ROOT, 42, STORE_ID);
  assert.deepEqual({ ...read, storeId: Uint8Array.from(read.storeId) }, MANIFEST);
});

test("a manifest of a newer version is FORMAT_UNSUPPORTED with both versions, not damage", () => {
  const bytes = Buffer.from(encodeManifest(MANIFEST));
  bytes.writeUInt16LE(9, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(24), crc32(bytes.subarray(0, 16))), 16);
  const vfs = written(MANIFEST);
  put(vfs, manifestPath(ROOT, 42), bytes);
  assert.throws(
    () => readManifest(vfs, ROOT, 42, STORE_ID),
    (error) => isStoreError(error, "FORMAT_UNSUPPORTED") && error.found === 9 && error.supported === 1,
  );
});

test("a manifest of another store is refused", () => {
  const vfs = written(MANIFEST);
  assert.equal(
    corruptionOf(() => readManifest(vfs, ROOT, 42, new Uint8Array(16)))?.file,
    manifestPath(ROOT, 42),
  );
});

test("a manifest under another manifest's name is refused", () => {
  const vfs = written(MANIFEST, manifestPath(ROOT, 43));
  assert.equal(corruptionOf(() => readManifest(vfs, ROOT, 43, STORE_ID))?.file, manifestPath(ROOT, 43));
});

test("an absent manifest is an error of the world, an empty one is damage", () => {
  const vfs = written(MANIFEST);
  assert.throws(
    () => readManifest(vfs, ROOT, 41, STORE_ID),
    (error) => isStoreError(error, "STORE_IO") && error.errno === "ENOENT",
  );
  put(vfs, manifestPath(ROOT, 41), new Uint8Array(0));
  assert.equal(corruptionOf(() => readManifest(vfs, ROOT, 41, STORE_ID))?.file, manifestPath(ROOT, 41));
});

test("names have at least six digits and are told from all others", () => {
  assert.equal(manifestPath("/s", 42), "/s/manifest-000042");
  assert.equal(manifestPath("/s", 12_345_678), "/s/manifest-12345678");
  assert.equal(headsPath("/s", 7), "/s/heads/000007.heads");
  assert.equal(packPath("/s", 12), "/s/blobs/000012.pack");
  assert.equal(manifestNumber("manifest-000042"), 42);
  assert.equal(manifestNumber("manifest-12345678"), 12_345_678);
  for (const name of [
    "manifest-000042.tmp",
    "manifest-42",
    "manifest-00004x",
    "xmanifest-000042",
    "format",
  ]) {
    assert.equal(manifestNumber(name), undefined, name);
  }
});

/** A manifest file with this body, whose checksum is right. */
function withBody(body: Uint8Array): MemoryVfs {
  const header = Buffer.from(encodeManifest(MANIFEST)).subarray(0, 24);
  header.writeUInt32LE(body.length, 12);
  header.writeUInt32LE(crc32(body, crc32(header.subarray(0, 16))), 16);
  const vfs = new MemoryVfs({ crashable: false });
  makeDirectories(vfs);
  put(vfs, manifestPath(ROOT, 42), Buffer.concat([header, body]));
  return vfs;
}

test("a manifest whose checksum is right and whose content makes no sense is CORRUPT of its file", () => {
  const { number, storeId } = MANIFEST;
  const strange = [
    Uint8Array.of(0xc1),
    pack(null),
    pack([]),
    pack([number, storeId, [3, 7, 1, 1], [], [], 0, 1]),
    pack([number, storeId, [3, 7n, 1, 1], [], "none", 0, 1]),
    pack([-1, storeId, [3, 2n ** 64n - 1n, 1, 1], [], [], 0, 1]),
  ];
  for (const body of strange) {
    const damage = corruptionOf(() => readManifest(withBody(body), ROOT, 42, STORE_ID));
    assert.equal(damage?.file, manifestPath(ROOT, 42), Buffer.from(body).toString("hex"));
  }
});

test("damage to a manifest is told by the offset of the field that it shows in", () => {
  const whole = Buffer.from(encodeManifest(MANIFEST));
  const changed = (at: number): Buffer => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return bytes;
  };
  const damaged: readonly (readonly [string, Uint8Array, number])[] = [
    ["half a header", whole.subarray(0, 23), 0],
    ["the magic", changed(7), 0],
    ["the length", changed(12), 12],
    ["a byte too few", whole.subarray(0, -1), 12],
    ["a byte too many", Buffer.concat([whole, Buffer.alloc(1)]), 12],
    ["the version, its checksum not changed", changed(8), 16],
    ["the checksum", changed(16), 16],
    ["the body", changed(whole.length - 1), 16],
    ["a byte that is zero", changed(20), 20],
    ["the last byte that is zero", changed(23), 20],
  ];
  for (const [what, bytes, offset] of damaged) {
    const vfs = written(MANIFEST);
    put(vfs, manifestPath(ROOT, 42), bytes);
    assert.equal(corruptionOf(() => readManifest(vfs, ROOT, 42, STORE_ID))?.offset, offset, what);
  }
  const empty = corruptionOf(() => readManifest(withBody(new Uint8Array(0)), ROOT, 42, STORE_ID));
  assert.equal(empty?.offset, 24, "a header, and a body of no bytes");
});
