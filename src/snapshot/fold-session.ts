/**
 * One session in a fold: its old head and its new records give its new head and new pages.
 *
 * 1. Records that only append never read the old pages; the new nodes become pages behind them. Only where a long session
 *    has no index of its ids yet are all of them read, once.
 * 2. A tombstone, vacuum or replacement reads them all; pages in front of the first change are kept as they are.
 */
import { assert } from "../assert.ts";
import { isStoreError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import { MAX_REMOVALS_KEPT } from "../limits.ts";
import { apply } from "../session/apply.ts";
import type { NodeEntry } from "../session/node-entry.ts";
import { NodeTable } from "../session/node-table.ts";
import type { SessionRecord } from "../session/record.ts";
import type { RemovalLog } from "../session/removals.ts";
import { emptySession, isLive, NO_PICKER, type Receipt, type SessionState } from "../session/state.ts";
import { corruptFile } from "./block-file.ts";
import {
  type NodeItem,
  nodeItem,
  nodeItemSize,
  pagedIn,
  receiptItem,
  receiptItemSize,
  removalFromItem,
  removalItem,
  removalItemSize,
  type StoredHead,
} from "./head.ts";
import { NO_OLDER, stateFromHead, stateWithoutNodes } from "./head-state.ts";
import { extendIndex, makeIndex } from "./id-index.ts";
import { EMPTY_OUTLINE, extendOutline } from "./outline.ts";
import {
  appendItems,
  countItems,
  type Forest,
  type PageRef,
  type PageStore,
  pagesOf,
  readItems,
  replaceItems,
} from "./pages.ts";

/** A record with where it lies, for messages. */
export interface PlacedRecord {
  readonly lsn: Lsn;
  readonly record: SessionRecord;
  readonly file: string;
  readonly offset: number;
}

export interface FoldSessionOptions {
  readonly sessionId: string;
  readonly receiptsKept: number;
  readonly store: PageStore;
}

export function foldSession(
  before: StoredHead | undefined,
  records: Iterable<PlacedRecord>,
  options: FoldSessionOptions,
): StoredHead {
  const { sessionId, store } = options;
  const replayed = replay(before, records, "appends", options) ?? replay(before, records, "all", options);
  assert(replayed !== undefined, "any record can be applied to a session with all of its nodes");
  const { start, state, onlyAppends } = replayed;
  if (state.deleted) return deletedHead(state, before, store);
  const oldNodes = before?.nodes ?? [];
  const items = itemsOf(state);
  const nodes = onlyAppends
    ? appendItems(oldNodes, items, nodeItemSize, store)
    : replaceItems(oldNodes, items, unchangedPrefix(state, start), nodeItemSize, store);
  const outline = onlyAppends && oldNodes.length > 0 ? before?.outline : EMPTY_OUTLINE;
  const index =
    onlyAppends && before?.index !== undefined
      ? extendIndex(before.index, items, store)
      : makeIndex(before?.index, nodes, onlyAppends ? readItems(nodes, store) : items, store);
  return {
    sessionId,
    deleted: false,
    head: onlyAppends ? withStoredNodes(state, before) : state.head,
    meta: state.meta,
    picker: state.picker,
    ledger: state.ledger,
    lastCommitLsn: state.lastCommitLsn,
    lastLsn: state.lastLsn,
    hiddenCount: onlyAppends ? (before?.hiddenCount ?? 0) : state.hiddenCount,
    nodes,
    outline: extendOutline(outline, items),
    index,
    receipts: foldReceipts(before?.receipts ?? [], replayed.receipts, options),
    ...foldRemovals(before?.removals ?? [], state.removals, store),
  };
}

/** What records made of a session. */
interface Replayed {
  readonly state: SessionState;
  /** Of the state before them, its nodes as they were. */
  readonly start: { readonly entries: readonly NodeEntry[]; readonly wasHidden: readonly boolean[] };
  readonly onlyAppends: boolean;
  /** New ones, as items of pages. */
  readonly receipts: readonly unknown[];
}

/** Applies records one by one, onto the stored nodes or, for appends alone, without: undefined where that does not do. */
function replay(
  before: StoredHead | undefined,
  records: Iterable<PlacedRecord>,
  how: "appends" | "all",
  { sessionId, receiptsKept, store }: FoldSessionOptions,
): Replayed | undefined {
  const onlyAppends = how === "appends";
  // Applying only adds receipts and removals; it looks none up.
  const older = { ...NO_OLDER, receiptsKept };
  let state =
    before === undefined
      ? { ...emptySession(sessionId, receiptsKept), nodes: new NodeTable("borrowed") }
      : onlyAppends
        ? stateWithoutNodes(before, older)
        : stateFromHead(before, store, { ...older, nodes: "all" });
  const entries = [...state.nodes.entries];
  const start = { entries, wasHidden: entries.map((_, slot) => !isLive(state, slot)) };
  const { lastLsn } = state;
  const receipts: unknown[] = [];
  for (const placed of records) {
    if (placed.lsn <= lastLsn) continue;
    if (onlyAppends && !isAppend(placed.record)) return undefined;
    state = applyPlaced(state, placed);
    const receipt = receiptOf(placed.record, state);
    if (receipt !== undefined) receipts.push(receiptItem(receipt));
  }
  return { state, start, onlyAppends, receipts };
}

function receiptOf(record: SessionRecord, { head }: SessionState): Receipt | undefined {
  if (record.kind !== "commit" || record.operation === undefined || head === undefined) return undefined;
  const { id: operationId, digest } = record.operation;
  const { revision: headRevision, checkpointRef, manifest } = head;
  assert(manifest !== undefined, "a head that a commit made has its manifest");
  return { operationId, digest, headRevision, checkpointRef, manifest };
}

/** A state that was folded without its stored nodes counts only the new ones. */
function withStoredNodes({ head, length }: SessionState, before: StoredHead | undefined): StoredHead["head"] {
  return head === undefined ? undefined : { ...head, nodeCount: (before?.head?.nodeCount ?? 0) + length };
}

function isAppend(record: SessionRecord): boolean {
  if (record.kind === "commit") return record.graph.kind !== "replace";
  return record.kind === "meta" || record.kind === "delete";
}

function applyPlaced(state: SessionState, { record, lsn, file, offset }: PlacedRecord): SessionState {
  try {
    return apply(state, record, lsn);
  } catch (error) {
    if (isStoreError(error) && error.code !== "INTERNAL") throw error;
    throw corruptFile(
      file,
      offset,
      `LSN ${lsn} does not follow: ${(error as Error).message}`,
      state.sessionId,
    );
  }
}

/** Only the marker stays, for ever; pages and blobs die with the next gc. */
function deletedHead(state: SessionState, before: StoredHead | undefined, store: PageStore): StoredHead {
  if (before !== undefined) for (const page of pagesOf(pagedIn(before), store)) store.drop(page);
  return {
    sessionId: state.sessionId,
    deleted: true,
    head: undefined,
    meta: undefined,
    picker: NO_PICKER,
    ledger: [],
    lastCommitLsn: state.lastCommitLsn,
    lastLsn: state.lastLsn,
    hiddenCount: 0,
    nodes: [],
    receipts: [],
    removals: [],
    oldestCopy: 0,
    outline: undefined,
    index: undefined,
  };
}

function itemsOf(state: SessionState): NodeItem[] {
  const items: NodeItem[] = [];
  for (let slot = 0; slot < state.length; slot++) {
    const entry = state.nodes.entries[slot];
    if (entry !== undefined) items.push(nodeItem(entry, !isLive(state, slot)));
  }
  return items;
}

/** Entries at the front that are the stored ones, as visible or hidden as they were. */
function unchangedPrefix(state: SessionState, { entries, wasHidden }: Replayed["start"]): number {
  let slot = 0;
  while (slot < entries.length && slot < state.length) {
    const entry = state.nodes.entries[slot];
    const old = entries[slot];
    if (entry === undefined || old === undefined || entry.id !== old.id || entry.parent !== old.parent) break;
    if (entry.revision !== old.revision || entry.flags !== old.flags) break;
    if (Buffer.compare(entry.body, old.body) !== 0) break;
    if (isLive(state, slot) === wasHidden[slot]) break;
    slot++;
  }
  return slot;
}

/** New receipts behind the old ones; whole pages of forgotten ones are dropped from the front. */
function foldReceipts(
  forest: Forest,
  made: readonly unknown[],
  { receiptsKept, store }: FoldSessionOptions,
): PageRef[] {
  if (made.length === 0 && forest.length === 0) return [];
  const pages = appendItems(forest, made, receiptItemSize, store);
  for (let front = pages[0]; front !== undefined; front = pages[0]) {
    if (countItems(pages) - front.items < receiptsKept) break;
    for (const page of pagesOf([front], store)) store.drop(page);
    pages.shift();
  }
  return pages;
}

/** New removals behind the old ones; whole pages are dropped from the front once there are enough behind them. */
function foldRemovals(
  forest: Forest,
  { made, oldest }: RemovalLog,
  store: PageStore,
): Pick<StoredHead, "removals" | "oldestCopy"> {
  if (made.length === 0 && forest.length === 0) return { removals: [], oldestCopy: oldest };
  const removals = appendItems(forest, made.map(removalItem), removalItemSize, store);
  let oldestCopy = oldest;
  for (let front = removals[0]; front !== undefined; front = removals[0]) {
    if (countItems(removals) - front.items < MAX_REMOVALS_KEPT) break;
    for (const item of readItems([front], store)) {
      oldestCopy = Math.max(oldestCopy, removalFromItem(item).to + 1);
    }
    for (const page of pagesOf([front], store)) store.drop(page);
    removals.shift();
  }
  return { removals, oldestCopy };
}
