/**
 * Owning a directory: creation cut short at any operation is done again, two creators never make a store
 * twice, and whatever is not surely an unfinished store of ours is left as it is.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { readWhole, type Vfs, writeNew } from "../../src/vfs/vfs.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { refuses } from "../support/expect.ts";
import { checkSession, Progress, sendNext } from "../support/history.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

function allFiles(vfs: Vfs, path = "/"): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of vfs.list(path)) {
    const child = path === "/" ? `/${name}` : `${path}/${name}`;
    if (vfs.stat(child)?.kind === "directory")
      for (const [key, value] of allFiles(vfs, child)) found.set(key, value);
    else found.set(child, Buffer.from(readWhole(vfs, child, 1 << 30) ?? []).toString("latin1"));
  }
  return found;
}

/** A file system where something happens just before a directory is listed for the first time. */
class MeanwhileVfs extends CountingVfs {
  readonly #meanwhile: () => void;
  #done = false;
  constructor(inner: Vfs, meanwhile: () => void) {
    super(inner);
    this.#meanwhile = meanwhile;
  }
  override list(path: string): string[] {
    const names = super.list(path);
    if (path === "/store" && !this.#done) {
      this.#done = true;
      this.#meanwhile();
    }
    return names;
  }
}

test("creation cut short before any operation, by any crash, is done again", async () => {
  const memory = new MemoryVfs();
  const crashes: { title: string; vfs: MemoryVfs }[] = [];
  memory.onOperation = ({ at, operation, path }) => {
    const title = `${operation} ${path}`;
    crashes.push(
      { title, vfs: memory.crashKeepingNothing() },
      { title, vfs: memory.crashKeepingEverything() },
    );
    crashes.push({ title, vfs: memory.crashRandomly(at) });
  };
  const created = await openStore("/deep/down/store", { ...OPTIONS, vfs: memory });
  memory.onOperation = undefined;
  await created.close();
  assert.ok(crashes.length > 40);
  for (const { title, vfs } of crashes) {
    const progress = new Progress();
    try {
      const store = await openStore("/deep/down/store", { ...OPTIONS, vfs });
      await sendNext(store, "root", progress);
      await checkSession(store, "root", progress);
      await store.close();
    } catch (error) {
      throw new Error(`after a crash before ${title}`, { cause: error });
    }
  }
});

/**
 * Found by crash enumeration: a power cut while `format` was being written may leave any bytes there. Creation
 * took such a file for a foreign one, and the directory was NOT_A_STORE until somebody removed it by hand.
 */
test("creation cut short where the format was being written is done again, whatever bytes are there", async () => {
  const memory = new MemoryVfs();
  const left: MemoryVfs[] = [];
  memory.onOperation = ({ operation, path }) => {
    if (operation === "sync" && path === "/store/format")
      left.push(...[...memory.crashes()].map(({ vfs }) => vfs));
  };
  const created = await openStore("/store", { ...OPTIONS, vfs: memory });
  await created.close();
  const garbled = left.filter((vfs) => {
    const bytes = readWhole(vfs, "/store/format", 100) ?? new Uint8Array();
    return bytes.some((byte, at) => byte !== 0 && at < 5 && byte !== "VARVE".charCodeAt(at));
  });
  assert.ok(garbled.length > 0, "no crash left garbage");
  for (const vfs of left) {
    const store = await openStore("/store", { ...OPTIONS, vfs });
    await sendNext(store, "root", new Progress());
    await store.close();
  }
});

/**
 * Found by the simulation: a creator was killed when it had made the directory and not yet synced the one above.
 * The next opening found the directory there and never synced its name. A power cut later the whole store was
 * gone, and an empty one was made in its place.
 */
test("a directory that a killed creation left unsynced is durable before the store is used", async () => {
  const memory = new MemoryVfs();
  memory.onOperation = ({ operation }) => {
    if (operation === "syncDirectory") throw new Error("killed");
  };
  await assert.rejects(openStore("/deep/down/store", { ...OPTIONS, vfs: memory }));
  memory.onOperation = undefined;
  const store = await openStore("/deep/down/store", { ...OPTIONS, vfs: memory });
  const progress = new Progress();
  await sendNext(store, "root", progress);
  const left = memory.crashKeepingNothing();
  await store.close();
  const again = await openStore("/deep/down/store", { ...OPTIONS, vfs: left });
  await checkSession(again, "root", progress);
  await again.close();
});

