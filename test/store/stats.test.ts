/** What `stats()` tells beside plain counters: the last jobs, the queue, what group commit saves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreEvent } from "../../src/contract.ts";
import { openMemoryStore } from "../../src/index.ts";
import { append, chain, commit, messageNode } from "../support/builders.ts";

const BY_CALL = { snapshot: false, gc: false } as const;

test("the last snapshot and the last gc are told with reason and length, once there was one", async () => {
  const events: StoreEvent[] = [];
  await using store = await openMemoryStore({ ...BY_CALL, onEvent: (event) => events.push(event) });
  const before = store.stats();
  assert.deepEqual([before.snapshot.last, before.gc.last], [undefined, undefined]);
  assert.equal(Object.hasOwn(before.snapshot, "last"), false);
  await store.session("root").commitRuntimeState(commit({ graph: append(chain("a"), "a") }));
  await store.snapshot();
  assert.equal(store.stats().snapshot.last?.reason, "call");
  await store.session("root").commitRuntimeState(commit({ graph: append([messageNode("b", "a")], "b") }));
  await store.gc();
  const { snapshot, gc } = store.stats();
  assert.deepEqual([snapshot.last?.reason, gc.last?.reason], ["gc", "call"]);
  const told = events.findLast((event) => event.type === "gc");
  assert.equal(gc.last?.durationMs, told?.durationMs);
  assert.ok(Math.abs((gc.last?.endedAt ?? 0) - Date.now()) < 3_600_000, "endedAt is wall clock");
});

test("a snapshot and a gc at work are told as running", async () => {
  await using store = await openMemoryStore(BY_CALL);
  await store.session("root").commitRuntimeState(commit());
  assert.equal(store.stats().snapshot.isRunning, false);
  const snapshot = store.snapshot();
  assert.equal(store.stats().snapshot.isRunning, true);
  await snapshot;
  const gc = store.gc();
  assert.equal(store.stats().gc.isRunning, true);
  await gc;
  assert.deepEqual([store.stats().snapshot.isRunning, store.stats().gc.isRunning], [false, false]);
});

test("the queue is the frames that are not durable yet, and a sync answers many commits", async () => {
  await using store = await openMemoryStore(BY_CALL);
  assert.equal(store.stats().commitsPerSync, 0);
  const sent = Array.from({ length: 20 }, () => store.session("root").commitRuntimeState(commit()));
  assert.equal(store.stats().log.queuedFrames, 20);
  await Promise.all(sent);
  const { commits, commitsPerSync, log } = store.stats();
  assert.equal(log.queuedFrames, 0);
  assert.equal(commitsPerSync, commits / log.syncs);
  assert.ok(commitsPerSync > 1, `${commitsPerSync} commits a sync`);
});

test("heads are counted as they are stored", async () => {
  await using store = await openMemoryStore(BY_CALL);
  for (const sessionId of ["a", "b", "c"])
    await store.session(sessionId).commitRuntimeState(commit({ sessionId }));
  assert.equal(store.stats().snapshot.heads, 0);
  await store.snapshot();
  assert.equal(store.stats().snapshot.heads, 3);
});
