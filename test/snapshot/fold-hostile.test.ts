/**
 * Folds, marks and views at their edges: a page that dies in the fold that wrote it, a small pack that is damaged
 * when packs are merged, a node that comes back with another body, and heads that name what is nowhere.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { pack, unpack } from "../../src/codec.ts";
import { isStoreError } from "../../src/errors.ts";
import { MAX_SMALL_PACKS, PAGE_BYTES } from "../../src/limits.ts";
import { KeptBytes } from "../../src/session/kept-bytes.ts";
import type { HeadState } from "../../src/session/state.ts";
import { mark } from "../../src/snapshot/collect.ts";
import { fold } from "../../src/snapshot/fold.ts";
import {
  decodeHead,
  encodeHead,
  nodeItem,
  nodeItemSize,
  receiptItem,
  receiptItemSize,
  removalItem,
  removalItemSize,
} from "../../src/snapshot/head.ts";
import { looseBlocks } from "../../src/snapshot/loose-blocks.ts";
import { headsPath, packPath } from "../../src/snapshot/manifest.ts";
import { mergeHeads } from "../../src/snapshot/merge-heads.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { noise } from "../support/builders.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { storedHead, writeHeads } from "./files.ts";
import { append, corruptionOf, flipBit, node, observable, ROOT, SnapshotFixture, value } from "./fixture.ts";

test("receipts that are made and forgotten in one fold leave no page behind", async () => {
  const fixture = await SnapshotFixture.create({ receiptsKept: 1 });
  // Each of these manifests fills more than half a page of receipts.
  const manifests = [1, 2, 3, 4].map((seed) => value(noise(PAGE_BYTES / 2 + 1000, seed)));
  for (const [index, { ref, bytes }] of manifests.entries()) {
    const operation = { id: `op-${index}`, digest: noise(32, index) };
    fixture.commit("a", { checkpointRef: ref, manifest: bytes, operation });
  }
  await fixture.snapshot();
  const receipts = fixture.read((view) => view.receipts("a"));
  assert.ok(receipts.length < manifests.length, "old ones were forgotten");
  assert.equal(receipts.at(-1)?.operationId, "op-3");
  const named = new Set(fixture.read((view) => view.head("a"))?.receipts.map(({ ref }) => ref));
  const pages = fixture.read((view) =>
    view.packs.flatMap((file) => [...file.entries()].filter(({ kind }) => kind === "page")),
  );
  assert.equal(pages.length, named.size, "every page of the pack is named by the head");
});

test("a page that two sessions write in one fold stays when one of them forgets it in the same fold", async () => {
  const fixture = await SnapshotFixture.create({ receiptsKept: 1 });
  const manifests = [1, 2, 3, 4].map((seed) => value(noise(PAGE_BYTES / 2 + 1000, seed)));
  for (const [sessionId, count] of [
    ["a", 2],
    ["b", 4],
  ] as const) {
    for (const [index, { ref, bytes }] of manifests.slice(0, count).entries()) {
      const operation = { id: `op-${index}`, digest: noise(32, index) };
      fixture.commit(sessionId, { checkpointRef: ref, manifest: bytes, operation });
    }
  }
  await fixture.snapshot();
  const idsOf = (sessionId: string): string[] =>
    fixture.read((view) => view.receipts(sessionId)).map(({ operationId }) => operationId);
  assert.deepEqual(
    [idsOf("a"), idsOf("b")],
    [
      ["op-0", "op-1"],
      ["op-2", "op-3"],
    ],
  );
});

/** A session in as many small packs as are merged by the next fold. */
async function manySmallPacks(): Promise<SnapshotFixture> {
  const fixture = await SnapshotFixture.create();
  for (let round = 0; round < MAX_SMALL_PACKS; round++) {
    fixture.commit("a", { graph: append({ ...node(`n${round}`), body: noise(300, round) }) });
    await fixture.snapshot();
  }
  assert.equal(fixture.manifest.packs.length, MAX_SMALL_PACKS);
  return fixture;
}

