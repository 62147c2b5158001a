/**
 * Folding gives the state that applying the same records gives, however the records are cut into folds; what
 * does not follow is refused with its place, and a fold that fails leaves nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isStoreError } from "../../src/errors.ts";
import { apply } from "../../src/session/apply.ts";
import type { SessionRecord } from "../../src/session/record.ts";
import { isUsed, liveEntries, type SessionState } from "../../src/session/state.ts";
import { checkSnapshot } from "../../src/snapshot/check.ts";
import { fold } from "../../src/snapshot/fold.ts";
import { mergeHeads } from "../../src/snapshot/merge-heads.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { randomFrom } from "../../src/vfs/memory-random.ts";
import { noise } from "../support/builders.ts";
import {
  append,
  blobRecord,
  commitRecord,
  corruptionOf,
  flipBit,
  node,
  observable,
  ROOT,
  SnapshotFixture,
  value,
} from "./fixture.ts";
import { nextRecord } from "./random-session.ts";

const OPERATIONS = Array.from({ length: 7 }, (_, index) => `operation-${index}`);

/** Equal in all that a caller can see, remembered operations included. */
function checkSame(loaded: SessionState | undefined, direct: SessionState): void {
  assert.ok(loaded !== undefined);
  assert.deepEqual(observable(loaded), observable(direct));
  for (let revision = 1; revision <= (direct.head?.revision ?? 0); revision++) {
    assert.deepEqual(changesSince(loaded, revision), changesSince(direct, revision), `since ${revision}`);
  }
  for (const operation of OPERATIONS) {
    const found = loaded.receipts.find(operation);
    const expected = direct.receipts.find(operation);
    assert.deepEqual(
      found && { ...found, digest: Buffer.from(found.digest), manifest: Buffer.from(found.manifest.bytes) },
      expected && {
        ...expected,
        digest: Buffer.from(expected.digest),
        manifest: Buffer.from(expected.manifest.bytes),
      },
      operation,
    );
  }
}

function changesSince(state: SessionState, revision: number): unknown {
  const found = state.removals.since(revision, state.removalCount);
  const removed = "ids" in found ? found.ids.toSorted() : found;
  return { removed, sent: [...liveEntries(state)].filter((entry) => entry.revision > revision) };
}

/** How many records come before each fold, and a seed for what they are. */
const histories = fc.tuple(
  fc.array(fc.integer({ min: 0, max: 25 }), { minLength: 1, maxLength: 6 }),
  fc.integer({ min: 0, max: 2 ** 31 }),
);

async function foldHistory(steps: readonly number[], seed: number): Promise<void> {
  const fixture = await SnapshotFixture.create({ receiptsKept: 4 });
  const random = randomFrom(seed);
  const draw = (limit: number): number => Math.floor(random() * limit);
  const sessions = ["a", "b", "c"];
  for (const step of steps) {
    for (let count = 0; count < step; count++) {
      const state = fixture.state(sessions[draw(3)] ?? "a");
      if (!state.deleted) fixture.append(nextRecord(state, draw));
    }
    await fixture.snapshot();
    for (const [sessionId, direct] of fixture.states) checkSame(fixture.load(sessionId), direct);
    assert.deepEqual(checkSnapshot(fixture.vfs, { root: ROOT, manifest: fixture.manifest }), []);
  }
  await fixture.close();
}

test("records folded in any number of steps give the state that applying them gives", async () => {
  await fc.assert(
    fc.asyncProperty(histories, ([steps, seed]) => foldHistory(steps, seed)),
    { numRuns: 60 },
  );
});

test("a session loaded from a snapshot goes on with the records behind it", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a", { graph: append(node("1"), node("2", "1")) });
  await fixture.snapshot();
  const loaded = fixture.load("a");
  assert.ok(loaded);
  const next = fixture.commit("a", { graph: append(node("3", "2")) });
  const tombstone: SessionRecord = { kind: "tombstone", sessionId: "a", nodeIds: ["2"], picker: undefined };
  const after = apply(apply(loaded, next, fixture.lastLsn), tombstone, fixture.lastLsn + 1);
  fixture.append(tombstone);
  assert.deepEqual(observable(after), observable(fixture.state("a")));
});

