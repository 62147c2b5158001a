/**
 * A read-only view whose owner goes on between any two of its file operations: what it shows is one moment's
 * acknowledged state or a typed refusal, what the owner removed is VIEW_EXPIRED and never called damage, and
 * a view leaves no file open and writes nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openView } from "../../src/actors/view-of-moment.ts";
import type { ReadOnlyStore, Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { OpenMode, VfsFile } from "../../src/vfs/vfs.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { listed, refuses } from "../support/expect.ts";
import { checkSession, Progress, sendNext } from "../support/history.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

/** Every moment of an owner's life, each a whole file system, with what was acknowledged by then. */
interface Moment {
  readonly vfs: MemoryVfs;
  readonly acknowledged: Progress;
}

/** An owner that commits, folds and collects; the moments after each of its file operations. */
async function ownersLife(): Promise<Moment[]> {
  const live = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs: live });
  const progress = new Progress();
  const moments: Moment[] = [];
  live.onOperation = () =>
    moments.push({ vfs: live.crashKeepingEverything(), acknowledged: progress.copy() });
  for (let round = 0; round < 3; round++) {
    for (let turn = 0; turn < 3; turn++) await sendNext(store, "root", progress);
    await (round === 1 ? store.gc() : store.snapshot());
  }
  live.onOperation = undefined;
  await store.close();
  return moments;
}

/** A reader's file system in which the owner takes so many steps before each operation, or one before every so many. */
class AgeingVfs extends CountingVfs {
  readonly #moments: readonly Moment[];
  readonly #start: number;
  readonly #steps: number;
  #operations = 0;
  writes = 0;

  constructor(moments: readonly Moment[], start: number, steps: number) {
    super(new MemoryVfs());
    this.#moments = moments;
    this.#start = start;
    this.#steps = steps;
  }

  get now(): Moment {
    const at = this.#start + Math.floor(this.#operations * this.#steps);
    const moment = this.#moments[Math.min(at, this.#moments.length - 1)];
    assert.ok(moment);
    return moment;
  }

  step(): MemoryVfs {
    this.#operations++;
    return this.now.vfs;
  }

  override open(path: string, mode: OpenMode): VfsFile {
    if (mode !== "read") this.writes++;
    const file = new CountingVfs(this.step()).open(path, mode);
    return file;
  }
  override list(path: string): string[] {
    return this.step().list(path);
  }
  override stat(path: string) {
    return this.step().stat(path);
  }
  override makeDirectory(): void {
    this.writes++;
  }
  override rename(): void {
    this.writes++;
  }
  override remove(): boolean {
    this.writes++;
    return false;
  }
  override syncDirectory(): void {
    this.writes++;
  }
}

test("a view opened while its owner takes steps between any two operations shows one acknowledged moment", async () => {
  const moments = await ownersLife();
  for (const steps of [7, 3, 1, 1 / 3, 1 / 10]) {
    for (let start = 0; start < moments.length; start++) {
      const vfs = new AgeingVfs(moments, start, steps);
      const known = vfs.now.acknowledged.copy();
      const view = await openStoreReadOnly("/store", { vfs }).catch((cause: unknown) => {
        throw new Error(`${steps} steps an operation from ${start} on`, { cause });
      });
      known.sent = vfs.now.acknowledged.acknowledged + 1;
      await checkSession(readable(view), "root", known);
      await view.close();
      assert.equal(vfs.writes, 0);
    }
  }
});

async function ownerAndView() {
  const memory = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  const progress = new Progress();
  for (let turn = 0; turn < 3; turn++) await sendNext(store, "root", progress);
  await sendNext(store, "other", new Progress());
  await store.snapshot();
  const vfs = new CountingVfs(memory);
  const view = await openStoreReadOnly("/store", { vfs });
  return { memory, vfs, store, view, progress };
}

/** A view has the part of a store that is checked. */
function readable(view: ReadOnlyStore): Pick<Store, "session"> {
  return view as unknown as Pick<Store, "session">;
}

async function outrun(store: Store, progress: Progress): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await sendNext(store, "root", progress);
    await store.snapshot();
  }
  await store.gc();
}

test("a listing begun before a refresh goes on over its own moment, and one not yet begun takes the newer", async () => {
  const { store, view, progress } = await ownerAndView();
  const iterator = view.listSessions()[Symbol.asyncIterator]();
  const notBegun = view.listSessions();
  const first = await iterator.next();
  await outrun(store, progress);
  await sendNext(store, "newer", new Progress());
  await view.refresh();
  const rest: string[] = [];
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
    rest.push(next.value.sessionId);
  assert.deepEqual([first.value?.sessionId, ...rest], ["other", "root"]);
  const newer: string[] = [];
  for await (const entry of notBegun) newer.push(entry.sessionId);
  assert.deepEqual(newer, ["newer", "root", "other"]);
  await view.close();
  await store.close();
});

