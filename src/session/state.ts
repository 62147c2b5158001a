/**
 * What the store knows of one session. A `SessionState` is an immutable value; states of one session share
 * one `NodeTable`, to which a commit only adds, so that a new state costs what changed and an older state
 * stays readable while newer commits are in flight.
 *
 * 1. Of all states that share a table only the newest may have a successor (`apply` asserts it).
 * 2. A table's entries are never reordered or removed; operations that must do so make a new table.
 * 3. States, heads and pickers that stay in memory are made by `newState`, `newHead` and `newPicker`, not as literals: of a
 *    literal that mostly survives V8 makes the next in its old generation, for as long as the process lives. Sessions
 *    that then come and go would each wait there for a full collection, and keep all they name from the quick ones.
 */
import type { BlobRef, Lsn } from "../ids.ts";
import type { KeptBytes } from "./kept-bytes.ts";
import type { TableEntry } from "./node-entry.ts";
import { NodeTable } from "./node-table.ts";
import type { BlobKind } from "./record.ts";
import { RemovalLog } from "./removals.ts";
import type { PersistedSessionConfig, SessionMeta, TokenLedgerEntry } from "./types.ts";

export interface HeadState {
  readonly revision: number;
  readonly config: PersistedSessionConfig;
  readonly leafNodeId: string | undefined;
  readonly checkpointRef: BlobRef;
  /** Canonical bytes of the checkpoint manifest, where a record brought them; else its blob must be read. */
  readonly manifest: KeptBytes | undefined;
  /** Component refs of the checkpoint, so that gc and carried refs need not read the manifest. */
  readonly refs: CheckpointRefs;
  /** Nodes that are live. */
  readonly nodeCount: number;
}
export interface CheckpointRefs {
  readonly toolState: BlobRef | undefined;
  readonly pluginSnapshot: BlobRef | undefined;
  readonly executionState: BlobRef | undefined;
}

export interface PickerState {
  readonly firstUserMessage: string;
  readonly userMessageCount: number;
}

export const NO_PICKER: PickerState = { firstUserMessage: "", userMessageCount: 0 };

/** What a record says of it: most commits leave the text as it is, and it may be as long as they are. */
export interface PickerChange {
  /** Undefined: as before. */
  readonly firstUserMessage: string | undefined;
  readonly userMessageCount: number;
}

/** The remembered answer of an operation. */
export interface Receipt {
  readonly operationId: string;
  /** SHA-256 of the canonical commit without its operation id. */
  readonly digest: Uint8Array;
  readonly headRevision: number;
  readonly checkpointRef: BlobRef;
  /** Canonical bytes of the checkpoint manifest. */
  readonly manifest: KeptBytes;
}

/** Bytes of memory that a receipt costs beside its id and its manifest, estimated: objects, digest, ref. */
const RECEIPT_BYTES = 400;

/**
 * Receipts of a session, oldest forgotten first. Mutable: only the newest state plans against it.
 * Those of the snapshot are read when the first operation id is looked up.
 */
export class ReceiptTable {
  readonly #kept: number;
  #older: (() => readonly Receipt[]) | undefined;
  /** In the order they were made; Map keeps it. Absent while there is none: most sessions in memory have none. */
  #byOperation: Map<string, Receipt> | undefined;
  /** Bytes of memory of the receipts that are in it, estimated. */
  bytes = 0;

  /** `older` answers the receipts made before this table, oldest first. */
  constructor(kept: number, older?: () => readonly Receipt[]) {
    this.#kept = kept;
    this.#older = older;
  }

  find(operationId: string): Receipt | undefined {
    this.#loadOlder();
    return this.#byOperation?.get(operationId);
  }

  add(receipt: Receipt): void {
    this.#put(receipt);
    this.#forget();
  }

  /** A Map keeps the place of a key that is set again; an id used again counts as new. */
  #put(receipt: Receipt): void {
    this.#delete(receipt.operationId);
    this.#byOperation ??= new Map();
    this.#byOperation.set(receipt.operationId, receipt);
    this.bytes += bytesOf(receipt);
  }

  #delete(operationId: string): void {
    const receipt = this.#byOperation?.get(operationId);
    if (receipt === undefined) return;
    this.#byOperation?.delete(operationId);
    this.bytes -= bytesOf(receipt);
  }

  #loadOlder(): void {
    if (this.#older === undefined) return;
    // Before anything is changed: what cannot be read now must cost none of those made since.
    const older = this.#older();
    const made = this.#byOperation;
    this.#byOperation = undefined;
    this.bytes = 0;
    for (const receipt of older) this.#put(receipt);
    this.#older = undefined;
    if (made !== undefined) for (const receipt of made.values()) this.#put(receipt);
    this.#forget();
  }

  #forget(): void {
    const receipts = this.#byOperation;
    if (receipts === undefined) return;
    for (const oldest of receipts.keys()) {
      if (receipts.size <= this.#kept) return;
      this.#delete(oldest);
    }
  }
}

