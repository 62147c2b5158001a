/** A session's write between its decision and its answer. It deliberately decides nothing. */
import type { StoreError } from "../errors.ts";
import type { SessionRecord } from "../session/record.ts";
import type { SessionState } from "../session/state.ts";
import type { Reply } from "./ask.ts";
import type { Write } from "./log-writer.ts";

/** Whose write it is. */
export interface WriteOwner {
  /** The write was answered; `next` is the state after it, if it is durable. */
  settled(next: SessionState | undefined): void;
}

/** A write that waits for the log: one object, because there is one for every commit in flight. */
export class PendingWrite<Value> implements Write {
  readonly kind: SessionRecord["kind"];
  readonly sessionId: string;
  lsn = 0;
  bytes = 0;
  /** The state that is visible from now on once the write is durable. */
  next: SessionState | undefined;
  readonly #answer: Value;
  readonly #reply: Reply<Value>;
  readonly #owner: WriteOwner;

  constructor({ kind, sessionId }: SessionRecord, answer: Value, reply: Reply<Value>, owner: WriteOwner) {
    this.kind = kind;
    this.sessionId = sessionId;
    this.#answer = answer;
    this.#reply = reply;
    this.#owner = owner;
  }

  settle(error: StoreError | undefined): void {
    this.#owner.settled(error === undefined ? this.next : undefined);
    if (error === undefined) this.#reply.resolve(this.#answer);
    else this.#reply.reject(error);
  }
}