test("a session of which nothing is stored is absent, one with only a meta is there", async () => {
  const fixture = await SnapshotFixture.create();
  const meta = { sessionId: "m", sessionName: "n", createdAt: "c", model: "m" };
  fixture.append({ kind: "meta", sessionId: "m", meta });
  await fixture.snapshot();
  assert.equal(fixture.load("never"), undefined);
  const loaded = fixture.load("m");
  assert.ok(loaded !== undefined && isUsed(loaded) && loaded.head === undefined);
  assert.deepEqual(loaded.meta, meta);
});

test("a deleted session stays deleted through every later fold and merge", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("gone", { graph: append(node("1")) });
  await fixture.snapshot();
  fixture.append({ kind: "delete", sessionId: "gone" });
  await fixture.snapshot();
  for (let round = 0; round < 20; round++) {
    fixture.commit(`other-${round}`);
    await fixture.snapshot();
  }
  const loaded = fixture.load("gone");
  assert.equal(loaded?.deleted, true);
  assert.equal(loaded?.length, 0);
});

test("records at or below a head's last LSN are skipped", async () => {
  const fixture = await SnapshotFixture.create();
  const { log } = fixture.manifest;
  fixture.commit("a", { graph: append(node("1")) });
  await fixture.snapshot();
  fixture.commit("a", { graph: append(node("2")) });
  // The same log folded once more from its beginning: what the head has must not be applied again.
  fixture.manifest = { ...fixture.manifest, log };
  await fixture.snapshot();
  assert.deepEqual(observable(fixture.load("a") as SessionState), observable(fixture.state("a")));
});

test("every blob of the segments is kept, superseded checkpoint manifests included", async () => {
  const fixture = await SnapshotFixture.create();
  const old = commitRecord("a", 1);
  const unnamed = blobRecord({ plugins: {} }, "pluginSnapshot");
  fixture.append(old, unnamed, commitRecord("a", 2));
  await fixture.snapshot();
  fixture.read((view) => {
    assert.equal(view.blobInfo(old.checkpointRef)?.kind, "manifest");
    assert.deepEqual(Buffer.from(view.readBlob(old.checkpointRef) ?? []), Buffer.from(old.manifest));
    assert.deepEqual(view.blobInfo(unnamed.ref), { kind: "pluginSnapshot", storedBytes: unnamed.size });
  });
});

test("a blob that travels in several frames is put together", async () => {
  const fixture = await SnapshotFixture.create();
  const { ref, bytes } = value("x".repeat(100_000));
  for (let at = 0; at < bytes.length; at += 30_000) {
    const data = bytes.subarray(at, at + 30_000);
    fixture.appendRaw({ kind: "blob", ref, blobKind: "executionState", size: bytes.length, at, data });
  }
  await fixture.snapshot();
  assert.deepEqual(
    fixture.read((view) => Buffer.from(view.readBlob(ref) ?? [])),
    Buffer.from(bytes),
  );
});

test("a blob whose last frames never came is left out, and may come again whole", async () => {
  const fixture = await SnapshotFixture.create();
  const { ref, bytes } = value("x".repeat(1000));
  const part = { kind: "blob", ref, blobKind: "executionState", size: bytes.length } as const;
  fixture.appendRaw({ ...part, at: 0, data: bytes.subarray(0, 500) });
  await fixture.snapshot();
  assert.equal(
    fixture.read((view) => view.blobInfo(ref)),
    undefined,
  );
  fixture.appendRaw({ ...part, at: 0, data: bytes.subarray(0, 400) });
  fixture.appendRaw({ ...part, at: 0, data: bytes.subarray(0, 500) });
  fixture.appendRaw({ ...part, at: 500, data: bytes.subarray(500) });
  await fixture.snapshot();
  assert.equal(fixture.read((view) => view.readBlob(ref))?.length, bytes.length);
});

test("a blob that a crash cut short near its end is made of its second beginning alone", async () => {
  const fixture = await SnapshotFixture.create();
  const { ref, bytes } = value("x".repeat(1000));
  const part = { kind: "blob", ref, blobKind: "executionState", size: bytes.length } as const;
  fixture.appendRaw({ ...part, at: 0, data: bytes.subarray(0, 700) });
  fixture.appendRaw({ ...part, at: 0, data: bytes.subarray(0, 500) });
  fixture.appendRaw({ ...part, at: 500, data: bytes.subarray(500) });
  await fixture.snapshot();
  assert.equal(fixture.read((view) => view.readBlob(ref))?.length, bytes.length);
});

