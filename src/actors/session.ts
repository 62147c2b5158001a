/**
 * A session's actor: it decides the session's operations one after the other, in call order, and answers
 * each when everything it was decided on is durable. A transition actor around a cell. A commit is given to
 * the cell itself, because an event for each would cost a tenth of it (docs/adr/0003).
 *
 * 1. `planned` is the state after every accepted write, durable or not; only planning sees it.
 * 2. `visible` is the state after the last durable write; only reads see it. It never goes back.
 * 3. Every answer (result, replay, refusal, no-op) waits for the writes it was decided on, in call order.
 * 4. `receive` never throws: what goes wrong is that request's answer, and the session stays usable.
 *    Only when a record was appended and cannot be applied is the whole store poisoned.
 * 5. What needs bodies that were shed is decided when they are back. Reads wait beside what is decided meanwhile;
 *    behind a write that waits everything does, so that writes are decided in call order.
 */
import { isStoreError, type StoreError, toStoreError } from "../errors.ts";
import type { BlobRef } from "../ids.ts";
import { apply } from "../session/apply.ts";
import { BodiesShed } from "../session/node-entry.ts";
import { needs, planCommit, type WritePlan } from "../session/plan.ts";
import type { PreparedCommit } from "../session/prepare.ts";
import type { SessionRecord } from "../session/record.ts";
import { componentKind, type SessionState } from "../session/state.ts";
import type { RuntimeCommitResult } from "../session/types.ts";
import { runThrough } from "../steps.ts";
import type { Reply } from "./ask.ts";
import type { NewBlob } from "./blob-frames.ts";
import { holdNewest } from "./bring-back.ts";
import { type Done, endOf } from "./long-work.ts";
import { PendingWrite } from "./pending-write.ts";
import type { SessionRef } from "./session-actor.ts";
import { refuse, type SessionActorEvent } from "./session-events.ts";
import type { SessionServices } from "./session-services.ts";

/**
 * Bytes of a session without nodes, receipts, texts and actor: its cell, its state. Of the compiled package 1,500 were measured, and
 * so much more is what a heap takes between two collections, with what commits are made of on their way.
 */
const EMPTY_BYTES = 3_300;
/** Bytes of a session's actor, as measured. */
const ACTOR_BYTES = 3_600;

/** A session in memory. Mutable; owned by its actor, its counters read by the registry. */
export class SessionCell {
  readonly sessionId: string;
  readonly #services: SessionServices;
  #planned: SessionState | undefined;
  #visible: SessionState | undefined;
  /** Answers that wait for the log. A cell with any may not be passivated. */
  waiting = 0;
  /** Absent until somebody sends an event: a session that only takes commits needs none, and an actor is most of it. */
  actor: SessionRef | undefined;
  /** Bytes this session holds in memory, as last accounted by the registry. */
  accountedBytes = 0;
  /** Idle round of the registry in which the session was last used. */
  lastUsed = 0;
  /** Where it is on trial (`newcomers.ts`); -1 if it is not. */
  trialPlace = -1;
  /** Works on an event, or is being loaded: what comes meanwhile is answered behind it, by this cell and no other. */
  isBusy = false;
  /** What is to be worked on: what came while another was, and while the session was loaded. Absent if nothing is. */
  #later: SessionActorEvent[] | undefined;
  #failedLoad: { readonly error: unknown } | undefined;
  /** While bodies are on their way back: what waits for them, in call order. */
  #forBodies: SessionActorEvent[] | undefined;
  /** From where something is decided until it is applied: entries that are there for the one must be for the other. */
  isDeciding = false;

  constructor(sessionId: string, services: SessionServices) {
    this.sessionId = sessionId;
    this.#services = services;
  }

  /** The newest durable state. */
  get visible(): SessionState {
    if (this.#visible === undefined) {
      if (this.#failedLoad !== undefined) throw this.#failedLoad.error;
      this.#loaded(runThrough(this.#services.load(this.sessionId, "all")));
    }
    return this.#visible as SessionState;
  }

  #loaded(state: SessionState): void {
    state.nodes.useRecent(this.#services.recent);
    this.#visible = state;
    this.#planned = state;
    this.#services.changed(this);
  }

  /** The newest durable state if it was needed before. */
  get loaded(): SessionState | undefined {
    return this.#visible;
  }

  get planned(): SessionState {
    return this.#planned ?? this.visible;
  }

  /** Estimate of the bytes of the state. */
  get bytes(): number {
    const empty = this.actor === undefined ? EMPTY_BYTES : EMPTY_BYTES + ACTOR_BYTES;
    if (this.#planned === undefined) return empty;
    const { nodes, receipts, removals, picker } = this.#planned;
    return empty + nodes.bytes + receipts.bytes + removals.bytes + picker.firstUserMessage.length;
  }

  /** Says that an event was worked on: it may have brought old receipts into memory. */
  #worked(): void {
    if (this.bytes !== this.accountedBytes) this.#services.changed(this);
  }

  /** Works on the event now, or behind the one that is being worked on, or when the session is loaded. */
  receive(event: SessionActorEvent): void {
    if (this.isBusy) return this.#wait(event);
    this.isBusy = true;
    if (this.#visible !== undefined) return this.#work(event);
    const loaded =
      event.type === "commit" ? endOf(() => this.#services.loadAtOnce(this.sessionId)) : undefined;
    if (loaded !== undefined) return this.#begin(loaded, event);
    this.#countWaiting(event, 1);
    const nodes = event.type === "read" ? "all" : "outlined";
    this.#services.runLoad(this.#services.load(this.sessionId, nodes), (ended) => {
      this.#countWaiting(event, -1);
      this.#begin(ended, event);
    });
  }

  /** What cannot be loaded is the answer to all that waited for it; whoever comes later has it tried again. */
  #begin(ended: Done<SessionState>, event: SessionActorEvent): void {
    if ("error" in ended) this.#failedLoad = ended;
    else this.#loaded(ended.value);
    this.#work(event);
    this.#failedLoad = undefined;
  }

