/** A fold writes each head when it is made, and begins anew, without a merge, where an older file is found damaged meanwhile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fold } from "../../src/snapshot/fold.ts";
import { headsPath } from "../../src/snapshot/manifest.ts";
import { forwardFile, forwardVfs } from "../../src/vfs/forward.ts";
import { flipBit, ROOT, SnapshotFixture } from "./fixture.ts";

/** A commit whose head takes so many bytes and some. */
function commitWide(fixture: SnapshotFixture, sessionId: string, turn: number, bytes = 1_000): void {
  const config = { providerId: "p", contextWindow: 8, executionMode: "standard" };
  fixture.commit(sessionId, { turn, config: { ...config, configuredModel: "m".repeat(bytes) } });
}

function temporaryIn(fixture: SnapshotFixture, folder: string): string[] {
  return fixture.vfs.list(`${ROOT}/${folder}`).filter((name) => name.endsWith(".tmp"));
}

test("a damaged file that heads were to be merged with changes nothing else that a fold writes", async () => {
  const outcomes = [];
  for (const isDamaged of [false, true]) {
    const fixture = await SnapshotFixture.create();
    for (let n = 0; n < 20; n++) commitWide(fixture, `z${n}`, n);
    await fixture.snapshot();
    const [older] = fixture.manifest.heads;
    assert.ok(older !== undefined && older.bytes > 3 * 4096);
    if (isDamaged) flipBit(fixture.vfs, headsPath(ROOT, older.number), 3 * 4096);
    for (let n = 0; n < 40; n++) commitWide(fixture, `a${n % 20}`, 100 + n);
    const { edit, sessions, foldedBytes } = await fixture.fold();
    assert.deepEqual(
      edit.heads.map(({ count }) => count),
      isDamaged ? [20, 20] : [40],
    );
    assert.equal(temporaryIn(fixture, "heads").length, 1);
    assert.equal(temporaryIn(fixture, "blobs").length, 1);
    outcomes.push({ packs: edit.packs, deadBytes: edit.deadBytes, sessions, foldedBytes });
  }
  assert.ok((outcomes[0]?.deadBytes ?? 0) > 0);
  assert.deepEqual(outcomes[1], outcomes[0]);
});

test("a fold writes heads while it reads records: it does not hold them all", async () => {
  const fixture = await SnapshotFixture.create();
  // Records too long to be kept from the scan.
  for (let n = 0; n < 20; n++) commitWide(fixture, `s${n}`, n, 70_000);
  const until = await fixture.roll();
  let reads = 0;
  const readsAtWrites: number[] = [];
  const watched = forwardVfs(fixture.vfs, {
    open: (path, mode) => {
      const file = fixture.vfs.open(path, mode);
      return forwardFile(file, {
        read: (target, position) => {
          if (path.endsWith(".wal")) reads++;
          return file.read(target, position);
        },
        write: (parts, position) => {
          if (path.includes("/heads/")) readsAtWrites.push(reads);
          file.write(parts, position);
        },
      });
    },
  });
  const { manifest } = fixture;
  const compression = "none" as const;
  fold(watched, { root: ROOT, manifest, until, receiptsKept: 1, compression, packsLeftAlone: [] });
  assert.ok((readsAtWrites[0] ?? reads) < reads, `${readsAtWrites} of ${reads} reads were made`);
});
