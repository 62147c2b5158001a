/**
 * Snapshots and collections that are given up: by the signals of all who wait for them, or because the store is being
 * closed and nobody waits. Nothing half-done is published or left behind, what was finished is not done again, and what
 * somebody still waits for goes on. And long replays, which tell how far they are.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { Store, StoreEvent, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { PROGRESS_BYTES } from "../../src/limits.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { keepEverything, keepNothing } from "../../src/vfs/memory-crash.ts";
import { checkpoint, commit, noise } from "../support/builders.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { read, refuses } from "../support/expect.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { carrying, withGarbage } from "./garbage.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

interface Opened {
  readonly store: Store;
  readonly vfs: MemoryVfs;
  readonly counting: CountingVfs;
  readonly events: StoreEvent[];
}

async function open(options: StoreOptions = {}): Promise<Opened> {
  const vfs = new MemoryVfs();
  const counting = new CountingVfs(vfs);
  const events: StoreEvent[] = [];
  const onEvent = (event: StoreEvent): void => void events.push(event);
  const store = await openStore("/store", { ...OPTIONS, ...options, vfs: counting, onEvent });
  return { store, vfs, counting, events };
}

function leftovers(vfs: MemoryVfs): string[] {
  return ["/store", "/store/heads", "/store/blobs"]
    .flatMap((path) => vfs.list(path))
    .filter((name) => name.endsWith(".tmp"));
}

for (const job of ["snapshot", "gc"] as const) {
  test(`a ${job} whose signal fires at any of its file operations leaves a whole store that does it again`, async () => {
    let given = 0;
    let done = 0;
    for (let moment = 0; done === 0; moment += 2) {
      const { store, vfs, counting, events } = await open();
      const refs = await withGarbage(store);
      const controller = new AbortController();
      let at = 0;
      vfs.onOperation = () => {
        if (at++ === moment) controller.abort();
      };
      const running = store[job]({ signal: controller.signal });
      const failure: unknown = await running.then(
        () => undefined,
        (error: unknown) => error,
      );
      vfs.onOperation = undefined;
      if (controller.signal.aborted) assert.ok(isStoreError(failure, "ABORTED"), String(failure));
      // The next one waits for it.
      const report = await store.gc();
      await store.snapshot();
      if (!controller.signal.aborted) done++;
      else if (events.some(({ type }) => type === "cancelled")) given++;
      assert.ok(!events.some(({ type }) => type.endsWith("Failed")), "to be given up is no failure");
      assert.equal(store.stats()[job].failed, 0);
      assert.deepEqual(leftovers(vfs), [], `moment ${moment}`);
      for (const ref of refs)
        await refuses(store.session("late").commitRuntimeState(carrying("late", ref)), "BLOB_MISSING");
      assert.equal(report.rootCount, 2);
      for (const id of ["one", "two"]) await read(store.session(id));
      assert.deepEqual(await store.verify(), { ok: true, problems: [] }, `moment ${moment}`);
      await store.close();
      assert.deepEqual(counting.openPaths, []);
    }
    assert.ok(given > 3, `${given} were given up midway`);
  });
}

test("a power cut while a job is being given up loses nothing, and what it began goes with the next opening", async () => {
  let looked = 0;
  for (const job of ["snapshot", "gc"] as const) {
    for (let moment = 0, isOver = false; !isOver; moment += 4) {
      const { store, vfs } = await open();
      await withGarbage(store);
      const controller = new AbortController();
      const crashes: MemoryVfs[] = [];
      let at = 0;
      vfs.onOperation = () => {
        if (at++ === moment) controller.abort();
        else if (at > moment && crashes.length < 4)
          crashes.push(vfs.crash(at % 2 === 0 ? keepNothing : keepEverything));
      };
      await store[job]({ signal: controller.signal }).catch(() => undefined);
      // Waits for what was begun to end.
      await store.verify();
      vfs.onOperation = undefined;
      isOver = !controller.signal.aborted;
      await store.close();
      for (const crashed of isOver ? [] : crashes) {
        looked++;
        const again = await openStore("/store", { ...OPTIONS, vfs: crashed });
        assert.deepEqual(leftovers(crashed), [], `${job}, moment ${moment}`);
        for (const id of ["one", "two"]) assert.equal((await read(again.session(id))).headRevision, 4);
        assert.deepEqual(await again.verify(), { ok: true, problems: [] });
        await again.gc();
        assert.deepEqual(await again.verify(), { ok: true, problems: [] });
        await again.close();
      }
    }
  }
  assert.ok(looked > 50, `${looked} crashes`);
});

test("a snapshot that somebody still waits for goes on when another one's signal fires", async () => {
  const { store, events } = await open();
  await withGarbage(store);
  const controller = new AbortController();
  // Both wait for the run that follows this one.
  const first = store.snapshot();
  const gone = store.snapshot({ signal: controller.signal });
  const stays = store.snapshot();
  controller.abort();
  await refuses(gone, "ABORTED");
  await Promise.all([first, stays]);
  assert.deepEqual(
    events.filter(({ type }) => type === "cancelled"),
    [],
  );
  await store.close();
});

test("an automatic gc is given up by close in any turn; one that was called is finished", async () => {
  const ends = { givenUp: 0, finished: 0 };
  for (let turns = 0; ends.finished < 3; turns++) {
    const { store, vfs, counting, events } = await open({ gc: { garbageRatio: 0.01, minBytes: 1 } });
    // So many that the next heads are a file of their own, and there is something to merge.
    for (let number = 0; number < 40; number++) {
      const sessionId = `s${number}`;
      await store.session(sessionId).commitRuntimeState(commit({ sessionId }));
    }
    await store.snapshot();
    await withGarbage(store);
    // It finds garbage, and a gc begins by itself.
    await store.snapshot();
    assert.ok(store.stats().gc.isRunning);
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    await store.close();
    const isGivenUp = events.some(({ type }) => type === "cancelled");
    if (isGivenUp) ends.givenUp++;
    else ends.finished++;
    assert.ok(!events.some(({ type }) => type.endsWith("Failed")), JSON.stringify(events));
    assert.deepEqual(counting.openPaths, []);
    const again = await openStore("/store", { ...OPTIONS, vfs });
    assert.deepEqual(leftovers(vfs), []);
    await again.gc();
    for (const id of ["one", "two"]) await read(again.session(id));
    assert.deepEqual(await again.verify(), { ok: true, problems: [] });
    await again.close();
  }
  assert.ok(ends.givenUp > 2, `${ends.givenUp} were given up`);
  const { store, events } = await open();
  await withGarbage(store);
  const called = store.gc();
  await store.close();
  assert.ok((await called).deletedBlobCount > 0);
  assert.ok(!events.some(({ type }) => type === "cancelled"));
});

test("a snapshot on a thread tells how far it is, and a signal then stops it midway with nothing left", async (t) => {
  const directory = join(temporaryDirectory(t), "store");
  // A second is long here: workers keep to a pace.
  const clock: Clock = { ...systemClock, setTimeout: (fn) => setTimeout(fn, 1).unref() };
  const controller = new AbortController();
  const told: Extract<StoreEvent, { type: "progress" }>[] = [];
  const types: string[] = [];
  const onEvent = (event: StoreEvent): void => {
    types.push(event.type);
    if (event.type !== "progress") return;
    told.push(event);
    controller.abort();
  };
  const options: StoreOptions = {
    snapshot: false,
    gc: false,
    segmentBytes: 1024 * 1024,
    blobCompression: "none",
  };
  const store = await openStore(directory, { ...options, clock, onEvent });
  const bytes = 12 * 400_000;
  for (let turn = 0; turn < 12; turn++) {
    const executionState = noise(400_000, turn);
    await store
      .session("a")
      .commitRuntimeState(commit({ sessionId: "a", checkpoint: checkpoint({ executionState }) }));
  }
  await refuses(store.snapshot({ signal: controller.signal }), "ABORTED");
  // Whoever comes next waits for the worker to have stopped.
  await store.snapshot();
  const [first] = told;
  assert.ok(first !== undefined && first.job === "snapshot" && first.step === "fold");
  assert.ok(first.totalBytes >= bytes && first.doneBytes <= first.totalBytes, JSON.stringify(first));
  assert.ok(types.includes("cancelled") && !types.includes("snapshotFailed"), types.join());
  assert.equal(store.stats().snapshot.count, 1);
  assert.deepEqual(
    readdirSync(join(directory, "blobs")).filter((name) => name.endsWith(".tmp")),
    [],
  );
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
});

test("the replay of a long log tells how far it is, that of a short one nothing", async () => {
  const { store, vfs } = await open({ segmentBytes: 1024 * 1024 });
  const told = async (): Promise<Extract<StoreEvent, { type: "progress" }>[]> => {
    const events: StoreEvent[] = [];
    const onEvent = (event: StoreEvent): void => void events.push(event);
    const again = await openStore("/store", { ...OPTIONS, segmentBytes: 1024 * 1024, vfs, onEvent });
    await again.close();
    return events.filter((event) => event.type === "progress");
  };
  const fill = async (target: Store, from: number, count: number): Promise<void> => {
    for (let turn = from; turn < from + count; turn++) {
      const executionState = noise(500_000, turn);
      await target
        .session("a")
        .commitRuntimeState(commit({ sessionId: "a", checkpoint: checkpoint({ executionState }) }));
    }
  };
  await fill(store, 0, 4);
  await store.close();
  assert.deepEqual(await told(), []);
  const next = await openStore("/store", { ...OPTIONS, segmentBytes: 1024 * 1024, vfs });
  await fill(next, 4, 48);
  await next.close();
  const events = await told();
  // 52 values of half a megabyte.
  assert.equal(events.length, Math.floor((52 * 500_000) / PROGRESS_BYTES));
  for (const [at, { job, step, doneBytes, totalBytes }] of events.entries()) {
    assert.deepEqual([job, step], ["recovery", "replay"]);
    assert.ok(doneBytes > (events[at - 1]?.doneBytes ?? 0) && doneBytes <= totalBytes);
    assert.ok(totalBytes >= 52 * 500_000 && totalBytes < 64 * 1024 * 1024, `${totalBytes}`);
  }
});
