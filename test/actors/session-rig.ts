/** A session's actor over services that a test drives by hand: the log, the turns of the event loop, what is read. */
import assert from "node:assert/strict";
import { createActor } from "xstate";
import type { Settlement, Write } from "../../src/actors/log-writer.ts";
import { LongWork } from "../../src/actors/long-work.ts";
import { SessionCell } from "../../src/actors/session.ts";
import { sessionLogic } from "../../src/actors/session-actor.ts";
import { bindWrite } from "../../src/actors/session-events.ts";
import type { SessionServices } from "../../src/actors/session-services.ts";
import { shedBodies } from "../../src/actors/shedding.ts";
import { systemClock } from "../../src/clock.ts";
import { type StoreError, storeError } from "../../src/errors.ts";
import { NodeTable } from "../../src/session/node-table.ts";
import { planMeta, planTombstone, planVacuum } from "../../src/session/plan.ts";
import { prepareCommit, prepareMeta } from "../../src/session/prepare.ts";
import type { SessionRecord } from "../../src/session/record.ts";
import { emptySession, type SessionState } from "../../src/session/state.ts";
import type { RuntimeCommit, RuntimeCommitResult, VacuumReport } from "../../src/session/types.ts";
import type { Steps } from "../../src/steps.ts";

const LIMITS = { maxCommitBytes: 1 << 20 };
const DEAD = storeError("STORE_IO", { operation: "datasync", path: "/wal", errno: "EIO" }, "the disk died");
const UNKNOWN = storeError("COMMIT_OUTCOME_UNKNOWN", {}, "it may or may not be there", DEAD);
const POISONED = storeError("STORE_POISONED", {}, "reopen the store", DEAD);

/** A log writer of one session, in the smallest form that keeps its promises. */
export class SessionRig {
  readonly pending: Settlement[] = [];
  readonly poisoned: StoreError[] = [];
  readonly told: string[] = [];
  readonly cell: SessionCell;
  loads = 0;
  loadFails = false;
  /** Turns that a load takes beside its first. */
  loadTurns = 0;
  waitingBytes = 0;
  /** What happens elsewhere while a record is given to the log. */
  onAppend: () => void = () => undefined;
  readonly #turns: (() => void)[] = [];
  readonly #work = new LongWork({ ...systemClock, turn: (_taker, fn) => void this.#turns.push(fn) });
  #lastLsn = 0;
  #dead = false;
  /** What is read when bodies are brought back. */
  #stored = new NodeTable();
  readonly #actor;

