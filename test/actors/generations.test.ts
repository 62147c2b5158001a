/**
 * The two generations of a store: damage to the newest manifest, or to a file that only it names, costs
 * nothing but a warning; damage to both is refused by name; leftovers go, and only leftovers.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readStoreId } from "../../src/actors/directory.ts";
import { chooseGeneration } from "../../src/actors/generations.ts";
import type { StoreEvent, StoreOptions } from "../../src/contract.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { encodeRecord } from "../../src/session/record.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { writeNew } from "../../src/vfs/vfs.ts";
import { openLog } from "../../src/wal/log.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { refuses } from "../support/expect.ts";
import { checkSession, hide, Progress, sendNext } from "../support/history.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

/** A closed store whose two generations differ, with commits folded, collected and in the tail. */
async function lived(withGc: boolean): Promise<{ vfs: MemoryVfs; progress: Progress }> {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const progress = new Progress();
  for (let round = 0; round < 3; round++) {
    for (let turn = 0; turn < 4; turn++) await sendNext(store, "root", progress);
    await hide(store, "root", progress.acknowledged, progress);
    if (withGc && round === 1) await store.gc();
    await store.snapshot();
  }
  await sendNext(store, "root", progress);
  await store.close();
  return { vfs, progress };
}

function manifests(vfs: MemoryVfs): string[] {
  return vfs.list("/store").filter((name) => /^manifest-\d+$/.test(name));
}

/** Changes the byte in the middle. */
function damage(vfs: MemoryVfs, path: string, at?: number): void {
  const file = vfs.open(path, "write");
  const position = at ?? Math.floor(file.stat().size / 2);
  const byte = new Uint8Array(1);
  file.read(byte, position);
  file.write([Uint8Array.of((byte[0] ?? 0) ^ 0xff)], position);
  file.close();
}

async function openAndCheck(vfs: MemoryVfs, progress: Progress): Promise<string[]> {
  const counting = new CountingVfs(vfs);
  const warnings: string[] = [];
  const onEvent = (event: StoreEvent): void => {
    if (event.type === "recovered") warnings.push(...event.warnings);
  };
  const store = await openStore("/store", { ...OPTIONS, vfs: counting, onEvent });
  const now = progress.copy();
  await checkSession(store, "root", now);
  // And it goes on as any other store.
  await sendNext(store, "root", now);
  await store.snapshot();
  await sendNext(store, "root", now);
  await store.gc();
  await checkSession(store, "root", now);
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
  assert.deepEqual(counting.openPaths, []);
  const again = await openStore("/store", { ...OPTIONS, vfs });
  await checkSession(again, "root", now);
  await again.close();
  return warnings;
}

for (const withGc of [false, true]) {
  test(`a damaged newest manifest costs a warning and nothing else, with a gc in between: ${withGc}`, async () => {
    const { vfs, progress } = await lived(withGc);
    const newest = manifests(vfs).at(-1);
    assert.ok(newest !== undefined);
    damage(vfs, `/store/${newest}`);
    const view = await openStoreReadOnly("/store", { vfs });
    assert.equal((await view.session("root").loadSession())?.headRevision, progress.acknowledged);
    await view.close();
    const warnings = await openAndCheck(vfs, progress);
    assert.ok(
      warnings.some((warning) => warning.includes(newest)),
      warnings.join("\n"),
    );
  });

  test(`a file that only the newest generation names, missing or cut, costs a warning, with a gc: ${withGc}`, async () => {
    const { vfs, progress } = await lived(withGc);
    let met = 0;
    for (const folder of ["heads", "blobs"]) {
      for (const name of vfs.list(`/store/${folder}`)) {
        for (const how of ["missing", "cut"]) {
          const copy = vfs.crashKeepingEverything();
          if (how === "missing") copy.remove(`/store/${folder}/${name}`);
          else {
            const file = copy.open(`/store/${folder}/${name}`, "write");
            file.truncate(100);
            file.close();
          }
          const opened = await openAndCheck(copy, progress).catch((error: unknown) => error);
          // Both generations may name it: then it is refused, by name, and nothing is changed. If only the
          // older one does, nobody misses it.
          if (!Array.isArray(opened)) {
            await refuses(Promise.reject(opened), "CORRUPT").catch((error: unknown) => {
              throw new Error(`${folder}/${name} ${how}`, { cause: error });
            });
          } else if (opened.some((warning) => String(warning).includes(name))) {
            met++;
          }
        }
      }
    }
    assert.ok(met > 0);
  });
}

test("damage to both manifests is CORRUPT, names one of them, and removes nothing", async () => {
  const { vfs } = await lived(false);
  for (const name of manifests(vfs)) damage(vfs, `/store/${name}`);
  const before = ["/store", "/store/heads", "/store/blobs", "/store/wal"].map((path) => vfs.list(path));
  const error = await refuses(openStore("/store", { ...OPTIONS, vfs }), "CORRUPT");
  assert.match(error.message, /manifest-/);
  await refuses(openStoreReadOnly("/store", { vfs }), "CORRUPT");
  assert.deepEqual(
    ["/store", "/store/heads", "/store/blobs", "/store/wal"].map((path) => vfs.list(path)),
    before,
  );
});

