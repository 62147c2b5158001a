/**
 * A read-only view of a store that changes at every look, and of one whose log says what no store writes: a bounded
 * number of attempts, then one moment or VIEW_EXPIRED; and damage is named as its owner would name it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readStoreId } from "../../src/actors/directory.ts";
import { chooseGeneration, listManifests } from "../../src/actors/generations.ts";
import type { StoreOptions } from "../../src/contract.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { encodeRecord } from "../../src/session/record.ts";
import { manifestPath, readManifest } from "../../src/snapshot/manifest.ts";
import { writeManifest } from "../../src/snapshot/publish.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { OpenMode, VfsFile } from "../../src/vfs/vfs.ts";
import { openLog } from "../../src/wal/log.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { refuses } from "../support/expect.ts";
import { Progress, sendNext } from "../support/history.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };
/** Times that a view is tried before its owner is called too fast. */
const ATTEMPTS = 10;

/** A closed store with two commits of one session, one of them folded. */
async function lived(): Promise<MemoryVfs> {
  const memory = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  const progress = new Progress();
  await sendNext(store, "root", progress);
  await store.snapshot();
  await sendNext(store, "root", progress);
  await store.close();
  return memory;
}

/** An owner that publishes the same content anew before every listing of its directory. */
class RestlessVfs extends CountingVfs {
  readonly #memory: MemoryVfs;
  /** Every attempt reads the store's id once. */
  attempts = 0;
  constructor(memory: MemoryVfs) {
    super(memory);
    this.#memory = memory;
  }
  override open(path: string, mode: OpenMode): VfsFile {
    if (path === "/store/format") this.attempts++;
    return super.open(path, mode);
  }
  override list(path: string): string[] {
    if (path === "/store") this.#publish();
    return super.list(path);
  }
  #publish(): void {
    const [newest = 0] = listManifests(this.#memory, "/store");
    const manifest = readManifest(this.#memory, "/store", newest, readStoreId(this.#memory, "/store"));
    writeManifest(this.#memory, manifestPath("/store", newest + 1), { ...manifest, number: newest + 1 });
  }
}

test("a store that changes at every look is shown as of one moment when nothing is missing, after ten attempts", async () => {
  const restless = new RestlessVfs(await lived());
  const view = await openStoreReadOnly("/store", { vfs: restless });
  assert.equal(restless.attempts, ATTEMPTS);
  assert.equal((await view.session("root").loadSession())?.headRevision, 2);
  await view.close();
  assert.deepEqual(restless.openPaths, []);
});

test("a store that changes at every look is VIEW_EXPIRED when a file is missing: it may just be gone", async () => {
  const memory = await lived();
  for (const name of memory.list("/store/heads")) memory.remove(`/store/heads/${name}`);
  const restless = new RestlessVfs(memory);
  const error = await refuses(openStoreReadOnly("/store", { vfs: restless }), "VIEW_EXPIRED");
  assert.match(error.message, /faster than it can be read/);
  assert.equal(restless.attempts, ATTEMPTS);
  assert.deepEqual(restless.openPaths, []);
});

test("a view names the place of a record that does not follow, as its owner does", async () => {
  const memory = await lived();
  const { manifest, view } = chooseGeneration(memory, "/store", readStoreId(memory, "/store"));
  view.release();
  const ignore = (): void => undefined;
  const place = { vfs: memory, directory: "/store/wal", storeId: manifest.storeId };
  const config = {
    ...place,
    segmentBytes: 64 * 1024,
    sync: "always",
    syncIntervalMs: 1,
    mode: "inline",
  } as const;
  const listener = { durable: ignore, batchEnd: ignore, slowSync: ignore, failed: ignore };
  const { log } = await openLog(config, manifest.log, ignore, listener);
  log.append(encodeRecord({ kind: "tombstone", sessionId: "root", nodeIds: ["nobody"], picker: undefined }));
  await log.close();
  const reader = await openStoreReadOnly("/store", { vfs: memory });
  const read = await refuses(reader.session("root").loadSession(), "CORRUPT");
  await reader.close();
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  const owned = await refuses(store.session("root").loadSession(), "CORRUPT");
  await store.close();
  assert.ok(read.code === "CORRUPT" && owned.code === "CORRUPT");
  assert.ok(memory.stat(read.file)?.kind === "file", `${read.file} is a file of the store`);
  assert.deepEqual([read.file, read.offset, read.sessionId], [owned.file, owned.offset, "root"]);
});