test("a listing left early, refreshed and closed leaves no file open", async () => {
  const { store, view, vfs, progress } = await ownerAndView();
  for await (const _entry of view.listSessions()) break;
  await outrun(store, progress);
  await view.refresh();
  await listed(view);
  const iterator = view.listSessions()[Symbol.asyncIterator]();
  await iterator.next();
  await view.close();
  await refuses(iterator.next(), "STORE_CLOSED");
  assert.deepEqual(vfs.openPaths, []);
  await store.close();
});

test("verify of a view that the owner has outrun is VIEW_EXPIRED, never a report of damage", async () => {
  const { store, view, progress } = await ownerAndView();
  assert.deepEqual(await view.verify(), { ok: true, problems: [] });
  await outrun(store, progress);
  await refuses(view.verify(), "VIEW_EXPIRED", { retry: "reopen" });
  await view.refresh();
  assert.deepEqual(await view.verify(), { ok: true, problems: [] });
  await view.close();
  await store.close();
});

test("verify of a view finds real damage", async () => {
  const { memory, store, view } = await ownerAndView();
  const [name] = memory.list("/store/blobs");
  const file = memory.open(`/store/blobs/${name}`, "write");
  file.write([new Uint8Array(8).fill(0xee)], 100);
  file.close();
  const report = await view.verify();
  assert.equal(report.ok, false);
  assert.equal(report.problems[0]?.file, `/store/blobs/${name}`);
  await view.close();
  await store.close();
});

test("a refresh that fails leaves the view it had", async () => {
  const { memory, store, view, vfs, progress } = await ownerAndView();
  memory.rename("/store/format", "/store/lost");
  await refuses(view.refresh(), "CORRUPT", { file: "/store/format" });
  await checkSession(readable(view), "root", progress);
  memory.rename("/store/lost", "/store/format");
  await view.refresh();
  await checkSession(readable(view), "root", progress);
  await view.close();
  assert.deepEqual(vfs.openPaths, []);
  await store.close();
});

test("a close during a refresh ends it as STORE_CLOSED and leaves no file open", async () => {
  const { store, view, vfs } = await ownerAndView();
  const opened = vfs.openPaths.length;
  const refresh = view.refresh();
  // It has begun, and has files open of its own.
  for (let microtask = 0; vfs.openPaths.length === opened; microtask++) {
    assert.ok(microtask < 100, "a refresh begins at once");
    await Promise.resolve();
  }
  const close = view.close();
  await refuses(refresh, "STORE_CLOSED");
  await close;
  assert.deepEqual(vfs.openPaths, []);
  await store.close();
});

test("refreshes asked for at once end with the newest view, and readers have a whole one meanwhile", async () => {
  const { store, view, vfs, progress } = await ownerAndView();
  const refreshes: Promise<void>[] = [];
  for (let round = 0; round < 4; round++) {
    await sendNext(store, "root", progress);
    refreshes.push(view.refresh());
    assert.notEqual(await view.session("root").loadSession(), undefined);
  }
  await Promise.all(refreshes);
  await checkSession(readable(view), "root", progress);
  await view.close();
  assert.deepEqual(vfs.openPaths, []);
  await store.close();
});

test("opening a view that fails at any read leaves no file open", async () => {
  const { memory, store } = await ownerAndView();
  const name = memory.list("/store/wal").find((entry) => entry.endsWith(".wal"));
  assert.ok(name !== undefined);
  for (const path of [
    `/store/wal/${name}`,
    "/store/format",
    ...memory.list("/store/heads").map((entry) => `/store/heads/${entry}`),
  ]) {
    const copy = memory.crashKeepingEverything();
    const file = copy.open(path, "write");
    file.write([new Uint8Array(64).fill(0xaa)], 0);
    file.truncate(4_000);
    file.close();
    const vfs = new CountingVfs(copy);
    try {
      openView(vfs, "/store").release();
    } catch (error) {
      assert.ok(isStoreError(error), String(error));
    }
    assert.deepEqual(vfs.openPaths, [], path);
  }
  await store.close();
});

test("a view of more sessions than it keeps loaded reads each of them right, in any order", async () => {
  const vfs = new MemoryVfs();
  await using store = await openStore("/store", { ...OPTIONS, vfs });
  const ids = Array.from({ length: 40 }, (_, index) => `s${index}`);
  const progresses = new Map(ids.map((id) => [id, new Progress()]));
  for (const [id, progress] of progresses) await sendNext(store, id, progress);
  const view = await openStoreReadOnly("/store", { vfs });
  for (const id of [...ids, ...ids.toReversed()]) {
    const read = await view.session(id).loadSession();
    assert.deepEqual([read?.sessionId, read?.headRevision], [id, 1]);
  }
  await view.close();
});
