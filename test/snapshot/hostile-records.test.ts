/**
 * Records and pages whose checksums and digests are right and whose content makes no sense. A fold or a mark
 * that meets one ends with CORRUPT saying where, and nothing is published or deleted.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "../../src/checksum.ts";
import { pack } from "../../src/codec.ts";
import { type BlobRef, refFromBytes } from "../../src/ids.ts";
import { MAX_COMPONENT_BYTES } from "../../src/limits.ts";
import type { BlobRecord } from "../../src/session/record.ts";
import { checkSnapshot } from "../../src/snapshot/check.ts";
import { mark } from "../../src/snapshot/collect.ts";
import { encodeHead, nodeItem, nodeItemSize } from "../../src/snapshot/head.ts";
import { stateFromHead } from "../../src/snapshot/head-state.ts";
import { HeadsFileWriter } from "../../src/snapshot/heads-file-writer.ts";
import { headsPath, packPath } from "../../src/snapshot/manifest.ts";
import { compressValue, PackWriter } from "../../src/snapshot/pack.ts";
import type { PageRef } from "../../src/snapshot/pages.ts";
import { appendItems, type PageStore } from "../../src/snapshot/pages.ts";
import { storedHead } from "./files.ts";
import { append, blobRecord, corruptionOf, node, ROOT, SnapshotFixture, STORE_ID } from "./fixture.ts";

const FILES = { root: ROOT, heads: `${ROOT}/heads`, blobs: `${ROOT}/blobs` };

function names(fixture: SnapshotFixture): string[] {
  return Object.values(FILES).flatMap((directory) => fixture.vfs.list(directory));
}

/** The CORRUPT that a promise is rejected with. */
async function corruptionIn(work: Promise<unknown>) {
  try {
    await work;
  } catch (error) {
    return corruptionOf(() => {
      throw error;
    });
  }
  return undefined;
}

/** A store whose only session has this page as its nodes, or as something else of it. */
async function withPage(
  content: unknown,
  claimed: { level: number; items: number },
  part: "nodes" | "receipts" | "removals" = "nodes",
): Promise<SnapshotFixture> {
  const fixture = await SnapshotFixture.create();
  const bytes = pack(content);
  const digest = sha256(bytes);
  const page: PageRef = { ref: refFromBytes(digest), ...claimed, bytes: bytes.length };
  const packs = new PackWriter(fixture.vfs, packPath(ROOT, 1), { storeId: STORE_ID, number: 1 });
  packs.add(compressValue(digest, "page", bytes, "none"));
  const packBytes = packs.finish();
  const heads = new HeadsFileWriter(fixture.vfs, headsPath(ROOT, 2), { storeId: STORE_ID, number: 2 });
  const stored = storedHead("s", 0, { lastLsn: 0, [part]: [page] });
  heads.add({ sessionId: "s", lastCommitLsn: 0, bytes: encodeHead(stored) });
  fixture.manifest = {
    ...fixture.manifest,
    packs: [{ number: 1, bytes: packBytes, count: 1 }],
    heads: [{ number: 2, bytes: heads.finish(), count: 1 }],
    nextFile: 3,
  };
  return fixture;
}

const PAGES: readonly [string, unknown, { level: number; items: number }][] = [
  ["that is no array", 7, { level: 0, items: 1 }],
  ["without items", [0], { level: 0, items: 1 }],
  ["of another level", [1, []], { level: 0, items: 1 }],
  ["of fewer items than its reference says", [0, []], { level: 0, items: 1 }],
  ["whose item is no node", [0, [5]], { level: 0, items: 1 }],
  ["of a level and nothing else", [1], { level: 1, items: 1 }],
  ["of a level without references", [1, 5], { level: 1, items: 1 }],
  ["of a level with a reference that is none", [1, [[5]]], { level: 1, items: 1 }],
];

for (const [what, content, claimed] of PAGES) {
  test(`a page ${what} is CORRUPT of its session when it is loaded or folded`, async (t) => {
    const fixture = await withPage(content, claimed);
    t.after(() => fixture.close());
    assert.equal(corruptionOf(() => void fixture.load("s"))?.sessionId, "s");
    fixture.appendRaw({ kind: "vacuum", sessionId: "s" });
    const before = names(fixture);
    const folded = await corruptionIn(fixture.fold());
    assert.equal(folded?.sessionId, "s");
    assert.equal(folded.file, FILES.blobs);
    assert.deepEqual(names(fixture), before);
  });
}

for (const part of ["receipts", "removals"] as const) {
  test(`pages of ${part} that make no sense are CORRUPT of their session when they are looked up`, async (t) => {
    for (const [what, content, claimed] of PAGES) {
      const fixture = await withPage(content, claimed, part);
      t.after(() => fixture.close());
      const damage = corruptionOf(() => void fixture.read((view) => view[part]("s")));
      assert.deepEqual([damage?.file, damage?.sessionId], [FILES.blobs, "s"], `a page ${what}`);
    }
  });
}

for (const [what, content, claimed] of PAGES.filter(([, , { level }]) => level !== 0)) {
  test(`an index page ${what} ends the mark with CORRUPT of its session`, async (t) => {
    const fixture = await withPage(content, claimed);
    t.after(() => fixture.close());
    const corruption = corruptionOf(() => void mark(fixture.vfs, { root: ROOT, manifest: fixture.manifest }));
    assert.equal(corruption?.sessionId, "s");
  });
}

