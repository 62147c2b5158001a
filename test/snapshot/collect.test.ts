/**
 * Collection: what a current head reaches is never called dead, what none reaches goes and its bytes with it,
 * and where something cannot be read nothing is proposed at all.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type BlobRef, refFromBytes, refToBytes } from "../../src/ids.ts";
import { hasDigest, mark, sweep } from "../../src/snapshot/collect.ts";
import { headsPath, packPath } from "../../src/snapshot/manifest.ts";
import { mergeHeads } from "../../src/snapshot/merge-heads.ts";
import type { Marks, SweepOutput } from "../../src/snapshot/tasks.ts";
import { randomFrom } from "../../src/vfs/memory-random.ts";
import { noise } from "../support/builders.ts";
import {
  append,
  blobRecord,
  bytesOf,
  corruptionOf,
  flipBit,
  node,
  observable,
  put,
  ROOT,
  SnapshotFixture,
} from "./fixture.ts";
import { nextRecord } from "./random-session.ts";

function markNow(fixture: SnapshotFixture): Marks {
  return mark(fixture.vfs, { root: ROOT, manifest: fixture.manifest });
}

function sweepNow(
  fixture: SnapshotFixture,
  marks: Marks,
  packs: readonly number[],
  used: Uint8Array = new Uint8Array(),
): SweepOutput {
  return sweep(fixture.vfs, { root: ROOT, manifest: fixture.manifest, packs, live: marks.live, used });
}

/** A whole gc as the store does it, without racing commits. */
function collect(fixture: SnapshotFixture): { marks: Marks; deleted: number; dead: BlobRef[] } {
  const marks = markNow(fixture);
  let deleted = 0;
  const dead: BlobRef[] = [];
  for (const slice of marks.slices) {
    const swept = sweepNow(fixture, marks, slice);
    fixture.publish(swept.edit);
    deleted += swept.deletedBlobCount;
    dead.push(...refsOf(swept.dead));
  }
  fixture.publish(mergeHeads(fixture.vfs, { root: ROOT, manifest: fixture.manifest }));
  return { marks, deleted, dead };
}

function refsOf(digests: Uint8Array): BlobRef[] {
  return Array.from({ length: digests.length / 32 }, (_, i) =>
    refFromBytes(digests.subarray(i * 32, i * 32 + 32)),
  );
}

function packBytes(fixture: SnapshotFixture): number {
  return fixture.manifest.packs.reduce((sum, pack) => sum + pack.bytes, 0);
}

/** Every blob and page that a current head names can be read. */
function checkReachable(fixture: SnapshotFixture): void {
  for (const [sessionId, direct] of fixture.states) {
    const loaded = fixture.load(sessionId);
    assert.ok(loaded);
    assert.deepEqual(observable(loaded), observable(direct));
    const { head } = direct;
    if (head === undefined) continue;
    fixture.read((view) => {
      for (const ref of [
        head.checkpointRef,
        head.refs.toolState,
        head.refs.pluginSnapshot,
        head.refs.executionState,
      ]) {
        if (ref !== undefined) assert.ok(view.readBlob(ref), `blob ${ref} of "${sessionId}"`);
      }
    });
  }
}

test("after any history a gc keeps all that heads name, deletes every other blob, and a second finds nothing", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      async (steps, seed) => {
        const fixture = await SnapshotFixture.create({ receiptsKept: 3 });
        const random = randomFrom(seed);
        const draw = (limit: number): number => Math.floor(random() * limit);
        const named = new Set<BlobRef>();
        for (const step of steps) {
          for (let count = 0; count < step; count++) {
            const state = fixture.state(`session-${draw(3)}`);
            if (state.deleted) continue;
            const record = nextRecord(state, draw);
            if (record.kind !== "commit") {
              fixture.append(record);
              continue;
            }
            const tools = blobRecord({ generation: draw(5) }, "toolState");
            fixture.append(tools, { ...record, toolStateRef: tools.ref });
            named.add(tools.ref).add(record.checkpointRef);
          }
          await fixture.snapshot();
        }
        const live = new Set<BlobRef>();
        for (const { head } of fixture.states.values()) {
          if (head?.refs.toolState !== undefined) live.add(head.refs.toolState).add(head.checkpointRef);
        }
        const { marks, deleted } = collect(fixture);
        assert.equal(marks.rootCount, [...fixture.states.values()].filter((state) => state.head).length);
        assert.equal(marks.retainedBlobCount, live.size);
        assert.equal(deleted, named.size - live.size);
        checkReachable(fixture);
        fixture.read((view) => {
          for (const ref of named) assert.equal(view.blobInfo(ref) !== undefined, live.has(ref), ref);
        });
        assert.deepEqual(markNow(fixture).slices, [], "no pack has a dead entry");
      },
    ),
    { numRuns: 40 },
  );
});

