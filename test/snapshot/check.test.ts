/** Verification: a whole snapshot has no problem; each damage is named by file, offset and session. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { refToBytes } from "../../src/ids.ts";
import { hashOfId } from "../../src/session/stored-ids.ts";
import { checkHead, checkSnapshot } from "../../src/snapshot/check.ts";
import { mark, sweep } from "../../src/snapshot/collect.ts";
import { headsPath, packPath } from "../../src/snapshot/manifest.ts";
import { noise } from "../support/builders.ts";
import { append, blobRecord, bytesOf, flipBit, node, put, ROOT, SnapshotFixture } from "./fixture.ts";

async function twoSessions(): Promise<SnapshotFixture> {
  const fixture = await SnapshotFixture.create();
  const tools = blobRecord(noise(500), "toolState");
  // One that no head names: it is verified all the same.
  fixture.append(tools, blobRecord(noise(300, 4), "toolState"));
  fixture.commit("a", { toolStateRef: tools.ref, graph: append({ ...node("1"), body: noise(500, 2) }) });
  fixture.commit("b", { graph: append(node("1")) });
  await fixture.snapshot();
  return fixture;
}

function check(fixture: SnapshotFixture) {
  return checkSnapshot(fixture.vfs, { root: ROOT, manifest: fixture.manifest });
}

function packOf(fixture: SnapshotFixture): string {
  return packPath(ROOT, fixture.manifest.packs[0]?.number ?? 0);
}
function headsOf(fixture: SnapshotFixture): string {
  return headsPath(ROOT, fixture.manifest.heads[0]?.number ?? 0);
}

test("a whole snapshot has no problems, also an empty one", async () => {
  assert.deepEqual(check(await SnapshotFixture.create()), []);
  assert.deepEqual(check(await twoSessions()), []);
});

test("any flipped bit of a heads file or pack is found, and the file is named", async () => {
  const fixture = await twoSessions();
  for (const path of [packOf(fixture), headsOf(fixture)]) {
    const whole = bytesOf(fixture.vfs, path);
    for (let offset = 0; offset < whole.length; offset += 3) {
      flipBit(fixture.vfs, path, offset, offset % 8);
      const problems = check(fixture);
      assert.ok(problems.length > 0, `byte ${offset} of ${path}`);
      for (const problem of problems) {
        assert.equal(problem.file, path, problem.message);
        assert.equal(problem.code, "CORRUPT");
      }
      put(fixture.vfs, path, whole);
    }
  }
  assert.deepEqual(check(fixture), []);
});

test("a damaged blob names the sessions that need it", async () => {
  const fixture = await twoSessions();
  const ref = fixture.state("a").head?.refs.toolState;
  assert.ok(ref);
  const place = fixture.read((view) => view.packs[0]?.find(refToBytes(ref))?.place);
  assert.ok(place);
  flipBit(fixture.vfs, packOf(fixture), place.offset + 50);
  const problems = check(fixture);
  assert.ok(problems.some((one) => one.sessionId === "a" && one.offset === place.offset));
  assert.ok(!problems.some((one) => one.sessionId === "b"));
});

test("a value that a head names and no pack has is found, with its session", async () => {
  for (const what of ["page", "blob"] as const) {
    const fixture = await twoSessions();
    const head = fixture.read((view) => view.head("a"));
    const ref = what === "page" ? head?.nodes[0]?.ref : head?.head?.refs.toolState;
    assert.ok(ref);
    const marks = mark(fixture.vfs, { root: ROOT, manifest: fixture.manifest });
    const [pack] = fixture.manifest.packs;
    assert.ok(pack);
    const entry = fixture.read((view) => view.packs[0]?.find(refToBytes(ref)));
    const bits = marks.live.get(pack.number);
    assert.ok(entry && bits);
    bits[entry.index >>> 3] = (bits[entry.index >>> 3] ?? 0) & ~(1 << (entry.index & 7));
    const packs = [pack.number];
    fixture.publish(
      sweep(fixture.vfs, {
        root: ROOT,
        manifest: fixture.manifest,
        packs,
        live: marks.live,
        used: new Uint8Array(),
      }).edit,
    );
    const problems = check(fixture);
    assert.deepEqual(
      problems.map(({ sessionId, code }) => ({ sessionId, code })),
      [{ sessionId: "a", code: "CORRUPT" }],
    );
  }
});

test("a missing file is a problem of its own, and the others are still checked", async () => {
  const fixture = await twoSessions();
  fixture.vfs.remove(packOf(fixture));
  flipBit(fixture.vfs, headsOf(fixture), 80);
  const problems = check(fixture);
  assert.ok(problems.some((one) => one.file === packOf(fixture) && one.code === "CORRUPT"));
  assert.ok(problems.some((one) => one.file === headsOf(fixture) && one.code === "CORRUPT"));
});

test("an index that is not of the nodes in their order, with their parents, is found", async () => {
  const fixture = await SnapshotFixture.create();
  const nodes = ["1", "2", "3", "4"].map((id, at, all) => node(id, all[at - 1]));
  fixture.commit("a", { graph: append(...nodes) });
  await fixture.snapshot();
  const check = (ids: readonly string[], isClosed = true) =>
    fixture.read((view) => {
      const stored = view.head("a") ?? assert.fail("it is stored");
      checkHead(view, {
        ...stored,
        index: { isClosed, pages: [], newest: Buffer.concat(ids.map(hashOfId)) },
      });
    });
  check(["1", "2", "3", "4"]);
  check([], false);
  assert.throws(() => check(["1", "2", "4", "3"]), /node "3" is another in the index/);
  assert.throws(() => check(["1", "2", "3", "5"]), /node "4" is another in the index/);
  assert.throws(() => check(["1", "2", "3"]), /an index has 3 ids of 4 nodes/);
  const orphan = await SnapshotFixture.create();
  orphan.commit("a", { graph: append(node("1", "nowhere")) });
  await orphan.snapshot();
  orphan.read((view) => {
    const stored = view.head("a") ?? assert.fail("it is stored");
    const index = { isClosed: true, pages: [], newest: hashOfId("1") };
    assert.throws(() => checkHead(view, { ...stored, index }), /has a parent that the index/);
  });
});

test("damage of the log behind the snapshot is found", async () => {
  const fixture = await twoSessions();
  fixture.commit("a");
  fixture.commit("a");
  await fixture.close();
  const { segment } = fixture.manifest.log;
  const path = `${ROOT}/wal/${segment.toString(16).padStart(16, "0")}.wal`;
  flipBit(fixture.vfs, path, 4096 + 200);
  assert.ok(check(fixture).some((one) => one.file === path));
});
