/** The read side: newer files shadow older ones, damage is never worked around, files are shared and closed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import type { BlobRef } from "../../src/ids.ts";
import { mark } from "../../src/snapshot/collect.ts";
import type { ListKey } from "../../src/snapshot/heads-file.ts";
import { headsPath, packPath } from "../../src/snapshot/manifest.ts";
import { SnapshotView } from "../../src/snapshot/view.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { append, blobRecord, corruptionOf, flipBit, node, ROOT, SnapshotFixture, value } from "./fixture.ts";

test("of several heads files the newest that has the session answers", async () => {
  const fixture = await SnapshotFixture.create();
  for (let index = 0; index < 30; index++) fixture.commit(`s${index}`);
  await fixture.snapshot();
  fixture.commit("s3", { graph: append(node("new")) });
  await fixture.snapshot();
  assert.equal(fixture.manifest.heads.length, 2);
  fixture.read((view) => {
    assert.equal(view.head("s3")?.head?.revision, 2);
    assert.equal(view.head("s4")?.head?.revision, 1);
    assert.equal(view.head("s30"), undefined);
  });
});

test("heads files merge so that there are few of them, however many folds there were", async () => {
  const fixture = await SnapshotFixture.create();
  for (let round = 0; round < 60; round++) {
    fixture.commit(`s${round}`);
    await fixture.snapshot();
    assert.ok(fixture.manifest.heads.length <= 7, `${fixture.manifest.heads.length} heads files`);
  }
  const ids = fixture.read((view) => [...view.list()].map((key) => key.sessionId));
  assert.deepEqual(
    ids,
    Array.from({ length: 60 }, (_, index) => `s${59 - index}`),
  );
});

test("a list over several files has each session once, where its newest head says, and resumes anywhere", async () => {
  const fixture = await SnapshotFixture.create();
  const expected = new Map<string, number>();
  for (let round = 0; round < 4; round++) {
    for (let index = round; index < 40; index += 1 + round * 3) {
      fixture.commit(`s${index}`);
      expected.set(`s${index}`, fixture.lastLsn);
    }
    await fixture.snapshot();
  }
  assert.equal(fixture.manifest.heads.length, 3);
  const keys: ListKey[] = [...expected]
    .map(([sessionId, lastCommitLsn]) => ({ lastCommitLsn, sessionId }))
    .sort((a, b) => b.lastCommitLsn - a.lastCommitLsn);
  fixture.read((view) => {
    assert.deepEqual([...view.list()], keys);
    for (const [index, key] of keys.entries()) assert.deepEqual([...view.list(key)], keys.slice(index + 1));
  });
});

test("a damaged block in a newer file is CORRUPT: the older file's head is never answered instead", async () => {
  const fixture = await SnapshotFixture.create();
  for (let index = 0; index < 30; index++) fixture.commit(`s${index}`);
  await fixture.snapshot();
  fixture.commit("s3");
  await fixture.snapshot();
  const newest = headsPath(ROOT, fixture.manifest.heads.at(-1)?.number ?? 0);
  flipBit(fixture.vfs, newest, 80);
  fixture.read((view) => {
    const corruption = corruptionOf(() => view.head("s3"));
    assert.equal(corruption?.file, newest);
    assert.equal(corruption?.sessionId, "s3");
    assert.equal(view.head("s4")?.head?.revision, 1);
  });
});

test("a blob that is nowhere is absent, a damaged one is CORRUPT", async () => {
  const fixture = await SnapshotFixture.create();
  const tools = blobRecord({ tools: {} }, "toolState");
  fixture.append(tools);
  await fixture.snapshot();
  const path = packPath(ROOT, fixture.manifest.packs[0]?.number ?? 0);
  fixture.read((view) => {
    assert.equal(view.readBlob(value("never").ref), undefined);
    assert.equal(view.blobInfo(value("never").ref), undefined);
  });
  flipBit(fixture.vfs, path, 64 + 8 + 2);
  fixture.read((view) => {
    assert.equal(corruptionOf(() => view.readBlob(tools.ref))?.file, path);
  });
});

test("a damaged or missing page of a session is CORRUPT naming the session, never fewer nodes", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a", { graph: append(node("1")) });
  await fixture.snapshot();
  const page = fixture.read((view) => view.head("a")?.nodes[0]);
  assert.ok(page);
  const { packs } = fixture.manifest;
  const path = packPath(ROOT, packs[0]?.number ?? 0);
  const place = fixture.read((view) => view.packs[0]?.find(Buffer.from(page.ref, "hex"))?.place);
  flipBit(fixture.vfs, path, (place?.offset ?? 0) + 12);
  const damaged = corruptionOf(() => fixture.load("a"));
  assert.equal(damaged?.sessionId, "a");
  assert.equal(damaged?.file, path);
  fixture.manifest = { ...fixture.manifest, packs: [] };
  assert.equal(corruptionOf(() => fixture.load("a"))?.sessionId, "a");
});

test("a view keeps its files readable after they were removed, and successive views share them", async () => {
  const fixture = await SnapshotFixture.create();
  const counts = new Map<string, number>();
  const vfs = countingOpens(fixture.vfs, counts);
  const tools = blobRecord({ tools: {} }, "toolState");
  fixture.append(tools);
  fixture.commit("a", { toolStateRef: tools.ref });
  await fixture.snapshot();
  const first = SnapshotView.open(vfs, ROOT, fixture.manifest);
  const old = fixture.manifest;
  fixture.commit("b");
  await fixture.snapshot();
  const second = SnapshotView.open(vfs, ROOT, fixture.manifest, first);
  for (const { number } of old.packs) fixture.vfs.remove(packPath(ROOT, number));
  for (const { number } of old.heads) fixture.vfs.remove(headsPath(ROOT, number));
  assert.ok(first.readBlob(tools.ref as BlobRef));
  assert.equal(first.head("a")?.head?.revision, 1);
  first.release();
  assert.ok(second.readBlob(tools.ref as BlobRef), "the second view still has the shared pack");
  for (const [path, count] of counts) assert.ok(count === 1, `${path} was opened ${count} times`);
  second.release();
  assert.equal(vfs.openFiles(), 0);
});

test("a retained view stays open until its last user releases it", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a");
  await fixture.snapshot();
  const vfs = countingOpens(fixture.vfs, new Map());
  const view = SnapshotView.open(vfs, ROOT, fixture.manifest);
  view.retain();
  view.release();
  assert.equal(view.head("a")?.head?.revision, 1);
  view.release();
  assert.equal(vfs.openFiles(), 0);
});

test("a view that cannot be opened closes what it had opened", async () => {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a");
  await fixture.snapshot();
  const faulty = withFaults(fixture.vfs, [{ operation: "open", path: /\.pack$/, errno: "EMFILE" }]);
  const vfs = countingOpens(faulty, new Map());
  assert.throws(
    () => SnapshotView.open(vfs, ROOT, fixture.manifest),
    (error) => isStoreError(error, "STORE_IO") && error.errno === "EMFILE",
  );
  assert.equal(vfs.openFiles(), 0);
});

test("a missing pack hides what lies in it and nothing else: never absent, never gone with a gc", async () => {
  const fixture = await SnapshotFixture.create();
  const [lost, kept] = [blobRecord({ tools: { a: 1 } }, "toolState"), blobRecord({ tools: {} }, "toolState")];
  fixture.append(lost);
  fixture.commit("a");
  await fixture.snapshot();
  fixture.append(kept);
  fixture.commit("b");
  await fixture.snapshot();
  const [first] = fixture.manifest.packs;
  const missing = packPath(ROOT, first?.number ?? 0);
  fixture.vfs.remove(missing);
  fixture.read((view) => {
    assert.deepEqual(
      view.unreadable.map(({ damage }) => damage.file),
      [missing],
    );
    assert.ok(view.readBlob(kept.ref));
    assert.equal(view.blobInfo(kept.ref)?.kind, "toolState");
    assert.equal(view.damageHiding(kept.ref), undefined);
    assert.equal(corruptionOf(() => void view.readBlob(lost.ref))?.file, missing);
    assert.equal(view.blobInfo(lost.ref), undefined);
    assert.equal(view.damageHiding(lost.ref)?.file, missing);
    assert.equal(view.head("a")?.head?.revision, 1);
  });
  const marking = { root: ROOT, manifest: fixture.manifest };
  assert.equal(corruptionOf(() => void mark(fixture.vfs, marking))?.file, missing);
});

test("a missing heads file hides every session that no newer one has", async () => {
  const fixture = await SnapshotFixture.create();
  for (let index = 0; index < 30; index++) fixture.commit(`s${index}`);
  await fixture.snapshot();
  fixture.commit("s3");
  await fixture.snapshot();
  const [older = 0, newer = 0] = fixture.manifest.heads.map((file) => file.number);
  fixture.vfs.rename(headsPath(ROOT, older), "/aside");
  fixture.read((view) => {
    assert.equal(view.head("s3")?.head?.revision, 2);
    for (const sessionId of ["s4", "nobody"]) {
      const corruption = corruptionOf(() => view.head(sessionId));
      assert.deepEqual([corruption?.file, corruption?.sessionId], [headsPath(ROOT, older), sessionId]);
    }
    assert.equal(corruptionOf(() => void [...view.list()])?.file, headsPath(ROOT, older));
  });
  fixture.vfs.rename("/aside", headsPath(ROOT, older));
  fixture.vfs.remove(headsPath(ROOT, newer));
  fixture.read((view) => {
    const corruption = corruptionOf(() => view.head("s4"));
    assert.equal(corruption?.file, headsPath(ROOT, newer), "it may have shadowed the older head");
  });
});

function countingOpens(vfs: Vfs, opens: Map<string, number>): Vfs & { openFiles(): number } {
  let openFiles = 0;
  return new Proxy(vfs, {
    get(target, key) {
      if (key === "openFiles") return () => openFiles;
      if (key !== "open") return Reflect.get(target, key).bind(target);
      return (path: string, mode: "read") => {
        const file = target.open(path, mode);
        opens.set(path, (opens.get(path) ?? 0) + 1);
        openFiles++;
        const close = file.close.bind(file);
        file.close = () => {
          openFiles--;
          close();
        };
        return file;
      };
    },
  }) as Vfs & { openFiles(): number };
}
