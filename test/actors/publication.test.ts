/**
 * Snapshots and collections with something happening between any two of their file operations: commits that
 * name what is about to die, values stored anew, reads, listings, closing, workers that die. What a commit
 * was told exists stays; what was collected is gone; files are closed, and removed once nobody needs them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import type { BlobRef } from "../../src/ids.ts";
import { openStore } from "../../src/index.ts";
import type { RuntimeCommitResult } from "../../src/session/types.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { noise } from "../support/builders.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { listed, read, refuses } from "../support/expect.ts";
import { carrying, holding, withGarbage } from "./garbage.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

/** File operations of a job on a store like this. */
async function countOperations(job: (store: Store) => Promise<unknown>): Promise<number> {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  await withGarbage(store);
  let operations = 0;
  vfs.onOperation = () => void operations++;
  await job(store);
  vfs.onOperation = undefined;
  await store.close();
  return operations;
}

type Outcome = Promise<{ value: unknown } | { error: unknown }>;

/** Looks at the answer at once, so that a refusal awaited later is not one that nobody handles. */
function outcome(call: Promise<unknown>): Outcome {
  return call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

const JOBS: readonly { name: string; every: number; run: (store: Store) => Promise<unknown> }[] = [
  { name: "a gc", every: 2, run: (store) => store.gc() },
  {
    name: "a gc and two snapshots",
    every: 5,
    run: (store) => Promise.all([store.gc(), store.snapshot(), store.snapshot()]),
  },
];

for (const { name, every, run } of JOBS) {
  test(`a commit at any moment of ${name} keeps what it was told exists, by value and by ref`, async () => {
    const operations = await countOperations(run);
    assert.ok(operations > 20);
    let kept = 0;
    let gone = 0;
    for (let moment = 0; moment < operations; moment += every) {
      const vfs = new MemoryVfs();
      const counting = new CountingVfs(vfs);
      const store = await openStore("/store", { ...OPTIONS, vfs: counting });
      const refs = await withGarbage(store);
      const ref = refs[moment % refs.length];
      assert.ok(ref !== undefined);
      let at = 0;
      const calls: { late: Outcome; anew: Outcome; read: Outcome }[] = [];
      vfs.onOperation = () => {
        if (at++ !== moment) return;
        calls.push({
          // By ref it may be gone already; by value it is stored anew if need be.
          late: outcome(store.session("late").commitRuntimeState(carrying("late", ref))),
          anew: outcome(store.session("anew").commitRuntimeState(holding("anew", 1 + (moment % 3)))),
          read: outcome(store.session("one").loadSession()),
        });
      };
      await run(store);
      vfs.onOperation = undefined;
      const [call] = calls;
      if (call === undefined) {
        await store.close();
        continue;
      }
      const [late, anew] = [await call.late, await call.anew];
      assert.ok("value" in anew && "value" in (await call.read), `moment ${moment}`);
      const { manifest } = anew.value as RuntimeCommitResult;
      if ("value" in late) {
        kept++;
        assert.ok((await read(store.session("late"))).checkpoint.executionState !== undefined);
      } else {
        gone++;
        assert.ok(isStoreError(late.error, "BLOB_MISSING"), String(late.error));
        if (manifest.executionStateRef !== ref)
          await refuses(store.session("late").commitRuntimeState(carrying("late", ref)), "BLOB_MISSING");
      }
      for (const id of ["one", "two"]) await read(store.session(id));
      const restored = (await read(store.session("anew"))).checkpoint.executionState;
      assert.deepEqual(restored, noise(500, 1 + (moment % 3)));
      assert.deepEqual(await store.verify(), { ok: true, problems: [] }, `moment ${moment}`);
      // A second gc finds nothing wrong and nothing that the first should have found.
      await store.gc();
      await read(store.session("one"));
      if ("value" in late) await read(store.session("late"));
      await store.close();
      assert.deepEqual(counting.openPaths, []);
    }
    assert.ok(kept > 0 && gone > 0, `${kept} kept, ${gone} gone`);
  });
}

test("what a gc reported deleted is gone for every commit, also when a snapshot ran between its slices", async () => {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  // Many small packs, so that a fold would merge them.
  const refs: BlobRef[] = [];
  for (let turn = 0; turn < 12; turn++) {
    const { manifest } = await store.session("one").commitRuntimeState(holding("one", turn + 1));
    if (manifest.executionStateRef !== undefined) refs.push(manifest.executionStateRef);
    await store.snapshot();
  }
  const current = refs.pop();
  let started = false;
  const snapshots: Promise<void>[] = [];
  vfs.onOperation = ({ path }) => {
    if (started || !path.includes("/blobs/")) return;
    started = true;
    snapshots.push(
      store
        .session("two")
        .commitRuntimeState(holding("two", 99))
        .then(() => store.snapshot()),
    );
  };
  const report = await store.gc();
  await Promise.all(snapshots);
  vfs.onOperation = undefined;
  assert.ok(report.deletedBlobCount > 0);
  for (const ref of refs)
    await refuses(store.session("late").commitRuntimeState(carrying("late", ref)), "BLOB_MISSING");
  assert.ok(current !== undefined);
  await store.session("late").commitRuntimeState(carrying("late", current));
  await store.close();
});

test("for any order of commits, snapshots, collections, listings and turns nothing reachable is lost", async () => {
  const step = fc.record({
    kind: fc.constantFrom("commit", "commit", "carry", "snapshot", "gc", "list", "verify", "turn", "turn"),
    id: fc.constantFrom("a", "b", "c"),
    seed: fc.integer({ min: 0, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const vfs = new CountingVfs(new MemoryVfs());
      const store = await openStore("/store", { ...OPTIONS, vfs, maxResidentBytes: 4096 });
      const calls: Promise<unknown>[] = [];
      const refs: BlobRef[] = [];
      const last = new Map<string, number>();
      for (const { kind, id, seed } of steps) {
        const session = store.session(id);
        if (kind === "turn") await new Promise((resolve) => setImmediate(resolve));
        if (kind === "commit") {
          last.set(id, seed);
          calls.push(
            session.commitRuntimeState(holding(id, seed)).then(({ manifest }) => {
              if (manifest.executionStateRef !== undefined) refs.push(manifest.executionStateRef);
            }),
          );
        }
        const ref = refs[seed];
        if (kind === "carry" && ref !== undefined) {
          last.delete(id);
          const carried = session.commitRuntimeState(carrying(id, ref));
          calls.push(
            carried.catch((error: unknown) => assert.ok(isStoreError(error, "BLOB_MISSING"), String(error))),
          );
        }
        if (kind === "snapshot") calls.push(store.snapshot());
        if (kind === "gc") calls.push(store.gc());
        if (kind === "list") calls.push(listed(store));
        if (kind === "verify")
          calls.push(store.verify().then((report) => assert.deepEqual(report.problems, [])));
      }
      await Promise.all(calls);
      for (const id of ["a", "b", "c"]) {
        const found = await store.session(id).loadSession();
        const seed = last.get(id);
        if (seed !== undefined) assert.deepEqual(found?.checkpoint.executionState, noise(500, seed));
      }
      assert.deepEqual(await store.verify(), { ok: true, problems: [] });
      await store.close();
      assert.deepEqual(vfs.openPaths, []);
    }),
    { numRuns: 40 },
  );
});
