/**
 * A store that writes down everything asked of it and answered, and is otherwise the store it stands before.
 * It deliberately keeps no promise of its own: it calls in the same turn and answers as the store did.
 */
import type { CallOptions, ListOptions, RuntimePersistence, Store, VerifyReport } from "../../contract.ts";
import type {
  GcReport,
  RuntimeCommit,
  RuntimeCommitResult,
  SessionMeta,
  SessionPickerInfo,
  VacuumReport,
} from "../../session/types.ts";
import type { Call, StoreFacts, Value } from "./events.ts";
import { type Asked, DONE, follow, recordListing, recordVerify } from "./follow.ts";
import type { History } from "./history.ts";
import { Pen } from "./pen.ts";
import { recordCommit, recordMeta, recordResult } from "./record.ts";
import { RecordedReader } from "./record-view.ts";

/** Call it when the store has just been opened; `facts` are the options that matter to its meaning. */
export function recordStore(history: History, store: Store, facts: Partial<StoreFacts> = {}): Store {
  history.opened({ sync: facts.sync ?? store.stats().sync, ...facts });
  const { owner } = history;
  const pen = new Pen(history, () => history.owner === owner);
  pen.log(store);
  return new RecordedStore(pen, store);
}

/** Tries to open the store once more, which must be refused while it has an owner. */
export async function recordSecondOpen(history: History, open: () => Promise<Store>): Promise<void> {
  const { owner } = history;
  const pen = new Pen(history, () => owner > 0 && history.owner === owner);
  try {
    const second = await follow(pen, { call: { kind: "secondOpen" } }, open, () => DONE);
    await second.close();
  } catch {
    // Recorded; the check judges it.
  }
}

class RecordedStore implements Store {
  readonly #pen: Pen;
  readonly #store: Store;
  #closed: Promise<void> | undefined;

  constructor(pen: Pen, store: Store) {
    this.#pen = pen;
    this.#store = store;
  }

  get recovery(): Store["recovery"] {
    return this.#store.recovery;
  }

  session<Event, Body>(sessionId: string): RuntimePersistence<Event, Body> {
    const session = new RecordedSession(this.#pen, this.#store.session(sessionId));
    // Recording reads nodes whatever the host's types for them are.
    return session as unknown as RuntimePersistence<Event, Body>;
  }

  listSessions(options: ListOptions = {}): AsyncIterable<SessionPickerInfo> {
    return recordListing(this.#pen, { options }, () => this.#store.listSessions(options));
  }

  deleteSession(sessionId: string): Promise<boolean> {
    const asked: Asked = { sessionId, call: { kind: "delete" } };
    const record = (existed: boolean): Value => ({ kind: "deleted", existed });
    return follow(this.#pen, asked, () => this.#store.deleteSession(sessionId), record);
  }

  async snapshot(options?: CallOptions): Promise<void> {
    const asked: Asked = { call: { kind: "snapshot" } };
    await follow(
      this.#pen,
      asked,
      () => this.#store.snapshot(options),
      () => DONE,
    );
    this.#pen.log(this.#store);
  }

  gc(options?: CallOptions): Promise<GcReport> {
    return follow(
      this.#pen,
      { call: { kind: "gc" } },
      () => this.#store.gc(options),
      () => DONE,
    );
  }

  verify(options?: CallOptions): Promise<VerifyReport> {
    return recordVerify(this.#pen, () => this.#store.verify(options));
  }

  stats(): ReturnType<Store["stats"]> {
    return this.#store.stats();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#pen.log(this.#store);
    try {
      await this.#store.close();
    } finally {
      this.#pen.closed();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class RecordedSession extends RecordedReader implements RuntimePersistence {
  readonly #session: RuntimePersistence;

  constructor(pen: Pen, session: RuntimePersistence) {
    super(pen, session);
    this.#session = session;
  }

  commitRuntimeState(commit: RuntimeCommit, options?: CallOptions): Promise<RuntimeCommitResult> {
    const run = (): Promise<RuntimeCommitResult> => this.#session.commitRuntimeState(commit, options);
    let call: Call;
    try {
      call = recordCommit(commit);
    } catch {
      // What cannot be read is no commit; if the store takes it nevertheless, the next read tells.
      return run();
    }
    return this.ask(call, run, (result) => ({ kind: "commit", commit: recordResult(result) }));
  }

  saveSessionMeta(meta: SessionMeta, options?: CallOptions): Promise<void> {
    const call = { kind: "saveMeta", meta: recordMeta(meta) } as const;
    return this.ask(
      call,
      () => this.#session.saveSessionMeta(meta, options),
      () => DONE,
    );
  }

  tombstoneNodes(nodeIds: readonly string[], options?: CallOptions): Promise<void> {
    const call = { kind: "tombstone", ids: [...nodeIds] } as const;
    return this.ask(
      call,
      () => this.#session.tombstoneNodes(nodeIds, options),
      () => DONE,
    );
  }

  vacuum(options?: CallOptions): Promise<VacuumReport> {
    const record = ({ removedNodeCount }: VacuumReport): Value => ({
      kind: "vacuum",
      removed: removedNodeCount,
    });
    return this.ask({ kind: "vacuum" }, () => this.#session.vacuum(options), record);
  }

  gcUnreachable(options?: CallOptions): Promise<GcReport> {
    return this.ask(
      { kind: "gc" },
      () => this.#session.gcUnreachable(options),
      () => DONE,
    );
  }
}
