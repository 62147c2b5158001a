/**
 * The store as hosts see it: its operations, options, reports and events. Types only; what each operation
 * means is written beside it. Writes of one session take effect in call order; a read sees every write
 * acknowledged before it was called. Every operation answers a promise and never throws synchronously.
 */
import type { Clock } from "./clock.ts";
import type { StoreError, StoreErrorCode } from "./errors.ts";
import type {
  GcReport,
  GraphPolicy,
  Json,
  PersistedSessionRead,
  RuntimeCommit,
  RuntimeCommitResult,
  SessionEvent,
  SessionHeadMeta,
  SessionMeta,
  SessionNodeRecord,
  SessionPickerInfo,
  SessionReadScope,
  VacuumReport,
} from "./session/types.ts";
import type { Vfs } from "./vfs/vfs.ts";

export interface CallOptions {
  /** Stops the call before it has an effect (`ABORTED`); a commit once accepted completes regardless. */
  signal?: AbortSignal;
}

/** Reads of one session. */
export interface SessionReader<Event = SessionEvent, Body = Json> {
  readonly sessionId: string;
  /** `undefined` if the session has no head. */
  loadSession(
    scope?: SessionReadScope,
    options?: CallOptions,
  ): Promise<PersistedSessionRead<Event, Body> | undefined>;
  /** That live node, on or off the active path. */
  loadNode(nodeId: string, options?: CallOptions): Promise<SessionNodeRecord<Event, Body> | undefined>;
  loadSessionMeta(options?: CallOptions): Promise<SessionMeta | undefined>;
  /**
   * The head without nodes and checkpoint, in one look-up that reads neither; `undefined` if the session has
   * no head. So it also answers where they are damaged.
   */
  loadSessionHeadMeta(options?: CallOptions): Promise<SessionHeadMeta | undefined>;
  /**
   * A path, newest node first, without `leafNodeId` the active one. All of one revision: the newest when the
   * first node was asked for. What it holds is that state, encoded; nodes are decoded one at a time.
   */
  iteratePath(
    path?: { leafNodeId?: string },
    options?: CallOptions,
  ): AsyncIterable<SessionNodeRecord<Event, Body>>;
  /** As `iteratePath`: every live node, in insertion order. */
  iterateGraph(options?: CallOptions): AsyncIterable<SessionNodeRecord<Event, Body>>;
}

/** The eight operations over one session. */
export interface RuntimePersistence<Event = SessionEvent, Body = Json> extends SessionReader<Event, Body> {
  /** One atomic change; resolves when the sync policy's promise holds. */
  commitRuntimeState(commit: RuntimeCommit<Event, Body>, options?: CallOptions): Promise<RuntimeCommitResult>;
  saveSessionMeta(meta: SessionMeta, options?: CallOptions): Promise<void>;
  /** Hides nodes from every read; unknown ids are ignored, repeats are no-ops. */
  tombstoneNodes(nodeIds: readonly string[], options?: CallOptions): Promise<void>;
  /** Physically removes this session's tombstoned nodes and frees their ids. */
  vacuum(options?: CallOptions): Promise<VacuumReport>;
  /** Deletes blobs that no head of the store reaches. */
  gcUnreachable(options?: CallOptions): Promise<GcReport>;
}

export interface ListOptions extends CallOptions {
  /** `cursor` of an entry: go on behind it. */
  after?: string;
  /** At most this many entries. */
  limit?: number;
  /** Also sessions with a `parentSessionId`. Default false. */
  includeChildren?: boolean;
}

export interface RecoveryReport {
  /** The log ended with a SEAL: the last owner closed it. */
  readonly cleanClose: boolean;
  readonly replayedRecords: number;
  readonly replayedBytes: number;
  /** Bytes of an unfinished, never acknowledged tail that were cut and put in quarantine. */
  readonly tornBytes: number;
  readonly durationMs: number;
}

export interface VerifyProblem {
  readonly file: string;
  readonly offset?: number;
  readonly sessionId?: string;
  readonly code: StoreErrorCode;
  readonly message: string;
}
export interface VerifyReport {
  readonly ok: boolean;
  readonly problems: readonly VerifyProblem[];
}

export type SyncPolicy = "always" | "interval" | "never";

/** Read from memory at each call: no disk is asked, and nothing is walked through but the few files of a snapshot. */
export interface StoreStats {
  readonly sync: SyncPolicy;
  /** What a power loss may take: "nothing", or in words. */
  readonly mayLose: string;
  readonly state: "open" | "poisoned" | "closing" | "closed";
  /** Sessions with an actor in memory, and their bytes. */
  readonly residentSessions: number;
  readonly residentBytes: number;
  readonly log: {
    readonly lastLsn: number;
    readonly durableLsn: number;
    readonly queuedBytes: number;
    /** Frames appended that are not durable yet: the depth of the queue. */
    readonly queuedFrames: number;
    /** Since opening: frames appended, their bytes, batches written, file syncs on the log. */
    readonly frames: number;
    readonly bytes: number;
    readonly batches: number;
    readonly syncs: number;
    /** Bytes of the log beyond the newest snapshot, and of all segment files. */
    readonly unfoldedBytes: number;
    readonly fileBytes: number;
  };
  /** Accepted commits since opening. */
  readonly commits: number;
  /** Of them, for one sync of the log, rolls and snapshots included; 0 before the first sync. */
  readonly commitsPerSync: number;
  readonly snapshot: {
    readonly manifest: number;
    readonly headsFiles: number;
    readonly headsBytes: number;
    /** Heads in them: of live and deleted sessions, and those that a newer file supersedes until files are merged. */
    readonly heads: number;
    readonly packs: number;
    readonly packBytes: number;
    /** Estimate of dead bytes in packs; exact right after a gc. */
    readonly deadBytes: number;
    /** Since opening. */
    readonly count: number;
    readonly automatic: number;
    readonly failed: number;
    readonly isRunning: boolean;
    /** The last that was published since opening. */
    readonly last?: LastJob<SnapshotReason>;
  };
  readonly gc: {
    readonly count: number;
    readonly automatic: number;
    readonly deletedBlobs: number;
    readonly freedBytes: number;
    readonly failed: number;
    readonly isRunning: boolean;
    /** The last that ended well since opening. */
    readonly last?: LastJob<GcReason>;
  };
}