test("a directory far above that this user may not open does not keep a store from being made", async () => {
  const vfs = withFaults(new MemoryVfs());
  vfs.inject({ operation: "syncDirectory", errno: "EACCES", path: /^\/$/, times: "forever" });
  const store = await openStore("/deep/down/store", { ...OPTIONS, vfs });
  await store.close();
  assert.ok(vfs.fired.length > 0);
  const refused = withFaults(new MemoryVfs());
  refused.inject({ operation: "syncDirectory", errno: "EACCES", path: /down$/, times: "forever" });
  await assert.rejects(openStore("/deep/down/store", { ...OPTIONS, vfs: refused }), { code: "STORE_IO" });
});

/**
 * Found by the simulation: a creator was killed between the write of `format` and its sync. The next opening
 * read it from the page cache, went on with it and never synced it. A power cut later the file was empty, and a
 * store full of acknowledged commits was refused.
 */
test("a format that a killed creation left unsynced is durable before the store is used", async () => {
  const memory = new MemoryVfs();
  let killed = 0;
  memory.onOperation = ({ operation, path }) => {
    if (operation !== "sync" || path !== "/store/format") return;
    killed++;
    throw new Error("killed");
  };
  await assert.rejects(openStore("/store", { ...OPTIONS, vfs: memory }));
  assert.equal(killed, 1);
  memory.onOperation = undefined;
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  const progress = new Progress();
  await sendNext(store, "root", progress);
  const left = memory.crashKeepingNothing();
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs: left });
  await checkSession(again, "root", progress);
  await again.close();
});

/**
 * Found by a story of the simulation: a creator was killed between the rename of the first manifest and the sync of
 * its directory. The next owner saw the manifest, acknowledged commits, and never synced its name. A power cut
 * later there was none, and the whole store was refused.
 */
test("a first manifest that a killed creation left unsynced is durable before the store is used", async () => {
  const memory = new MemoryVfs();
  let isNamed = false;
  memory.onOperation = ({ operation, path }) => {
    if (isNamed) throw new Error("killed");
    isNamed = operation === "rename" && path === "/store/manifest-000001.tmp";
  };
  await assert.rejects(openStore("/store", { ...OPTIONS, vfs: memory }));
  memory.onOperation = undefined;
  assert.ok(memory.stat("/store/manifest-000001") !== undefined);
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  const progress = new Progress();
  await sendNext(store, "root", progress);
  const left = memory.crashKeepingNothing();
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs: left });
  await checkSession(again, "root", progress);
  await again.close();
});

test("a store that another process makes, uses and closes between our look and our lock is not made anew", async () => {
  const memory = new MemoryVfs();
  memory.makeDirectory("/store");
  // The whole life of the other owner, prepared beside and put in place in the one moment that matters.
  const other = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs: other });
  const progress = new Progress();
  for (let turn = 0; turn < 3; turn++) await sendNext(store, "root", progress);
  await store.close();
  const vfs = new MeanwhileVfs(memory, () => {
    for (const directory of ["wal", "heads", "blobs"]) memory.makeDirectory(`/store/${directory}`);
    for (const [path, bytes] of allFiles(other)) writeNew(memory, path, Buffer.from(bytes, "latin1"));
  });
  const ours = await openStore("/store", { ...OPTIONS, vfs });
  await checkSession(ours, "root", progress);
  await ours.close();
});

test("of two creators one owns the store and the other is told so", async () => {
  const memory = new MemoryVfs();
  const [first, second] = await Promise.allSettled([
    openStore("/store", { ...OPTIONS, vfs: memory }),
    openStore("/store", { ...OPTIONS, vfs: memory }),
  ]);
  assert.equal(first.status, "fulfilled");
  assert.ok(second.status === "rejected");
  await refuses(Promise.reject(second.reason), "STORE_LOCKED", { retry: "same" });
  await (first as PromiseFulfilledResult<Store>).value.close();
});

test("a foreign file that happens to be called format is never overwritten", async () => {
  for (const content of [
    "%!PS my own format, of no store",
    "x",
    "VARVE but not ours at all, and rather longer than 48 bytes",
  ]) {
    for (const others of [[], ["notes.txt"], ["lock"]]) {
      const memory = new MemoryVfs();
      memory.makeDirectory("/store");
      for (const name of ["format", ...others]) writeNew(memory, `/store/${name}`, Buffer.from(content));
      const before = allFiles(memory);
      await refuses(openStore("/store", { ...OPTIONS, vfs: memory }), "NOT_A_STORE", { retry: "never" });
      assert.deepEqual(allFiles(memory), before);
    }
  }
});

test("an unfinished store beside foreign files is left alone", async () => {
  const memory = new MemoryVfs();
  memory.makeDirectory("/store");
  writeNew(memory, "/store/format", new Uint8Array(0));
  writeNew(memory, "/store/thesis.doc", Buffer.from("years of work"));
  const before = allFiles(memory);
  await refuses(openStore("/store", { ...OPTIONS, vfs: memory }), "NOT_A_STORE");
  assert.deepEqual(allFiles(memory), before);
});

