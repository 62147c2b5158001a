/** Packs: what was written is found by its digest and verified; what is not there is answered without doubt. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "../../src/checksum.ts";
import { isStoreError } from "../../src/errors.ts";
import { MAINTENANCE_SLICE_BYTES } from "../../src/limits.ts";
import { compressValue, PackReader, PackWriter } from "../../src/snapshot/pack.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { noise } from "../support/builders.ts";
import { type PackValue, withPack, writePack } from "./files.ts";
import { bytesOf, corruptionOf, makeDirectories, put, ROOT, STORE_ID, value } from "./fixture.ts";

const PATH = `${ROOT}/blobs/000003.pack`;

function memory(): MemoryVfs {
  const vfs = new MemoryVfs({ crashable: false });
  makeDirectories(vfs);
  return vfs;
}

function many(count: number): PackValue[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: index % 2 === 0 ? ("manifest" as const) : ("page" as const),
    content: { index },
  }));
}

test("every value of a pack of many index blocks is found, with its kind, size and bytes", () => {
  const vfs = memory();
  const values = many(500);
  const size = writePack(vfs, PATH, 3, values);
  withPack(vfs, { path: PATH, number: 3, size }, (pack) => {
    assert.equal(pack.count, 500);
    for (const { kind, content } of values) {
      const { digest, bytes } = value(content);
      const entry = pack.find(digest);
      assert.ok(entry);
      assert.equal(entry.kind, kind);
      assert.equal(entry.rawLength, bytes.length);
      assert.deepEqual(Buffer.from(pack.read(entry)), Buffer.from(bytes));
    }
  });
});

test("a digest that is not in the pack is not found, also below the first and above the last", () => {
  const vfs = memory();
  const size = writePack(vfs, PATH, 3, many(500));
  withPack(vfs, { path: PATH, number: 3, size }, (pack) => {
    assert.equal(pack.find(Buffer.alloc(32)), undefined);
    assert.equal(pack.find(Buffer.alloc(32, 0xff)), undefined);
    for (let index = 500; index < 1500; index++) assert.equal(pack.find(value({ index }).digest), undefined);
  });
});

test("entries come in the order of digests, each with its own bit for a mark", () => {
  const vfs = memory();
  const size = writePack(vfs, PATH, 3, many(500));
  withPack(vfs, { path: PATH, number: 3, size }, (pack) => {
    const entries = [...pack.entries()];
    assert.deepEqual(
      entries.map((entry) => entry.index),
      Array.from({ length: 500 }, (_, index) => index),
    );
    for (let i = 1; i < entries.length; i++) {
      assert.ok(
        Buffer.compare(entries[i - 1]?.digest ?? Buffer.alloc(0), entries[i]?.digest ?? Buffer.alloc(0)) < 0,
      );
    }
    for (const entry of entries) assert.equal(pack.find(entry.digest)?.index, entry.index);
  });
});

test("an empty pack opens and has nothing", () => {
  const vfs = memory();
  const size = writePack(vfs, PATH, 3, []);
  withPack(vfs, { path: PATH, number: 3, size }, (pack) => {
    assert.equal(pack.count, 0);
    assert.deepEqual([...pack.entries()], []);
    assert.equal(pack.find(value("any").digest), undefined);
  });
});

for (const [compression, least] of [
  ["balanced", 4096],
  ["compact", 1024],
] as const) {
  test(`"${compression}" compresses values from ${least} bytes on, and only when that makes them smaller`, () => {
    const raw = (length: number): Uint8Array => new Uint8Array(length).fill(7);
    const stored = (bytes: Uint8Array) => compressValue(sha256(bytes), "toolState", bytes, compression);
    assert.equal(stored(raw(least - 1)).isCompressed, false);
    assert.equal(stored(raw(least)).isCompressed, true);
    assert.equal(stored(noise(least)).isCompressed, false);
    assert.equal(stored(noise(least)).stored.length, least);
  });
}

test('"none" never compresses', () => {
  const bytes = new Uint8Array(100_000);
  assert.equal(compressValue(sha256(bytes), "toolState", bytes, "none").isCompressed, false);
});

test("the ref of a value does not depend on how it is stored", () => {
  const vfs = memory();
  const content = "text ".repeat(2000);
  for (const compression of ["none", "balanced", "compact"] as const) {
    const size = writePack(vfs, PATH, 3, [{ kind: "toolState", content }], compression);
    withPack(vfs, { path: PATH, number: 3, size }, (pack) => {
      const entry = pack.find(value(content).digest);
      assert.ok(entry);
      assert.equal(entry.rawLength, value(content).bytes.length);
      assert.deepEqual(Buffer.from(pack.read(entry)), Buffer.from(value(content).bytes));
    });
  }
});

test("a value stored under the digest of another is refused when read", () => {
  const vfs = memory();
  const writer = new PackWriter(vfs, PATH, { storeId: STORE_ID, number: 3 });
  const { digest } = value("asked for");
  writer.add(compressValue(digest, "toolState", value("something else").bytes, "none"));
  const size = writer.finish();
  withPack(vfs, { path: PATH, number: 3, size }, (pack) => {
    const entry = pack.find(digest);
    assert.ok(entry);
    assert.equal(corruptionOf(() => pack.read(entry))?.file, PATH);
  });
});

test("a pack of another store, another number or another size is refused", () => {
  const vfs = memory();
  const size = writePack(vfs, PATH, 3, many(3));
  const open = (storeId: Uint8Array, number: number, bytes: number) =>
    corruptionOf(() => new PackReader(vfs, PATH, { storeId, number }, bytes).close());
  assert.equal(open(STORE_ID, 3, size), undefined);
  assert.equal(open(new Uint8Array(16), 3, size)?.file, PATH);
  assert.equal(open(STORE_ID, 4, size)?.file, PATH);
  assert.equal(open(STORE_ID, 3, size + 1)?.file, PATH);
  put(vfs, PATH, Buffer.concat([bytesOf(vfs, PATH), Buffer.alloc(1)]));
  assert.equal(open(STORE_ID, 3, size)?.file, PATH);
});

test("no more than a slice is written between two syncs, also inside one large value", () => {
  const vfs = memory();
  const writes: number[] = [];
  let unsynced = 0;
  vfs.onOperation = ({ operation, bytes }) => {
    if (operation === "write") unsynced += bytes ?? 0;
    if (operation === "datasync" || operation === "sync") {
      writes.push(unsynced);
      unsynced = 0;
    }
  };
  const large = noise(5 * MAINTENANCE_SLICE_BYTES + 17);
  writePack(vfs, PATH, 3, [{ kind: "executionState", content: large }, ...many(200)]);
  assert.equal(unsynced, 0, "everything is synced at the end");
  assert.ok(writes.length > 5);
  assert.ok(
    Math.max(...writes) <= MAINTENANCE_SLICE_BYTES,
    `${Math.max(...writes)} bytes were written unsynced`,
  );
});

test("a full disk while writing is an error of the world, and the file stays a temporary one", () => {
  const vfs = withFaults(memory(), [{ operation: "write", errno: "ENOSPC", path: /\.pack/ }]);
  assert.throws(
    () => writePack(vfs, PATH, 3, many(3)),
    (error) => isStoreError(error, "STORE_IO") && error.errno === "ENOSPC",
  );
});
