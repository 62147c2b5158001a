/**
 * Verification of snapshots and logs whose every checksum is right and that do not fit together: each is found, by
 * the check that looks for it, and a log that begins in front of the snapshot is no damage.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, sha256 } from "../../src/checksum.ts";
import { pack } from "../../src/codec.ts";
import type { VerifyProblem } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { refFromBytes } from "../../src/ids.ts";
import { checkSnapshot } from "../../src/snapshot/check.ts";
import { checkGenerations } from "../../src/snapshot/check-generations.ts";
import { checkLightly } from "../../src/snapshot/check-lightly.ts";
import { headsPath, type Manifest, packPath } from "../../src/snapshot/manifest.ts";
import { compressValue, PackWriter } from "../../src/snapshot/pack.ts";
import { forestToWire } from "../../src/snapshot/pages.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { type storedHead, writeHeads } from "./files.ts";
import { append, blobRecord, bytesOf, node, put, ROOT, SnapshotFixture, STORE_ID, value } from "./fixture.ts";

/** A session with a node, folded. */
async function folded(): Promise<SnapshotFixture> {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a", { graph: append(node("1")) });
  await fixture.snapshot();
  return fixture;
}

function check({ vfs, manifest }: SnapshotFixture, how = checkSnapshot): VerifyProblem[] {
  const counting = new CountingVfs(vfs);
  const problems = how(counting, { root: ROOT, manifest });
  assert.deepEqual(counting.openPaths, []);
  return problems;
}

/** What a problem says of its place. */
function told(problems: readonly VerifyProblem[]): object[] {
  return problems.map(({ file, sessionId, code }) => ({ file, sessionId, code }));
}

/** The newest heads file is replaced by one of this head. */
function withHead(fixture: SnapshotFixture, head: ReturnType<typeof storedHead>): void {
  const { heads, nextFile } = fixture.manifest;
  const bytes = writeHeads(fixture.vfs, headsPath(ROOT, nextFile), nextFile, [head]);
  const entry = { number: nextFile, bytes, count: 1 };
  fixture.manifest = { ...fixture.manifest, heads: [...heads, entry], nextFile: nextFile + 1 };
}

test("a log that begins in front of what the snapshot has is no damage: what is folded is passed over", async () => {
  const fixture = await SnapshotFixture.create();
  const { log } = fixture.manifest;
  fixture.commit("a", { graph: append(node("1")) });
  await fixture.snapshot();
  const older = fixture.manifest;
  fixture.commit("a", { graph: append(node("2")) });
  await fixture.snapshot();
  const newer = fixture.manifest;
  fixture.commit("a");
  await fixture.close();
  fixture.manifest = { ...newer, log };
  assert.deepEqual(
    check(fixture).filter(({ file }) => !file.includes("manifest")),
    [],
  );
  assert.deepEqual(checkGenerations(fixture.vfs, ROOT, { ...older, log }, newer), []);
});

test("a commit of the log that names a value which is nowhere is found at its place", async () => {
  const fixture = await folded();
  fixture.commit("a", { toolStateRef: value("nowhere").ref });
  await fixture.close();
  const [problem, ...others] = check(fixture);
  assert.deepEqual(others, []);
  assert.match(problem?.file ?? "", /\/wal\/[0-9a-f]{16}\.wal$/);
  assert.equal(problem?.sessionId, "a");
  assert.ok((problem.offset ?? 0) > 4096);
  assert.match(problem.message, /is neither in the log nor in a pack/);
});

test("a head that says another number of nodes than its pages hold is found, by the check that reads them", async () => {
  const fixture = await folded();
  const before = fixture.read((view) => view.head("a"));
  assert.ok(before?.head);
  for (const wrong of [
    { ...before, hiddenCount: 1 },
    { ...before, head: { ...before.head, nodeCount: 2 } },
    { ...before, head: undefined },
  ]) {
    withHead(fixture, wrong);
    const problems = check(fixture);
    assert.equal(problems.length, 1);
    assert.equal(problems[0]?.sessionId, "a");
    assert.match(problems[0]?.message ?? "", /has 1 nodes in its pages, its head says/);
  }
});