test("a page reference with a negative number is CORRUPT of the head that has it", async (t) => {
  const fixture = await withPage([0, []], { level: -1, items: 1 });
  t.after(() => fixture.close());
  const corruption = corruptionOf(() => void mark(fixture.vfs, { root: ROOT, manifest: fixture.manifest }));
  assert.equal(corruption?.file, headsPath(ROOT, 2));
  assert.equal(corruption.sessionId, "s");
});

const whole = blobRecord("a value", "toolState");
const BLOBS: readonly [string, Partial<BlobRecord>][] = [
  ["reaches beyond its size", { at: 5 }],
  ["is larger than its size", { size: 3 }],
  ["begins before the value", { at: -1, size: 100 }],
  ["has a negative size", { size: -1 }],
  ["says a size that no value may have", { size: MAX_COMPONENT_BYTES * 2 }],
  ["says a size that nothing can have", { size: Number.MAX_SAFE_INTEGER }],
];

for (const [what, fields] of BLOBS) {
  test(`a blob part that ${what} is CORRUPT of its segment, at its offset`, async (t) => {
    const fixture = await SnapshotFixture.create();
    t.after(() => fixture.close());
    fixture.commit("s", { graph: append(node("a")) });
    fixture.appendRaw({ ...whole, ...fields });
    const before = names(fixture);
    const corruption = await corruptionIn(fixture.fold());
    assert.match(corruption?.file ?? "", /\/wal\/[0-9a-f]{16}\.wal$/);
    assert.ok((corruption?.offset ?? 0) > 4096);
    assert.deepEqual(names(fixture), before);
  });
}

test("a head that cannot be decoded ends the mark with CORRUPT of the file it lies in, also of an older one", async (t) => {
  const fixture = await SnapshotFixture.create();
  t.after(() => fixture.close());
  const file = (number: number, sessionId: string, bytes: Uint8Array) => {
    const writer = new HeadsFileWriter(fixture.vfs, headsPath(ROOT, number), { storeId: STORE_ID, number });
    writer.add({ sessionId, lastCommitLsn: 0, bytes });
    return { number, bytes: writer.finish(), count: 1 };
  };
  const manifest = {
    ...fixture.manifest,
    heads: [file(1, "bad", Buffer.from([1, 2])), file(2, "good", encodeHead(storedHead("good", 0)))],
  };
  const corruption = corruptionOf(() => void mark(fixture.vfs, { root: ROOT, manifest }));
  assert.equal(corruption?.file, headsPath(ROOT, 1));
  assert.equal(corruption.sessionId, "bad");
});

test("a record that cannot be decoded is CORRUPT of its segment, at its offset, folded or verified", async (t) => {
  const fixture = await SnapshotFixture.create();
  t.after(() => fixture.close());
  fixture.commit("s");
  fixture.appendBytes(Uint8Array.of(0xc1, 0xc1));
  fixture.commit("s");
  const before = names(fixture);
  const damage = await corruptionIn(fixture.fold());
  assert.deepEqual(names(fixture), before);
  assert.match(damage?.file ?? "", /\/wal\/.*\.wal$/);
  assert.ok((damage?.offset ?? 0) > 4096);
  assert.match(damage?.message ?? "", /cannot be decoded/);
  const found = checkSnapshot(fixture.vfs, { root: ROOT, manifest: fixture.manifest });
  assert.deepEqual(
    found.map(({ file, offset, code }) => [file, offset, code]),
    [[damage?.file, damage?.offset, "CORRUPT"]],
  );
});

test("a head of a later layout is CORRUPT of its session, never read as one of this", async (t) => {
  const fixture = await SnapshotFixture.create();
  t.after(() => fixture.close());
  const heads = new HeadsFileWriter(fixture.vfs, headsPath(ROOT, 1), { storeId: STORE_ID, number: 1 });
  const bytes = Buffer.from(encodeHead(storedHead("s", 0)));
  // The layout is the first element of the array.
  bytes[1] = 99;
  heads.add({ sessionId: "s", lastCommitLsn: 0, bytes });
  fixture.manifest = {
    ...fixture.manifest,
    heads: [{ number: 1, bytes: heads.finish(), count: 1 }],
    nextFile: 2,
  };
  const damage = corruptionOf(() => fixture.load("s"));
  assert.deepEqual([damage?.file, damage?.sessionId], [headsPath(ROOT, 1), "s"]);
});

test("a page whose nodes are not in the order of their revisions is refused", () => {
  const pages = new Map<BlobRef, Uint8Array>();
  const store: PageStore = {
    read: (ref) => pages.get(ref) ?? new Uint8Array(0),
    write: (bytes, ref) => void pages.set(ref, bytes),
    drop: () => undefined,
  };
  const item = (id: string, revision: number) =>
    nodeItem({ id, parent: undefined, flags: 0, body: Buffer.from("b"), revision, hiddenAt: 0 }, false);
  const load = (revisions: readonly number[]) => {
    const items = revisions.map((revision, n) => item(`n${n}`, revision));
    const nodes = appendItems([], items, nodeItemSize, store);
    return stateFromHead(storedHead("s", 9, { nodes }), store, {
      receiptsKept: 1,
      nodes: "all",
      olderReceipts: () => [],
      olderRemovals: () => ({ oldest: 0, removals: [] }),
    });
  };
  assert.equal(load([1, 2, 2]).length, 3);
  assert.throws(() => load([2, 1]), /node "n1" is of revision 1, behind one of 2/);
});