  constructor() {
    const services: SessionServices = {
      recent: undefined,
      load: (sessionId) => this.#load(sessionId),
      loadAtOnce: () => undefined,
      bringBack: (_sessionId, nodes) => this.#bringBack(nodes),
      runLoad: (load, done) => this.#work.run(load, done),
      waits: (bytes) => {
        this.waitingBytes += bytes;
      },
      blobKind: () => undefined,
      damageHiding: () => undefined,
      pin: () => undefined,
      append: (write) => this.#append(write),
      after: (settle) => {
        if (this.#dead) settle(UNKNOWN);
        else if (this.pending.length === 0) settle(undefined);
        else this.pending.push({ lsn: this.#lastLsn, settle });
      },
      poison: (error) => {
        this.poisoned.push(error);
        this.die();
      },
      changed: () => undefined,
      committed: () => undefined,
      planOptions: { graphPolicy: "strict", maxCommitBytes: LIMITS.maxCommitBytes },
    };
    this.cell = new SessionCell("root", services);
    this.#actor = createActor(sessionLogic, { input: { cell: this.cell } });
    this.#actor.subscribe({ error: () => this.told.push("the actor died") });
    this.#actor.start();
  }

  *#bringBack(nodes: NodeTable): Steps<void> {
    if (!nodes.isShed) return;
    this.loads++;
    for (let turn = 0; turn < this.loadTurns; turn++) yield;
    if (this.loadFails) throw storeError("CORRUPT", { file: "/heads" }, "damaged");
    yield* nodes.takeBack(this.#stored);
  }

  *#load(sessionId: string): Steps<SessionState> {
    this.loads++;
    for (let turn = 0; turn < this.loadTurns; turn++) yield;
    if (this.loadFails) throw storeError("CORRUPT", { file: "/heads" }, "damaged");
    return emptySession(sessionId, 10);
  }

  /** The next turn that was asked for; false if none was. */
  async turn(): Promise<boolean> {
    const next = this.#turns.shift();
    next?.();
    // What waits for a turn runs in its microtasks.
    await new Promise((resolve) => setImmediate(resolve));
    return next !== undefined;
  }

  #append(write: Write): void {
    if (this.#dead) return write.settle(POISONED);
    write.lsn = ++this.#lastLsn;
    this.pending.push(write);
    this.onAppend();
  }

  /** The next write, with what rests on it, is durable. */
  durable(): void {
    const lsn = this.pending[0]?.lsn ?? 0;
    while (this.pending[0]?.lsn === lsn) this.pending.shift()?.settle(undefined);
  }

  die(): void {
    this.#dead = true;
    for (const settlement of this.pending.splice(0)) settlement.settle(UNKNOWN);
  }

  #reply<Value>(label: string, show: (value: Value) => unknown) {
    return {
      resolve: (value: Value) => void this.told.push(`${label}: ${String(show(value))}`),
      reject: (error: StoreError) => void this.told.push(`${label}: ${error.code}`),
    };
  }

  commit(label: string, sent: RuntimeCommit): void {
    const prepared = prepareCommit(sent, "root", LIMITS);
    const reply = this.#reply<RuntimeCommitResult>(
      label,
      ({ headRevision, replayed }) => `${headRevision}${replayed ? " again" : ""}`,
    );
    this.#actor.send({ type: "commit", isDecided: false, prepared, reply });
  }

  write(
    label: string,
    plan: (state: SessionState) => { kind: "accepted"; record: SessionRecord; answer: string },
  ): void {
    const reply = this.#reply<string>(label, (value) => value);
    this.#actor.send(bindWrite(plan, reply));
  }

  meta(label: string): void {
    const meta = prepareMeta({ sessionId: "root", sessionName: label, createdAt: "t", model: "m" }, "root");
    const reply = this.#reply<void>(label, () => "saved");
    this.#actor.send(bindWrite((state) => planMeta(state, meta), reply));
  }

  vacuum(label: string): void {
    const reply = this.#reply<VacuumReport>(label, ({ removedNodeCount }) => `${removedNodeCount} gone`);
    this.#actor.send(bindWrite(planVacuum, reply));
  }

  tombstone(label: string, ...ids: string[]): void {
    const reply = this.#reply<void>(label, () => "hidden");
    this.#actor.send(bindWrite((state) => planTombstone(state, ids, "permissive"), reply));
  }

  /** Reads all bodies. */
  read(label: string): void {
    this.#actor.send({
      type: "read",
      read: ({ nodes, length }) => {
        const read = nodes.entries.slice(0, length).map(({ id, body }) => (body.length > 0 ? id : "empty"));
        this.told.push(`${label}: ${read.join(" ")}`);
      },
      fail: (error) => void this.told.push(`${label}: ${error.code}`),
    });
  }

  /** The nodes that are seen are those that will be read. */
  store(): void {
    this.#stored = new NodeTable();
    for (const entry of this.cell.visible.nodes.entries) this.#stored.add(entry);
  }

  /** All bodies leave memory that may. */
  shed(): void {
    this.store();
    shedBodies(this.cell);
    assert.ok(this.cell.visible.nodes.isShed);
  }

  revision(): number | undefined {
    return this.cell.visible.head?.revision;
  }

  get status(): string {
    return this.#actor.getSnapshot().status;
  }
}