test("a fold that would merge a damaged pack merges none, and has everything that is new", async () => {
  const whole = await manySmallPacks();
  whole.commit("b", { graph: append(node("new")) });
  await whole.snapshot();
  assert.equal(whole.manifest.packs.length, 1, "whole packs are merged");

  const fixture = await manySmallPacks();
  const before = fixture.manifest.packs;
  const path = packPath(ROOT, before[0]?.number ?? 0);
  const [first] = looseBlocks(fixture.vfs, path);
  flipBit(fixture.vfs, path, (first?.offset ?? 0) + 12);
  fixture.commit("b", { graph: append(node("new")) });
  await fixture.snapshot();
  assert.deepEqual(fixture.manifest.packs.slice(0, -1), before);
  assert.equal(fixture.manifest.packs.length, MAX_SMALL_PACKS + 1);
  assert.deepEqual(
    fixture.vfs.list(`${ROOT}/blobs`).filter((name) => name.endsWith(".tmp")),
    [],
  );
  const loaded = fixture.load("b");
  assert.ok(loaded);
  assert.deepEqual(observable(loaded), observable(fixture.state("b")));
});

test("a fold that would merge packs on a disk that fails ends as the disk does, and is not tried without them", async () => {
  const fixture = await manySmallPacks();
  fixture.commit("b", { graph: append(node("new")) });
  const until = await fixture.roll();
  const faulty = withFaults(fixture.vfs);
  const { manifest, receiptsKept } = fixture;
  const input = {
    root: ROOT,
    manifest,
    until,
    receiptsKept,
    compression: "none",
    packsLeftAlone: [],
  } as const;
  for (const path of [/\.pack\.tmp$/, /\.heads\.tmp$/]) {
    faulty.heal();
    const fired = faulty.fired.length;
    faulty.inject({ operation: "write", errno: "ENOSPC", path, times: "once" });
    assert.throws(
      () => fold(faulty, input),
      (error) => isStoreError(error, "STORE_IO") && error.errno === "ENOSPC",
    );
    assert.equal(faulty.fired.length, fired + 1);
    for (const folder of ["blobs", "heads"]) {
      const names = fixture.vfs.list(`${ROOT}/${folder}`);
      assert.ok(!names.some((name) => name.endsWith(".tmp")), names.join());
    }
  }
});

test("a node that a replacement brings under its old id, with another body or other flags, is stored as it is now", async () => {
  for (const changed of [{ body: Buffer.from("other body") }, { flags: 1 }]) {
    const fixture = await SnapshotFixture.create();
    fixture.commit("a", { graph: append(node("1"), node("2", "1"), node("3", "2")) });
    await fixture.snapshot();
    fixture.commit("a", {
      graph: {
        kind: "replace",
        steps: [
          { kind: "keep", start: 0, count: 1 },
          { kind: "node", node: { ...node("2", "1"), ...changed } },
          { kind: "keep", start: 2, count: 1 },
        ],
      },
    });
    await fixture.snapshot();
    const loaded = fixture.load("a");
    assert.ok(loaded);
    assert.deepEqual(observable(loaded), observable(fixture.state("a")));
  }
});

test("a checkpoint part that is in no pack ends the mark with CORRUPT of its session", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a");
  await fixture.snapshot();
  const before = fixture.read((view) => view.head("a"));
  assert.ok(before?.head);
  const { heads, nextFile } = fixture.manifest;
  for (const part of ["toolState", "pluginSnapshot", "executionState"] as const) {
    const refs = { ...before.head.refs, [part]: value("nowhere").ref };
    const stored = { ...before, head: { ...before.head, refs } };
    const bytes = writeHeads(fixture.vfs, headsPath(ROOT, nextFile), nextFile, [stored]);
    const manifest = { ...fixture.manifest, heads: [...heads, { number: nextFile, bytes, count: 1 }] };
    const corruption = corruptionOf(() => void mark(fixture.vfs, { root: ROOT, manifest }));
    assert.equal(corruption?.sessionId, "a", part);
    assert.match(corruption.message, /gc deletes nothing while something is missing/);
  }
});

test("a session that no heads file has has no receipts", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a", { operation: { id: "op", digest: noise(32) } });
  await fixture.snapshot();
  assert.deepEqual(
    fixture.read((view) => [view.receipts("a").length, view.receipts("never").length]),
    [1, 0],
  );
});

