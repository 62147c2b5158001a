/**
 * Damage to the files of a small closed store: bits flipped, blocks zeroed, files cut, removed or swapped.
 * Every session then reads as it was, or is refused with an error that names a file; never is anything
 * silently absent, older or other. What opens but is damaged is found by `verify`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError, type StoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { readWhole } from "../../src/vfs/vfs.ts";
import {
  append,
  checkpoint,
  commit,
  messageNode,
  meta,
  noise,
  pluginSnapshot,
  toolState,
} from "../support/builders.ts";
import { refuses } from "../support/expect.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };
const SESSIONS = ["one", "two", "three", "four"];
/** Bits flipped per file, spread over its bytes that are not zero. */
const FLIPS = Number(process.env.VARVE_FLIPS ?? 30);
/** Files whose loss or change harms nothing: text for messages, an optional promise, leftovers. */
const HARMLESS = /\/(lock|TAIL|quarantine(\/.*)?)$/;

interface Base {
  readonly vfs: MemoryVfs;
  readonly files: readonly string[];
  readonly expected: ReadonlyMap<string, unknown>;
}

let made: Promise<Base> | undefined;
/** A closed store with two snapshots, a collected blob and a tail; made once. */
function base(): Promise<Base> {
  made ??= makeBase();
  return made;
}

async function makeBase(): Promise<Base> {
  const vfs = new MemoryVfs({ crashable: true });
  const store = await openStore("/store", { ...OPTIONS, vfs });
  for (let round = 0; round < 4; round++) {
    for (const id of SESSIONS) {
      const node = messageNode(`n${round}`, round === 0 ? undefined : `n${round - 1}`, `${id} `.repeat(200));
      await store.session(id).commitRuntimeState(
        commit({
          sessionId: id,
          graph: append([node], node.nodeId),
          checkpoint: checkpoint({
            toolState: toolState(round, id),
            pluginSnapshot: pluginSnapshot("x".repeat(6_000)),
            executionState: noise(2_000, round),
          }),
        }),
      );
      if (round === 0) await store.session(id).saveSessionMeta(meta(id));
    }
    if (round < 3) await store.snapshot();
    if (round === 1) await store.gc();
  }
  const expected = new Map<string, unknown>();
  for (const id of SESSIONS) expected.set(id, await store.session(id).loadSession());
  await store.close();
  return { vfs, files: filesOf(vfs, "/store"), expected };
}

function filesOf(vfs: MemoryVfs, directory: string): string[] {
  return vfs.list(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    return vfs.stat(path)?.kind === "directory" ? filesOf(vfs, path) : [path];
  });
}

function overwrite(vfs: MemoryVfs, path: string, bytes: Uint8Array, position: number): void {
  const file = vfs.open(path, "write");
  file.write([bytes], position);
  file.close();
}

function wholeOf(vfs: MemoryVfs, path: string): Uint8Array {
  const bytes = readWhole(vfs, path, 1 << 30);
  assert.ok(bytes);
  return bytes;
}

/** The error is one of damage and names something of the store. */
function assertNamed(error: unknown, told: string): asserts error is StoreError {
  assert.ok(isStoreError(error), `${told}: ${String(error)}`);
  const codes = ["CORRUPT", "BLOB_MISSING", "FORMAT_UNSUPPORTED", "NOT_A_STORE"];
  assert.ok(codes.includes(error.code), `${told}: ${error.code} ${error.message}`);
  if (error.code === "CORRUPT") assert.ok(error.file.length > 0 && error.message.length > 0, told);
}

interface Seen {
  /** Sessions that were refused; "all" if the store did not open. */
  readonly refused: readonly string[] | "all";
  /** False if verify found something; undefined if it could not be asked. */
  readonly verified: boolean | undefined;
}

