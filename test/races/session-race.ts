/**
 * Calls on two sessions of one store, none awaited before the next, as commands for `scheduledModelRun`: when
 * each is made, and what of the store runs between two of them, is up to the scheduler. Each session has the
 * naive model of the conformance suite, which decides a call when it is made. It deliberately knows nothing of
 * blobs (see gc.test.ts) and of closing (see close.test.ts).
 *
 * 1. A write answers what the model answered, in call order, and its effect is in what a power cut at that
 *    moment leaves.
 * 2. A read shows one state the session had, none older than what was acknowledged, or shown, before the call.
 * 3. A snapshot answers when what was acknowledged before the call is in the newest published generation.
 */
import assert from "node:assert/strict";
import type fc from "fast-check";
import { readStoreId } from "../../src/actors/directory.ts";
import { chooseGeneration } from "../../src/actors/generations.ts";
import type { RuntimePersistence, Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import type { PersistedSessionRead, RuntimeCommit, RuntimeCommitResult } from "../../src/session/types.ts";
import { NO_OLDER } from "../../src/snapshot/head-state.ts";
import { ModelSession, type Outcome, shown } from "../../src/testing/conformance/model.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { OpenCalls } from "./call.ts";
import { ScheduledClock, settle, takeAllTurns } from "./scheduled.ts";

export const SESSIONS = ["a", "b"] as const;
export type SessionId = (typeof SESSIONS)[number];

const ROOT = "/store";
/** Acknowledgements at which the power is cut: every one would be most of a run's time. */
const CUT_EVERY = 3;

/** One session: its model, two handles, and what was sent. */
export class Racer {
  readonly id: SessionId;
  readonly model = new ModelSession();
  readonly sent: RuntimeCommit[] = [];
  readonly usedIds: string[] = [];
  /** Ordinals of writes called and answered. */
  called = 0;
  answered = 0;

  constructor(id: SessionId) {
    this.id = id;
  }

  usedId(pick: number): string {
    return this.usedIds[pick % Math.max(this.usedIds.length, 1)] ?? "nobody";
  }
}

export class Race {
  readonly scheduler: fc.Scheduler;
  readonly clock: ScheduledClock;
  readonly vfs = new MemoryVfs();
  readonly racers = { a: new Racer("a"), b: new Racer("b") };
  readonly #options: StoreOptions;
  readonly #calls = new OpenCalls();
  /** What a power cut at each acknowledgement left. */
  readonly #cuts: { readonly racer: Racer; readonly floor: number; readonly image: MemoryVfs }[] = [];
  #store: Store | undefined;

  constructor(scheduler: fc.Scheduler, options: StoreOptions = {}) {
    this.scheduler = scheduler;
    this.clock = new ScheduledClock(scheduler);
    this.#options = { segmentBytes: 65_536, snapshot: false, gc: false, ...options };
  }

  async start(): Promise<this> {
    const { vfs, clock } = this;
    this.#store = await settle(this.scheduler, openStore(ROOT, { ...this.#options, vfs, clock }));
    return this;
  }

  get store(): Store {
    assert.ok(this.#store !== undefined, "the race has started");
    return this.#store;
  }

  /** A handle made for this call: handles hold nothing. */
  handle(id: SessionId): RuntimePersistence {
    return this.store.session(id);
  }

  commit(id: SessionId, commit: RuntimeCommit): void {
    const racer = this.racers[id];
    racer.sent.push(commit);
    this.write(id, racer.model.commit(commit), this.handle(id).commitRuntimeState(commit), answerOf);
  }

  /** Watches a write whose outcome the model has decided; `tell` says an answer in the model's words. */
  write<Value>(
    id: SessionId,
    outcome: Outcome,
    call: Promise<Value>,
    tell: (value: Value) => unknown = (value) => value,
  ): void {
    const racer = this.racers[id];
    const ordinal = racer.called++;
    const inOrder = (): void => {
      assert.equal(racer.answered++, ordinal, `write ${ordinal} of ${id} is answered in its turn`);
    };
    const checked = call.then(
      (value) => {
        inOrder();
        const told = `${id}: ${JSON.stringify(tell(value))} instead of ${JSON.stringify(outcome)}`;
        assert.ok(outcome.kind === "answer", told);
        assert.deepEqual(tell(value), outcome.value, told);
        racer.model.floor = Math.max(racer.model.floor, outcome.state);
        if (ordinal % CUT_EVERY === 0)
          this.#cuts.push({ racer, floor: outcome.state, image: this.vfs.crashKeepingNothing() });
      },
      (error: unknown) => {
        inOrder();
        if (outcome.kind !== "refused" || !isStoreError(error, outcome.code)) throw error;
      },
    );
    this.#calls.add(checked);
  }

  read(id: SessionId): void {
    const { model } = this.racers[id];
    const { floor } = model;
    const checked = this.handle(id)
      .loadSession()
      .then((found) => {
        model.floor = Math.max(model.floor, stateShown(model, floor, found, `a read of ${id}`));
      });
    this.#calls.add(checked);
  }

  snapshot(): void {
    const floors = SESSIONS.map((id) => ({ id, floor: this.racers[id].model.floor }));
    this.#calls.add(
      this.store.snapshot().then(() => {
        for (const { id, floor } of floors) this.#isFolded(id, floor);
      }),
    );
  }

  gc(): void {
    this.#calls.add(this.store.gc().then(({ rootCount }) => assert.ok(rootCount <= SESSIONS.length)));
  }

  /** Everything is answered, well, and is what a reader finds after one more power cut and after closing. */
  async finish(): Promise<void> {
    this.clock.goOn();
    await takeAllTurns(this.scheduler);
    this.#calls.check();
    const cut = await openStore(ROOT, { vfs: this.vfs.crashKeepingNothing() });
    for (const id of SESSIONS) await this.#isNow(id, cut.session(id).loadSession());
    await cut.close();
    for (const { racer, floor, image } of this.#cuts) await survives(racer, floor, image);
    for (const id of SESSIONS) await this.#isNow(id, settle(this.scheduler, this.handle(id).loadSession()));
    const report = await settle(this.scheduler, this.store.verify());
    assert.deepEqual(report, { ok: true, problems: [] });
    await settle(this.scheduler, this.store.close());
  }

  async #isNow(id: SessionId, found: Promise<PersistedSessionRead | undefined>): Promise<void> {
    assert.deepEqual(summary(await found), plain(shown(this.racers[id].model.now, "whole")), id);
  }

  #isFolded(id: SessionId, floor: number): void {
    const { model } = this.racers[id];
    const { view } = chooseGeneration(this.vfs, ROOT, readStoreId(this.vfs, ROOT));
    try {
      const revision = view.loadState(id, NO_OLDER)?.head?.revision ?? 0;
      const least = model.states[floor]?.revision ?? 0;
      if (!model.now.deleted)
        assert.ok(revision >= least, `the snapshot has ${id} at ${revision} of ${least}`);
    } finally {
      view.release();
    }
  }
}

