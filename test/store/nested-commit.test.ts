/**
 * Commits inside commits: a getter of the caller's, or a handler of an event, may commit while another commit is
 * being encoded or decided. The memory in which commits are encoded is used again, so each must still store its
 * own bytes (src/session/scratch.ts).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, commit, messageNode } from "../support/builders.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };
const TEXT = { outer: "o".repeat(900), inner: "i".repeat(900), later: "l".repeat(2900) };

test("a getter that commits while its own commit is encoded changes neither", async () => {
  const store = await openStore("/store", { vfs: new MemoryVfs(), ...OPTIONS });
  const inner: Promise<unknown>[] = [];
  const sent = commit({ sessionId: "outer", graph: append([messageNode("a", undefined, TEXT.outer)], "a") });
  // Read behind the first node, whose body then lies in the shared memory already.
  const second = messageNode("b", "a", TEXT.later);
  Object.defineProperty(second, "timestamp", {
    enumerable: true,
    get: () => {
      const graph = append([messageNode("x", undefined, TEXT.inner)], "x");
      inner.push(store.session("inner").commitRuntimeState(commit({ sessionId: "inner", graph })));
      return "2026-01-01T00:00:00Z";
    },
  });
  const [first] = sent.graph.kind === "append" ? sent.graph.nodes : [];
  assert.ok(first !== undefined);
  await store.session("outer").commitRuntimeState({ ...sent, graph: append([first, second], "b") });
  await Promise.all(inner);

  assert.equal(inner.length, 1);
  assert.match(await textOf(store, "outer", "a"), /^o{900}$/);
  assert.match(await textOf(store, "outer", "b"), /^l{2900}$/);
  assert.match(await textOf(store, "inner", "x"), /^i{900}$/);
  await store.close();
});

test("a handler that commits to the session that is deciding is answered behind it, with its own bytes", async () => {
  const handled: Promise<unknown>[] = [];
  const store = await openStore("/store", {
    vfs: new MemoryVfs(),
    ...OPTIONS,
    // Two empty sessions fit, and the commit to the second does not: the handler is called while it is decided.
    maxResidentBytes: 8_600,
    onEvent: ({ type }) => {
      if (type !== "passivated" || handled.length > 0) return;
      const graph = append([messageNode("i", undefined, TEXT.inner)], "i");
      handled.push(store.session("busy").commitRuntimeState(commit({ sessionId: "busy", graph })));
      // Encoded while the one above still waits for its session.
      const other = append([messageNode("l", undefined, TEXT.later)], "l");
      handled.push(store.session("other").commitRuntimeState(commit({ sessionId: "other", graph: other })));
    },
  });
  const idle = append([messageNode("a", undefined, "a")], "a");
  await store.session("idle").commitRuntimeState(commit({ sessionId: "idle", graph: idle }));
  const graph = append([messageNode("o", undefined, TEXT.outer)], "o");
  await store.session("busy").commitRuntimeState(commit({ sessionId: "busy", graph }));
  await Promise.all(handled);

  assert.equal(handled.length, 2);
  assert.match(await textOf(store, "busy", "o"), /^o{900}$/);
  assert.match(await textOf(store, "busy", "i"), /^i{900}$/);
  assert.match(await textOf(store, "other", "l"), /^l{2900}$/);
  await store.close();
});

test("a session at work stays in memory, whatever a handler does meanwhile, so that one cell decides for it", async () => {
  const sent: Promise<unknown>[] = [];
  let armed = false;
  const commitTo = (sessionId: string, nodeId: string, text = "") => {
    const graph = append([messageNode(nodeId, undefined, text)], nodeId);
    sent.push(store.session(sessionId).commitRuntimeState(commit({ sessionId, graph })));
  };
  const store = await openStore("/store", {
    vfs: new MemoryVfs(),
    ...OPTIONS,
    // Two empty sessions fit, and not what is loaded of the first.
    maxResidentBytes: 8_600,
    onEvent: ({ type }) => {
      if (type !== "passivated" || !armed) return;
      armed = false;
      // The first waits for the session that is being loaded. The second makes room: for all that is seen, the
      // loaded session has nothing to do. The third must meet the same cell as the first.
      commitTo("loaded", "b");
      commitTo("other", "c");
      commitTo("loaded", "d");
    },
  });
  for (const [sessionId, text] of [
    ["loaded", "x".repeat(10_000)],
    ["large", "x".repeat(20_000)],
    ["idle"],
  ] as const) {
    commitTo(sessionId, "a", text);
    await Promise.all(sent);
  }
  assert.equal(store.stats().residentSessions, 1);
  armed = true;
  commitTo("loaded", "o");
  await Promise.all(sent);
  assert.equal(armed, false);
  const read = await store.session("loaded").loadSession();
  assert.equal(sent.length, 7);
  assert.deepEqual(
    read?.graph.nodes.map(({ nodeId }) => nodeId),
    ["a", "o", "b", "d"],
  );
  assert.equal(read?.headRevision, 4);
  await store.close();
});

async function textOf(store: Awaited<ReturnType<typeof openStore>>, sessionId: string, nodeId: string) {
  const node = await store.session(sessionId).loadNode(nodeId);
  assert.ok(node !== undefined, `${sessionId}/${nodeId} is there`);
  const found = /([a-z])\1{899,}/.exec(JSON.stringify(node));
  return found?.[0] ?? "";
}
