/**
 * What commits used while a gc ran, and the look at it before a slice is decided: bounded a turn, and never
 * past anything that was named in between. The story: the look once was one loop over everything used, which
 * held the main thread for as long as a busy host had been committing. Cut into turns it must not decide on
 * what it saw some turns ago.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UsedBlobs, UsedLook } from "../../src/actors/used-blobs.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { type BlobRef, refToBytes } from "../../src/ids.ts";
import { openStore } from "../../src/index.ts";
import { MAX_GC_USED_BLOBS, USED_BLOBS_PER_TURN } from "../../src/limits.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { checkpoint, commit, noise } from "../support/builders.ts";
import { read } from "../support/expect.ts";
import { carrying, withGarbage } from "./garbage.ts";

const ref = (n: number): BlobRef => n.toString(16).padStart(64, "0") as BlobRef;
const digestsOf = (...refs: BlobRef[]): Uint8Array => Buffer.concat(refs.map(refToBytes));

test("a blob is remembered once, however often it is named", () => {
  const used = new UsedBlobs();
  for (const n of [1, 2, 1, 3, 2]) used.add(ref(n));
  assert.equal(used.size, 3);
  assert.deepEqual([used.at(0), used.at(1), used.at(2), used.at(3)], [ref(1), ref(2), ref(3), undefined]);
});

test("a look takes no more than its share a turn, and says that it has seen everything only when it has", () => {
  const used = new UsedBlobs();
  for (let n = 0; n < 2 * USED_BLOBS_PER_TURN + 1; n++) used.add(ref(n));
  let asked = 0;
  const at = used.at.bind(used);
  used.at = (index) => {
    asked++;
    return at(index);
  };
  const last = ref(2 * USED_BLOBS_PER_TURN);
  const look = new UsedLook(used, digestsOf(last));
  const turns: number[] = [];
  for (let done = false; !done; ) {
    asked = 0;
    done = look.turn();
    turns.push(asked);
  }
  assert.deepEqual(turns, [USED_BLOBS_PER_TURN, USED_BLOBS_PER_TURN, 1]);
  assert.deepEqual([...look.refs], [last]);
  assert.deepEqual(look.digests, [refToBytes(last)]);
});

test("a blob named between two turns of a look is looked at before the look has seen everything", () => {
  const used = new UsedBlobs();
  for (let n = 0; n < USED_BLOBS_PER_TURN + 1; n++) used.add(ref(n));
  const late = ref(9_999_999);
  const look = new UsedLook(used, digestsOf(late));
  assert.equal(look.turn(), false);
  used.add(late);
  assert.equal(look.turn(), true);
  assert.deepEqual([...look.refs], [late]);
});

test("more used blobs than a gc may remember give it up as STORE_BUSY", () => {
  const used = new UsedBlobs();
  Object.defineProperty(used, "size", { value: MAX_GC_USED_BLOBS + 1 });
  assert.throws(
    () => used.checkBound(),
    (error) => isStoreError(error, "STORE_BUSY"),
  );
});

test("a commit between two turns of a gc's look keeps the dead blob it names, and the gc the rest", async () => {
  const options: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };
  const vfs = new MemoryVfs();
  const between: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    turn: (taker, fn) => {
      systemClock.turn(taker, () => {
        if (taker === "collector") between.shift()?.();
        fn();
      });
    },
  };
  const store = await openStore("/store", { ...options, vfs, clock });
  const [wanted, ...dead] = await withGarbage(store);
  assert.ok(wanted !== undefined && dead.length > 0);
  const writes: Promise<unknown>[] = [];
  let late: Promise<unknown> | undefined;
  between.push(() => {
    late = store.session("late").commitRuntimeState(carrying("late", wanted));
    writes.push(late);
  });
  // At the sweep's first operation more blobs are used than one turn looks at: every state is another value.
  let sweeping = false;
  vfs.onOperation = ({ operation, path }) => {
    if (sweeping || operation !== "open" || !path.endsWith(".pack.tmp") || store.stats().snapshot.count < 2)
      return;
    sweeping = true;
    for (let n = 0; n < USED_BLOBS_PER_TURN; n++) {
      const sessionId = `busy-${n % 64}`;
      const value = { executionState: noise(8, 1000 + n) };
      writes.push(
        store.session(sessionId).commitRuntimeState(commit({ sessionId, checkpoint: checkpoint(value) })),
      );
    }
  };
  const report = await store.gc();
  vfs.onOperation = undefined;
  await Promise.all(writes);
  assert.ok(late !== undefined, "the look took more than one turn");
  const restored = (await read(store.session("late"))).checkpoint.executionState;
  assert.ok(restored !== undefined && restored.length > 0);
  assert.ok(report.deletedBlobCount >= dead.length, `${report.deletedBlobCount} deleted`);
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
});