test("a stored head whose picker says `as before` has the picker of a new session", () => {
  const wire = unpack(encodeHead(storedHead("a", 1))) as unknown[];
  const { picker } = decodeHead("a", pack(wire.with(4, null)));
  assert.deepEqual(picker, { firstUserMessage: "", userMessageCount: 0 });
});

test("a stored head of another number of items than its layout has is refused", () => {
  const wire = unpack(encodeHead(storedHead("a", 1))) as unknown[];
  assert.throws(() => decodeHead("a", pack(wire.slice(0, -1))), /a head of layout 3 has 13 items/);
  assert.throws(() => decodeHead("a", pack(wire.with(0, 2))), /a head of layout 2 has 14 items/);
  assert.throws(() => decodeHead("a", pack(wire.with(0, 1))), /a head of layout 1 has 14 items/);
});

test("a head stored before outlines were has none", () => {
  const wire = unpack(
    encodeHead(storedHead("a", 1, { oldestCopy: 4, outline: new Uint8Array(2) })),
  ) as unknown[];
  const { outline, oldestCopy } = decodeHead("a", pack(wire.with(0, 2).slice(0, -1)));
  assert.deepEqual({ outline, oldestCopy }, { outline: undefined, oldestCopy: 4 });
});

test("a head stored before removals were tells a copy of its own revision, and of older ones, nothing", () => {
  const oldestCopy = (head: HeadState | undefined): number => {
    const wire = unpack(encodeHead(storedHead("a", 1, { head }))) as unknown[];
    const old = decodeHead("a", pack(wire.with(0, 1).slice(0, -3)));
    assert.deepEqual(old.removals, []);
    return old.oldestCopy;
  };
  const head: HeadState = {
    revision: 7,
    config: { providerId: "p", configuredModel: "m", contextWindow: 8, executionMode: "standard" },
    leafNodeId: undefined,
    checkpointRef: value("any").ref,
    manifest: undefined,
    refs: { toolState: undefined, pluginSnapshot: undefined, executionState: undefined },
    nodeCount: 0,
  };
  assert.equal(oldestCopy(head), 8);
  assert.equal(oldestCopy(undefined), 0, "nothing of it was ever shown");
});

test("new heads are merged with older files of up to twice as many, and a merge of all leaves no file open", async () => {
  for (const [older, files] of [
    [2, 1],
    [3, 2],
  ] as const) {
    const fixture = await SnapshotFixture.create();
    for (let index = 0; index < older; index++) fixture.commit(`s${index}`);
    await fixture.snapshot();
    fixture.commit("new");
    await fixture.snapshot();
    assert.equal(fixture.manifest.heads.length, files, `one head on top of ${older}`);
    const counting = new CountingVfs(fixture.vfs);
    const { heads } = mergeHeads(counting, { root: ROOT, manifest: fixture.manifest });
    assert.deepEqual(
      heads.map(({ count }) => count),
      [older + 1],
    );
    assert.deepEqual(counting.openPaths, []);
  }
});

test("the size of an item, by which pages are filled, is close to its bytes", () => {
  const entry = { ...node("n".repeat(200), "p".repeat(300)), body: noise(1000), revision: 1, hiddenAt: 0 };
  const receipt = {
    operationId: "o".repeat(200),
    digest: noise(32),
    headRevision: 7,
    checkpointRef: value("any").ref,
    manifest: new KeptBytes(noise(1000)),
  };
  const root = nodeItem({ ...entry, parent: undefined }, false);
  const child = nodeItem(entry, false);
  const removal = removalItem({ id: "r".repeat(200), from: 1000, to: 2000 });
  for (const [item, size] of [
    [root, nodeItemSize(root)],
    [child, nodeItemSize(child)],
    [receiptItem(receipt), receiptItemSize(receiptItem(receipt))],
    [removal, removalItemSize(removal)],
  ] as const) {
    const { length } = pack(item);
    assert.ok(Math.abs(size - length) <= 10, `${size} is said of ${length}`);
  }
});