  #work(event: SessionActorEvent | undefined): void {
    for (let next = event; next !== undefined; next = this.#nextWaiting()) {
      this.#decide(next);
      this.#worked();
      if (this.#isHeldUp) return;
    }
    this.isBusy = false;
  }

  #decide(event: SessionActorEvent): void {
    this.isDeciding = true;
    const isDecided = decide(this, event);
    this.isDeciding = false;
    if (!isDecided) this.#waitForBodies(event);
  }

  /** A write waits for bodies. */
  get #isHeldUp(): boolean {
    return this.#forBodies !== undefined && this.#forBodies.at(-1)?.type !== "read";
  }

  #waitForBodies(event: SessionActorEvent): void {
    this.#countWaiting(event, 1);
    if (this.#forBodies !== undefined) return void this.#forBodies.push(event);
    const waiting = [event];
    this.#forBodies = waiting;
    this.waiting++;
    let isNow = true;
    const steps = holdNewest(
      () => this.visible,
      (nodes) => this.#services.bringBack(this.sessionId, nodes),
    );
    this.#services.runLoad(steps, (ended) => {
      const wasHeldUp = this.#isHeldUp;
      this.#forBodies = undefined;
      for (const each of waiting) {
        this.#countWaiting(each, -1);
        if ("error" in ended) refuse(each, toStoreError(ended.error));
        else this.#decide(each);
      }
      if ("value" in ended) ended.value.release();
      this.waiting--;
      // Bodies are back, and the session may leave memory again.
      this.#services.changed(this);
      if (wasHeldUp && !isNow) this.#work(this.#nextWaiting());
    });
    isNow = false;
  }

  #wait(event: SessionActorEvent): void {
    this.#later ??= [];
    this.#later.push(event);
    this.#countWaiting(event, 1);
  }

  #nextWaiting(): SessionActorEvent | undefined {
    const next = this.#later?.shift();
    if (next === undefined) this.#later = undefined;
    else this.#countWaiting(next, -1);
    return next;
  }

  #countWaiting(event: SessionActorEvent, sign: 1 | -1): void {
    if (event.type === "commit") this.#services.waits(sign * event.prepared.newBytes);
  }

  commit(prepared: PreparedCommit, reply: Reply<RuntimeCommitResult>): void {
    const state = this.planned;
    this.#services.pin(needs(prepared));
    const plan = planCommit(
      state,
      (ref) => componentKind(state, ref) ?? this.#services.blobKind(ref),
      prepared,
      this.#services.planOptions,
    );
    if (plan.kind === "refused") {
      const error = this.#refusal(plan.error);
      return this.#answerAfter(() => reply.reject(error), reply);
    }
    if (plan.kind === "replayed") return this.#answerAfter(() => reply.resolve(plan.result), reply);
    this.#services.pin([prepared.checkpointRef]);
    this.#services.committed();
    this.#write(plan.record, plan.blobs, plan.result, reply);
  }

  plan<Value>(plan: (state: SessionState) => WritePlan<Value>, reply: Reply<Value>): void {
    const decided = plan(this.planned);
    if (decided.kind === "refused") return this.#answerAfter(() => reply.reject(decided.error), reply);
    if (decided.kind === "noop") return this.#answerAfter(() => reply.resolve(decided.answer), reply);
    this.#write(decided.record, [], decided.answer, reply);
  }

  #write<Value>(record: SessionRecord, blobs: readonly NewBlob[], answer: Value, reply: Reply<Value>): void {
    const write = new PendingWrite(record, answer, reply, this);
    this.waiting++;
    this.#services.append(write, record, blobs);
    if (write.lsn === 0) return;
    try {
      write.next = apply(this.planned, record, write.lsn);
    } catch (error) {
      // The log has a record that the state cannot take: nothing decided on this state could be right.
      this.#services.poison(toStoreError(error));
      return;
    }
    if (write.next.nodes !== this.planned.nodes) write.next.nodes.useRecent(this.#services.recent);
    this.#planned = write.next;
    this.isDeciding = false;
    this.#services.changed(this);
  }

  /** A write was answered; `next` is the state after it, if it is durable. */
  settled(next: SessionState | undefined): void {
    this.#visible = next ?? this.#visible;
    this.#answered();
  }

  /** A blob behind damage is not missing: nobody knows. */
  #refusal(error: StoreError): StoreError {
    if (!isStoreError(error, "BLOB_MISSING")) return error;
    return this.#services.damageHiding(error.ref as BlobRef, this.sessionId) ?? error;
  }

  /** From the last answer on the session may leave memory. */
  #answered(): void {
    this.waiting--;
    if (this.waiting === 0) this.#services.changed(this);
  }

  #answerAfter(answer: () => void, reply: Pick<Reply<never>, "reject">): void {
    this.waiting++;
    this.#services.after((error) => {
      this.#answered();
      if (error === undefined) answer();
      else reply.reject(error);
    });
  }
}

/** False: it needs bodies that were shed, and nothing was decided. */
function decide(cell: SessionCell, event: SessionActorEvent): boolean {
  try {
    switch (event.type) {
      case "commit":
        cell.commit(event.prepared, event.reply);
        event.isDecided = true;
        break;
      case "write":
        event.request(cell);
        break;
      case "read":
        event.read(cell.visible);
        break;
      default:
      // Transition actors also receive `xstate.stop`.
    }
  } catch (error) {
    if (error instanceof BodiesShed) return false;
    refuse(event, toStoreError(error));
  }
  return true;
}
