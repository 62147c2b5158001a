/**
 * A stored head: all that is needed to go on with a session without its log. Small whatever the session's
 * length, because nodes and receipts lie in pages. `head-state.ts` is the way back into memory.
 */
import { type Lsn, refFromBytes, refToBytes } from "../ids.ts";
import { MsgpackReader } from "../msgpack-reader.ts";
import { MsgpackWriter } from "../msgpack-writer.ts";
import { KeptBytes } from "../session/kept-bytes.ts";
import { LIVE, type NodeEntry } from "../session/node-entry.ts";
import {
  asArray,
  asBytes,
  asNumber,
  asText,
  configFromWire,
  metaFromWire,
  nodeFromWire,
  usageFromWire,
} from "../session/record.ts";
import { expectItems, readOptionalRef, readOptionalText, readRef } from "../session/record-reader.ts";
import { writeConfig, writeOptional, writeRef, writeText, writeUsage } from "../session/record-writer.ts";
import type { Removal } from "../session/removals.ts";
import {
  type HeadState,
  NO_PICKER,
  newHead,
  newPicker,
  type PickerState,
  type Receipt,
} from "../session/state.ts";
import type { SessionMeta, TokenLedgerEntry } from "../session/types.ts";
import { type Forest, readForest, writeForest } from "./pages.ts";

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
  /** All of the nodes but their bodies (`outline.ts`), as long as they are few. */
  readonly outline: Uint8Array | undefined;
  /** The ids of the nodes (`id-index.ts`), once they are many. */
  readonly index: IdIndex | undefined;
}

/** Hashes of the ids of all nodes, eight bytes each, in the order of the nodes: those in the pages, then the newest. */
export interface IdIndex {
  /** Whether every parent that a node names is a node. Of others there is no hash here. */
  readonly isClosed: boolean;
  readonly pages: Forest;
  readonly newest: Uint8Array;
}

const LAYOUT = 4;
/** Still written where there is no index. */
const LAYOUT_WITHOUT_INDEX = 3;
const LAYOUT_WITHOUT_OUTLINE = 2;
/** Written before removals were: nobody knows what a copy of its revision still shows. */
const LAYOUT_WITHOUT_REMOVALS = 1;
/** By layout. */
const ITEMS: Readonly<Record<number, number>> = {
  [LAYOUT]: 15,
  [LAYOUT_WITHOUT_INDEX]: 14,
  [LAYOUT_WITHOUT_OUTLINE]: 13,
  [LAYOUT_WITHOUT_REMOVALS]: 11,
};
const HEAD_STATE_ITEMS = 8;
const INDEX_ITEMS = 3;

const writer = new MsgpackWriter("reused");

/** The result shares a buffer with those made before and after it: a fold keeps all of them until they are written. */
export function encodeHead(head: StoredHead): Uint8Array {
  const to = writer;
  to.begin();
  const layout = head.index === undefined ? LAYOUT_WITHOUT_INDEX : LAYOUT;
  to.array(ITEMS[layout] as number);
  to.integer(layout);
  to.boolean(head.deleted);
  if (head.head === undefined) to.nil();
  else writeHeadState(to, head.head);
  if (head.meta === undefined) to.nil();
  else writeMeta(to, head.meta);
  to.array(2);
  writeText(to, head.picker.firstUserMessage);
  to.integer(head.picker.userMessageCount);
  to.array(head.ledger.length);
  for (const entry of head.ledger) writeUsage(to, entry);
  to.integer(head.lastCommitLsn);
  to.integer(head.lastLsn);
  to.integer(head.hiddenCount);
  writeForest(to, head.nodes);
  writeForest(to, head.receipts);
  writeForest(to, head.removals);
  to.integer(head.oldestCopy);
  if (head.outline === undefined) to.nil();
  else to.binary(head.outline);
  if (head.index !== undefined) writeIndex(to, head.index);
  return Buffer.from(to.end());
}

