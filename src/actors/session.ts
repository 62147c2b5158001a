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
 */
import { type ActorRefFrom, fromTransition } from "xstate";
import { isStoreError, type StoreError, storeError, toStoreError } from "../errors.ts";
import type { BlobRef } from "../ids.ts";
import { apply } from "../session/apply.ts";
import { type CommitPlanOptions, needs, planCommit } from "../session/plan.ts";
import type { PreparedCommit } from "../session/prepare.ts";
import type { BlobKind, SessionRecord } from "../session/record.ts";
import type { SessionState } from "../session/state.ts";
import type { RuntimeCommitResult } from "../session/types.ts";
import type { Reply } from "./ask.ts";
import type { NewBlob } from "./blob-frames.ts";
import type { Write } from "./log-writer.ts";
import { PendingWrite } from "./pending-write.ts";

/** What a planner other than a commit's answers. */
export type WritePlan<Value> =
  | { readonly kind: "refused"; readonly error: StoreError }
  | { readonly kind: "noop"; readonly answer: Value }
  | { readonly kind: "accepted"; readonly record: SessionRecord; readonly answer: Value };

/** What the actor needs of the store around it. */
export interface SessionServices {
  /** The session's durable state from snapshot and log. Throws CORRUPT. */
  load(sessionId: string): SessionState;
  blobKind(ref: BlobRef): BlobKind | undefined;
  /** The damage behind which a blob may lie that was not found, if there is any. */
  damageHiding(ref: BlobRef, sessionId: string): StoreError | undefined;
  /** Tells a running gc that these blobs are named by a commit; called before their existence is tested. */
  pin(refs: readonly BlobRef[]): void;
  append(write: Write, record: SessionRecord, blobs: readonly NewBlob[]): void;
  /** Calls back when everything appended so far is durable. */
  after(settle: (error: StoreError | undefined) => void): void;
  /** Ends the store: its log and its state in memory disagree. Whatever is in flight is answered. */
  poison(error: StoreError): void;
  /** The session's memory or liveness changed. */
  changed(cell: SessionCell): void;
  committed(): void;
  readonly planOptions: CommitPlanOptions;
}

export interface CommitEvent {
  readonly type: "commit";
  readonly prepared: PreparedCommit;
  readonly reply: Reply<RuntimeCommitResult>;
  /** Set once nothing of `prepared` is needed any more; an actor that is busy keeps the event for later. */
  isDecided: boolean;
}

export type SessionActorEvent =
  | CommitEvent
  | { readonly type: "write"; readonly request: WriteRequest }
  | {
      readonly type: "read";
      readonly read: (state: SessionState) => void;
      readonly fail: (error: StoreError) => void;
    };

/** A write whose plan and reply have the same type of answer; `bindWrite` makes it. */
export type WriteRequest = (cell: SessionCell) => void;

/** Bytes of a session without nodes and receipts, as measured: its actor, its cell, its state. */
const EMPTY_BYTES = 8_500;

/** A session in memory. Mutable; owned by its actor, its counters read by the registry. */
export class SessionCell {
  readonly sessionId: string;
  readonly #services: SessionServices;
  #planned: SessionState | undefined;
  #visible: SessionState | undefined;
  /** Answers that wait for the log. A cell with any may not be passivated. */
  waiting = 0;
  /** Bytes this session holds in memory, as last accounted by the registry. */
  accountedBytes = 0;
  /** Idle round of the registry in which the session was last used. */
  lastUsed = 0;
  /** Works on an event: what comes meanwhile is answered behind it, by this cell and no other. */
  isBusy = false;
  /** What came while an event was worked on, from a listener of the store's events. */
  readonly #later: SessionActorEvent[] = [];

  constructor(sessionId: string, services: SessionServices) {
    this.sessionId = sessionId;
    this.#services = services;
  }

