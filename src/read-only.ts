/**
 * The read-only view: no lock, not one byte written, also beside a live owner. A view is of one moment: the
 * newest manifest's snapshot (whose files it keeps open) and the tail's records, held in memory.
 *
 * 1. Everything shown was acknowledged: the tail is replayed up to what TAIL and the frames themselves prove.
 * 2. A view never changes under a reader; `refresh` makes a new one and then swaps.
 * 3. What the owner removed meanwhile is VIEW_EXPIRED or tried again, never other data.
 */
import { resolve as resolvePath } from "node:path";
import { throwIfAborted } from "./actors/ask.ts";
import { Exclusive } from "./actors/exclusive.ts";
import { readMeta, readNewestOf, readNodeAlone, readNodeOf, readSessionOf } from "./actors/reads.ts";
import type { Source } from "./actors/source.ts";
import { openViewInSteps, type StoreView } from "./actors/view-of-moment.ts";
import { type Clock, systemClock } from "./clock.ts";
import type {
  CallOptions,
  ListOptions,
  ReadOnlyStore,
  RecoveryReport,
  SessionReader,
  VerifyReport,
} from "./contract.ts";
import { type StoreError, storeError, toStoreError } from "./errors.ts";
import { checkSessionId } from "./ids.ts";
import { holdBodies, iterateGraphOf, iteratePathOf, type Walkable } from "./iterate-nodes.ts";
import { listSessionsOf } from "./list-sessions.ts";
import { readHeadMeta } from "./session/head-meta.ts";
import { prepareNodeId, prepareScope } from "./session/prepare.ts";
import type { SessionState } from "./session/state.ts";
import type {
  Json,
  PersistedSessionRead,
  SessionEvent,
  SessionHeadMeta,
  SessionMeta,
  SessionNodeRecord,
  SessionPickerInfo,
  SessionReadScope,
} from "./session/types.ts";
import { runInTurns } from "./steps.ts";
import { diskVfs } from "./vfs/disk.ts";
import { isMissingFile, type Vfs } from "./vfs/vfs.ts";

export interface ReadOnlyOptions extends CallOptions {
  /** For tests and simulation. */
  vfs?: Vfs;
  clock?: Clock;
}

/**
 * A view of the store in `directory` as it is now. Rejects with NOT_A_STORE, FORMAT_UNSUPPORTED, CORRUPT,
 * STORE_IO or ABORTED.
 */
export async function openStoreReadOnly(
  directory: string,
  options: ReadOnlyOptions = {},
): Promise<ReadOnlyStore> {
  if (typeof directory !== "string" || directory === "") {
    throw storeError("INVALID_ARGUMENT", { argument: "directory" }, "directory must be a non-empty path");
  }
  throwIfAborted(options.signal);
  const vfs = options.vfs ?? diskVfs;
  const root = vfs.kind === "disk" ? resolvePath(directory).replaceAll("\\", "/") : directory;
  const clock = options.clock ?? systemClock;
  return new View(vfs, root, await runInTurns(openViewInSteps(vfs, root), clock, "opening"), clock);
}

const WRITES = [
  "commitRuntimeState",
  "saveSessionMeta",
  "tombstoneNodes",
  "vacuum",
  "gcUnreachable",
  "deleteSession",
  "snapshot",
  "gc",
] as const;

class View implements ReadOnlyStore {
  readonly #vfs: Vfs;
  readonly #root: string;
  readonly #clock: Clock;
  /** One at a time: a view that is begun later must not be replaced by one begun before. */
  readonly #refreshes = new Exclusive();
  #view: StoreView;
  #closed = false;

  constructor(vfs: Vfs, root: string, view: StoreView, clock: Clock) {
    this.#vfs = vfs;
    this.#root = root;
    this.#view = view;
    this.#clock = clock;
    refuseWrites(this);
  }

  get recovery(): RecoveryReport {
    return this.#view.recovery;
  }