function answerOf({ headRevision, replayed }: RuntimeCommitResult): unknown {
  return { revision: headRevision, replayed };
}

async function survives({ id, model }: Racer, floor: number, image: MemoryVfs): Promise<void> {
  const store = await openStore(ROOT, { vfs: image, snapshot: false, gc: false });
  stateShown(model, floor, await store.session(id).loadSession(), `what a power cut leaves of ${id}`);
  await store.close();
}

/** Index of the state that is shown, `floor` or later. */
function stateShown(
  model: ModelSession,
  floor: number,
  found: PersistedSessionRead | undefined,
  what: string,
): number {
  const seen = JSON.stringify(summary(found));
  const at = model.states.findIndex(
    (state, index) => index >= floor && JSON.stringify(plain(shown(state, "whole"))) === seen,
  );
  assert.notEqual(at, -1, `${what} shows ${seen}, which is no state since ${floor}`);
  return at;
}

function summary(found: PersistedSessionRead | undefined): unknown {
  if (found === undefined) return plain(undefined);
  return plain({
    revision: found.headRevision,
    nodes: found.graph.nodes.map((node) => [node.nodeId, node.parentNodeId]),
    leaf: found.graph.leafNodeId,
    tool: found.checkpoint.toolState?.generation,
    ledger: found.tokenLedger.map((entry) => [entry.model, entry.usage.inputTokens]),
  });
}

/** Without what JSON cannot say, so that absent and undefined are one. */
function plain(value: unknown): unknown {
  return value === undefined ? "no head" : (JSON.parse(JSON.stringify(value)) as unknown);
}