/** Opens a damaged copy and checks that everything it tells is true. */
async function look(vfs: MemoryVfs, told: string): Promise<Seen> {
  const { expected } = await base();
  let store: Store;
  try {
    store = await openStore("/store", { ...OPTIONS, vfs });
  } catch (error) {
    assertNamed(error, told);
    return { refused: "all", verified: undefined };
  }
  try {
    const refused: string[] = [];
    for (const id of SESSIONS) {
      try {
        assert.deepEqual(await store.session(id).loadSession(), expected.get(id), `${told}: session ${id}`);
        assert.deepEqual(await store.session(id).loadSessionMeta(), meta(id), `${told}: meta of ${id}`);
      } catch (error) {
        assertNamed(error, told);
        refused.push(id);
      }
    }
    const report = await store.verify().catch((error: unknown) => {
      assertNamed(error, told);
      return { ok: false, problems: [] };
    });
    return { refused, verified: report.ok };
  } finally {
    await store.close().catch((error: unknown) => assertNamed(error, told));
  }
}

async function copyWith(change: (vfs: MemoryVfs) => void): Promise<MemoryVfs> {
  const copy = (await base()).vfs.crashKeepingEverything();
  change(copy);
  return copy;
}

/** Positions spread over the bytes of a file that are not zero. */
function positionsIn(bytes: Uint8Array, count: number): number[] {
  const live = Array.from(bytes.keys()).filter((at) => bytes[at] !== 0);
  const step = Math.max(1, Math.floor(live.length / count));
  return live.filter((_, index) => index % step === 0);
}

test("the undamaged store reads as it was and verifies", async () => {
  assert.deepEqual(await look(await copyWith(() => undefined), "no damage"), { refused: [], verified: true });
});

test("a flipped bit anywhere is harmless or refused by name, never believed", async () => {
  const { vfs, files } = await base();
  let refusals = 0;
  for (const path of files) {
    const bytes = wholeOf(vfs, path);
    for (const at of positionsIn(bytes, FLIPS)) {
      const flipped = Uint8Array.of((bytes[at] ?? 0) ^ (1 << (at % 8)));
      const copy = await copyWith((damaged) => overwrite(damaged, path, flipped, at));
      const seen = await look(copy, `bit ${at % 8} of byte ${at} of ${path}`);
      if (seen.refused === "all" || seen.refused.length > 0) refusals++;
      if (HARMLESS.test(path)) assert.deepEqual(seen.refused, [], path);
    }
  }
  assert.ok(refusals > 0);
});

test("a zeroed block anywhere is harmless or refused by name, never believed", async () => {
  const { vfs, files } = await base();
  for (const path of files) {
    const bytes = wholeOf(vfs, path);
    for (let at = 0; at < bytes.length; at += 512) {
      const block = bytes.subarray(at, at + 512);
      if (block.every((byte) => byte === 0)) continue;
      const copy = await copyWith((damaged) => overwrite(damaged, path, new Uint8Array(block.length), at));
      await look(copy, `zeros from ${at} of ${path}`);
    }
  }
});

test("a file cut at any length is harmless or refused by name", async () => {
  const { vfs, files } = await base();
  for (const path of files) {
    const { length } = wholeOf(vfs, path);
    for (const size of [0, 1, 40, 4096, Math.floor(length / 2), length - 1].filter((one) => one < length)) {
      const copy = await copyWith((damaged) => {
        const file = damaged.open(path, "write");
        file.truncate(size);
        file.close();
      });
      await look(copy, `${path} cut to ${size} of ${length}`);
    }
  }
});

test("a removed file is harmless or refused by name", async () => {
  const { files } = await base();
  for (const path of files) {
    const seen = await look(await copyWith((damaged) => void damaged.remove(path)), `${path} removed`);
    if (HARMLESS.test(path)) assert.deepEqual(seen.refused, [], path);
    if (path === "/store/format") assert.equal(seen.refused, "all");
  }
});

