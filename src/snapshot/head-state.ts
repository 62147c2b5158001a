/**
 * The way from a stored head back into memory: its nodes from their pages at once, or some pages a step; receipts and
 * removals when they are first asked for. It deliberately knows no log: what came after the head is not its business.
 */
import { LOAD_STEP_BYTES } from "../limits.ts";
import { NodeTable } from "../session/node-table.ts";
import { RemovalLog, type StoredRemovals } from "../session/removals.ts";
import { newState, type Receipt, ReceiptTable, type SessionState } from "../session/state.ts";
import { runThrough, type Steps } from "../steps.ts";
import { receiptFromItem, removalFromItem, type StoredHead } from "./head.ts";
import { indexedNodes } from "./id-index.ts";
import { addLeaf } from "./node-page.ts";
import { outlinedNodes } from "./outline.ts";
import { type Forest, leavesOf, type PageStore, readItems } from "./pages.ts";

export interface HeadLoadOptions {
  readonly receiptsKept: number;
  /** "outlined" for commits: without bodies if the head has an outline, but for the newest without nodes if it has an index. "none" for a fold that only appends. */
  readonly nodes: "all" | "outlined" | "none";
  /** Answers the stored receipts of a session when one is first looked up; the snapshot may be another by then. */
  readonly olderReceipts: (sessionId: string) => readonly Receipt[];
  /** The same for removals. */
  readonly olderRemovals: (sessionId: string) => StoredRemovals;
}

/** Of a load whose nodes are there. */
export type OlderOptions = Omit<HeadLoadOptions, "nodes">;

/** For work that looks up neither. */
export const NO_OLDER: OlderOptions = {
  receiptsKept: 0,
  olderReceipts: () => [],
  olderRemovals: () => ({ oldest: 0, removals: [] }),
};

/** The head as a state. */
export function stateFromHead(
  stored: StoredHead,
  store: Pick<PageStore, "read">,
  options: HeadLoadOptions,
): SessionState {
  return runThrough(stateFromHeadInSteps(stored, store, options));
}

/** As `stateFromHead`, some pages a step; the first reads none where there are many. */
export function* stateFromHeadInSteps(
  stored: StoredHead,
  store: Pick<PageStore, "read">,
  options: HeadLoadOptions,
): Steps<SessionState> {
  if (options.nodes === "none") return stateWithoutNodes(stored, options);
  if (options.nodes === "outlined") {
    const nodes = outlinedNodes(stored) ?? (yield* indexedNodes(stored, store));
    if (nodes !== undefined) return stateWith(nodes, stored, options);
  }
  return stateWith(yield* readNodes(stored.nodes, store), stored, options);
}

/** The head as a state whose nodes are without bodies; undefined if it has no outline. */
export function stateFromOutline(stored: StoredHead, options: OlderOptions): SessionState | undefined {
  const nodes = outlinedNodes(stored);
  return nodes === undefined ? undefined : stateWith(nodes, stored, options);
}

/** The head as a state to which is only appended: it has none of the stored nodes, and none of them is hidden. */
export function stateWithoutNodes(stored: StoredHead, options: OlderOptions): SessionState {
  return stateWith(new NodeTable("borrowed"), stored, options, 0);
}

function stateWith(
  nodes: NodeTable,
  stored: StoredHead,
  options: OlderOptions,
  hiddenCount = stored.hiddenCount,
): SessionState {
  const { sessionId, deleted, head, meta, picker, ledger, lastCommitLsn, lastLsn } = stored;
  const { receiptsKept, olderReceipts, olderRemovals } = options;
  const hasReceipts = stored.receipts.length > 0;
  const older =
    stored.removals.length === 0
      ? undefined
      : { revision: head?.revision ?? 0, read: () => olderRemovals(sessionId) };
  return newState({
    sessionId,
    deleted,
    head,
    meta,
    picker,
    ledger,
    nodes,
    length: nodes.entries.length,
    hiddenCount,
    receipts: new ReceiptTable(receiptsKept, hasReceipts ? () => olderReceipts(sessionId) : undefined),
    removals: new RemovalLog(stored.oldestCopy, older),
    removalCount: 0,
    ordinal: 0,
    lastCommitLsn,
    lastLsn,
  });
}

function* readNodes(forest: Forest, store: Pick<PageStore, "read">): Steps<NodeTable> {
  const nodes = new NodeTable();
  let bytes = forest.some(({ level }) => level > 0)
    ? LOAD_STEP_BYTES
    : forest.reduce((sum, page) => sum + page.bytes, 0);
  const isLong = bytes >= LOAD_STEP_BYTES;
  for (const leaf of leavesOf(forest, store)) {
    if (isLong && bytes >= LOAD_STEP_BYTES) {
      yield;
      bytes = 0;
    }
    addLeaf(leaf, store.read(leaf.ref), nodes);
    bytes += leaf.bytes;
  }
  return nodes;
}

/** The stored receipts, oldest first. */
export function readReceipts(stored: StoredHead, store: Pick<PageStore, "read">): Receipt[] {
  return [...readItems(stored.receipts, store)].map(receiptFromItem);
}

export function readRemovals(stored: StoredHead, store: Pick<PageStore, "read">): StoredRemovals {
  const removals = [...readItems(stored.removals, store)].map(removalFromItem);
  return { oldest: stored.oldestCopy, removals };
}
