/**
 * Plays random histories (commits through many handles that nobody awaits, retries, tombstones, vacuums,
 * deletions, reads, snapshots, gc, reopening) beside a naive model, with real time checked: a read shows one
 * state the session really had, none older than what was acknowledged (or shown) before it was called.
 * Histories come from a fixed seed; VARVE_SEED and VARVE_RUNS widen them.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isStoreError } from "../../errors.ts";
import type { GraphCommitDelta, RuntimeCommit } from "../../session/types.ts";
import {
  append,
  checkpoint,
  commit,
  ledgerEntry,
  messageNode,
  meta,
  replaceFull,
  toolState,
  unchanged,
  usage,
} from "./builders.ts";
import { listed } from "./expect.ts";
import { arbitraryStep, type CommitStep, SESSIONS, type Step } from "./history-steps.ts";
import { ModelSession, type Outcome, shown, summary } from "./model.ts";
import type { Fixture } from "./suite.ts";

const DEFAULT_SEED = 20_260_102;

/** Runs so many histories, each on a store of its own, and tells the shortest that fails. */
export async function checkHistories(fixture: Fixture, histories: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(arbitraryStep, { minLength: 10, maxLength: 60, size: "max" }),
      async (steps) => {
        const another = await fixture.openAnother();
        try {
          await new History(another).run(steps);
        } finally {
          await another.discard();
        }
      },
    ),
    {
      numRuns: Number(process.env.VARVE_RUNS ?? histories),
      seed: Number(process.env.VARVE_SEED ?? DEFAULT_SEED),
      interruptAfterTimeLimit: 120_000,
    },
  );
}

/** A history as it runs: the store, the model of each session, and the calls nobody has awaited yet. */
class History {
  readonly #fixture: Fixture;
  readonly #models = new Map(SESSIONS.map((id) => [id as string, new ModelSession()]));
  readonly #usedIds = new Map(SESSIONS.map((id) => [id as string, [] as string[]]));
  readonly #sent = new Map(SESSIONS.map((id) => [id as string, [] as RuntimeCommit[]]));
  #pending: Promise<void>[] = [];
  #fresh = 0;