test("losing the newest manifest costs nothing: the older generation and its longer log have it all", async () => {
  const { files, vfs } = await base();
  const newest = files.filter((path) => path.includes("/manifest-")).at(-1);
  assert.ok(newest);
  const removed = await copyWith((damaged) => void damaged.remove(newest));
  assert.deepEqual(await look(removed, `${newest} removed`), { refused: [], verified: true });
  const { length } = wholeOf(vfs, newest);
  const zeroed = await copyWith((damaged) => overwrite(damaged, newest, new Uint8Array(length), 0));
  assert.deepEqual((await look(zeroed, `${newest} zeroed`)).refused, []);
});

test("all files of one kind removed are refused, never an empty store", async () => {
  const { files } = await base();
  for (const kind of [/\/manifest-/, /\/wal\/.*\.wal$/, /\/heads\//, /\/blobs\//]) {
    const gone = files.filter((path) => kind.test(path));
    assert.ok(gone.length > 0, String(kind));
    const copy = await copyWith((damaged) => {
      for (const path of gone) damaged.remove(path);
    });
    const seen = await look(copy, `all of ${kind} removed`);
    assert.notDeepEqual(seen.refused, [], String(kind));
  }
});

test("files of one kind swapped with each other are refused or harmless", async () => {
  const { vfs, files } = await base();
  for (const kind of [/\/manifest-/, /\/wal\/.*\.wal$/, /\/heads\//, /\/blobs\//]) {
    const [first, second] = files.filter((path) => kind.test(path)).slice(-2);
    if (first === undefined || second === undefined) continue;
    const [a, b] = [wholeOf(vfs, first), wholeOf(vfs, second)];
    const copy = await copyWith((damaged) => {
      replace(damaged, first, b);
      replace(damaged, second, a);
    });
    await look(copy, `${first} and ${second} swapped`);
  }
});

function replace(vfs: MemoryVfs, path: string, bytes: Uint8Array): void {
  vfs.remove(path);
  const file = vfs.open(path, "create");
  file.write([bytes], 0);
  file.close();
}

test("damage to one session's blob answers CORRUPT for it, and gc refuses and deletes nothing", async () => {
  const { vfs, files } = await base();
  const packs = files.filter((path) => /\/blobs\/.*\.pack$/.test(path));
  let met = 0;
  for (const path of packs) {
    const bytes = wholeOf(vfs, path);
    for (const at of positionsIn(bytes, 8)) {
      const copy = await copyWith((damaged) =>
        overwrite(damaged, path, Uint8Array.of((bytes[at] ?? 0) ^ 0x10), at),
      );
      const seen = await look(copy.crashKeepingEverything(), `byte ${at} of ${path}`);
      if (seen.refused === "all" || seen.refused.length === 0 || seen.refused.length === SESSIONS.length)
        continue;
      met++;
      assert.equal(seen.verified, false, `verify of byte ${at} of ${path}`);
    }
  }
  assert.ok(met > 0, "no damage met some sessions and spared others");
});

test("gc of a store with an unreadable head or manifest is CORRUPT and deletes nothing", async () => {
  const { files, vfs } = await base();
  const heads = files.filter((path) => path.includes("/heads/")).at(-1);
  assert.ok(heads);
  const bytes = wholeOf(vfs, heads);
  let met = 0;
  for (const at of positionsIn(bytes, 12)) {
    const copy = await copyWith((damaged) =>
      overwrite(damaged, heads, Uint8Array.of((bytes[at] ?? 0) ^ 0x10), at),
    );
    const store = await openStore("/store", { ...OPTIONS, vfs: copy }).catch(() => undefined);
    if (store === undefined) continue;
    const damaged = await Promise.all(
      SESSIONS.map((id) =>
        store
          .session(id)
          .loadSession()
          .then(
            () => false,
            () => true,
          ),
      ),
    );
    if (damaged.includes(true)) {
      met++;
      await refuses(store.gc(), "CORRUPT");
      assert.equal(store.stats().gc.deletedBlobs, 0);
      const spared = SESSIONS.filter((_, index) => !damaged[index]);
      for (const id of spared) assert.ok(await store.session(id).loadSession());
    }
    await store.close();
  }
  assert.ok(met > 0, "no damage met a head");
});