/** Folding is CORRUPT with file, offset and session, and no file is left but those of the manifest. */
async function checkRefused(fixture: SnapshotFixture, sessionId: string | undefined): Promise<void> {
  const heads = fixture.vfs.list(`${ROOT}/heads`);
  const packs = fixture.vfs.list(`${ROOT}/blobs`);
  let error: unknown;
  await fixture.fold().catch((caught: unknown) => {
    error = caught;
  });
  assert.ok(isStoreError(error, "CORRUPT"), String(error));
  assert.match(error.file, /\/wal\/[0-9a-f]{16}\.wal$/);
  assert.ok((error.offset ?? 0) > 0);
  assert.equal(error.sessionId, sessionId);
  assert.deepEqual(fixture.vfs.list(`${ROOT}/heads`), heads);
  assert.deepEqual(fixture.vfs.list(`${ROOT}/blobs`), packs);
}

test("a revision that does not follow is CORRUPT naming file, offset and session", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a");
  await fixture.snapshot();
  fixture.appendRaw(commitRecord("a", 3));
  await checkRefused(fixture, "a");
});

test("a record behind the deletion of its session is CORRUPT", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a");
  fixture.append({ kind: "delete", sessionId: "a" });
  await fixture.snapshot();
  fixture.appendRaw(commitRecord("a", 2));
  await checkRefused(fixture, "a");
});

test("a tombstone of a node that is not there is CORRUPT", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a", { graph: append(node("1")) });
  await fixture.snapshot();
  fixture.appendRaw({ kind: "tombstone", sessionId: "a", nodeIds: ["2"], picker: undefined });
  await checkRefused(fixture, "a");
});

test("a blob whose bytes are not its ref's is CORRUPT", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.appendRaw({ ...blobRecord("a", "toolState"), ref: value("b").ref });
  await checkRefused(fixture, undefined);
});

test("appending to a long session reads none of its old pages", async () => {
  const fixture = await SnapshotFixture.create();
  for (let round = 0; round < 5; round++) {
    fixture.commit("long", { graph: append(...manyNodes(round, 100, 2000)) });
    await fixture.snapshot();
  }
  fixture.commit("long", { graph: append(node("last")) });
  const { edit } = await fixture.fold();
  const added = edit.packs.filter(
    (pack) => !fixture.manifest.packs.some(({ number }) => number === pack.number),
  );
  assert.equal(added.length, 1);
  assert.ok((added[0]?.bytes ?? 0) < 10_000, `${added[0]?.bytes} bytes were written for one small node`);
});

test("a tombstone near the end of a long session rewrites only the end", async () => {
  const fixture = await SnapshotFixture.create();
  for (let round = 0; round < 4; round++) {
    fixture.commit("long", { graph: append(...manyNodes(round, 200, 2000)) });
    await fixture.snapshot();
  }
  fixture.append({ kind: "tombstone", sessionId: "long", nodeIds: ["3-199"], picker: undefined });
  const { edit } = await fixture.fold();
  fixture.publish(edit);
  assert.deepEqual(observable(fixture.load("long") as SessionState), observable(fixture.state("long")));
  // Raw lengths: how well the pages compress must not decide.
  const written = fixture.read((view) =>
    [...(view.packs[0]?.entries() ?? [])].reduce((sum, entry) => sum + entry.rawLength, 0),
  );
  assert.ok(written < 700_000, `${written} of 1,600,000 bytes were written again`);
});

function manyNodes(round: number, count: number, bytes: number) {
  return Array.from({ length: count }, (_, index) => ({
    id: `${round}-${index}`,
    parent: undefined,
    flags: 0,
    body: Buffer.from(Array.from({ length: bytes }, (_v, at) => (at * 31 + index * 7 + round) & 0xff)),
  }));
}

test("receipts beyond the limit leave the pages, the newest ones stay", async () => {
  const fixture = await SnapshotFixture.create({ receiptsKept: 5 });
  for (let count = 0; count < 60; count++) {
    fixture.commit("a", { operation: { id: `op-${count}`, digest: Buffer.alloc(32, count) } });
    if (count % 3 === 0) await fixture.snapshot();
  }
  await fixture.snapshot();
  const loaded = fixture.load("a");
  for (let count = 0; count < 60; count++) {
    assert.equal(loaded?.receipts.find(`op-${count}`)?.headRevision, count >= 55 ? count + 1 : undefined);
  }
  const kept = fixture.read((view) => view.head("a")?.receipts.reduce((sum, page) => sum + page.items, 0));
  assert.ok((kept ?? 0) < 40, `${kept} receipts are stored`);
});

