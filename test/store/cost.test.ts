/** Cost follows the change, not the history: counted in bytes and files, never in time. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Store } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import type { SessionNodeRecord } from "../../src/session/types.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, checkpoint, commit, messageNode, noise, replaceFull } from "../support/builders.ts";

const NODES = 2_000;

async function openCounting(t: TestContext): Promise<{ store: Store; written(pattern: RegExp): number }> {
  const vfs = new MemoryVfs({ crashable: false });
  const writes: { path: string; bytes: number }[] = [];
  vfs.onOperation = ({ path, bytes = 0 }) => writes.push({ path, bytes });
  const store = await openStore("/store", { vfs, segmentBytes: 1024 * 1024, snapshot: false, gc: false });
  t.after(() => store.close());
  const written = (pattern: RegExp): number => {
    const taken = writes.filter(({ path }) => pattern.test(path)).reduce((sum, { bytes }) => sum + bytes, 0);
    writes.length = 0;
    return taken;
  };
  return { store, written };
}

async function growLong(store: Store): Promise<SessionNodeRecord[]> {
  const nodes = Array.from({ length: NODES }, (_, index) =>
    messageNode(`n${index}`, index === 0 ? undefined : `n${index - 1}`, `${index} ${"x".repeat(200)}`),
  );
  for (let at = 0; at < NODES; at += 100) {
    await store
      .session("long")
      .commitRuntimeState(
        commit({ sessionId: "long", graph: append(nodes.slice(at, at + 100), `n${at + 99}`) }),
      );
  }
  return nodes;
}

test("a commit to a long session writes no more log than one to a new session", async (t) => {
  const { store } = await openCounting(t);
  await growLong(store);
  const bytesOf = async (sessionId: string, parent?: string): Promise<number> => {
    // The first commit of a session also brings its checkpoint manifest and may bring picker info.
    await store
      .session(sessionId)
      .commitRuntimeState(
        commit({ sessionId, graph: append([messageNode("first", parent, `0 ${"x".repeat(200)}`)]) }),
      );
    const before = store.stats().log.bytes;
    await store
      .session(sessionId)
      .commitRuntimeState(commit({ sessionId, graph: append([messageNode("new", parent, "text")], "new") }));
    return store.stats().log.bytes - before;
  };
  const long = await bytesOf("long", `n${NODES - 1}`);
  const short = await bytesOf("shrt");
  assert.ok(Math.abs(long - short) < 64, `${long} bytes instead of ${short}`);
});

test("replaceFull writes what changed, not what is kept", async (t) => {
  const { store } = await openCounting(t);
  const nodes = await growLong(store);
  const before = store.stats().log.bytes;
  const last = messageNode("last", `n${NODES - 1}`, "text");
  await store
    .session("long")
    .commitRuntimeState(commit({ sessionId: "long", graph: replaceFull([...nodes, last], "last") }));
  assert.ok(store.stats().log.bytes - before < 4_096, `${store.stats().log.bytes - before} bytes`);
});

test("a snapshot after one commit writes what changed, not the session or the store", async (t) => {
  const { store, written } = await openCounting(t);
  await growLong(store);
  for (let index = 0; index < 100; index++) {
    await store
      .session(`s${index}`)
      .commitRuntimeState(
        commit({ sessionId: `s${index}`, checkpoint: checkpoint({ executionState: noise(20_000, index) }) }),
      );
  }
  await store.snapshot();
  await store
    .session("long")
    .commitRuntimeState(
      commit({ sessionId: "long", graph: append([messageNode("new", `n${NODES - 1}`)], "new") }),
    );
  written(/./);
  await store.snapshot();
  const bytes = written(/\/(heads|blobs)\//);
  // Some merging of small neighbours is fair; the whole session has 500 KB, the whole store 2.5 MB.
  assert.ok(bytes < 150_000, `${bytes} bytes`);
});

test("a value that is stored already is not written again", async (t) => {
  const { store } = await openCounting(t);
  const executionState = noise(200_000);
  await store
    .session("one")
    .commitRuntimeState(commit({ sessionId: "one", checkpoint: checkpoint({ executionState }) }));
  await store.snapshot();
  const before = store.stats().log.bytes;
  await store
    .session("two")
    .commitRuntimeState(commit({ sessionId: "two", checkpoint: checkpoint({ executionState }) }));
  assert.ok(store.stats().log.bytes - before < 4_096);
});

test("many small commits share their syncs", async (t) => {
  const { store } = await openCounting(t);
  const before = store.stats().log.syncs;
  await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      store.session(`s${index}`).commitRuntimeState(commit({ sessionId: `s${index}` })),
    ),
  );
  assert.ok(
    store.stats().log.syncs - before <= 20,
    `${store.stats().log.syncs - before} syncs for 200 commits`,
  );
});
