/**
 * How far a gc is: each of its steps tells so, in order, with bytes that never fall and end with the total; the packs of a
 * sweep in one count, whatever slices it takes. A gc that is given up in a step tells of no later one.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SweepWatch, watchJob } from "../../src/actors/watch-job.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { Store, StoreEvent } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { PROGRESS_MS } from "../../src/limits.ts";
import type { Manifest } from "../../src/snapshot/manifest.ts";
import { commit } from "../support/builders.ts";
import { read, refuses } from "../support/expect.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { withGarbage } from "./garbage.ts";

type Progress = Extract<StoreEvent, { type: "progress" }>;

function progressOf(events: readonly StoreEvent[]): Progress[] {
  return events.filter((event) => event.type === "progress");
}

const doneOf = (events: readonly StoreEvent[]) => progressOf(events).map(({ doneBytes }) => doneBytes);

test("what is told never falls, is never more than the total, and ends with it", () => {
  const told: StoreEvent[] = [];
  const watched = { job: "gc", step: "mark", totalBytes: 100 } as const;
  const { onProgress, onDone } = watchJob((event) => void told.push(event), watched, undefined);
  for (const bytes of [10, 60, 20, 130]) onProgress?.(bytes);
  onDone?.();
  assert.deepEqual(doneOf(told), [10, 60, 60, 100, 100]);
  assert.deepEqual(told[0], { type: "progress", job: "gc", step: "mark", doneBytes: 10, totalBytes: 100 });
});

test("work that was over before it told anything tells nothing", () => {
  const told: StoreEvent[] = [];
  const watched = { job: "snapshot", step: "fold", totalBytes: 100 } as const;
  watchJob((event) => void told.push(event), watched, undefined).onDone?.();
  assert.deepEqual(told, []);
});

test("the slices of a sweep are told as one, and the packs that are gone from the manifest with them", () => {
  const pack = (number: number, bytes: number) => ({ number, bytes }) as Manifest["packs"][number];
  const manifestOf = (...packs: Manifest["packs"]) => ({ packs });
  const told: StoreEvent[] = [];
  const watches = new SweepWatch((event) => void told.push(event), new AbortController().signal);
  const slices = [[1, 2], [4], [5]];
  const others = [pack(3, 1_000), pack(4, 30), pack(5, 5)];
  const first = watches.next(slices, 0, manifestOf(pack(1, 10), pack(2, 20), ...others));
  first.onProgress?.(12);
  // Reads of a pack that it does not rewrite are not its own.
  first.onProgress?.(45);
  first.onDone?.();
  const second = watches.next(slices, 1, manifestOf(...others, pack(6, 7)));
  second.onProgress?.(8);
  // Swept again, because a commit named something: from the start.
  second.onDone?.();
  second.onProgress?.(2);
  const third = watches.next(slices, 2, manifestOf(pack(3, 1_000), pack(5, 5), pack(7, 9)));
  third.onProgress?.(0);
  third.onDone?.();
  assert.deepEqual(doneOf(told), [12, 30, 30, 38, 60, 60, 60, 65]);
  assert.ok(progressOf(told).every(({ step, totalBytes }) => step === "sweep" && totalBytes === 65));
});

/** Workers are asked how far they are before they begin and in every turn, instead of every second. */
function impatientClock(): Clock {
  const immediates = new Set<unknown>();
  let next: unknown;
  let isAsking = false;
  const ask = (fn: () => void): void => {
    isAsking = true;
    // Asks for the next time.
    fn();
    isAsking = false;
  };
  return {
    ...systemClock,
    setTimeout: (fn, ms) => {
      if (ms !== PROGRESS_MS) return systemClock.setTimeout(fn, ms);
      if (isAsking) {
        next = setImmediate(() => ask(fn));
        immediates.add(next);
      } else ask(fn);
      return next;
    },
    clearTimeout: (timer) => {
      if (immediates.delete(timer)) clearImmediate(timer as NodeJS.Immediate);
      else systemClock.clearTimeout(timer);
    },
  };
}

/** A store on the disk with garbage in its packs and two heads files. */
async function openWithGarbage(
  t: TestContext,
  onEvent: (event: StoreEvent) => void,
): Promise<{ store: Store; directory: string }> {
  const directory = join(temporaryDirectory(t), "store");
  const store = await openStore(directory, {
    snapshot: false,
    gc: false,
    segmentBytes: 64 * 1024,
    clock: impatientClock(),
    onEvent,
  });
  await Promise.all(
    Array.from({ length: 40 }, (_, number) => {
      const sessionId = `s${number}`;
      return store.session(sessionId).commitRuntimeState(commit({ sessionId }));
    }),
  );
  await store.snapshot();
  await withGarbage(store);
  return { store, directory };
}

const STEPS = ["mark", "sweep", "merge"] as const;

test("a gc tells how far it is in each of its steps, in their order", async (t) => {
  const told: StoreEvent[] = [];
  const { store } = await openWithGarbage(t, (event) => void told.push(event));
  told.splice(0);
  await store.gc();
  const events = progressOf(told);
  const steps = events.map(({ step }) => step).filter((step, at, all) => step !== all[at - 1]);
  assert.deepEqual(steps, ["fold", ...STEPS]);
  for (const name of steps) {
    const ofStep = events.filter(({ step }) => step === name);
    const done = doneOf(ofStep);
    const total = ofStep[0]?.totalBytes ?? 0;
    assert.ok(total > 0 && ofStep.every(({ job, totalBytes }) => job === "gc" && totalBytes === total), name);
    assert.deepEqual(
      done,
      done.toSorted((a, b) => a - b),
    );
    assert.equal(done.at(-1), total, name);
  }
  await store.close();
});

for (const name of STEPS) {
  test(`a gc that is given up in its ${name} tells of nothing behind it, and the next one is whole`, async (t) => {
    const told: StoreEvent[] = [];
    const controller = new AbortController();
    const { store, directory } = await openWithGarbage(t, (event) => {
      told.push(event);
      if (event.type === "progress" && event.step === name) controller.abort();
    });
    await refuses(store.gc({ signal: controller.signal }), "ABORTED");
    // Whoever comes next waits for the worker to have stopped.
    await store.snapshot();
    const last = told.findLastIndex((event) => event.type === "progress" && event.step === name);
    assert.ok(told.slice(last).some(({ type }) => type === "cancelled"));
    assert.ok(!told.some(({ type }) => type === "gcFailed" || type === "gc"));
    const later = STEPS.slice(STEPS.indexOf(name) + 1);
    assert.ok(progressOf(told).every(({ step }) => !later.some((one) => one === step)));
    assert.deepEqual(
      ["heads", "blobs"]
        .flatMap((folder) => readdirSync(join(directory, folder)))
        .filter((file) => file.endsWith(".tmp")),
      [],
    );
    const report = await store.gc();
    assert.equal(report.rootCount, 42);
    for (const id of ["one", "two"]) await read(store.session(id));
    assert.deepEqual(await store.verify(), { ok: true, problems: [] });
    await store.close();
  });
}
