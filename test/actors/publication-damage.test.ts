/**
 * A generation that was published and cannot be read: nobody can go on from it but a new owner, who goes back to
 * the generation before. And choosing a generation where a file cannot be read now: an error, not damage, and no
 * file left open.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readStoreId } from "../../src/actors/directory.ts";
import { chooseGeneration, openPublished } from "../../src/actors/generations.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { StoreEvent, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { runThrough } from "../../src/steps.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { meta } from "../support/builders.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { refuses } from "../support/expect.ts";
import { checkSession, Progress, sendNext } from "../support/history.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

/** Changes a byte in the header of every file in the folder that was not there before. */
function damageNew(vfs: MemoryVfs, folder: string, known: readonly string[]): string[] {
  const names = vfs.list(folder).filter((name) => !known.includes(name));
  for (const name of names) {
    const file = vfs.open(`${folder}/${name}`, "write");
    file.write([Uint8Array.of(0xff)], 3);
    file.close();
  }
  return names;
}

/** A closed store of two generations that name different files. */
async function twoGenerations(): Promise<{ vfs: MemoryVfs; progress: Progress; storeId: Uint8Array }> {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const progress = new Progress();
  for (let round = 0; round < 3; round++) {
    await sendNext(store, "root", progress);
    await store.snapshot();
  }
  await store.close();
  return { vfs, progress, storeId: readStoreId(vfs, "/store") };
}

test("a snapshot that was published and cannot be read poisons its store, and the next owner goes on from the one before", async () => {
  for (const folder of ["/store/heads", "/store/blobs"]) {
    const memory = new MemoryVfs();
    const vfs = new CountingVfs(memory);
    const store = await openStore("/store", { ...OPTIONS, vfs });
    const progress = new Progress();
    await sendNext(store, "root", progress);
    await store.snapshot();
    await sendNext(store, "root", progress);
    const known = memory.list(folder);
    let damaged: string[] = [];
    memory.onOperation = ({ operation, path }) => {
      if (operation !== "rename" || !path.startsWith("/store/manifest-")) return;
      memory.onOperation = undefined;
      damaged = damageNew(memory, folder, known);
    };
    const error = await refuses(store.snapshot(), "CORRUPT");
    assert.equal(damaged.length, 1, "the new file was damaged in front of its publication");
    assert.equal(error.code === "CORRUPT" && error.file, `${folder}/${damaged[0]}`);
    assert.equal(store.stats().state, "poisoned");
    await refuses(store.snapshot(), "STORE_POISONED");
    await store.close().catch(() => undefined);
    assert.deepEqual(vfs.openPaths, []);

    const warnings: string[] = [];
    const onEvent = (event: StoreEvent): void => {
      if (event.type === "recovered") warnings.push(...event.warnings);
    };
    const again = await openStore("/store", { ...OPTIONS, vfs: memory, onEvent });
    await checkSession(again, "root", progress);
    assert.ok(
      warnings.some((warning) => warning.includes(String(damaged[0]))),
      warnings.join("\n"),
    );
    await again.close();
  }
});

test("a worker that is gone before it answers a publication poisons the store: nobody knows how far it came", async () => {
  const memory = new MemoryVfs();
  let isGone = false;
  const clock: Clock = {
    ...systemClock,
    turn: (taker, turn) => {
      if (taker === "worker" && isGone) throw new Error("the worker is gone");
      systemClock.turn(taker, turn);
    },
  };
  const store = await openStore("/store", { ...OPTIONS, vfs: memory, clock });
  const progress = new Progress();
  await sendNext(store, "root", progress);
  memory.onOperation = ({ operation, path }) => {
    if (operation === "rename" && path.startsWith("/store/manifest-")) isGone = true;
  };
  const error = await refuses(store.snapshot(), "INTERNAL");
  assert.match(error.message, /the worker is gone/);
  isGone = false;
  memory.onOperation = undefined;
  assert.equal(store.stats().state, "poisoned");
  await refuses(store.snapshot(), "STORE_POISONED");
  await refuses(store.session("root").saveSessionMeta(meta()), "STORE_POISONED");
  await store.close().catch(() => undefined);
  const again = await openStore("/store", { ...OPTIONS, vfs: memory });
  await checkSession(again, "root", progress);
  await again.close();
});

test("a view of a manifest just published is refused for a file that became unreadable, and not for one that was", async () => {
  const { vfs, storeId } = await twoGenerations();
  const { view, manifest } = chooseGeneration(vfs, "/store", storeId);
  const counting = new CountingVfs(vfs);
  const [heads] = manifest.heads;
  assert.ok(heads);
  // The same files under the next number: nothing is new, whatever is unreadable.
  runThrough(openPublished(counting, "/store", { ...manifest, number: manifest.number + 1 }, view)).release();
  const missing = { ...heads, number: manifest.nextFile };
  const next = { ...manifest, number: manifest.number + 1, heads: [...manifest.heads, missing] };
  assert.throws(() => runThrough(openPublished(counting, "/store", next, view)), { code: "CORRUPT" });
  assert.deepEqual(counting.openPaths, []);
  view.release();
  for (const name of vfs.list("/store/heads")) vfs.remove(`/store/heads/${name}`);
  const damaged = chooseGeneration(vfs, "/store", storeId);
  assert.ok(damaged.view.unreadable.length > 0);
  const { number } = damaged.manifest;
  const after = openPublished(vfs, "/store", { ...damaged.manifest, number: number + 1 }, damaged.view);
  runThrough(after).release();
  damaged.view.release();
});

test("where the older generation cannot be read now, the choice fails as that read did, and leaves no file open", async () => {
  const { vfs, storeId } = await twoGenerations();
  const { manifest, previous, view } = chooseGeneration(vfs, "/store", storeId);
  view.release();
  const older = previous?.heads.filter(({ number }) =>
    manifest.heads.every((file) => file.number !== number),
  );
  const newest = manifest.heads.at(-1);
  assert.ok(newest);
  vfs.remove(`/store/heads/${String(newest.number).padStart(6, "0")}.heads`);
  const faulty = withFaults(vfs);
  const counting = new CountingVfs(faulty);
  // The second look at any file that both have is that of the older one.
  const shared = previous?.heads[0]?.number ?? 0;
  const nth = older?.some(({ number }) => number === shared) === true ? 1 : 2;
  const path = new RegExp(`heads/0*${shared}\\.heads$`);
  faulty.inject({ operation: "open", errno: "EIO", path, nth });
  assert.throws(() => chooseGeneration(counting, "/store", storeId), { code: "STORE_IO", errno: "EIO" });
  assert.deepEqual(counting.openPaths, []);
});

test("a store without any manifest is CORRUPT, naming its first one", async () => {
  const { vfs, storeId } = await twoGenerations();
  for (const name of vfs.list("/store")) if (name.startsWith("manifest-")) vfs.remove(`/store/${name}`);
  assert.throws(() => chooseGeneration(vfs, "/store", storeId), {
    code: "CORRUPT",
    file: "/store/manifest-000001",
  });
});

test("the id of a store is looked for in a directory alone, and told apart from a store that lost its format", async () => {
  const { vfs } = await twoGenerations();
  vfs.makeDirectory("/empty");
  for (const path of ["/nowhere", "/empty", "/store/format"])
    assert.throws(() => readStoreId(vfs, path), { code: "NOT_A_STORE", path });
  vfs.remove("/store/format");
  assert.throws(() => readStoreId(vfs, "/store"), { code: "CORRUPT", file: "/store/format" });
});
