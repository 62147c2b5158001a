/**
 * Collections against commits that name what they are about to delete, in any order of turns. The model knows
 * which values the sessions hold, and which were named since when:
 *
 * 1. A value sent with a commit is always accepted and kept, whatever a collection decided about an equal one.
 * 2. A ref that some head holds is accepted. One that none holds is accepted and kept, or BLOB_MISSING.
 * 3. What no head held when a collection was called, and no commit named until it answered, is gone.
 * 4. A collection reports what it kept: in the end exactly what the heads reach.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Store } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import type { BlobRef } from "../../src/ids.ts";
import { openStore } from "../../src/index.ts";
import type { HydratedSessionCheckpoint } from "../../src/session/types.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { checkpoint, commit, noise, toolState } from "../support/builders.ts";
import { read } from "../support/expect.ts";
import { Call, callsOf, OpenCalls } from "./call.ts";
import { anyOrder, runs, ScheduledClock, settle, takeAllTurns } from "./scheduled.ts";

const ROOT = "/store";
const OPTIONS = { segmentBytes: 65_536, snapshot: false, gc: false } as const;
/** Sessions that hold a value or none; every ref is carried by a session of its own. */
const HOLDERS = ["a", "b"] as const;
const VALUES = [0, 1, 2, 3, 4] as const;
type Held = (typeof VALUES)[number] | undefined;

/** Every second value is a tool state, the others execution states: a collection must know both. */
const isTool = (value: number): boolean => value % 2 === 1;
const fieldsOf = (value: Held): Partial<HydratedSessionCheckpoint> => {
  if (value === undefined) return {};
  return isTool(value) ? { toolState: toolState(value) } : { executionState: noise(300, value + 1) };
};

class GcRace {
  readonly scheduler: fc.Scheduler;
  readonly vfs = new MemoryVfs();
  readonly #calls = new OpenCalls();
  readonly #refs: BlobRef[] = [];
  /** What the head of each session holds once everything called so far is done. */
  readonly #held = new Map<string, Held>();
  /** How often each value was named by a commit. */
  readonly #named: number[] = VALUES.map(() => 0);
  #store: Store | undefined;
  #carriers = 0;
  refused = 0;

  constructor(scheduler: fc.Scheduler) {
    this.scheduler = scheduler;
  }