  session<Event = SessionEvent, Body = Json>(sessionId: string): SessionReader<Event, Body> {
    const id = checkSessionId(sessionId);
    const read = <Value>(
      options: CallOptions | undefined,
      get: (view: StoreView, state: SessionState) => Value,
    ) => this.#read(options, (view) => get(view, view.state(id)));
    const walkable: Walkable = {
      source: () => this.#view.source,
      load: () => read<SessionState>(undefined, (_view, state) => holdBodies(state)),
      check: () => this.#check(),
      clock: this.#clock,
    };
    const reader: SessionReader<Event, Body> = {
      sessionId: id,
      loadSession: (scope?: SessionReadScope, options?: CallOptions) =>
        this.#checked(
          () => prepareScope(scope),
          (checked) =>
            this.#read<PersistedSessionRead<Event, Body> | undefined>(options, (view) => {
              const newest = view.isLoaded(id)
                ? undefined
                : readNewestOf<Event, Body>(view.source, id, undefined, checked);
              return newest === undefined
                ? readSessionOf<Event, Body>(view.source, view.state(id), checked)
                : newest.answer;
            }),
        ),
      loadNode: (nodeId: string, options?: CallOptions) =>
        this.#checked(
          () => prepareNodeId(nodeId),
          (checked) =>
            this.#read<SessionNodeRecord<Event, Body> | undefined>(options, (view) => {
              const alone = view.isLoaded(id)
                ? undefined
                : readNodeAlone<Event, Body>(view.source, id, undefined, checked);
              return alone === undefined
                ? readNodeOf<Event, Body>(view.source, view.state(id), checked)
                : alone.answer;
            }),
        ),
      loadSessionMeta: (options?: CallOptions) =>
        this.#read<SessionMeta | undefined>(options, (view) => readMeta(view.headFigures(id))),
      loadSessionHeadMeta: (options?: CallOptions) =>
        this.#read<SessionHeadMeta | undefined>(options, (view) => readHeadMeta(id, view.headFigures(id))),
      iteratePath: (path?: { leafNodeId?: string }, options?: CallOptions) =>
        iteratePathOf<Event, Body>(walkable, path, options),
      iterateGraph: (options?: CallOptions) => iterateGraphOf<Event, Body>(walkable, options),
    };
    refuseWrites(reader);
    return reader;
  }

  listSessions(options?: ListOptions): AsyncIterable<SessionPickerInfo> {
    // Looked up when the listing begins: a refresh before that releases the view of now.
    const source = (): Source => this.#view.source;
    const check = (): void => this.#check();
    return listSessionsOf({ source, resident: () => undefined, check, clock: this.#clock }, options);
  }

  verify(options?: CallOptions): Promise<VerifyReport> {
    return this.#read(options, (view) => view.verify());
  }

  refresh(options?: CallOptions): Promise<void> {
    return this.#checked(
      () => throwIfAborted(options?.signal),
      () => this.#refreshes.run(() => this.#refresh()),
    );
  }

  /** Readers go on with the view of before until the new one is whole. */
  async #refresh(): Promise<void> {
    this.#check();
    const opening = runInTurns(openViewInSteps(this.#vfs, this.#root), this.#clock, "opening");
    const view = await opening.catch((error: unknown) => {
      throw expired(toStoreError(error));
    });
    if (this.#closed) {
      view.release();
      this.#check();
    }
    const old = this.#view;
    this.#view = view;
    old.release();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#view.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #checked<Checked, Value>(
    check: () => Checked,
    then: (checked: Checked) => Promise<Value>,
  ): Promise<Value> {
    this.#check();
    return await then(check());
  }

  async #read<Value>(options: CallOptions | undefined, read: (view: StoreView) => Value): Promise<Value> {
    this.#check();
    throwIfAborted(options?.signal);
    try {
      return read(this.#view);
    } catch (error) {
      throw expired(toStoreError(error));
    }
  }

  #check(): void {
    if (this.#closed) throw storeError("STORE_CLOSED", {}, "the view is closed; open it again");
  }
}

/** A file that is gone was removed by the owner: the view is too old. */
function expired(error: StoreError): StoreError {
  if (!isMissingFile(error)) return error;
  return storeError(
    "VIEW_EXPIRED",
    { file: error.path },
    `the owner removed ${error.path}, which this view needs; refresh it`,
    error,
  );
}

/** Callers from JavaScript meet a typed refusal instead of "is not a function". */
function refuseWrites(target: object): void {
  for (const operation of WRITES) {
    Object.defineProperty(target, operation, {
      enumerable: false,
      value: () =>
        Promise.reject(
          storeError("READ_ONLY", { operation }, `${operation} is not possible on a read-only store`),
        ),
    });
  }
}
