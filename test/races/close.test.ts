/**
 * `close` at any moment of any calls and automatic work, in any order of turns:
 *
 * 1. Every call made before it is answered as if nobody closed; every call after it is STORE_CLOSED, and has
 *    no effect.
 * 2. It is one promise, however often it is asked for, and it is kept.
 * 3. When it is answered nothing is left: no timer, no turn. The lock is freed then, and not before.
 * 4. What was acknowledged is what the next owner finds.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, checkpoint, commit, messageNode, meta, noise } from "../support/builders.ts";
import { listed, read } from "../support/expect.ts";
import { Call, callsOf, OpenCalls } from "./call.ts";
import { anyOrder, runs, ScheduledClock, settle, takeAllTurns } from "./scheduled.ts";

const ROOT = "/store";
const SESSIONS = ["a", "b"] as const;
type SessionId = (typeof SESSIONS)[number];

class CloseRace {
  readonly scheduler: fc.Scheduler;
  readonly clock: ScheduledClock;
  readonly vfs = new MemoryVfs();
  readonly #options: StoreOptions;
  readonly #calls = new OpenCalls();
  /** Accepted commits of each session: they are unconditional, so every one before `close` is. */
  readonly #revisions = { a: 0, b: 0 };
  #metas = 0;
  #store: Store | undefined;
  #closing: Promise<void> | undefined;
  #isClosed = false;
  #isTrying = false;

  constructor(scheduler: fc.Scheduler, options: StoreOptions) {
    this.scheduler = scheduler;
    this.clock = new ScheduledClock(scheduler);
    this.#options = { segmentBytes: 65_536, snapshot: false, gc: false, ...options };
  }

  async start(): Promise<this> {
    this.#store = await settle(this.scheduler, this.#open(this.clock));
    return this;
  }

  get store(): Store {
    assert.ok(this.#store !== undefined, "the race has started");
    return this.#store;
  }

  #open(clock: ScheduledClock): Promise<Store> {
    return openStore(ROOT, { ...this.#options, vfs: this.vfs, clock });
  }

  /** Made before `close`, the call must succeed; made after it, it must be refused. */
  call<Value>(make: () => Promise<Value>, check: (value: Value) => void = () => undefined): void {
    if (this.#closing === undefined) {
      this.#calls.add(make().then(check));
      return;
    }
    const refused = make().then(
      () => assert.fail("a call after close was answered"),
      (error: unknown) => assert.ok(isStoreError(error, "STORE_CLOSED"), String(error)),
    );
    this.#calls.add(refused);
  }

  commit(id: SessionId): void {
    const revision = this.#revisions[id] + 1;
    if (this.#closing === undefined) this.#revisions[id] = revision;
    const node = messageNode(`n${revision}`, revision === 1 ? undefined : `n${revision - 1}`);
    const sent = commit({
      sessionId: id,
      graph: append([node], node.nodeId),
      checkpoint: checkpoint({ executionState: noise(50, revision) }),
    });
    this.call(
      () => this.store.session(id).commitRuntimeState(sent),
      ({ headRevision }) => assert.equal(headRevision, revision),
    );
  }

  saveMeta(): void {
    const sessionName = `name ${this.#metas + 1}`;
    if (this.#closing === undefined) this.#metas++;
    this.call(() => this.store.session("a").saveSessionMeta(meta("a", { sessionName })));
  }

  /** A walk through a list that `close` overtakes may end with STORE_CLOSED: nobody knows when it would end. */
  list(): void {
    const walk = listed(this.store).catch((error: unknown) => {
      assert.ok(isStoreError(error, "STORE_CLOSED") && this.#closing !== undefined, String(error));
    });
    this.#calls.add(walk);
  }

  close(): void {
    const closing = this.store.close();
    this.#closing ??= closing;
    assert.equal(closing, this.#closing);
    this.#calls.add(
      closing.then(() => {
        this.#isClosed = true;
        assert.equal(this.clock.armed, 0, "a timer is left");
      }),
    );
  }

  /** Another owner meets the lock until it is freed, and it is freed last. */
  tryToOpen(): void {
    if (this.#isTrying) return;
    this.#isTrying = true;
    const isFree = this.#isClosed;
    const opened = this.#open(new ScheduledClock(this.scheduler)).then(
      async (another) => {
        await another.close();
        assert.ok(isFree, "the lock was free too early");
      },
      (error: unknown) => assert.ok(!isFree && isStoreError(error, "STORE_LOCKED"), String(error)),
    );
    this.#calls.add(opened.finally(() => (this.#isTrying = false)));
  }

  async finish(): Promise<void> {
    await takeAllTurns(this.scheduler);
    await settle(this.scheduler, this.store.close());
    assert.equal(this.scheduler.count(), 0, "a turn is left");
    this.#calls.check();
    this.clock.pass(3_600_000);
    assert.equal(this.scheduler.count(), 0, "a timer ran after close");
    const again = await openStore(ROOT, { vfs: this.vfs, snapshot: false, gc: false });
    assert.equal(again.recovery.cleanClose, true);
    for (const id of SESSIONS) {
      const revision = this.#revisions[id];
      if (revision === 0) {
        assert.equal(await again.session(id).loadSession(), undefined);
        continue;
      }
      const { headRevision, graph, checkpoint: found } = await read(again.session(id));
      assert.deepEqual([headRevision, graph.nodes.length], [revision, revision]);
      assert.deepEqual(found.executionState, noise(50, revision));
    }
    const found = await again.session("a").loadSessionMeta();
    assert.equal(found?.sessionName, this.#metas === 0 ? undefined : `name ${this.#metas}`);
    assert.deepEqual(await again.verify(), { ok: true, problems: [] });
    await again.close();
  }
}

const ids = fc.constantFrom(...SESSIONS);
const named = (name: string, make: (race: CloseRace) => void) => fc.constant(new Call<CloseRace>(name, make));
const commits = ids.map((id) => new Call<CloseRace>(`commit(${id})`, (race) => race.commit(id)));
const metas = named("saveMeta()", (race) => race.saveMeta());
const reads = ids.map(
  (id) => new Call<CloseRace>(`read(${id})`, (race) => race.call(() => race.store.session(id).loadSession())),
);
const lists = named("list()", (race) => race.list());
const snapshots = named("snapshot()", (race) => race.call(() => race.store.snapshot()));
const gcs = named("gc()", (race) => race.call(() => race.store.gc()));
const verifies = named("verify()", (race) =>
  race.call(
    () => race.store.verify(),
    ({ ok }) => assert.ok(ok),
  ),
);
const closes = named("close()", (race) => race.close());
const opens = named("tryToOpen()", (race) => race.tryToOpen());
const passing = named("pass(60 s)", (race) => race.clock.pass(60_000));

const LAWS: readonly { name: string; calls: fc.Arbitrary<Call<CloseRace>>[]; options: StoreOptions }[] = [
  {
    name: "close finishes every commit made before it and takes none after it",
    calls: [commits, commits, reads, metas, closes, opens],
    options: {},
  },
  {
    name: "close waits for the snapshots, collections and verifications that were asked for",
    calls: [commits, snapshots, gcs, verifies, lists, closes],
    options: {},
  },
  {
    name: "close ends what the store does on its own, and leaves no timer",
    calls: [commits, commits, reads, closes, opens, passing],
    options: {
      snapshot: { logBytes: 4096, intervalMs: 60_000 },
      gc: { garbageRatio: 0.1, minBytes: 1 },
      sync: "interval",
      syncIntervalMs: 50,
    },
  },
];

for (const { name, calls, options } of LAWS) {
  test(name, async () => {
    await fc.assert(
      fc.asyncProperty(anyOrder(), callsOf(calls), async (scheduler, made) => {
        const race = await new CloseRace(scheduler, options).start();
        await fc.scheduledModelRun(scheduler, () => ({ model: {}, real: race }), made);
        await race.finish();
      }),
      runs(60),
    );
  });
}
