/** The read-only view: no lock, not a byte written, acknowledged commits only, beside a live owner. */
import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ReadOnlyStore, Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { append, chain, checkpoint, commit, messageNode, meta, toolState } from "../support/builders.ts";
import { failure, listed, nodeIds, pathIds, read, refuses } from "../support/expect.ts";
import { checkSession, Progress, sendNext } from "../support/history.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

async function owned(t: TestContext): Promise<{ directory: string; store: Store }> {
  const directory = join(temporaryDirectory(t), "store");
  const store = await openStore(directory, OPTIONS);
  t.after(() => store.close());
  return { directory, store };
}

async function view(t: TestContext, directory: string): Promise<ReadOnlyStore> {
  const opened = await openStoreReadOnly(directory);
  t.after(() => opened.close());
  return opened;
}

/** Names, sizes and contents of everything below a directory. */
function contents(directory: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(directory, { recursive: true })) {
    const path = join(directory, String(name));
    const stat = statSync(path);
    found.set(String(name), stat.isDirectory() ? "directory" : readFileSync(path).toString("base64"));
  }
  return found;
}

test("a view beside a live owner shows what was acknowledged, and writes not one byte", async (t) => {
  const { directory, store } = await owned(t);
  await store
    .session("root")
    .commitRuntimeState(
      commit({ graph: append(chain("a", "b"), "b"), checkpoint: checkpoint({ toolState: toolState(1) }) }),
    );
  await store.snapshot();
  await store.session("root").commitRuntimeState(
    commit({
      graph: append([messageNode("c", "a")], "c"),
      checkpoint: checkpoint({ toolState: toolState(2) }),
    }),
  );
  await store.session("root").saveSessionMeta(meta());
  const before = contents(directory);
  const seen = await view(t, directory);
  const session = seen.session("root");
  assert.deepEqual(await session.loadSession(), await store.session("root").loadSession());
  assert.deepEqual(await pathIds(session, "b"), ["a", "b"]);
  assert.deepEqual(await session.loadNode("c"), messageNode("c", "a"));
  assert.deepEqual(await session.loadSessionMeta(), meta());
  assert.equal(await seen.session("nobody").loadSession(), undefined);
  assert.deepEqual(await listed(seen), await listed(store));
  assert.deepEqual(await seen.verify(), { ok: true, problems: [] });
  await seen.close();
  assert.deepEqual(contents(directory), before);
});

test("a view is of one moment until it is refreshed", async (t) => {
  const { directory, store } = await owned(t);
  const progress = new Progress();
  await sendNext(store, "root", progress);
  const seen = await view(t, directory);
  await sendNext(store, "root", progress);
  await store.session("new").commitRuntimeState(commit({ sessionId: "new" }));
  assert.equal((await read(seen.session("root"))).headRevision, 1);
  assert.equal(await seen.session("new").loadSession(), undefined);
  await seen.refresh();
  assert.equal((await read(seen.session("root"))).headRevision, 2);
  assert.equal((await read(seen.session("new"))).headRevision, 1);
});

test("a view of a closed store and of one whose owner was not closed", async (t) => {
  const { directory, store } = await owned(t);
  const progress = new Progress();
  for (let turn = 0; turn < 10; turn++) await sendNext(store, "root", progress);
  const beside = await view(t, directory);
  assert.equal(await checkSession(beside as unknown as Store, "root", progress), 10);
  await store.close();
  const after = await view(t, directory);
  assert.equal(await checkSession(after as unknown as Store, "root", progress), 10);
  assert.equal(after.recovery.cleanClose, true);
});

test("a view takes no lock: the owner can close and open beside it", async (t) => {
  const { directory, store } = await owned(t);
  await store.session("root").commitRuntimeState(commit());
  const seen = await view(t, directory);
  await store.close();
  const again = await openStore(directory, OPTIONS);
  t.after(() => again.close());
  await again.session("root").commitRuntimeState(commit());
  await seen.refresh();
  assert.equal((await read(seen.session("root"))).headRevision, 2);
});

