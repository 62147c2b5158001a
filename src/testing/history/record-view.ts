/** A read-only store that writes down everything asked of it and answered. What it shows is of one moment. */
import type { CallOptions, ListOptions, ReadOnlyStore, SessionReader, VerifyReport } from "../../contract.ts";
import type {
  PersistedSessionRead,
  SessionHeadMeta,
  SessionMeta,
  SessionNodeRecord,
  SessionPickerInfo,
  SessionReadScope,
} from "../../session/types.ts";
import type { Call, Value } from "./events.ts";
import { type Asked, DONE, follow, recordIteration, recordListing, recordVerify } from "./follow.ts";
import type { History } from "./history.ts";
import { Pen } from "./pen.ts";
import { recordHeadMeta, recordMeta, recordNode, recordSession } from "./record.ts";

/** Call it before the view is opened; `open` opens it. `isAlive` tells of the process that reads. */
export async function recordView(
  history: History,
  open: () => Promise<ReadOnlyStore>,
  isAlive: () => boolean = () => true,
): Promise<ReadOnlyStore> {
  const view = history.nextView();
  const pen = new Pen(history, isAlive);
  const opened = await follow(pen, { call: { kind: "view", view } }, open, () => DONE);
  return new RecordedView(pen, opened, view);
}

class RecordedView implements ReadOnlyStore {
  readonly #pen: Pen;
  readonly #store: ReadOnlyStore;
  readonly #view: number;

  constructor(pen: Pen, store: ReadOnlyStore, view: number) {
    this.#pen = pen;
    this.#store = store;
    this.#view = view;
  }

  get recovery(): ReadOnlyStore["recovery"] {
    return this.#store.recovery;
  }

  session<Event, Body>(sessionId: string): SessionReader<Event, Body> {
    const reader = new RecordedReader(this.#pen, this.#store.session(sessionId), this.#view);
    return reader as unknown as SessionReader<Event, Body>;
  }

  listSessions(options: ListOptions = {}): AsyncIterable<SessionPickerInfo> {
    const asked = { options, view: this.#view };
    return recordListing(this.#pen, asked, () => this.#store.listSessions(options));
  }

  verify(options?: CallOptions): Promise<VerifyReport> {
    return recordVerify(this.#pen, () => this.#store.verify(options));
  }

  refresh(options?: CallOptions): Promise<void> {
    const asked: Asked = { call: { kind: "view", view: this.#view } };
    return follow(
      this.#pen,
      asked,
      () => this.#store.refresh(options),
      () => DONE,
    );
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Reads of one session, of the owner or of a view. */
export class RecordedReader implements SessionReader {
  readonly sessionId: string;
  protected readonly pen: Pen;
  readonly #reader: SessionReader;
  readonly #view: { readonly view?: number };

  constructor(pen: Pen, reader: SessionReader, view?: number) {
    this.sessionId = reader.sessionId;
    this.pen = pen;
    this.#reader = reader;
    this.#view = view === undefined ? {} : { view };
  }

  loadSession(scope?: SessionReadScope, options?: CallOptions): Promise<PersistedSessionRead | undefined> {
    const { leafNodeId: leaf, limit } = scope?.kind === "activePath" ? scope : {};
    const part = limit === undefined ? this.#view : { limit, ...this.#view };
    const call = { kind: "load", scope: scope?.kind ?? "fullGraph", leaf, ...part } as const;
    return this.ask(
      call,
      () => this.#reader.loadSession(scope, options),
      (read) => ({ kind: "session", session: read && recordSession(read) }),
    );
  }

  loadNode(nodeId: string, options?: CallOptions): Promise<SessionNodeRecord | undefined> {
    return this.ask(
      { kind: "loadNode", node: nodeId, ...this.#view },
      () => this.#reader.loadNode(nodeId, options),
      (node) => ({ kind: "node", node: node && recordNode(node) }),
    );
  }

  loadSessionMeta(options?: CallOptions): Promise<SessionMeta | undefined> {
    return this.ask(
      { kind: "loadMeta", ...this.#view },
      () => this.#reader.loadSessionMeta(options),
      (meta) => ({ kind: "meta", meta: meta && recordMeta(meta) }),
    );
  }

  loadSessionHeadMeta(options?: CallOptions): Promise<SessionHeadMeta | undefined> {
    return this.ask(
      { kind: "loadHeadMeta", ...this.#view },
      () => this.#reader.loadSessionHeadMeta(options),
      (head) => ({ kind: "headMeta", head: head && recordHeadMeta(head) }),
    );
  }

  iteratePath(path?: { leafNodeId?: string }, options?: CallOptions): AsyncIterable<SessionNodeRecord> {
    const call = { kind: "iterate", over: "path", leaf: path?.leafNodeId, ...this.#view } as const;
    const asked = { sessionId: this.sessionId, call };
    return recordIteration(this.pen, asked, () => this.#reader.iteratePath(path, options));
  }

  iterateGraph(options?: CallOptions): AsyncIterable<SessionNodeRecord> {
    const call = { kind: "iterate", over: "graph", leaf: undefined, ...this.#view } as const;
    const asked = { sessionId: this.sessionId, call };
    return recordIteration(this.pen, asked, () => this.#reader.iterateGraph(options));
  }

  protected ask<Result>(
    call: Call,
    run: () => Promise<Result>,
    record: (result: Result) => Value,
  ): Promise<Result> {
    return follow(this.pen, { sessionId: this.sessionId, call }, run, record);
  }
}
