/** What a session's actor is told, and how each of it is refused. It decides nothing. */
import type { StoreError } from "../errors.ts";
import type { WritePlan } from "../session/plan.ts";
import type { PreparedCommit } from "../session/prepare.ts";
import type { SessionState } from "../session/state.ts";
import type { RuntimeCommitResult } from "../session/types.ts";
import type { Reply } from "./ask.ts";
import type { SessionCell } from "./session.ts";

export interface CommitEvent {
  readonly type: "commit";
  readonly prepared: PreparedCommit;
  readonly reply: Reply<RuntimeCommitResult>;
  /** Set once nothing of `prepared` is needed any more; an actor that is busy keeps the event for later. */
  isDecided: boolean;
}

/** A write whose plan and reply have the same type of answer; `bindWrite` makes it. */
export interface WriteEvent {
  readonly type: "write";
  readonly request: (cell: SessionCell) => void;
  readonly fail: (error: StoreError) => void;
}

export interface ReadEvent {
  readonly type: "read";
  readonly read: (state: SessionState) => void;
  readonly fail: (error: StoreError) => void;
}

export type SessionActorEvent = CommitEvent | WriteEvent | ReadEvent;

/** Binds a planner and its reply into an event that needs no type parameter. */
export function bindWrite<Value>(
  plan: (state: SessionState) => WritePlan<Value>,
  reply: Reply<Value>,
): WriteEvent {
  return {
    type: "write",
    request: (cell) => cell.plan(plan, reply),
    fail: (error) => reply.reject(error),
  };
}

export function refuse(event: SessionActorEvent, error: StoreError): void {
  if (event.type !== "commit") return event.fail(error);
  event.isDecided = true;
  event.reply.reject(error);
}