  constructor(fixture: Fixture) {
    this.#fixture = fixture;
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#take(step);
    await this.#settle();
    await this.#check();
    await this.#fixture.reopen();
    await this.#check();
    assert.deepEqual(await this.#fixture.store.verify(), { ok: true, problems: [] });
  }

  async #take(step: Step): Promise<void> {
    switch (step.kind) {
      case "commit":
        return this.#send(step.session, this.#commitOf(step));
      case "retry": {
        const sent = this.#of(this.#sent, step.session);
        const again = sent[step.pick % Math.max(sent.length, 1)];
        return again === undefined ? undefined : this.#send(step.session, again);
      }
      case "tombstone": {
        const ids = step.picks.map((pick) => this.#usedId(step.session, pick));
        return this.#expect(
          step.session,
          this.#model(step.session).tombstone(ids),
          this.#handle(step.session).tombstoneNodes(ids),
        );
      }
      case "vacuum":
        return this.#expect(
          step.session,
          this.#model(step.session).vacuum(),
          this.#handle(step.session).vacuum(),
        );
      case "meta": {
        const record = meta(step.session, { sessionName: `name ${step.name}` });
        return this.#expect(
          step.session,
          this.#model(step.session).saveMeta(record.sessionName),
          this.#handle(step.session).saveSessionMeta(record),
        );
      }
      case "delete":
        if (step.really > 0) return;
        return this.#expect(
          step.session,
          this.#model(step.session).delete(),
          this.#fixture.store.deleteSession(step.session),
        );
      case "read":
        return step.path === "changes"
          ? this.#readChanges(step.session, step.pick)
          : this.#read(step.session, step.path);
      case "snapshot":
        return this.#later(this.#fixture.store.snapshot());
      case "gc":
        return this.#later(
          this.#fixture.store.gc().then((report) => assert.ok(report.rootCount <= SESSIONS.length)),
        );
      case "list":
        return this.#later(this.#list());
      case "pause":
        for (let turn = 0; turn < step.turns; turn++) await new Promise(setImmediate);
        return;
      case "settle":
        return await this.#settle();
      case "reopen":
        // Not settled first: close must finish every call made before it.
        await this.#fixture.reopen();
        return await this.#settle();
    }
  }

  #commitOf(step: CommitStep): RuntimeCommit {
    const { now } = this.#model(step.session);
    const expected = { none: undefined, right: now.revision, wrong: now.revision + 1 }[step.expect];
    return commit({
      sessionId: step.session,
      graph: this.#deltaOf(step),
      checkpoint: checkpoint(step.tool === undefined ? {} : { toolState: toolState(step.tool) }),
      usageDeltas: [ledgerEntry("turn", step.model, usage(step.input))],
      ...(expected === undefined ? {} : { expectedHeadRevision: expected }),
      ...(step.operation === undefined ? {} : { operationId: `op-${step.operation}` }),
    });
  }

  #deltaOf(step: CommitStep): GraphCommitDelta {
    const { now } = this.#model(step.session);
    const nodes = [];
    let parent = now.leaf;
    for (let index = 0; index < step.count; index++) {
      const id = step.collide === 0 ? this.#usedId(step.session, step.pick) : `n${this.#fresh++}`;
      this.#of(this.#usedIds, step.session).push(id);
      nodes.push(messageNode(id, parent));
      parent = id;
    }
    const leaf = { last: parent, pick: this.#usedId(step.session, step.pick), none: undefined }[step.leaf];
    if (step.delta === "unchanged") return unchanged(leaf);
    if (step.delta === "append") return append(nodes, leaf);
    const kept = now.nodes.slice(0, step.pick).map((node) => messageNode(node.id, node.parent));
    return replaceFull([...kept, ...nodes], leaf);
  }

  #send(sessionId: string, sent: RuntimeCommit): void {
    this.#of(this.#sent, sessionId).push(sent);
    const outcome = this.#model(sessionId).commit(sent);
    const answer = this.#handle(sessionId)
      .commitRuntimeState(sent)
      .then(({ headRevision, replayed }) => ({ revision: headRevision, replayed }));
    this.#expect(sessionId, outcome, answer);
  }

  #expect(sessionId: string, outcome: Outcome, call: Promise<unknown>): void {
    const model = this.#model(sessionId);
    const checked = call.then(
      (value) => {
        assert.equal(
          outcome.kind,
          "answer",
          `${sessionId}: ${JSON.stringify(value)} instead of ${JSON.stringify(outcome)}`,
        );
        if (outcome.kind !== "answer") return;
        assert.deepEqual(value, outcome.value);
        model.floor = Math.max(model.floor, outcome.state);
      },
      (error: unknown) => {
        if (outcome.kind !== "refused" || !isStoreError(error, outcome.code)) throw error;
      },
    );
    this.#later(checked);
  }

  #read(sessionId: string, path: "whole" | "active"): void {
    const model = this.#model(sessionId);
    const { floor } = model;
    const scope = path === "whole" ? ({ kind: "fullGraph" } as const) : ({ kind: "activePath" } as const);
    this.#later(
      this.#handle(sessionId)
        .loadSession(scope)
        .then((found) => {
          this.#expectState(sessionId, { floor, path, seen: summary(found) });
        }),
    );
  }

  /** The changes since a state that was acknowledged, put to a copy of it, are a whole read. */
  #readChanges(sessionId: string, pick: number): void {
    const model = this.#model(sessionId);
    const { floor } = model;
    const copied = model.states[pick % (floor + 1)];
    assert.ok(copied !== undefined);
    const copy = copied.nodes.filter((node) => !node.hidden).map((node) => [node.id, node.parent]);
    this.#later(
      this.#handle(sessionId)
        .loadSession({ kind: "changesSince", headRevision: copied.revision })
        .then((found) => {
          const changes = summary(found);
          const removed = new Set(found?.removedNodeIds);
          const kept = copy.filter(([id]) => !removed.has(id ?? ""));
          const seen = changes && { ...changes, nodes: [...kept, ...changes.nodes] };
          this.#expectState(sessionId, { floor, path: "whole", seen });
        }),
    );
  }

  #expectState(
    sessionId: string,
    { floor, path, seen }: { floor: number; path: "whole" | "active"; seen: unknown },
  ): void {
    const model = this.#model(sessionId);
    const text = JSON.stringify(seen);
    const at = model.states.findIndex(
      (state, index) => index >= floor && JSON.stringify(shown(state, path)) === text,
    );
    assert.notEqual(at, -1, `${sessionId} showed ${text}, which is no state since ${floor}`);
    model.floor = Math.max(model.floor, at);
  }

  /** A walk through the list that close overtakes ends with STORE_CLOSED: nobody knows when it would end. */
  async #list(): Promise<void> {
    try {
      assert.ok((await listed(this.#fixture.store)).length <= SESSIONS.length);
    } catch (error) {
      if (!isStoreError(error, "STORE_CLOSED")) throw error;
    }
  }

  async #check(): Promise<void> {
    for (const id of SESSIONS) {
      const { now } = this.#model(id);
      const handle = this.#handle(id);
      assert.equal(JSON.stringify(summary(await handle.loadSession())), JSON.stringify(shown(now, "whole")));
      assert.equal((await handle.loadSessionMeta())?.sessionName, now.metaName);
      for (const node of now.nodes) {
        assert.equal((await handle.loadNode(node.id))?.nodeId, node.hidden ? undefined : node.id);
      }
    }
  }

  /** Keeps a call; its failure is met at the next settling, not as a stray rejection. */
  #later(call: Promise<unknown>): void {
    const kept = call.then(() => undefined);
    kept.catch(() => undefined);
    this.#pending.push(kept);
  }

  async #settle(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    await Promise.all(pending);
  }

  #handle(sessionId: string) {
    return this.#fixture.store.session(sessionId);
  }

  #model(sessionId: string): ModelSession {
    return this.#of(this.#models, sessionId);
  }

  #usedId(sessionId: string, pick: number): string {
    const ids = this.#of(this.#usedIds, sessionId);
    return ids[pick % Math.max(ids.length, 1)] ?? "nobody";
  }

  #of<Value>(map: ReadonlyMap<string, Value>, sessionId: string): Value {
    const value = map.get(sessionId);
    assert.ok(value !== undefined);
    return value;
  }
}
