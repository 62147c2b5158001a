/**
 * The read side of a store: sessions and blobs from the newest snapshot and the tail of the log. The store
 * and the read-only view share it. It caches nothing; who keeps what in memory is the registry's business.
 */
import { sha256Hex } from "../checksum.ts";
import { decodeValue } from "../codec.ts";
import { isStoreError, type StoreError, storeError } from "../errors.ts";
import type { BlobRef } from "../ids.ts";
import {
  LOAD_STEP_BYTES,
  MAX_LOADS_BEGUN_ANEW,
  MAX_NEWEST_INDEX_BYTES,
  MAX_NEWEST_PAGE_BYTES,
  MAX_NEWEST_RECORDS,
} from "../limits.ts";
import { apply } from "../session/apply.ts";
import { applyToFigures, type HeadFigures, NO_FIGURES } from "../session/head-meta.ts";
import { NodeChanges } from "../session/node-changes.ts";
import { BodiesShed } from "../session/node-entry.ts";
import type { GraphRead } from "../session/read.ts";
import type { BlobKind, LogRecord, SessionRecord } from "../session/record.ts";
import { emptySession, type HeadState, type SessionState } from "../session/state.ts";
import type {
  HydratedSessionCheckpoint,
  PluginSessionSnapshot,
  SessionCheckpoint,
  ToolState,
} from "../session/types.ts";
import type { StoredHead } from "../snapshot/head.ts";
import { type OlderOptions, stateFromOutline } from "../snapshot/head-state.ts";
import { readNewestPath } from "../snapshot/newest-nodes.ts";
import { ofSession, type SnapshotView } from "../snapshot/view.ts";
import { runThrough, type Steps } from "../steps.ts";
import { LogRecords, type LogRecordsParts, type RecordPlace } from "./log-records.ts";
import type { BlobTail, Tail } from "./tail.ts";

export interface SourceParts extends LogRecordsParts {
  /** The newest published snapshot; changes at every publication. */
  readonly view: () => SnapshotView;
  readonly tail: Tail;
  readonly receiptsKept: number;
  /** Blobs a gc has condemned: they may still lie in packs, but are gone. */
  readonly isCondemned: (ref: BlobRef) => boolean;
}

const NOTHING_STORED = { nodes: [], index: undefined };

export interface NewestRead {
  readonly figures: HeadFigures;
  readonly read: GraphRead;
}

export class Source {
  readonly #parts: SourceParts;
  readonly #records: LogRecords;
  readonly #older: OlderOptions;