test("bytes of superseded blobs, deleted sessions and removed nodes leave the packs", async () => {
  const fixture = await SnapshotFixture.create();
  const large = blobRecord(noise(20_000), "executionState");
  fixture.append(large);
  fixture.commit("a", {
    executionStateRef: large.ref,
    graph: append({ ...node("1"), body: noise(20_000, 2) }),
  });
  fixture.commit("gone", { graph: append({ ...node("1"), body: noise(20_000, 3) }) });
  await fixture.snapshot();
  assert.ok(packBytes(fixture) > 60_000);
  fixture.commit("a");
  fixture.append({ kind: "tombstone", sessionId: "a", nodeIds: ["1"], picker: undefined });
  fixture.append({ kind: "vacuum", sessionId: "a" });
  fixture.append({ kind: "delete", sessionId: "gone" });
  await fixture.snapshot();
  collect(fixture);
  assert.ok(packBytes(fixture) < 2000, `${packBytes(fixture)} bytes are left`);
  const left = Buffer.concat(
    fixture.manifest.packs.map((pack) => bytesOf(fixture.vfs, packPath(ROOT, pack.number))),
  );
  for (const seed of [1, 2, 3]) assert.equal(left.indexOf(noise(20_000, seed).subarray(0, 64)), -1);
});

test("a pack without dead entries is left alone, one with a single dead entry is rewritten", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("kept");
  await fixture.snapshot();
  const [whole] = fixture.manifest.packs;
  fixture.commit("a");
  fixture.commit("b");
  await fixture.snapshot();
  const partly = fixture.manifest.packs[1];
  fixture.commit("a");
  await fixture.snapshot();
  const { marks } = collect(fixture);
  assert.ok(whole && partly);
  assert.deepEqual(marks.slices.flat(), [partly.number]);
  const numbers = fixture.manifest.packs.map(({ number }) => number);
  assert.ok(numbers.includes(whole.number) && !numbers.includes(partly.number));
});

test("nothing is left when every session is deleted, and the markers stay", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a", { graph: append(node("1")) });
  await fixture.snapshot();
  fixture.append({ kind: "delete", sessionId: "a" });
  await fixture.snapshot();
  const { marks } = collect(fixture);
  assert.equal(marks.rootCount, 0);
  assert.equal(marks.retainedBlobCount, 0);
  assert.deepEqual(fixture.manifest.packs, []);
  assert.equal(fixture.load("a")?.deleted, true);
});

test("a blob shared by sessions lives until the last head drops it", async () => {
  const fixture = await SnapshotFixture.create();
  const shared = blobRecord({ tools: {} }, "toolState");
  fixture.append(shared);
  fixture.commit("a", { toolStateRef: shared.ref });
  fixture.commit("b", { toolStateRef: shared.ref });
  await fixture.snapshot();
  fixture.commit("a");
  await fixture.snapshot();
  assert.ok(!collect(fixture).dead.includes(shared.ref));
  fixture.commit("b");
  await fixture.snapshot();
  assert.ok(collect(fixture).dead.includes(shared.ref));
});

test("a dead blob that lies in packs of two slices is counted once, with its last copy", async () => {
  const fixture = await SnapshotFixture.create();
  // The same checkpoint again and again: every fold brings its manifest once more.
  for (let round = 0; round < 3; round++) {
    fixture.commit("a", { turn: 7 });
    await fixture.snapshot();
  }
  fixture.commit("a", { turn: 8 });
  await fixture.snapshot();
  const marks = markNow(fixture);
  let deleted = 0;
  for (const number of marks.slices.flat()) {
    const swept = sweepNow(fixture, marks, [number]);
    fixture.publish(swept.edit);
    deleted += swept.deletedBlobCount;
  }
  assert.equal(deleted, 1);
  assert.equal(marks.retainedBlobCount, 1);
});

test("a blob that came back while the gc ran is not counted as deleted", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a", { turn: 7 });
  fixture.commit("a", { turn: 8 });
  await fixture.snapshot();
  const marks = markNow(fixture);
  fixture.commit("a", { turn: 7 });
  await fixture.snapshot();
  const swept = sweepNow(fixture, marks, marks.slices.flat());
  fixture.publish(swept.edit);
  assert.equal(swept.deletedBlobCount, 0);
  checkReachable(fixture);
});