function bytesOf({ operationId, manifest }: Receipt): number {
  return operationId.length * 2 + manifest.length + RECEIPT_BYTES;
}

export interface SessionState {
  readonly sessionId: string;
  readonly deleted: boolean;
  /** Absent until the first commit. */
  readonly head: HeadState | undefined;
  readonly meta: SessionMeta | undefined;
  readonly picker: PickerState;
  /** Summed by (source, model), in first-seen order, no all-zero rows. */
  readonly ledger: readonly TokenLedgerEntry[];
  readonly nodes: NodeTable;
  /** Entries of `nodes` that belong to this state. */
  readonly length: number;
  /** Tombstoned entries among them. */
  readonly hiddenCount: number;
  readonly receipts: ReceiptTable;
  readonly removals: RemovalLog;
  /** Removals of `removals` that this state has seen. */
  readonly removalCount: number;
  /** Counts the states of this session in memory; decides what `hiddenAt` means. */
  readonly ordinal: number;
  /** LSN of the last commit (not meta, tombstone …); orders listings. 0 = none. */
  readonly lastCommitLsn: Lsn;
  /** LSN of the last record applied. */
  readonly lastLsn: Lsn;
}

/** A session of which nothing is stored. */
export function emptySession(sessionId: string, receiptsKept: number): SessionState {
  return {
    sessionId,
    deleted: false,
    head: undefined,
    meta: undefined,
    picker: NO_PICKER,
    ledger: [],
    nodes: new NodeTable(),
    length: 0,
    hiddenCount: 0,
    receipts: new ReceiptTable(receiptsKept),
    removals: new RemovalLog(),
    removalCount: 0,
    ordinal: 0,
    lastCommitLsn: 0,
    lastLsn: 0,
  };
}

/** Whether anything was ever stored under this id. */
export function isUsed(state: SessionState): boolean {
  return state.deleted || state.head !== undefined || state.meta !== undefined;
}

export function isLive(state: SessionState, slot: number): boolean {
  const entry = state.nodes.entries[slot];
  return slot < state.length && entry !== undefined && entry.hiddenAt > state.ordinal;
}

/** The entry of a live node of this state. */
export function liveEntry(state: SessionState, nodeId: string): TableEntry | undefined {
  const slot = state.nodes.slots.get(nodeId);
  return slot !== undefined && isLive(state, slot) ? state.nodes.entries[slot] : undefined;
}

/** Live entries in insertion order, from a slot on. */
export function* liveEntries(state: SessionState, start = 0): Generator<TableEntry> {
  for (let slot = start; slot < state.length; slot++) {
    const entry = state.nodes.entries[slot];
    if (entry !== undefined && entry.hiddenAt > state.ordinal) yield entry;
  }
}

/** What a blob is that the head names: it exists, and no look-up is needed. */
export function componentKind(state: SessionState, ref: BlobRef): BlobKind | undefined {
  const refs = state.head?.refs;
  if (refs === undefined) return undefined;
  if (ref === refs.toolState) return "toolState";
  if (ref === refs.pluginSnapshot) return "pluginSnapshot";
  return ref === refs.executionState ? "executionState" : undefined;
}

type Writable<Fields> = { -readonly [Key in keyof Fields]: Fields[Key] };

/** A constructor of plain objects. */
function plain<Fields extends object>(
  construct: (this: Writable<Fields>, fields: Fields) => void,
): new (
  fields: Fields,
) => Fields {
  construct.prototype = Object.prototype;
  return construct as unknown as new (
    fields: Fields,
  ) => Fields;
}

const State = plain<SessionState>(function (fields) {
  this.sessionId = fields.sessionId;
  this.deleted = fields.deleted;
  this.head = fields.head;
  this.meta = fields.meta;
  this.picker = fields.picker;
  this.ledger = fields.ledger;
  this.nodes = fields.nodes;
  this.length = fields.length;
  this.hiddenCount = fields.hiddenCount;
  this.receipts = fields.receipts;
  this.removals = fields.removals;
  this.removalCount = fields.removalCount;
  this.ordinal = fields.ordinal;
  this.lastCommitLsn = fields.lastCommitLsn;
  this.lastLsn = fields.lastLsn;
});
const Head = plain<HeadState>(function (fields) {
  this.revision = fields.revision;
  this.config = fields.config;
  this.leafNodeId = fields.leafNodeId;
  this.checkpointRef = fields.checkpointRef;
  this.manifest = fields.manifest;
  this.refs = fields.refs;
  this.nodeCount = fields.nodeCount;
});
const Picker = plain<PickerState>(function (fields) {
  this.firstUserMessage = fields.firstUserMessage;
  this.userMessageCount = fields.userMessageCount;
});

/** The same as an object of its own, always of the young generation. */
export function newState(fields: SessionState): SessionState {
  return new State(fields);
}
export function newHead(fields: HeadState): HeadState {
  return new Head(fields);
}
export function newPicker(firstUserMessage: string, userMessageCount: number): PickerState {
  return new Picker({ firstUserMessage, userMessageCount });
}