  /** The newest durable state. */
  get visible(): SessionState {
    if (this.#visible === undefined) {
      this.#visible = this.#services.load(this.sessionId);
      this.#planned = this.#visible;
      this.#services.changed(this);
    }
    return this.#visible;
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
    if (this.#planned === undefined) return EMPTY_BYTES;
    return (
      EMPTY_BYTES + this.#planned.nodes.bytes + this.#planned.receipts.bytes + this.#planned.removals.bytes
    );
  }

  /** Bytes of bodies that `shed` may free. */
  get sheddableBytes(): number {
    return this.#visible?.nodes.sheddableBytes ?? 0;
  }

  /** Lets go of the bodies of durable nodes. A commit needs none of them; a read brings them back. */
  shed(): void {
    this.#visible?.nodes.shed(this.#visible.length, () => this.#services.load(this.sessionId).nodes);
  }

  /** Says that an event was worked on: it may have brought bodies back. */
  #worked(): void {
    if (this.bytes !== this.accountedBytes) this.#services.changed(this);
  }

  /** Works on the event now, or behind the one that is being worked on. */
  receive(event: SessionActorEvent): void {
    if (this.isBusy) {
      this.#later.push(event);
      return;
    }
    this.isBusy = true;
    let next: SessionActorEvent | undefined = event;
    while (next !== undefined) {
      handle(this, next);
      this.#worked();
      next = this.#later.shift();
    }
    this.isBusy = false;
  }

  commit(prepared: PreparedCommit, reply: Reply<RuntimeCommitResult>): void {
    const state = this.planned;
    this.#services.pin(needs(prepared));
    const plan = planCommit(
      state,
      (ref) => headKind(state, ref) ?? this.#services.blobKind(ref),
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
    const write = new PendingWrite(record, answer, reply, this.#settled);
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
    this.#planned = write.next;
    this.#services.changed(this);
  }

  /** One for all writes of the session: `next` is the state after the one that was settled. */
  readonly #settled = (next: SessionState | undefined): void => {
    this.#visible = next ?? this.#visible;
    this.#answered();
  };

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

/** Binds a planner and its reply into a request, so that the event needs no type parameter. */
export function bindWrite<Value>(
  plan: (state: SessionState) => WritePlan<Value>,
  reply: Reply<Value>,
): WriteRequest {
  return (cell) => {
    try {
      cell.plan(plan, reply);
    } catch (error) {
      reply.reject(toStoreError(error));
    }
  };
}

export const sessionLogic = fromTransition<SessionCell, SessionActorEvent, never, { cell: SessionCell }>(
  (cell, event) => {
    cell.receive(event);
    return cell;
  },
  ({ input }) => input.cell,
);
export type SessionRef = ActorRefFrom<typeof sessionLogic>;

function handle(cell: SessionCell, event: SessionActorEvent): void {
  switch (event.type) {
    case "commit":
      try {
        cell.commit(event.prepared, event.reply);
      } catch (error) {
        event.reply.reject(toStoreError(error));
      }
      event.isDecided = true;
      return;
    case "write":
      event.request(cell);
      return;
    case "read":
      try {
        event.read(cell.visible);
      } catch (error) {
        event.fail(toStoreError(error));
      }
      return;
    default:
      // Transition actors also receive `xstate.stop`.
      return;
  }
}

/** A blob that the planned head names exists: no look-up needed. */
function headKind(state: SessionState, ref: BlobRef): BlobKind | undefined {
  const refs = state.head?.refs;
  if (refs === undefined) return undefined;
  if (ref === refs.toolState) return "toolState";
  if (ref === refs.pluginSnapshot) return "pluginSnapshot";
  return ref === refs.executionState ? "executionState" : undefined;
}

/** Refuses an operation of a deleted session. */
export function deletedError(sessionId: string): StoreError {
  return storeError(
    "SESSION_DELETED",
    { sessionId },
    `session "${sessionId}" was deleted; its id is never used again`,
  );
}