test("the dead list tells the main thread of a digest that was used since", async () => {
  const fixture = await SnapshotFixture.create();
  const tools = blobRecord({ tools: {} }, "toolState");
  fixture.append(tools);
  fixture.commit("a", { toolStateRef: tools.ref });
  fixture.commit("a");
  await fixture.snapshot();
  const marks = markNow(fixture);
  const swept = sweepNow(fixture, marks, marks.slices.flat());
  assert.ok(hasDigest(swept.dead, refToBytes(tools.ref)));
  for (const ref of refsOf(swept.dead)) assert.ok(hasDigest(swept.dead, refToBytes(ref)));
  const { head } = fixture.state("a");
  assert.ok(head && !hasDigest(swept.dead, refToBytes(head.checkpointRef)));
  // A rejected slice is simply not published: all is as it was.
  assert.ok(fixture.read((view) => view.readBlob(tools.ref)));
});

test("a sweep keeps what was used since the mark, in every pack that has it, and rewrites without the rest", async () => {
  const fixture = await SnapshotFixture.create();
  const [used, other] = [blobRecord({ tools: 1 }, "toolState"), blobRecord({ tools: 2 }, "toolState")];
  for (let copy = 0; copy < 2; copy++) {
    fixture.append(used, other);
    fixture.commit("a", { toolStateRef: used.ref });
    fixture.commit("a", { toolStateRef: other.ref });
    fixture.commit("a");
    await fixture.snapshot();
  }
  const marks = markNow(fixture);
  const swept = sweepNow(fixture, marks, marks.slices.flat(), refToBytes(used.ref));
  assert.ok(!hasDigest(swept.dead, refToBytes(used.ref)));
  assert.ok(hasDigest(swept.dead, refToBytes(other.ref)));
  fixture.publish(swept.edit);
  assert.ok(fixture.read((view) => view.readBlob(used.ref)));
  assert.equal(
    fixture.read((view) => view.readBlob(other.ref)),
    undefined,
  );
});

test("folds between mark and sweep keep all that they wrote", async () => {
  const fixture = await SnapshotFixture.create();
  for (let round = 0; round < 12; round++) {
    fixture.commit("a", { graph: append({ ...node(`${round}`), body: noise(3000, round) }) });
    await fixture.snapshot();
  }
  const marks = markNow(fixture);
  const marked = marks.slices.flat();
  assert.ok(marked.length > 2);
  // So many packs that a fold would merge all the small ones.
  for (let round = 0; round < 8; round++) {
    fixture.commit(`beside-${round}`);
    await fixture.snapshot(marked);
  }
  for (const [index, number] of marked.entries()) {
    fixture.commit("a", { graph: append({ ...node(`during-${index}`), body: noise(3000, index) }) });
    fixture.commit(`new-${index}`);
    await fixture.snapshot(marked);
    const swept = sweepNow(fixture, marks, [number]);
    assert.ok(swept.freedBytes > 0 || swept.dead.length > 0, "no fold merged away what the gc has marked");
    fixture.publish(swept.edit);
    checkReachable(fixture);
  }
});

for (const what of ["checkpoint manifest", "page", "head"] as const) {
  test(`an unreadable ${what} ends the mark with CORRUPT and changes no file`, async () => {
    const fixture = await SnapshotFixture.create();
    fixture.commit("a", { graph: append({ ...node("1"), body: noise(200) }) });
    fixture.commit("a");
    await fixture.snapshot();
    const { head, nodes } = fixture.read((view) => view.head("a")) ?? {};
    const wanted = what === "page" ? nodes?.[0]?.ref : head?.checkpointRef;
    assert.ok(wanted);
    const [pack] = fixture.manifest.packs;
    const [heads] = fixture.manifest.heads;
    assert.ok(pack && heads);
    if (what === "page") {
      // A page of nodes is named by its reference; only one that must be opened need be readable. Lose it.
      removeEntry(fixture, wanted);
    } else if (what === "head") {
      flipBit(fixture.vfs, headsPath(ROOT, heads.number), 80);
    } else {
      const place = fixture.read((view) => view.packs[0]?.find(refToBytes(wanted))?.place);
      flipBit(fixture.vfs, packPath(ROOT, pack.number), (place?.offset ?? 0) + 9);
    }
    const before = listing(fixture);
    const corruption = corruptionOf(() => markNow(fixture));
    assert.ok(corruption, "it was refused");
    assert.ok(corruption.file.startsWith(ROOT));
    if (what !== "head") assert.equal(corruption.sessionId, "a");
    assert.deepEqual(listing(fixture), before);
  });
}

function listing(fixture: SnapshotFixture): string[][] {
  return [`${ROOT}/heads`, `${ROOT}/blobs`, ROOT].map((path) => fixture.vfs.list(path));
}

