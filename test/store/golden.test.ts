/**
 * Stores that format 1 wrote must keep opening, and say what they were told, as long as there is a Varve: the
 * golden stores are opened as owner, read-only and by verify, compared with contents kept as JSON, and worked
 * on. And what a newer format writes is refused by version, in every kind of file that has one.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import type { ReadOnlyStore, Store } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import type { MemoryVfs } from "../../src/vfs/memory.ts";
import { readWhole, type Vfs } from "../../src/vfs/vfs.ts";
import { append, commit, messageNode } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";
import {
  firstCommit,
  fromTagged,
  GOLDEN,
  GOLDEN_OPTIONS,
  GOLDEN_STORES,
  type GoldenStore,
  unpackGolden,
} from "../support/golden.ts";

const ROOT = "/golden";

interface Contents {
  readonly stores: Record<
    GoldenStore,
    { readonly recovery: { cleanClose: boolean; tornBytes: number }; readonly listing: readonly string[] }
  >;
  readonly sessions: Record<string, { readonly session?: unknown; readonly meta?: unknown }>;
}

const contents = JSON.parse(readFileSync(`${GOLDEN}/contents.json`, "utf8")) as Contents;

interface ExpectedSession {
  readonly headRevision: number;
  readonly graph: { readonly nodes: readonly { readonly nodeId: string }[] };
}

/** Everything that `contents.json` says of this store, asked in every way in which it can be read. */
async function checkContents(store: Store | ReadOnlyStore, name: GoldenStore): Promise<void> {
  const { recovery, listing } = contents.stores[name];
  const { cleanClose, tornBytes } = store.recovery;
  assert.deepStrictEqual({ cleanClose, tornBytes }, recovery);
  const listed: string[] = [];
  for await (const { sessionId, headRevision, cwd, parentSessionId } of store.listSessions({
    includeChildren: true,
  })) {
    listed.push(sessionId);
    const { session, meta } = contents.sessions[sessionId] ?? {};
    const told = (meta ?? {}) as { readonly cwd?: string; readonly parentSessionId?: string };
    assert.deepEqual(
      [headRevision, cwd, parentSessionId],
      [(session as ExpectedSession | undefined)?.headRevision, told.cwd, told.parentSessionId],
      `${name}: ${sessionId} in the listing`,
    );
  }
  assert.deepEqual(listed, listing);
  for (const id of [...listing, "gone", "never"]) await checkSession(store, name, id);
  for (const hidden of ["b", "c"]) assert.equal(await store.session("hidden").loadNode(hidden), undefined);
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
}

async function checkSession(store: Store | ReadOnlyStore, name: GoldenStore, id: string): Promise<void> {
  const { session, meta } = contents.sessions[id] ?? {};
  const handle = store.session(id);
  const expected = fromTagged(session);
  assert.deepStrictEqual(await handle.loadSession(), expected, `${name}: ${id}`);
  assert.deepStrictEqual(await handle.loadSessionMeta(), fromTagged(meta), `${name}: meta of ${id}`);
  for (const node of (expected as ExpectedSession | undefined)?.graph.nodes ?? [])
    assert.deepStrictEqual(await handle.loadNode(node.nodeId), node, `${name}: ${node.nodeId} of ${id}`);
}

test("everything that contents.json says is compared with some golden store", () => {
  assert.deepEqual(Object.keys(contents), ["sessions", "stores"]);
  assert.deepEqual(Object.keys(contents.stores).sort(), [...GOLDEN_STORES].sort());
  const listed = new Set(GOLDEN_STORES.flatMap((name) => contents.stores[name].listing));
  assert.deepEqual(Object.keys(contents.sessions).sort(), [...listed].sort());
  for (const [id, says] of Object.entries(contents.sessions))
    for (const key of Object.keys(says)) assert.ok(key === "session" || key === "meta", `${id}: ${key}`);
  for (const [name, says] of Object.entries(contents.stores))
    assert.deepEqual(Object.keys(says).sort(), ["listing", "recovery"], name);
});

for (const name of GOLDEN_STORES) {
  test(`the golden store "${name}" says read-only what it was told`, async () => {
    const store = await openStoreReadOnly(ROOT, { vfs: unpackGolden(name, ROOT) });
    await checkContents(store, name);
    await store.close();
  });

  test(`the golden store "${name}" says its owner what it was told, and is worked on`, async () => {
    const vfs = unpackGolden(name, ROOT);
    const store = await openStore(ROOT, { ...GOLDEN_OPTIONS, vfs });
    await checkContents(store, name);
    const again = await store.session("root").commitRuntimeState(firstCommit());
    assert.deepEqual([again.replayed, again.headRevision], [true, 1]);
    const other = commit({ sessionId: "root", operationId: "op-1" });
    await refuses(store.session("root").commitRuntimeState(other), "OPERATION_CONFLICT");
    await refuses(store.session("gone").commitRuntimeState(commit({ sessionId: "gone" })), "SESSION_DELETED");
    const next = commit({ sessionId: "root", expectedHeadRevision: 2, operationId: "op-3" });
    assert.equal((await store.session("root").commitRuntimeState(next)).headRevision, 3);
    await store.gc();
    await store.close();
    const reopened = await openStore(ROOT, { ...GOLDEN_OPTIONS, vfs });
    assert.equal((await reopened.session("root").loadSession())?.headRevision, 3);
    // A gc has rewritten every file; what nobody worked on is as it was.
    const untouched = contents.stores[name].listing.filter((id) => id !== "root");
    for (const id of [...untouched, "gone", "never"]) await checkSession(reopened, name, id);
    assert.deepEqual(await reopened.verify(), { ok: true, problems: [] });
    await reopened.close();
  });
}