test("a view that the owner has outrun shows its own moment or VIEW_EXPIRED, never other data", async (t) => {
  const { directory, store } = await owned(t);
  const progress = new Progress();
  for (let turn = 0; turn < 5; turn++) await sendNext(store, "root", progress);
  await store.snapshot();
  const frozen = progress.copy();
  const seen = await view(t, directory);
  for (let round = 0; round < 6; round++) {
    for (let turn = 0; turn < 20; turn++) await sendNext(store, "root", progress);
    await store.snapshot();
    await store.gc();
    try {
      assert.equal(await checkSession(seen as unknown as Store, "root", frozen), 5);
    } catch (error) {
      assert.ok(isStoreError(error, "VIEW_EXPIRED"), String(error));
      assert.equal(error.retry, "reopen");
    }
  }
  await seen.refresh();
  assert.equal(await checkSession(seen as unknown as Store, "root", progress), progress.acknowledged);
});

test("views opened while the owner commits, folds and collects show whole states", async (t) => {
  const { directory, store } = await owned(t);
  const progress = new Progress();
  await sendNext(store, "root", progress);
  let running = true;
  const load = (async () => {
    for (let turn = 0; turn < 150; turn++) {
      await sendNext(store, "root", progress);
      if (turn % 15 === 14) await store.snapshot();
      if (turn % 40 === 39) await store.gc();
    }
    running = false;
  })();
  let views = 0;
  while (running) {
    const floor = progress.copy();
    const opened = await openStoreReadOnly(directory);
    floor.sent = Number.POSITIVE_INFINITY;
    await checkSession(opened as unknown as Store, "root", floor);
    await opened.close();
    views++;
    await new Promise(setImmediate);
  }
  await load;
  assert.ok(views > 0);
});

test("writing methods are READ_ONLY from JavaScript", async (t) => {
  const { directory, store } = await owned(t);
  await store.session("root").commitRuntimeState(commit());
  const seen = (await view(t, directory)) as unknown as Store;
  const session = seen.session("root");
  const calls = {
    commitRuntimeState: () => session.commitRuntimeState(commit()),
    saveSessionMeta: () => session.saveSessionMeta(meta()),
    tombstoneNodes: () => session.tombstoneNodes(["a"]),
    vacuum: () => session.vacuum(),
    gcUnreachable: () => session.gcUnreachable(),
    deleteSession: () => seen.deleteSession("root"),
    snapshot: () => seen.snapshot(),
    gc: () => seen.gc(),
  };
  for (const [operation, call] of Object.entries(calls)) {
    await refuses(call(), "READ_ONLY", { operation, retry: "never" });
  }
});

test("a view checks its arguments, and is STORE_CLOSED after close", async (t) => {
  const { directory, store } = await owned(t);
  await store.session("root").commitRuntimeState(commit());
  const seen = await openStoreReadOnly(directory);
  const session = seen.session("root");
  assert.throws(() => seen.session(""), { code: "INVALID_ARGUMENT" });
  await refuses(session.loadNode(""), "INVALID_ARGUMENT");
  await refuses(session.loadSession({ kind: "x" } as never), "UNSUPPORTED_READ_SCOPE");
  await refuses(session.loadSession(undefined, { signal: AbortSignal.abort() }), "ABORTED");
  await seen.close();
  await seen.close();
  for (const call of [
    session.loadSession(),
    session.loadNode("a"),
    seen.refresh(),
    seen.verify(),
    listed(seen),
  ]) {
    await refuses(call, "STORE_CLOSED");
  }
});

test("a view of nothing is NOT_A_STORE and creates nothing", async (t) => {
  const directory = temporaryDirectory(t);
  const error = await failure(openStoreReadOnly(join(directory, "absent")));
  assert.ok(isStoreError(error, "NOT_A_STORE"), String(error));
  await refuses(openStoreReadOnly(directory), "NOT_A_STORE");
  assert.deepEqual(readdirSync(directory), []);
});

test("a view needs no permission to write", {
  skip: process.getuid?.() === 0 && "root may write anything",
}, async (t) => {
  const { directory, store } = await owned(t);
  await store.session("root").commitRuntimeState(commit({ graph: append(chain("a"), "a") }));
  await store.close();
  chmodSync(directory, 0o555);
  t.after(() => chmodSync(directory, 0o755));
  const seen = await view(t, directory);
  assert.deepEqual(await nodeIds(seen.session("root")), ["a"]);
});