/** Throws a plain Error on anything else; the caller says where. */
export function decodeHead(sessionId: string, bytes: Uint8Array): StoredHead {
  const from = new MsgpackReader(bytes);
  const items = from.array();
  const layout = asNumber(from.value(), "layout of a head");
  const expected = ITEMS[layout];
  if (expected === undefined) throw new Error(`unknown head layout ${layout}`);
  if (items !== expected) throw new Error(`a head of layout ${layout} has ${items} items`);
  const deleted = from.value() === true;
  const head = from.nil() ? undefined : readHeadState(from);
  const lacksRemovals = layout === LAYOUT_WITHOUT_REMOVALS;
  // Properties are made in the order of the bytes.
  const stored: StoredHead = {
    sessionId,
    deleted,
    head,
    meta: from.nil() ? undefined : metaFromWire(sessionId, from.value()),
    picker: readPicker(from),
    ledger: readLedger(from),
    lastCommitLsn: asNumber(from.value(), "last commit LSN"),
    lastLsn: asNumber(from.value(), "last LSN"),
    hiddenCount: asNumber(from.value(), "hidden count"),
    nodes: readForest(from),
    receipts: readForest(from),
    removals: lacksRemovals ? [] : readForest(from),
    oldestCopy: lacksRemovals ? oldestCopyOf(head) : asNumber(from.value(), "oldest copy"),
    outline: layout >= LAYOUT_WITHOUT_INDEX ? readOutline(from) : undefined,
    index: layout === LAYOUT ? readIndex(from) : undefined,
  };
  from.finish();
  return stored;
}

function readPicker(from: MsgpackReader): PickerState {
  if (from.nil()) return NO_PICKER;
  expectItems(from, 2, "picker");
  return newPicker(asText(from.value(), "first message"), asNumber(from.value(), "count"));
}

function readLedger(from: MsgpackReader): TokenLedgerEntry[] {
  const ledger: TokenLedgerEntry[] = [];
  for (let left = from.array("ledger"); left > 0; left--) ledger.push(usageFromWire(from.value()));
  return ledger;
}

/** The head's own: what it is decoded from may be read over. */
function readOutline(from: MsgpackReader): Uint8Array | undefined {
  return from.nil() ? undefined : Buffer.from(from.view("outline"));
}

function writeIndex(to: MsgpackWriter, { isClosed, pages, newest }: IdIndex): void {
  to.array(INDEX_ITEMS);
  to.boolean(isClosed);
  writeForest(to, pages);
  to.binary(newest);
}
function readIndex(from: MsgpackReader): IdIndex {
  expectItems(from, INDEX_ITEMS, "index of ids");
  return {
    isClosed: from.value() === true,
    pages: readForest(from),
    newest: Buffer.from(from.view("newest ids")),
  };
}

/** Of a session whose removals so far are lost: a copy of the newest revision may show what was hidden in it. */
export function oldestCopyOf(head: HeadState | undefined): number {
  return head === undefined ? 0 : head.revision + 1;
}

/** Everything of a head that lies in pages. */
export function pagedIn({ nodes, receipts, removals, index }: StoredHead): Forest {
  return [...nodes, ...receipts, ...removals, ...(index?.pages ?? [])];
}

function writeHeadState(to: MsgpackWriter, head: HeadState): void {
  to.array(HEAD_STATE_ITEMS);
  to.integer(head.revision);
  writeConfig(to, head.config);
  writeOptional(to, head.leafNodeId);
  to.hexBinary(head.checkpointRef);
  writeRef(to, head.refs.toolState);
  writeRef(to, head.refs.pluginSnapshot);
  writeRef(to, head.refs.executionState);
  to.integer(head.nodeCount);
}
function readHeadState(from: MsgpackReader): HeadState {
  expectItems(from, HEAD_STATE_ITEMS, "head state");
  return newHead({
    revision: asNumber(from.value(), "revision"),
    config: configFromWire(from.value()),
    leafNodeId: readOptionalText(from, "leaf"),
    checkpointRef: readRef(from, "checkpoint"),
    manifest: undefined,
    refs: {
      toolState: readOptionalRef(from),
      pluginSnapshot: readOptionalRef(from),
      executionState: readOptionalRef(from),
    },
    nodeCount: asNumber(from.value(), "node count"),
  });
}

function writeMeta(to: MsgpackWriter, meta: SessionMeta): void {
  to.array(5);
  writeText(to, meta.sessionName);
  writeText(to, meta.createdAt);
  writeText(to, meta.model);
  writeOptional(to, meta.cwd);
  writeOptional(to, meta.parentSessionId);
}

/** Bit of a stored node's flags: it is tombstoned. The flags of `record.ts` lie below. */
const HIDDEN = 128;

/** `[id, parent, flags, body, revision]`; a parent that is none is `null`. */
export type NodeItem = readonly [string, string | null, number, Uint8Array, number];

export function nodeItem({ id, parent, flags, body, revision }: NodeEntry, isHidden: boolean): NodeItem {
  return [id, parent ?? null, isHidden ? flags | HIDDEN : flags, body, revision];
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
    receipt.manifest.bytes,
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
    manifest: new KeptBytes(asBytes(wire[4], "manifest")),
  };
}