export type SnapshotReason = "call" | "logBytes" | "interval" | "close" | "gc";
export type GcReason = "call" | "garbage";

/** How the last job of a kind went. */
export interface LastJob<Reason> {
  readonly reason: Reason;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly endedAt: number;
  readonly durationMs: number;
}

export type StoreEvent =
  | { readonly type: "opened"; readonly directory: string; readonly durationMs: number }
  | { readonly type: "recovered"; readonly report: RecoveryReport; readonly warnings: readonly string[] }
  | {
      readonly type: "snapshot";
      readonly manifest: number;
      readonly reason: SnapshotReason;
      readonly sessions: number;
      readonly foldedBytes: number;
      readonly durationMs: number;
    }
  | { readonly type: "snapshotFailed"; readonly error: StoreError }
  /** How far long work is, now and then; short work tells nothing. `totalBytes` is what was known when it began. */
  | {
      readonly type: "progress";
      readonly job: "recovery" | "snapshot" | "gc";
      readonly step: "replay" | "fold" | "mark" | "sweep" | "merge";
      readonly doneBytes: number;
      readonly totalBytes: number;
    }
  /** A snapshot or gc was given up: nobody waits for it any more, or the store is being closed. */
  | { readonly type: "cancelled"; readonly job: "snapshot" | "gc" }
  | {
      readonly type: "gc";
      readonly reason: GcReason;
      readonly report: GcReport;
      readonly freedBytes: number;
      readonly durationMs: number;
    }
  | { readonly type: "gcFailed"; readonly error: StoreError }
  | { readonly type: "poisoned"; readonly error: StoreError }
  | { readonly type: "slowSync"; readonly durationMs: number }
  | { readonly type: "full"; readonly neededBytes: number }
  | { readonly type: "passivated"; readonly sessions: number; readonly bytes: number }
  | { readonly type: "shed"; readonly sessions: number; readonly bytes: number }
  | { readonly type: "closed"; readonly durationMs: number };

export interface StoreOptions {
  /** What an acknowledgement promises. Default "always": it survives power loss. */
  sync?: SyncPolicy;
  /** For `sync: "interval"`: at most this much time is lost. Milliseconds, default 100. */
  syncIntervalMs?: number;
  /** Size of a log segment in bytes, default 16 MiB, at least 64 KiB. */
  segmentBytes?: number;
  /** Triggers of automatic snapshots; `false` = only by call. */
  snapshot?: false | { logBytes?: number; intervalMs?: number };
  /** Triggers of automatic gc; `false` = only by call. */
  gc?: false | { garbageRatio?: number; minBytes?: number };
  /** Piscina threads for snapshots, merges and gc. Default 1. */
  workers?: number;
  blobCompression?: "none" | "balanced" | "compact";
  graphPolicy?: GraphPolicy;
  maxCommitBytes?: number;
  maxQueuedBytes?: number;
  maxResidentBytes?: number;
  receiptsKept?: number;
  lockWaitMs?: number;
  allowNetworkFileSystem?: boolean;
  /** Structured events; one that throws never harms the store. */
  onEvent?: (event: StoreEvent) => void;
  /** For tests and simulation. */
  vfs?: Vfs;
  clock?: Clock;
  /** That many random bytes, for the store's id and the salts of a log without threads. */
  random?: (bytes: number) => Uint8Array;
}

export interface ReadOnlyStore {
  readonly recovery: RecoveryReport;
  session<Event = SessionEvent, Body = Json>(sessionId: string): SessionReader<Event, Body>;
  listSessions(options?: ListOptions): AsyncIterable<SessionPickerInfo>;
  verify(options?: CallOptions): Promise<VerifyReport>;
  /**
   * Takes a newer view: every commit acknowledged before the call. Beside an owner with `sync: "interval"` or
   * `"never"`: every commit that was synced before it.
   */
  refresh(options?: CallOptions): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Store {
  readonly recovery: RecoveryReport;
  /** A handle bound to that session; cheap and synchronous. Throws INVALID_ARGUMENT on a bad id. */
  session<Event = SessionEvent, Body = Json>(sessionId: string): RuntimePersistence<Event, Body>;
  /** By last commit, newest first; sessions without one last. */
  listSessions(options?: ListOptions): AsyncIterable<SessionPickerInfo>;
  /** True when the session is gone for ever; false when the id was never used. */
  deleteSession(sessionId: string): Promise<boolean>;
  /**
   * Resolves when every commit acknowledged before the call is covered by the newest published snapshot. When the
   * signals of all who wait for the running one have fired, it stops, and nothing of it is published.
   */
  snapshot(options?: CallOptions): Promise<void>;
  /** As with a snapshot, signals stop it; what it has published until then stays deleted. */
  gc(options?: CallOptions): Promise<GcReport>;
  verify(options?: CallOptions): Promise<VerifyReport>;
  stats(): StoreStats;
  /** Finishes every call made before it, frees the lock last. Always the same promise. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
