/**
 * One session for salvage: a head, as far as its pages can be read, and the records behind it give the newest
 * state that can still be shown to have existed. Pure but for the reading of values.
 *
 * 1. State changes only in `apply`, as everywhere.
 * 2. A node whose page is gone keeps its slot until the end, so that records which name slots mean what they
 *    meant; then it is left out and counted.
 * 3. Behind a gap in the log only records are applied that would have been refused had a commit of this
 *    session stood in the gap: revisions have no holes. A replacement names slots, which a vacuum in the gap
 *    would have moved: there the session ends.
 * 4. A state whose blobs are not all there is passed over for an older one that is whole.
 */

import type { BlobRef, Lsn } from "../ids.ts";
import { apply } from "../session/apply.ts";
import { KeptBytes } from "../session/kept-bytes.ts";
import { NodeTable } from "../session/node-table.ts";
import type { SessionRecord } from "../session/record.ts";
import { emptySession, liveEntry, type Receipt, ReceiptTable, type SessionState } from "../session/state.ts";
import { entryFromItem, receiptFromItem, type StoredHead } from "./head.ts";
import { NO_OLDER, stateFromHead } from "./head-state.ts";
import { childrenOf, countItems, type Forest, type PageRef, readItems } from "./pages.ts";

/** Where a session may begin. */
export interface HeadCandidate {
  /** Absent: nothing of the session was in that snapshot. */
  readonly head: StoredHead | undefined;
  /** Nothing of this session up to this LSN is missing in it. */
  readonly exactAt: Lsn;
  /** It may have had a head that cannot be read: only a first commit proves that it began here. */
  readonly isGuess: boolean;
}

export interface SalvageRecord {
  readonly lsn: Lsn;
  readonly read: () => SessionRecord;
}

/** LSNs of which no record can be read, both included. */
export interface LsnGap {
  readonly first: Lsn;
  readonly last: Lsn;
  /** What stood there, where one flipped bit tells; a hint, and never data. */
  readonly was?: LostRecord;
}

export interface LostRecord {
  readonly record: string;
  /** Absent: a blob. */
  readonly session?: string;
  /** Of a commit. */
  readonly revision?: number;
}

export interface ValueReader {
  has(ref: BlobRef): boolean;
  read(ref: BlobRef): Uint8Array | undefined;
}

export interface SalvagedSession {
  readonly state: SessionState;
  /** Oldest first; only those of revisions that are kept. */
  readonly receipts: readonly Receipt[];
  /** Slots of `state.nodes` of which the page is gone. */
  readonly lostSlots: ReadonlySet<string>;
  readonly lostReceipts: number;
  /** Components of its head that are nowhere; empty for a whole state. */
  readonly missingBlobs: readonly BlobRef[];
  /** Highest LSN of this session that was applied. */
  readonly reachedLsn: Lsn;
  /** Why later records of the session were not applied. */
  readonly stoppedBy: string | undefined;
  /** Records were applied behind a gap: a tombstone, vacuum, meta or deletion in it is not known. */
  readonly isBehindGap: boolean;
}

interface Step {
  readonly state: SessionState;
  readonly receipts: number;
}

export function salvageSession(
  sessionId: string,
  candidate: HeadCandidate,
  records: readonly SalvageRecord[],
  gaps: readonly LsnGap[],
  values: ValueReader,
): SalvagedSession {
  const begun = begin(sessionId, candidate.head, values);
  const receipts = [...begun.receipts];
  const steps: Step[] = [{ state: begun.state, receipts: receipts.length }];
  let state = begun.state;
  let known = Math.max(candidate.exactAt, state.lastLsn);
  let isBehindGap = false;
  let stoppedBy: string | undefined;
  for (const { lsn, read } of records) {
    if (lsn <= known) continue;
    isBehindGap ||= gaps.some((gap) => gap.first < lsn && gap.last > known && mayConcern(gap, sessionId));
    try {
      const record = withoutLost(read(), state, begun.lostSlots);
      // Nothing but meta can precede a session's first commit.
      if (record.kind === "commit" && record.revision === 1 && state.head === undefined) isBehindGap = false;
      if (isBehindGap) refuseSlots(record);
      state = apply(state, record, lsn);
      if (record.kind === "commit" && record.operation !== undefined)
        receipts.push(receiptOf(record, record.operation));
    } catch (error) {
      stoppedBy = `LSN ${lsn}: ${(error as Error).message}`;
      break;
    }
    known = lsn;
    steps.push({ state, receipts: receipts.length });
  }
  const chosen = newestWhole(steps, values) ?? { state, receipts: receipts.length };
  return {
    state: chosen.state,
    receipts: receipts.slice(0, chosen.receipts),
    lostSlots: begun.lostSlots,
    lostReceipts: begun.lostReceipts,
    missingBlobs: missingBlobs(chosen.state, values),
    reachedLsn: chosen.state.lastLsn,
    stoppedBy,
    isBehindGap,
  };
}

