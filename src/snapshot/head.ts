/**
 * A stored head: all that is needed to go on with a session without its log. Small whatever the session's
 * length, because nodes and receipts lie in pages. `head-state.ts` is the way back into memory.
 */
import { packTransient } from "../codec.ts";
import { type BlobRef, type Lsn, refFromBytes, refToBytes } from "../ids.ts";
import { MsgpackReader } from "../msgpack-reader.ts";
import { LIVE, type NodeEntry } from "../session/node-table.ts";
import {
  asArray,
  asBytes,
  asNumber,
  asText,
  configFromWire,
  configToWire,
  metaFromWire,
  metaToWire,
  nodeFromWire,
  nodeToWire,
  optionalRef,
  pickerFromWire,
  pickerToWire,
  usageFromWire,
  usageToWire,
} from "../session/record.ts";
import type { Removal } from "../session/removals.ts";
import type { HeadState, PickerState, Receipt } from "../session/state.ts";
import type { SessionMeta, TokenLedgerEntry } from "../session/types.ts";
import { type Forest, forestToWire, readForest } from "./pages.ts";

export interface StoredHead {
  readonly sessionId: string;
  readonly deleted: boolean;
  /** `manifest` is never here: the checkpoint manifest is a blob. */
  readonly head: HeadState | undefined;
  readonly meta: SessionMeta | undefined;
  readonly picker: PickerState;
  readonly ledger: readonly TokenLedgerEntry[];
  readonly lastCommitLsn: Lsn;
  readonly lastLsn: Lsn;
  /** Tombstoned nodes among those in `nodes`. */
  readonly hiddenCount: number;
  readonly nodes: Forest;
  readonly receipts: Forest;
  readonly removals: Forest;
  /** The oldest revision since which the removals are all there. */
  readonly oldestCopy: number;
}

const LAYOUT = 2;
/** Written before removals were: nobody knows what a copy of its revision still shows. */
const LAYOUT_WITHOUT_REMOVALS = 1;
const ITEMS = 13;
const ITEMS_WITHOUT_REMOVALS = 11;

/** The result shares a buffer with those made before and after it: a fold keeps all of them until they are written. */
export function encodeHead(head: StoredHead): Uint8Array {
  const wire = packTransient([
    LAYOUT,
    head.deleted,
    head.head === undefined ? null : headStateToWire(head.head),
    head.meta === undefined ? null : metaToWire(head.meta),
    pickerToWire(head.picker),
    head.ledger.map(usageToWire),
    head.lastCommitLsn,
    head.lastLsn,
    head.hiddenCount,
    forestToWire(head.nodes),
    forestToWire(head.receipts),
    forestToWire(head.removals),
    head.oldestCopy,
  ]);
  return Buffer.from(wire);
}

/** Throws a plain Error on anything else; the caller says where. */
export function decodeHead(sessionId: string, bytes: Uint8Array): StoredHead {
  const from = new MsgpackReader(bytes);
  const items = from.array();
  const layout = from.value();
  if (layout !== LAYOUT && layout !== LAYOUT_WITHOUT_REMOVALS)
    throw new Error(`unknown head layout ${String(layout)}`);
  if (items !== (layout === LAYOUT ? ITEMS : ITEMS_WITHOUT_REMOVALS))
    throw new Error(`a head of layout ${layout} has ${items} items`);
  const deleted = from.value() === true;
  const head = from.nil() ? undefined : readHeadState(from);
  // Properties are made in the order of the bytes.
  const stored: StoredHead = {
    sessionId,
    deleted,
    head,
    meta: from.nil() ? undefined : metaFromWire(sessionId, from.value()),
    picker: pickerFromWire(from.value()) ?? { firstUserMessage: "", userMessageCount: 0 },
    ledger: asArray(from.value(), "ledger").map(usageFromWire),
    lastCommitLsn: asNumber(from.value(), "last commit LSN"),
    lastLsn: asNumber(from.value(), "last LSN"),
    hiddenCount: asNumber(from.value(), "hidden count"),
    nodes: readForest(from),
    receipts: readForest(from),
    ...(layout === LAYOUT
      ? { removals: readForest(from), oldestCopy: asNumber(from.value(), "oldest copy") }
      : { removals: [], oldestCopy: oldestCopyOf(head) }),
  };
  from.finish();
  return stored;
}