test("leftovers of killed jobs go at the next opening; what is not ours stays", async () => {
  const { vfs, progress } = await lived(false);
  const leftovers = [
    "heads/000123.heads.tmp",
    "heads/000124.heads",
    "blobs/000125.pack",
    "blobs/000126.pack.tmp",
    "manifest-000777.tmp",
  ];
  const foreign = ["heads/notes.txt", "blobs/.keep", "README"];
  for (const name of [...leftovers, ...foreign]) writeNew(vfs, `/store/${name}`, Buffer.from("left over"));
  await openAndCheck(vfs, progress);
  for (const name of leftovers) assert.equal(vfs.stat(`/store/${name}`), undefined, name);
  for (const name of foreign) assert.ok(vfs.stat(`/store/${name}`) !== undefined, name);
});

test("verify finds damage in every kind of file of a live store, and names it", async () => {
  const memory = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  const progress = new Progress();
  for (let turn = 0; turn < 4; turn++) await sendNext(store, "root", progress);
  await store.snapshot();
  for (let turn = 0; turn < 4; turn++) await sendNext(store, "root", progress);
  await checkSession(store, "root", progress);
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  const log = memory.list("/store/wal").filter((name) => name.endsWith(".wal"));
  const newest = manifests(memory).at(-1) ?? "";
  const cases = [
    { path: `/store/heads/${memory.list("/store/heads")[0]}` },
    { path: `/store/blobs/${memory.list("/store/blobs")[0]}` },
    { path: `/store/${newest}` },
    // The first record of the segment that commits go to; spares behind it are empty.
    ...log.slice(-3, -2).map((name) => ({ path: `/store/wal/${name}`, at: 8192 + 100 })),
  ];
  for (const { path, at } of cases as { path: string; at?: number }[]) {
    damage(memory, path, at);
    const { ok, problems } = await store.verify();
    assert.equal(ok, false, path);
    assert.ok(
      problems.every(({ code }) => code === "CORRUPT"),
      JSON.stringify(problems),
    );
    assert.ok(
      problems.some(({ file }) => file === path),
      `${path}: ${JSON.stringify(problems)}`,
    );
    damage(memory, path, at);
    assert.deepEqual(await store.verify(), { ok: true, problems: [] }, `${path} mended`);
  }
  await store.close();
});

test("verify finds a record that does not follow from its session, and names file, place and session", async () => {
  const { vfs, progress } = await lived(false);
  const storeId = readStoreId(vfs, "/store");
  const { manifest, view } = chooseGeneration(vfs, "/store", storeId);
  view.release();
  const config = {
    vfs,
    directory: "/store/wal",
    storeId,
    segmentBytes: 64 * 1024,
    sync: "always",
    syncIntervalMs: 1,
    mode: "inline",
  } as const;
  const ignore = (): void => undefined;
  const listener = { durable: ignore, batchEnd: ignore, slowSync: ignore, failed: ignore };
  const { log } = await openLog(config, manifest.log, () => undefined, listener);
  // What no store writes: it hides a node that is not there.
  const record = { kind: "tombstone", sessionId: "root", nodeIds: ["nobody"], picker: undefined } as const;
  log.append(encodeRecord(record));
  await log.close();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const { ok, problems } = await store.verify();
  assert.equal(ok, false);
  assert.deepEqual(
    problems.map(({ sessionId, code }) => [sessionId, code]),
    [["root", "CORRUPT"]],
  );
  assert.match(problems[0]?.file ?? "", /\.wal$/);
  assert.ok(problems[0]?.offset !== undefined);
  // The load says the same, and the others go on.
  await refuses(store.session("root").loadSession(), "CORRUPT", {
    file: problems[0]?.file,
    offset: problems[0]?.offset,
  });
  await sendNext(store, "other", new Progress());
  assert.ok(progress.acknowledged > 0);
  await store.close();
});

test("verify of a store under load is clean, at any moment", async () => {
  const store = await openStore("/store", { ...OPTIONS, vfs: new MemoryVfs() });
  const progress = new Progress();
  const load = (async () => {
    for (let turn = 0; turn < 60; turn++) {
      await sendNext(store, "root", progress);
      if (turn % 9 === 8) await store.snapshot();
      if (turn % 20 === 19) await store.gc();
    }
  })();
  let isRunning = true;
  void load.finally(() => {
    isRunning = false;
  });
  let checks = 0;
  while (isRunning) {
    assert.deepEqual(await store.verify(), { ok: true, problems: [] });
    checks++;
  }
  await load;
  assert.ok(checks > 3);
  await store.close();
});