  /** All values lie in packs and no head holds one. */
  async start(): Promise<this> {
    const clock = new ScheduledClock(this.scheduler);
    this.#store = await settle(this.scheduler, openStore(ROOT, { ...OPTIONS, vfs: this.vfs, clock }));
    for (const value of VALUES) {
      const sent = this.#commit("a", fieldsOf(value));
      const { manifest } = await settle(this.scheduler, sent);
      const ref = isTool(value) ? manifest.toolStateRef : manifest.executionStateRef;
      assert.ok(ref !== undefined);
      this.#refs.push(ref);
    }
    await settle(this.scheduler, this.#commit("a", {}));
    await settle(this.scheduler, this.store.snapshot());
    this.#held.set("a", undefined);
    return this;
  }

  get store(): Store {
    assert.ok(this.#store !== undefined, "the race has started");
    return this.#store;
  }

  hold(sessionId: string, value: Held): void {
    this.#held.set(sessionId, value);
    if (value !== undefined) this.#name(value);
    this.#calls.add(this.#commit(sessionId, fieldsOf(value)));
  }

  carry(value: (typeof VALUES)[number]): void {
    const isHeld = [...this.#held.values()].includes(value);
    this.#name(value);
    const sessionId = `carrier-${this.#carriers++}`;
    const checked = this.#commit(sessionId, this.#carried(value)).then(
      () => {
        this.#held.set(sessionId, value);
        // Once more: a collection called before this answer did not know that it would hold.
        this.#name(value);
      },
      (error: unknown) => {
        assert.ok(isStoreError(error, "BLOB_MISSING"), String(error));
        assert.ok(!isHeld, `value ${value} is held, and ${sessionId} was refused`);
        this.refused++;
      },
    );
    this.#calls.add(checked);
  }

  gc(): void {
    const named = [...this.#named];
    const held = new Set(this.#held.values());
    const dead = VALUES.filter((value) => !held.has(value));
    const checked = this.store.gc().then(async () => {
      const gone = dead.filter((value) => named[value] === this.#named[value]);
      const probes = gone.map((value) =>
        this.#commit(`probe-${value}`, this.#carried(value)).then(
          () => assert.fail(`value ${value} is dead, and still there after the gc`),
          (error: unknown) => assert.ok(isStoreError(error, "BLOB_MISSING"), String(error)),
        ),
      );
      await Promise.all(probes);
    });
    this.#calls.add(checked);
  }

  snapshot(): void {
    this.#calls.add(this.store.snapshot());
  }

  async finish(): Promise<void> {
    await takeAllTurns(this.scheduler);
    this.#calls.check();
    await this.#holdsEverything(this.store);
    const { rootCount, retainedBlobCount } = await settle(this.scheduler, this.store.gc());
    assert.equal(rootCount, this.#held.size);
    assert.equal(retainedBlobCount, await this.#reachable());
    await this.#holdsEverything(this.store);
    assert.deepEqual(await settle(this.scheduler, this.store.verify()), { ok: true, problems: [] });
    const again = await openStore(ROOT, { ...OPTIONS, vfs: this.vfs.crashKeepingNothing() });
    await this.#holdsEverything(again);
    await again.close();
    await settle(this.scheduler, this.store.close());
  }

  async #holdsEverything(store: Store): Promise<void> {
    for (const [sessionId, held] of this.#held) {
      const { checkpoint: found } = await read(store.session(sessionId));
      const { toolState: tool, executionState: execution } = fieldsOf(held);
      assert.deepEqual([found.toolState, found.executionState], [tool, execution], sessionId);
    }
  }

  /** Blobs that the heads name: checkpoint manifests, and the two components that are used here. */
  async #reachable(): Promise<number> {
    const refs = new Set<string>();
    for (const sessionId of this.#held.keys()) {
      const { checkpointRef, checkpoint: found } = await read(this.store.session(sessionId));
      for (const ref of [checkpointRef, found.toolStateRef, found.executionStateRef])
        if (ref !== undefined) refs.add(ref);
    }
    return refs.size;
  }

  #commit(sessionId: string, fields: Partial<HydratedSessionCheckpoint>) {
    return this.store
      .session(sessionId)
      .commitRuntimeState(commit({ sessionId, checkpoint: checkpoint(fields) }));
  }

  #name(value: number): void {
    this.#named[value] = (this.#named[value] ?? 0) + 1;
  }

  #carried(value: number): Partial<HydratedSessionCheckpoint> {
    const ref = this.#refs[value];
    assert.ok(ref !== undefined);
    return isTool(value) ? { toolStateRef: ref } : { executionStateRef: ref };
  }
}

const value = fc.constantFrom(...VALUES);
const holder = fc.constantFrom(...HOLDERS);
const holds = fc
  .tuple(holder, value)
  .map(([id, held]) => new Call<GcRace>(`hold(${id}, ${held})`, (race) => race.hold(id, held)));
const drops = holder.map((id) => new Call<GcRace>(`drop(${id})`, (race) => race.hold(id, undefined)));
const carries = value.map((ref) => new Call<GcRace>(`carry(${ref})`, (race) => race.carry(ref)));
const gcs = fc.constant(new Call<GcRace>("gc()", (race) => race.gc()));
const snapshots = fc.constant(new Call<GcRace>("snapshot()", (race) => race.snapshot()));

const LAWS = [
  {
    name: "a commit that names again what a collection condemns keeps it, or is told",
    calls: [gcs, carries],
  },
  { name: "a value sent again while a collection deletes an equal one is kept", calls: [gcs, holds, drops] },
  {
    name: "collections, snapshots and commits in any order keep exactly what is held",
    calls: [gcs, carries, holds, drops, snapshots],
  },
] as const;

for (const { name, calls } of LAWS) {
  test(name, async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(anyOrder(), callsOf(calls), async (scheduler, made) => {
        const race = await new GcRace(scheduler).start();
        await fc.scheduledModelRun(scheduler, () => ({ model: {}, real: race }), made);
        await race.finish();
        refused += race.refused;
      }),
      runs(60),
    );
    if (calls.some((call) => call === carries)) assert.ok(refused > 0, "no ref was ever found gone");
  });
}