/** Of a session whose removals so far are lost: a copy of the newest revision may show what was hidden in it. */
export function oldestCopyOf(head: HeadState | undefined): number {
  return head === undefined ? 0 : head.revision + 1;
}

/** Everything of a head that lies in pages. */
export function pagedIn({ nodes, receipts, removals }: StoredHead): Forest {
  return [...nodes, ...receipts, ...removals];
}

function headStateToWire(head: HeadState): unknown[] {
  return [
    head.revision,
    configToWire(head.config),
    head.leafNodeId ?? null,
    refToBytes(head.checkpointRef),
    optionalRef(head.refs.toolState),
    optionalRef(head.refs.pluginSnapshot),
    optionalRef(head.refs.executionState),
    head.nodeCount,
  ];
}
function readHeadState(from: MsgpackReader): HeadState {
  const fields = from.array();
  if (fields !== 8) throw new Error(`a head state has ${fields} fields`);
  return {
    revision: asNumber(from.value(), "revision"),
    config: configFromWire(from.value()),
    leafNodeId: from.nil() ? undefined : asText(from.value(), "leaf"),
    checkpointRef: from.hex() as BlobRef,
    manifest: undefined,
    refs: {
      toolState: readRef(from),
      pluginSnapshot: readRef(from),
      executionState: readRef(from),
    },
    nodeCount: asNumber(from.value(), "node count"),
  };
}
function readRef(from: MsgpackReader): BlobRef | undefined {
  return from.nil() ? undefined : (from.hex() as BlobRef);
}

/** Bit of a stored node's flags: it is tombstoned. The flags of `record.ts` lie below. */
const HIDDEN = 128;

export function nodeItem(entry: NodeEntry, isHidden: boolean): unknown[] {
  const { id, parent, body, revision } = entry;
  return [
    ...nodeToWire({ id, parent, flags: isHidden ? entry.flags | HIDDEN : entry.flags, body }),
    revision,
  ];
}
export function nodeItemSize(item: unknown): number {
  const [id, parent, , body] = item as [string, string | null, number, Uint8Array];
  return id.length + (parent?.length ?? 0) + body.length + 10;
}
export function entryFromItem(item: unknown): NodeEntry {
  const node = nodeFromWire(item);
  const [, , , , revision = 0] = item as readonly unknown[];
  return { ...node, ...flagsFromItem(node.flags), revision: asNumber(revision, "revision of a node") };
}
export function flagsFromItem(flags: number): Pick<NodeEntry, "flags" | "hiddenAt"> {
  return { flags: flags & ~HIDDEN, hiddenAt: (flags & HIDDEN) !== 0 ? 0 : LIVE };
}
export function removalItem({ id, from, to }: Removal): unknown[] {
  return [id, from, to];
}
export function removalItemSize(item: unknown): number {
  const [id] = item as [string, number, number];
  return id.length + 8;
}
export function removalFromItem(item: unknown): Removal {
  const wire = asArray(item, "removal");
  return {
    id: asText(wire[0], "node id"),
    from: asNumber(wire[1], "first revision"),
    to: asNumber(wire[2], "last revision"),
  };
}

export function receiptItem(receipt: Receipt): unknown[] {
  return [
    receipt.operationId,
    receipt.digest,
    receipt.headRevision,
    refToBytes(receipt.checkpointRef),
    receipt.manifest,
  ];
}
export function receiptItemSize(item: unknown): number {
  const [operationId, , , , manifest] = item as [string, Uint8Array, number, Uint8Array, Uint8Array];
  return operationId.length + manifest.length + 80;
}
export function receiptFromItem(item: unknown): Receipt {
  const wire = asArray(item, "receipt");
  return {
    operationId: asText(wire[0], "operation id"),
    digest: asBytes(wire[1], "digest"),
    headRevision: asNumber(wire[2], "revision"),
    checkpointRef: refFromBytes(asBytes(wire[3], "checkpoint")),
    manifest: asBytes(wire[4], "manifest"),
  };
}
