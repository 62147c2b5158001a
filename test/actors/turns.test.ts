/**
 * What the main thread does in one turn of the event loop when a store is made, opened, snapshotted, collected
 * and closed: a bounded number of bytes and files, however much there is. The story: an opening read, checked and
 * entered its whole log at once and stopped its host for as long as that took; a publication opened all its
 * files in one turn.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import type { BlobRef } from "../../src/ids.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { KIB, MAINTENANCE_SLICE_BYTES, MIB, READ_STEP_BYTES } from "../../src/limits.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { checkpoint, commit, noise } from "../support/builders.ts";
import { read } from "../support/expect.ts";
import { CountedTurns, type Turn } from "../support/turns.ts";
import { carrying, holding, withGarbage } from "./garbage.ts";

const OPTIONS: StoreOptions = { snapshot: false, gc: false };
/** Headers, manifests and footers of small files that a turn may read besides. */
const SLACK_BYTES = 64 * KIB;

function most(turns: readonly Turn[], count: (turn: Turn) => number): number {
  return Math.max(...turns.map(count));
}

test("making a store writes one slice of zeros a turn", async () => {
  const counted = new CountedTurns(new MemoryVfs());
  const options: StoreOptions = { ...OPTIONS, segmentBytes: 4 * MIB };
  const store = await openStore("/store", { ...options, vfs: counted, clock: counted.clock });
  const turns = counted.ofMainThread;
  await store.close();
  const written = turns.reduce((sum, turn) => sum + turn.written, 0);
  assert.ok(written > 8 * MIB, "two segments");
  assert.ok(most(turns, (turn) => turn.written) <= MAINTENANCE_SLICE_BYTES + SLACK_BYTES);
});

test("opening a store reads one step of its log a turn, whatever there is of it", async () => {
  const memory = new MemoryVfs();
  const options: StoreOptions = { ...OPTIONS, segmentBytes: 4 * MIB };
  const before = await openStore("/store", { ...options, vfs: memory });
  for (let n = 0; n < 24; n++) {
    const value = { executionState: noise(400 * KIB, n) };
    await before.session("a").commitRuntimeState(commit({ sessionId: "a", checkpoint: checkpoint(value) }));
  }
  await before.close();
  const counted = new CountedTurns(memory);
  const store = await openStore("/store", { ...options, vfs: counted, clock: counted.clock });
  const turns = counted.ofMainThread;
  const { replayedBytes } = store.recovery;
  const { checkpoint: found } = await read(store.session("a"));
  await store.close();
  assert.ok(replayedBytes > 9 * MIB);
  assert.ok(turns.reduce((sum, turn) => sum + turn.read, 0) > 9 * MIB);
  assert.ok(most(turns, (turn) => turn.read) <= READ_STEP_BYTES + SLACK_BYTES);
  assert.deepEqual(found.executionState, noise(400 * KIB, 23));
});

test("opening a view, and refreshing it, reads one step of the log a turn", async () => {
  const memory = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, segmentBytes: 4 * MIB, vfs: memory });
  for (let n = 0; n < 12; n++) {
    const value = { executionState: noise(400 * KIB, n) };
    await store.session("a").commitRuntimeState(commit({ sessionId: "a", checkpoint: checkpoint(value) }));
  }
  const counted = new CountedTurns(memory);
  const view = await openStoreReadOnly("/store", { vfs: counted, clock: counted.clock });
  const turnsOfOpening = counted.turns.length;
  await view.refresh();
  const turns = counted.ofMainThread;
  const { replayedBytes } = view.recovery;
  await view.close();
  await store.close();
  assert.ok(replayedBytes > 4 * MIB);
  assert.ok(turnsOfOpening > 8 && turns.length > 1.5 * turnsOfOpening, `${turns.length} turns`);
  assert.ok(most(turns, (turn) => turn.read) <= READ_STEP_BYTES + SLACK_BYTES);
});

test("opening a store of many packs, and publishing over them, opens one of their files a turn", async () => {
  const memory = new MemoryVfs();
  const options: StoreOptions = { ...OPTIONS, segmentBytes: 64 * KIB };
  const before = await openStore("/store", { ...options, vfs: memory });
  for (let n = 0; n < 6; n++) {
    await before.session("a").commitRuntimeState(holding("a", n + 1));
    await before.snapshot();
  }
  assert.ok(before.stats().snapshot.packs >= 6);
  await before.close();
  const counted = new CountedTurns(memory);
  const store = await openStore("/store", { ...options, vfs: counted, clock: counted.clock });
  const files = (turn: Turn): number => turn.opened.filter((path) => /\/(heads|blobs)\//.test(path)).length;
  assert.equal(most(counted.ofMainThread, files), 1);
  await store.session("a").commitRuntimeState(holding("a", 99));
  await store.gc();
  assert.equal(most(counted.ofMainThread, files), 1);
  await store.close();
});

/** Turns of a gc on a store like this. */
async function countTurns(): Promise<number> {
  const counted = new CountedTurns(new MemoryVfs());
  const store = await openStore("/store", {
    ...OPTIONS,
    vfs: counted,
    clock: counted.clock,
    segmentBytes: 64 * KIB,
  });
  await withGarbage(store);
  const before = counted.turns.length;
  await store.gc();
  const turns = counted.turns.length - before;
  await store.close();
  return turns;
}

type Outcome = Promise<{ value: unknown } | { error: unknown }>;

function outcome(call: Promise<unknown>): Outcome {
  return call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

/** Names a value that is about to die, stores one anew and reads, all at the beginning of one turn. */
function atTurn(store: Store, turn: number, ref: BlobRef): { late: Outcome; anew: Outcome; read: Outcome } {
  return {
    late: outcome(store.session("late").commitRuntimeState(carrying("late", ref))),
    anew: outcome(store.session("anew").commitRuntimeState(holding("anew", 1 + (turn % 3)))),
    read: outcome(store.session("one").loadSession()),
  };
}

test("commits and reads in any turn of a gc are told the truth, and what they were told stays so", async () => {
  const count = await countTurns();
  assert.ok(count > 20, `${count} turns`);
  let kept = 0;
  let gone = 0;
  for (let turn = 0; turn < count; turn++) {
    const counted = new CountedTurns(new MemoryVfs());
    const options = { ...OPTIONS, vfs: counted, clock: counted.clock, segmentBytes: 64 * KIB };
    const store = await openStore("/store", options);
    const refs = await withGarbage(store);
    const ref = refs[turn % refs.length];
    assert.ok(ref !== undefined);
    const first = counted.turns.length;
    let calls: ReturnType<typeof atTurn> | undefined;
    counted.onTurn = (_taker, at) => {
      if (at - first === turn) calls = atTurn(store, turn, ref);
    };
    await store.gc();
    counted.onTurn = undefined;
    if (calls === undefined) {
      await store.close();
      continue;
    }
    const late = await calls.late;
    assert.ok("value" in (await calls.anew) && "value" in (await calls.read), `turn ${turn}`);
    if ("value" in late) kept++;
    else {
      gone++;
      assert.ok(isStoreError(late.error, "BLOB_MISSING"), String(late.error));
    }
    const restored = (await read(store.session("anew"))).checkpoint.executionState;
    assert.deepEqual(restored, noise(500, 1 + (turn % 3)));
    assert.deepEqual(await store.verify(), { ok: true, problems: [] }, `turn ${turn}`);
    await store.gc();
    if ("value" in late)
      assert.ok((await read(store.session("late"))).checkpoint.executionState !== undefined);
    await store.close();
  }
  assert.ok(kept > 0 && gone > 0, `${kept} kept, ${gone} gone`);
});