test("dead bytes are those of blobs no head names any more, superseded in the log or before it", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a", { manifest: value(noise(900, 1)).bytes, checkpointRef: value(noise(900, 1)).ref });
  await fixture.snapshot();
  assert.equal(fixture.manifest.deadBytes, 0);
  fixture.commit("a", { manifest: value(noise(700, 2)).bytes, checkpointRef: value(noise(700, 2)).ref });
  fixture.commit("a", { manifest: value(noise(500, 3)).bytes, checkpointRef: value(noise(500, 3)).ref });
  await fixture.snapshot();
  assert.equal(
    fixture.manifest.deadBytes,
    value(noise(900, 1)).bytes.length + value(noise(700, 2)).bytes.length,
  );
});

test("a full disk at any write or sync of a fold fails the fold alone and leaves no file of it", async () => {
  for (const operation of ["write", "datasync", "sync", "open"] as const) {
    const fixture = await SnapshotFixture.create();
    fixture.append(blobRecord("x", "toolState"));
    fixture.commit("a", { graph: append(node("1")) });
    const { edit } = await fixture.fold();
    const input = {
      root: ROOT,
      manifest: fixture.manifest,
      until: edit.log,
      receiptsKept: 1,
      compression: "none" as const,
      packsLeftAlone: [],
    };
    for (const { temporary } of edit.newFiles) fixture.vfs.remove(temporary);
    let failures = 0;
    for (let nth = 1; ; nth++) {
      const vfs = withFaults(fixture.vfs, [{ operation, errno: "ENOSPC", path: /\.tmp$/, nth }]);
      try {
        fold(vfs, input);
        break;
      } catch (error) {
        assert.ok(isStoreError(error, "STORE_IO"), String(error));
        failures++;
        assert.deepEqual(fixture.vfs.list(`${ROOT}/heads`), [], `${operation} ${nth}`);
        assert.deepEqual(fixture.vfs.list(`${ROOT}/blobs`), [], `${operation} ${nth}`);
        assert.deepEqual(vfs.syncsAfterFailure(), []);
      }
    }
    if (operation !== "datasync") assert.ok(failures > 0, operation);
  }
});

test("a damaged head of a session ends the fold: older files are not asked", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a");
  await fixture.snapshot();
  const path = `${ROOT}/heads/${String(fixture.manifest.heads[0]?.number).padStart(6, "0")}.heads`;
  const file = fixture.vfs.open(path, "write");
  file.write([Uint8Array.of(0xff)], 80);
  file.close();
  fixture.commit("a");
  let error: unknown;
  await fixture.fold().catch((caught: unknown) => {
    error = caught;
  });
  assert.equal(
    corruptionOf(() => assert.ok(isStoreError(error, "CORRUPT") && error.file === path)),
    undefined,
  );
});

test("heads beside a damaged file are written on their own, and the damage stays where it was", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("z");
  await fixture.snapshot();
  const path = `${ROOT}/heads/${String(fixture.manifest.heads[0]?.number).padStart(6, "0")}.heads`;
  flipBit(fixture.vfs, path, 80);
  const direct = fixture.state("a");
  fixture.commit("a");
  await fixture.snapshot();
  assert.equal(direct.head, undefined);
  assert.equal(fixture.manifest.heads.length, 2);
  assert.equal(fixture.load("a")?.head?.revision, 1);
  assert.equal(corruptionOf(() => fixture.load("z"))?.file, path);
  const files = fixture.vfs.list(`${ROOT}/heads`);
  const merged = corruptionOf(() => mergeHeads(fixture.vfs, { root: ROOT, manifest: fixture.manifest }));
  assert.equal(merged?.file, path);
  assert.deepEqual(fixture.vfs.list(`${ROOT}/heads`), files, "nothing of the merge is left");
});

test("heads files are not merged into one while one of them is missing", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a");
  fixture.commit("b");
  fixture.commit("c");
  await fixture.snapshot();
  const path = `${ROOT}/heads/${String(fixture.manifest.heads[0]?.number).padStart(6, "0")}.heads`;
  fixture.commit("d");
  await fixture.snapshot();
  assert.equal(fixture.manifest.heads.length, 2);
  const { heads } = mergeHeads(fixture.vfs, { root: ROOT, manifest: fixture.manifest });
  assert.deepEqual(
    heads.map(({ count }) => count),
    [4],
  );
  fixture.vfs.remove(path);
  const refused = corruptionOf(() => mergeHeads(fixture.vfs, { root: ROOT, manifest: fixture.manifest }));
  assert.equal(refused?.file, path);
});