/** Sweeps as if this value were dead. */
function removeEntry(fixture: SnapshotFixture, ref: BlobRef): void {
  const marks = markNow(fixture);
  const [pack] = fixture.manifest.packs;
  assert.ok(pack);
  const entry = fixture.read((view) => view.packs[0]?.find(refToBytes(ref)));
  const bits = marks.live.get(pack.number);
  assert.ok(entry && bits);
  bits[entry.index >>> 3] = (bits[entry.index >>> 3] ?? 0) & ~(1 << (entry.index & 7));
  fixture.publish(sweepNow(fixture, marks, [pack.number]).edit);
}

for (const what of ["heads file", "pack"] as const) {
  test(`a ${what} that is lost ends the mark with CORRUPT, also when all that is left can be read`, async () => {
    const fixture = await SnapshotFixture.create();
    const many = Array.from({ length: 40 }, (_, index) => `s${index}`);
    for (const sessionId of many) fixture.commit(sessionId);
    await fixture.snapshot();
    fixture.commit("whole");
    // Then no head names anything in the first pack; a heads file that many need is left alone by the fold.
    if (what === "pack") for (const sessionId of many) fixture.append({ kind: "delete", sessionId });
    await fixture.snapshot();
    const [heads] = fixture.manifest.heads;
    const [pack] = fixture.manifest.packs;
    assert.ok(heads && pack);
    if (what === "heads file") assert.equal(fixture.manifest.heads.length, 2);
    assert.equal(fixture.manifest.packs.length, 2);
    const lost = what === "pack" ? packPath(ROOT, pack.number) : headsPath(ROOT, heads.number);
    fixture.vfs.remove(lost);
    const before = listing(fixture);
    assert.equal(corruptionOf(() => markNow(fixture))?.file, lost);
    assert.deepEqual(listing(fixture), before);
  });
}

test("a checkpoint manifest that is not one ends the mark with CORRUPT", async () => {
  const fixture = await SnapshotFixture.create();
  const manifest = blobRecord("x", "manifest");
  const broken = Buffer.concat([Uint8Array.of(9), manifest.data]);
  const { createHash } = await import("node:crypto");
  const ref = createHash("sha256").update(broken).digest("hex") as BlobRef;
  fixture.commit("a", { checkpointRef: ref, manifest: broken });
  await fixture.snapshot();
  assert.equal(corruptionOf(() => markNow(fixture))?.sessionId, "a");
});

test("merging heads leaves one file in which every session is as it was, newest state and markers", async () => {
  const fixture = await SnapshotFixture.create();
  for (let round = 0; round < 6; round++) {
    for (let index = 0; index < 40 >> round; index++) fixture.commit(`s${index}`);
    await fixture.snapshot();
  }
  fixture.append({ kind: "delete", sessionId: "s0" });
  await fixture.snapshot();
  const list = fixture.read((view) => [...view.list()]);
  fixture.publish(mergeHeads(fixture.vfs, { root: ROOT, manifest: fixture.manifest }));
  assert.equal(fixture.manifest.heads.length, 1);
  assert.equal(fixture.manifest.heads[0]?.count, 40);
  assert.deepEqual(
    fixture.read((view) => [...view.list()]),
    list,
  );
  for (const [sessionId, direct] of fixture.states) {
    const loaded = fixture.load(sessionId);
    assert.ok(loaded);
    assert.deepEqual(observable(loaded), observable(direct));
  }
});

test("a value damaged in its pack is refused by a sweep that would copy it", async () => {
  const fixture = await SnapshotFixture.create();
  const kept = blobRecord(noise(300), "toolState");
  fixture.append(kept);
  fixture.commit("a", { toolStateRef: kept.ref });
  fixture.commit("a", { toolStateRef: kept.ref });
  await fixture.snapshot();
  const marks = markNow(fixture);
  const [pack] = fixture.manifest.packs;
  assert.ok(pack);
  const place = fixture.read((view) => view.packs[0]?.find(refToBytes(kept.ref))?.place);
  const path = packPath(ROOT, pack.number);
  const bytes = bytesOf(fixture.vfs, path);
  bytes[(place?.offset ?? 0) + 20] = (bytes[(place?.offset ?? 0) + 20] ?? 0) ^ 1;
  put(fixture.vfs, path, bytes);
  const corruption = corruptionOf(() => sweepNow(fixture, marks, [pack.number]));
  assert.equal(corruption?.file, path);
  assert.deepEqual(
    fixture.vfs.list(`${ROOT}/blobs`),
    [path.slice(`${ROOT}/blobs/`.length)],
    "no new file is left",
  );
});