/** A commit that is known to be missing needs no doubt: the next one does not follow. */
function mayConcern({ was }: LsnGap, sessionId: string): boolean {
  return was === undefined || (was.session === sessionId && was.revision === undefined);
}

/** Every blob that a state's head names. */
export function blobsOf({ head }: SessionState): BlobRef[] {
  if (head === undefined) return [];
  const { toolState, pluginSnapshot, executionState } = head.refs;
  return [head.checkpointRef, toolState, pluginSnapshot, executionState].filter((ref) => ref !== undefined);
}

function missingBlobs(state: SessionState, values: ValueReader): BlobRef[] {
  // A commit in the log brings its checkpoint manifest along.
  const carried = state.head?.manifest === undefined ? undefined : state.head.checkpointRef;
  return blobsOf(state).filter((ref) => ref !== carried && !values.has(ref));
}

/** A session that had a head is not made one that has none. */
function newestWhole(steps: readonly Step[], values: ValueReader): Step | undefined {
  const hasHead = steps.at(-1)?.state.head !== undefined;
  return steps.findLast(
    ({ state }) => (state.head !== undefined) === hasHead && missingBlobs(state, values).length === 0,
  );
}

interface Begun {
  readonly state: SessionState;
  readonly receipts: readonly Receipt[];
  readonly lostSlots: ReadonlySet<string>;
  readonly lostReceipts: number;
}

function begin(sessionId: string, stored: StoredHead | undefined, values: ValueReader): Begun {
  if (stored === undefined) {
    return { state: emptySession(sessionId, 0), receipts: [], lostSlots: new Set(), lostReceipts: 0 };
  }
  const lostSlots = new Set<string>();
  const nodes = new NodeTable();
  let hiddenCount = 0;
  for (const item of itemsThatAreThere(stored.nodes, values)) {
    if (item === LOST) {
      // No host can name it: ids have no lone surrogates.
      const id = `\ud800 lost ${nodes.entries.length}`;
      lostSlots.add(id);
      nodes.add({ id, parent: undefined, flags: 0, body: new Uint8Array() });
      continue;
    }
    const entry = entryFromItem(item);
    if (entry.hiddenAt === 0) hiddenCount++;
    nodes.add(entry, entry.revision, entry.hiddenAt);
  }
  const found = [...itemsThatAreThere(stored.receipts, values)];
  const receipts = found.filter((item) => item !== LOST).map(receiptFromItem);
  const bare = stateFromHead(stored, NO_PAGES, { ...NO_OLDER, nodes: "none" });
  const length = nodes.entries.length;
  const head = bare.head && { ...bare.head, nodeCount: length - hiddenCount };
  const state = { ...bare, head, nodes, length, hiddenCount, receipts: new ReceiptTable(0) };
  return { state, receipts, lostSlots, lostReceipts: found.length - receipts.length };
}

const NO_PAGES = {
  read(): Uint8Array {
    throw new Error("no page is read");
  },
};

/** Stands for an item whose page cannot be read. */
const LOST = Symbol("lost");

function* itemsThatAreThere(forest: Forest, values: ValueReader): Generator<unknown> {
  const store = { read: (ref: BlobRef) => readPage(ref, values) };
  for (const page of forest) {
    const children = attempt(() => (page.level === 0 ? undefined : childrenOf(page, store)));
    if (children !== "failed" && children !== undefined && countItems(children) === page.items) {
      yield* itemsThatAreThere(children, values);
      continue;
    }
    const items = page.level === 0 ? attempt(() => [...readItems([page], store)]) : "failed";
    if (items === "failed") yield* lostItems(page);
    else yield* items;
  }
}

function* lostItems({ items }: PageRef): Generator<unknown> {
  for (let item = 0; item < items; item++) yield LOST;
}

function readPage(ref: BlobRef, values: ValueReader): Uint8Array {
  const value = values.read(ref);
  if (value === undefined) throw new Error(`page ${ref} is nowhere`);
  return value;
}

function attempt<Value>(work: () => Value): Value | "failed" {
  try {
    return work();
  } catch {
    return "failed";
  }
}

/** A tombstone may name nodes that are lost; then only the others can be hidden. */
function withoutLost(record: SessionRecord, state: SessionState, lost: ReadonlySet<string>): SessionRecord {
  if (record.kind !== "tombstone" || lost.size === 0) return record;
  return { ...record, nodeIds: record.nodeIds.filter((id) => liveEntry(state, id) !== undefined) };
}

function refuseSlots(record: SessionRecord): void {
  if (record.kind !== "commit" || record.graph.kind !== "replace") return;
  if (record.graph.steps.some(({ kind }) => kind === "keep"))
    throw new Error(
      "it keeps nodes by their place, and what stood in the gap in front of it may have moved them",
    );
}

function receiptOf(
  record: Extract<SessionRecord, { kind: "commit" }>,
  { id: operationId, digest }: NonNullable<Extract<SessionRecord, { kind: "commit" }>["operation"]>,
): Receipt {
  const { revision: headRevision, checkpointRef, manifest } = record;
  return { operationId, digest, headRevision, checkpointRef, manifest: new KeptBytes(manifest) };
}