test("an index page that holds another number of nodes than its reference says is found", async () => {
  const fixture = await folded();
  const before = fixture.read((view) => view.head("a"));
  const [leaf] = before?.nodes ?? [];
  assert.ok(before && leaf);
  const { nextFile, packs } = fixture.manifest;
  const bytes = pack([1, forestToWire([leaf])]);
  const digest = sha256(bytes);
  const writer = new PackWriter(fixture.vfs, packPath(ROOT, nextFile), {
    storeId: STORE_ID,
    number: nextFile,
  });
  writer.add(compressValue(digest, "page", bytes, "none"));
  const entry = { number: nextFile, bytes: writer.finish(), count: 1 };
  fixture.manifest = { ...fixture.manifest, packs: [...packs, entry], nextFile: nextFile + 1 };
  const index = { ref: refFromBytes(digest), level: 1, items: 1, bytes: bytes.length };
  withHead(fixture, { ...before, nodes: [index] });
  assert.deepEqual(check(fixture), []);
  withHead(fixture, { ...before, nodes: [{ ...index, items: 2 }] });
  const problems = check(fixture);
  assert.deepEqual(
    problems.map(({ sessionId }) => sessionId),
    ["a"],
  );
});

test("a value that a head names and no pack has is found without reading any", async () => {
  const fixture = await folded();
  assert.deepEqual(check(fixture, checkLightly), []);
  const before = fixture.read((view) => view.head("a"));
  assert.ok(before?.head);
  const refs = { ...before.head.refs, pluginSnapshot: value("nowhere").ref };
  withHead(fixture, { ...before, head: { ...before.head, refs } });
  const expected = [{ file: `${ROOT}/blobs`, sessionId: "a", code: "CORRUPT" }];
  assert.deepEqual(told(check(fixture, checkLightly)), expected);
});

test("a heads file of a later version is a problem of its own, and what cannot be opened is not read", async () => {
  const fixture = await folded();
  const [heads] = fixture.manifest.heads;
  const path = headsPath(ROOT, heads?.number ?? 0);
  const bytes = bytesOf(fixture.vfs, path);
  bytes.writeUInt16LE(2, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  put(fixture.vfs, path, bytes);
  assert.deepEqual(told(check(fixture)), [{ file: path, sessionId: undefined, code: "FORMAT_UNSUPPORTED" }]);
});

test("a file that cannot be read only when the view is opened ends the check: nothing was found, and nothing is right", async () => {
  const fixture = await folded();
  const faulty = withFaults(fixture.vfs);
  faulty.inject({ operation: "open", errno: "EIO", path: /\.heads$/, nth: 2, times: "forever" });
  const counting = new CountingVfs(faulty);
  assert.throws(
    () => checkSnapshot(counting, { root: ROOT, manifest: fixture.manifest }),
    (error) => isStoreError(error, "STORE_IO") && error.errno === "EIO",
  );
  assert.deepEqual(counting.openPaths, []);
});

test("two generations without heads agree, and one that lost or gained a session without a record does not", async () => {
  const fixture = await SnapshotFixture.create();
  const empty: Manifest = fixture.manifest;
  assert.deepEqual(checkGenerations(fixture.vfs, ROOT, empty, { ...empty, number: 2 }), []);
  fixture.append(blobRecord("any", "toolState"));
  fixture.commit("a", { graph: append(node("1")) });
  await fixture.snapshot();
  const { manifest, vfs } = fixture;
  const without: Manifest = { ...manifest, number: manifest.number + 1, heads: [] };
  const later: Manifest = { ...manifest, number: manifest.number + 2 };
  assert.deepEqual(checkGenerations(vfs, ROOT, manifest, later), []);
  const lost = checkGenerations(vfs, ROOT, manifest, without);
  const gained = checkGenerations(vfs, ROOT, without, later);
  for (const problems of [lost, gained]) {
    assert.equal(problems.length, 1);
    assert.deepEqual([problems[0]?.sessionId, problems[0]?.code], ["a", "CORRUPT"]);
    assert.match(problems[0]?.message ?? "", /is not what manifest \d+ and the log behind it make/);
  }
});