test("a store that lost all its manifests is CORRUPT and stays as it was, never made anew", async () => {
  for (const folded of [false, true]) {
    const memory = new MemoryVfs();
    const store = await openStore("/store", { ...OPTIONS, vfs: memory });
    await sendNext(store, "root", new Progress());
    if (folded) await store.snapshot();
    await store.close();
    for (const name of memory.list("/store").filter((name) => name.startsWith("manifest-")))
      memory.remove(`/store/${name}`);
    const before = allFiles(memory);
    before.delete("/store/lock");
    await refuses(openStore("/store", { ...OPTIONS, vfs: memory }), "CORRUPT");
    const after = allFiles(memory);
    after.delete("/store/lock");
    assert.deepEqual([...after.keys()], [...before.keys()]);
    assert.deepEqual(after, before);
  }
});

test("a damaged, missing or replaced format is refused by name and changes nothing else", async () => {
  const memory = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  const progress = new Progress();
  await sendNext(store, "root", progress);
  await store.close();
  const whole = Buffer.from(readWhole(memory, "/store/format", 100) ?? []);
  const damage: ((bytes: Buffer) => Buffer | undefined)[] = [
    () => undefined,
    () => Buffer.alloc(0),
    (bytes) => bytes.subarray(0, 40),
    (bytes) => Buffer.concat([bytes, Buffer.from("x")]),
    () => Buffer.alloc(48),
    (bytes) => Buffer.from(bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte))),
  ];
  for (const change of damage) {
    const copy = memory.crashKeepingEverything();
    copy.remove("/store/format");
    const bytes = change(Buffer.from(whole));
    if (bytes !== undefined) writeNew(copy, "/store/format", bytes);
    await refuses(openStore("/store", { ...OPTIONS, vfs: copy }), "CORRUPT", { file: "/store/format" });
    // Put back, everything is there again.
    copy.remove("/store/format");
    writeNew(copy, "/store/format", whole);
    const again = await openStore("/store", { ...OPTIONS, vfs: copy });
    await checkSession(again, "root", progress);
    await again.close();
  }
});

test("a format of another store over the same files is refused: nothing is mixed", async () => {
  const [one, two] = [new MemoryVfs(), new MemoryVfs()];
  for (const vfs of [one, two]) {
    const store = await openStore("/store", { ...OPTIONS, vfs });
    await sendNext(store, "root", new Progress());
    await store.close();
  }
  one.remove("/store/format");
  writeNew(one, "/store/format", readWhole(two, "/store/format", 100) ?? new Uint8Array());
  await refuses(openStore("/store", { ...OPTIONS, vfs: one }), "CORRUPT");
});

test("a network file system is refused before anything is made, unless it is allowed", async () => {
  class NetworkVfs extends CountingVfs {
    override fileSystem(): { name: string; network: boolean } {
      return { name: "nfs", network: true };
    }
  }
  const memory = new MemoryVfs();
  const vfs = new NetworkVfs(memory);
  await refuses(openStore("/a/store", { ...OPTIONS, vfs }), "UNSAFE_FILE_SYSTEM", {
    fileSystem: "nfs",
    path: "/a/store",
  });
  assert.deepEqual(memory.list("/"), []);
  const store = await openStore("/a/store", { ...OPTIONS, vfs, allowNetworkFileSystem: true });
  await sendNext(store, "root", new Progress());
  await store.close();
});

test("a full disk at any step of creation leaves something that is created once there is room", async () => {
  for (let nth = 1; nth < 60; nth++) {
    const memory = new MemoryVfs();
    const vfs = withFaults(memory, [{ operation: "any", errno: "ENOSPC", nth, times: "forever" }]);
    const store = await openStore("/store", { ...OPTIONS, vfs }).catch(() => undefined);
    vfs.heal();
    await store?.close().catch(() => undefined);
    const again = await openStore("/store", { ...OPTIONS, vfs: memory });
    await sendNext(again, "root", new Progress());
    await again.close();
    if (store !== undefined) break;
  }
});

test("a signal that ends the waiting for a lock is answered with ABORTED", async () => {
  const memory = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs: memory });
  const controller = new AbortController();
  const waiting = openStore("/store", {
    ...OPTIONS,
    vfs: memory,
    lockWaitMs: 60_000,
    signal: controller.signal,
  });
  setImmediate(() => controller.abort());
  await refuses(waiting, "ABORTED");
  await store.close();
});