  constructor(parts: SourceParts) {
    this.#parts = parts;
    this.#records = new LogRecords(parts);
    this.#older = {
      receiptsKept: parts.receiptsKept,
      olderReceipts: (sessionId) => this.readFor(sessionId, () => this.view.receipts(sessionId)),
      olderRemovals: (sessionId) => this.readFor(sessionId, () => this.view.removals(sessionId)),
    };
  }

  get view(): SnapshotView {
    return this.#parts.view();
  }
  get tail(): Tail {
    return this.#parts.tail;
  }

  /**
   * Reads something of a session. Damage that it meets is told with its id, wherever it lies; and so is what
   * makes no sense although every checksum is right.
   */
  readFor<Value>(sessionId: string, read: () => Value): Value {
    try {
      return read();
    } catch (error) {
      throw this.#toldOf(sessionId, error);
    }
  }

  /** As `readFor`, in steps. */
  *readInStepsFor<Value>(sessionId: string, steps: Steps<Value>): Steps<Value> {
    try {
      return yield* steps;
    } catch (error) {
      throw this.#toldOf(sessionId, error);
    }
  }

  #toldOf(sessionId: string, error: unknown): StoreError {
    if (isStoreError(error)) {
      const isUntold = error.code === "CORRUPT" && error.sessionId === undefined;
      return isUntold ? ofSession(error, sessionId) : error;
    }
    const { root } = this.view;
    const problem = `a value of session "${sessionId}" makes no sense: ${(error as Error).message}`;
    return storeError("CORRUPT", { file: root, sessionId }, `${root}: ${problem}`, error);
  }

  /** The durable state of a session: its head and pages, then its records beyond the snapshot. */
  load(sessionId: string): SessionState {
    return runThrough(this.loadInSteps(sessionId));
  }

  /**
   * As `load`, in bounded steps; nothing of the session may be written meanwhile. A snapshot that is published
   * between two steps may take the session's records out of the log, into pages of its own: then it begins anew.
   * "outlined": of a small session bodies may be missing as if they were shed, and no page is read for it.
   */
  loadInSteps(sessionId: string, nodes: "all" | "outlined" = "all"): Steps<SessionState> {
    return this.readInStepsFor(sessionId, this.#loadAnew(sessionId, nodes));
  }

  /**
   * What `loadInSteps` answers of "outlined" where that takes one step and no page: of a session that the log has no record of,
   * and that is new, or small. Undefined of any other.
   */
  loadAtOnce(sessionId: string): SessionState | undefined {
    if (this.tail.has(sessionId)) return undefined;
    return this.readFor(sessionId, () => {
      const stored = this.view.head(sessionId);
      if (stored === undefined) return emptySession(sessionId, this.#parts.receiptsKept);
      return stateFromOutline(stored, this.#older);
    });
  }

  *#loadAnew(sessionId: string, nodes: "all" | "outlined"): Steps<SessionState> {
    let which = nodes;
    for (let attempt = 0; ; attempt++) {
      const load = this.#loadFrom(this.view, sessionId, which);
      try {
        const state = attempt < MAX_LOADS_BEGUN_ANEW ? yield* load : runThrough(load);
        if (state !== undefined) return state;
      } catch (error) {
        // A record behind the snapshot needs bodies (it replaces the graph, or removes the first message).
        if (!(error instanceof BodiesShed) || which === "all") throw error;
        which = "all";
      }
    }
  }

  /** Nothing if records were taken out of the log before they were read. */
  *#loadFrom(
    view: SnapshotView,
    sessionId: string,
    nodes: "all" | "outlined",
  ): Steps<SessionState | undefined> {
    const { receiptsKept, tail } = this.#parts;
    const positions: RecordPlace[] = [];
    tail.forEachRecord(sessionId, (lsn, segment, offset) => positions.push({ lsn, segment, offset }));
    view.retain();
    try {
      const stored = yield* view.loadStateInSteps(sessionId, { ...this.#older, nodes });
      let state = stored ?? emptySession(sessionId, receiptsKept);
      let bytes = 0;
      for (const place of positions) {
        if (place.lsn <= state.lastLsn) continue;
        if (bytes >= LOAD_STEP_BYTES) {
          yield;
          bytes = 0;
        }
        if (this.view !== view) return undefined;
        state = this.#records.applyAt(sessionId, place, (record, size) => {
          bytes += size;
          return apply(state, record, place.lsn);
        });
      }
      return state;
    } finally {
      view.release();
    }
  }

  /** The durable figures of a session's head: its stored head and its records beyond it, but no page. */
  headFigures(sessionId: string): HeadFigures {
    return this.readFor(sessionId, () => this.#figuresAfter(sessionId, this.view.head(sessionId)));
  }

  /** The newest nodes of a path, of no loaded state; `undefined` if that would read too much, or does not tell. */
  newestOfPath(sessionId: string, path: { leafNodeId?: string; limit: number }): NewestRead | undefined {
    if (this.tail.countRecords(sessionId) > MAX_NEWEST_RECORDS) return undefined;
    return this.readFor(sessionId, () => {
      const stored = this.view.head(sessionId);
      const changes = new NodeChanges();
      const figures = this.#figuresAfter(sessionId, stored, (record) => changes.apply(record));
      if (!changes.isKnown) return undefined;
      const leafNodeId = path.leafNodeId ?? figures.head?.leafNodeId;
      const allowed = { maxBytes: MAX_NEWEST_PAGE_BYTES, maxIndexBytes: MAX_NEWEST_INDEX_BYTES };
      const options = { leafNodeId, limit: path.limit, ...allowed };
      const read = this.view.withPages(sessionId, (store) =>
        readNewestPath(stored ?? NOTHING_STORED, store, changes, options),
      );
      return read && { figures, read };
    });
  }

  #figuresAfter(
    sessionId: string,
    stored: StoredHead | undefined,
    onRecord?: (record: SessionRecord) => void,
  ): HeadFigures {
    let figures: HeadFigures = stored ?? NO_FIGURES;
    this.tail.forEachRecord(sessionId, (lsn, segment, offset) => {
      if (lsn <= (stored?.lastLsn ?? 0)) return;
      figures = this.#records.applyAt(sessionId, { lsn, segment, offset }, (record) => {
        onRecord?.(record);
        return applyToFigures(figures, record);
      });
    });
    return figures;
  }

  /** A record of the log; CORRUPT with file and offset when it cannot be decoded. */
  record(segment: number, offset: number): LogRecord {
    return this.#records.read(segment, offset);
  }

  /** Whether a blob can be read, and as what. A condemned one cannot, unless the log has it anew. */
  blobKind(ref: BlobRef): BlobKind | undefined {
    const inTail = this.#parts.tail.blob(ref);
    if (inTail !== undefined) return inTail.kind;
    if (this.#parts.isCondemned(ref)) return undefined;
    const kind = this.view.blobInfo(ref)?.kind;
    return kind === "page" ? undefined : kind;
  }

  /** The damage behind which a blob may lie that `blobKind` does not know. */
  damageHiding(ref: BlobRef, sessionId: string): StoreError | undefined {
    const damage = this.#parts.isCondemned(ref) ? undefined : this.view.damageHiding(ref);
    return damage === undefined ? undefined : ofSession(damage, sessionId);
  }

  /** Canonical bytes of a blob, verified against its ref; undefined if it is nowhere. */
  readBlob(ref: BlobRef): Uint8Array | undefined {
    const inTail = this.#parts.tail.blob(ref);
    return inTail === undefined ? this.view.readBlob(ref) : this.#readFromTail(ref, inTail);
  }

  #readFromTail(ref: BlobRef, blob: BlobTail): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(blob.size);
    const { positions } = blob;
    for (let i = 0; i + 1 < positions.length; i += 2) {
      const segment = positions[i] as number;
      const offset = positions[i + 1] as number;
      const record = this.#records.read(segment, offset);
      if (record.kind !== "blob" || record.ref !== ref)
        throw this.#records.corrupt(segment, offset, `is not a part of blob ${ref}`);
      bytes.set(record.data, record.at);
    }
    if (sha256Hex(bytes) !== ref) {
      throw this.#records.corrupt(positions[0] ?? 0, positions[1] ?? 0, `blob ${ref} fails its hash`);
    }
    return bytes;
  }

  /**
   * The checkpoint of a head with its values. A missing blob is BLOB_MISSING, never an absent value; one that
   * lies behind damage is CORRUPT.
   */
  hydrate(sessionId: string, head: HeadState): HydratedSessionCheckpoint {
    return this.readFor(sessionId, () => {
      const manifest = head.manifest?.bytes ?? this.#need(head.checkpointRef, "manifest", sessionId);
      // Everything below was checked when it was accepted and is verified by hash: decoded edges.
      const checkpoint: HydratedSessionCheckpoint = decodeValue(manifest) as SessionCheckpoint;
      const { toolState, pluginSnapshot, executionState } = head.refs;
      if (toolState !== undefined) {
        checkpoint.toolState = decodeValue(this.#need(toolState, "toolState", sessionId)) as ToolState;
      }
      if (pluginSnapshot !== undefined) {
        checkpoint.pluginSnapshot = decodeValue(
          this.#need(pluginSnapshot, "pluginSnapshot", sessionId),
        ) as PluginSessionSnapshot;
      }
      if (executionState !== undefined) {
        checkpoint.executionState = decodeValue(
          this.#need(executionState, "executionState", sessionId),
        ) as Uint8Array;
      }
      return checkpoint;
    });
  }

  #need(ref: BlobRef, component: BlobKind, sessionId: string): Uint8Array {
    const bytes = this.readBlob(ref);
    if (bytes !== undefined) return bytes;
    throw storeError(
      "BLOB_MISSING",
      { ref, component, sessionId },
      `the ${component} of session "${sessionId}" (blob ${ref}) is missing from the store`,
    );
  }
}