test("changes since a revision whose removals an old head does not tell are gone, later ones are known", async () => {
  const vfs = unpackGolden("folded", ROOT);
  const store = await openStore(ROOT, { ...GOLDEN_OPTIONS, vfs });
  const hidden = store.session("hidden");
  const since = (headRevision: number) => hidden.loadSession({ kind: "changesSince", headRevision });
  await refuses(since(1), "HISTORY_GONE", { asked: 1, oldest: 2 });
  assert.deepEqual((await since(0))?.graph, (await hidden.loadSession())?.graph);
  await hidden.commitRuntimeState(commit({ sessionId: "hidden", graph: append([messageNode("d")], "d") }));
  await hidden.commitRuntimeState(commit({ sessionId: "hidden", graph: append([messageNode("e")], "e") }));
  await store.snapshot();
  await store.close();
  const reopened = await openStore(ROOT, { ...GOLDEN_OPTIONS, vfs });
  const again = (headRevision: number) =>
    reopened.session("hidden").loadSession({ kind: "changesSince", headRevision });
  assert.deepEqual((await again(2))?.graph, { nodes: [messageNode("e")], leafNodeId: "e" });
  await refuses(again(1), "HISTORY_GONE", { asked: 1, oldest: 2 });
  await reopened.close();
});

test("a ref is the SHA-256 of canonical bytes that docs/format.md lets one write by hand", () => {
  const { session } = contents.sessions.odd ?? {};
  const { checkpoint } = session as { checkpoint: { executionStateRef: string } };
  // Flag 00; extension 74 (hexadecimal) of 4 bytes: 01, then the three.
  const canonical = Buffer.from("00c7047401010203", "hex");
  assert.equal(checkpoint.executionStateRef, createHash("sha256").update(canonical).digest("hex"));
});

// --- a newer format ----------------------------------------------------------------------------------

interface Versioned {
  readonly path: RegExp;
  /** Where the u16 version stands is 8 in all of them; where the checksum stands, and what it is of. */
  readonly crcAt: number;
  readonly crc: (bytes: Buffer) => number;
}

const VERSIONED: Record<string, Versioned> = {
  format: { path: /\/format$/, crcAt: 32, crc: (bytes) => crc32(bytes.subarray(0, 32)) },
  manifest: {
    path: /\/manifest-\d+$/,
    crcAt: 16,
    crc: (bytes) => crc32(bytes.subarray(24), crc32(bytes.subarray(0, 16))),
  },
  "heads file": { path: /\.heads$/, crcAt: 60, crc: (bytes) => crc32(bytes.subarray(0, 60)) },
  pack: { path: /\.pack$/, crcAt: 60, crc: (bytes) => crc32(bytes.subarray(0, 60)) },
  segment: { path: /\.wal$/, crcAt: 4092, crc: (bytes) => crc32(bytes.subarray(0, 4092)) },
};

function pathsOf(vfs: Vfs): string[] {
  return [ROOT, `${ROOT}/heads`, `${ROOT}/blobs`, `${ROOT}/wal`].flatMap((directory) =>
    vfs.list(directory).map((name) => `${directory}/${name}`),
  );
}

function makeNewer(vfs: MemoryVfs, { path, crcAt, crc }: Versioned): void {
  for (const one of pathsOf(vfs).filter((candidate) => path.test(candidate))) {
    const bytes = Buffer.from(readWhole(vfs, one, 1 << 30) ?? []);
    assert.equal(bytes.readUInt16LE(8), 1, `${one} is of version 1`);
    assert.equal(bytes.readUInt32LE(crcAt), crc(bytes), `${one} has its checksum there`);
    bytes.writeUInt16LE(2, 8);
    bytes.writeUInt32LE(crc(bytes), crcAt);
    const file = vfs.open(one, "write");
    file.write([bytes], 0);
    file.close();
  }
}

for (const [kind, versioned] of Object.entries(VERSIONED)) {
  test(`a ${kind} of a newer version is FORMAT_UNSUPPORTED, as owner and read-only, and nothing is changed`, async () => {
    const vfs = unpackGolden("folded", ROOT);
    makeNewer(vfs, versioned);
    const before = pathsOf(vfs);
    for (const open of [
      () => openStore(ROOT, { ...GOLDEN_OPTIONS, vfs }),
      () => openStoreReadOnly(ROOT, { vfs }),
    ]) {
      const error = await open().then(
        () => assert.fail("it opened"),
        (refusal: unknown) => refusal,
      );
      assert.ok(isStoreError(error, "FORMAT_UNSUPPORTED"), String(error));
      assert.deepEqual([error.found, error.supported], [2, 1]);
    }
    assert.deepEqual(pathsOf(vfs), before);
  });
}
