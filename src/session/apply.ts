/**
 * The only place where the state of a session changes: live, in recovery and in a fold. A record says what
 * was decided, so this needs no policy, no blob and no clock, and the same records give the same state.
 *
 * 1. The argument stays readable: it shares its node table with the result, which only adds to it.
 * 2. Only the newest state of a table may be applied to; anything that does not follow throws a plain Error,
 *    which callers turn into CORRUPT with file and offset.
 */
import type { Lsn } from "../ids.ts";
import { KeptBytes } from "./kept-bytes.ts";
import { addUsage } from "./ledger.ts";
import type { NodeEntry } from "./node-entry.ts";
import { NodeTable } from "./node-table.ts";
import { pickerAfter } from "./picker.ts";
import type {
  CommitRecord,
  GraphFact,
  NodeFact,
  ReplaceStep,
  SessionRecord,
  TombstoneRecord,
} from "./record.ts";
import { RemovalLog } from "./removals.ts";
import {
  type CheckpointRefs,
  isLive,
  liveEntries,
  NO_PICKER,
  newHead,
  newState,
  ReceiptTable,
  type SessionState,
} from "./state.ts";
import type { PersistedSessionConfig } from "./types.ts";

export function apply(state: SessionState, record: SessionRecord, lsn: Lsn): SessionState {
  expect(record.sessionId === state.sessionId, `is a record of session "${record.sessionId}"`);
  expect(!state.deleted, "follows the deletion of its session");
  expect(lsn > state.lastLsn, `LSN ${lsn} does not follow ${state.lastLsn}`);
  switch (record.kind) {
    case "commit":
      return applyCommit(state, record, lsn);
    case "meta":
      return { ...state, meta: record.meta, ordinal: state.ordinal + 1, lastLsn: lsn };
    case "tombstone":
      return applyTombstone(state, record, lsn);
    case "vacuum":
      return { ...state, ...vacuumed(state), ordinal: state.ordinal + 1, lastLsn: lsn };
    case "delete":
      return deleted(state, lsn);
  }
}

/** Nodes of a state: the table, and what of it belongs to the state. */
type Nodes = Pick<SessionState, "nodes" | "length" | "hiddenCount" | "removalCount">;

function applyCommit(state: SessionState, record: CommitRecord, lsn: Lsn): SessionState {
  const { revision, operation, checkpointRef, manifest } = record;
  const before = state.head?.revision ?? 0;
  expect(revision === before + 1, `revision ${revision} does not follow ${before}`);
  const sum = addUsage(state.ledger, record.usage);
  if (sum.kind === "overflow") throw new Error("usage overflows");
  const nodes = withGraph(state, record.graph, revision);
  const kept = new KeptBytes(manifest);
  if (operation !== undefined) {
    const { id: operationId, digest } = operation;
    state.receipts.add({ operationId, digest, headRevision: revision, checkpointRef, manifest: kept });
  }
  return newState({
    sessionId: state.sessionId,
    deleted: false,
    head: newHead({
      revision,
      config: configAfter(state.head?.config, record.config),
      leafNodeId: record.leafNodeId,
      checkpointRef,
      manifest: kept,
      refs: refsAfter(state.head?.refs, record),
      nodeCount: nodes.length - nodes.hiddenCount,
    }),
    meta: state.meta,
    picker: pickerAfter(state.picker, record.picker),
    ledger: sum.ledger,
    nodes: nodes.nodes,
    length: nodes.length,
    hiddenCount: nodes.hiddenCount,
    receipts: state.receipts,
    removals: state.removals,
    removalCount: nodes.removalCount,
    ordinal: state.ordinal + 1,
    lastCommitLsn: lsn,
    lastLsn: lsn,
  });
}

/** Most commits change neither; what is the same is not kept twice. */
function refsAfter(before: CheckpointRefs | undefined, record: CommitRecord): CheckpointRefs {
  const {
    toolStateRef: toolState,
    pluginSnapshotRef: pluginSnapshot,
    executionStateRef: executionState,
  } = record;
  const isSame =
    before !== undefined &&
    before.toolState === toolState &&
    before.pluginSnapshot === pluginSnapshot &&
    before.executionState === executionState;
  return isSame ? before : { toolState, pluginSnapshot, executionState };
}

function configAfter(
  before: PersistedSessionConfig | undefined,
  config: PersistedSessionConfig,
): PersistedSessionConfig {
  const isSame =
    before !== undefined &&
    before.providerId === config.providerId &&
    before.configuredModel === config.configuredModel &&
    before.contextWindow === config.contextWindow &&
    before.executionMode === config.executionMode &&
    before.modelVariant === config.modelVariant &&
    before.standardContextApproach === undefined &&
    config.standardContextApproach === undefined;
  return isSame ? before : config;
}

function withGraph(state: SessionState, graph: GraphFact, revision: number): Nodes {
  switch (graph.kind) {
    case "unchanged":
      return state;
    case "append":
      return appended(state, graph.nodes, revision);
    case "replace":
      return replaced(state, graph.steps, revision);
  }
}

function appended(state: SessionState, added: readonly NodeFact[], revision: number): Nodes {
  const { nodes, hiddenCount, removalCount } = state;
  expectNewest(state);
  for (const node of added) nodes.add(node, revision);
  return { nodes, length: nodes.entries.length, hiddenCount, removalCount };
}

/**
 * Live nodes at the front that are kept in their order stay where they are; all behind the first other one stand in a
 * new place, and are gone from the old one.
 */
function replaced(state: SessionState, steps: readonly ReplaceStep[], revision: number): Nodes {
  expectNewest(state);
  const nodes = new NodeTable();
  let staying = 0;
  let isFront = true;
  for (const step of steps) {
    if (step.kind === "node") {
      nodes.add(step.node, revision);
      isFront = false;
      continue;
    }
    for (let slot = step.start; slot < step.start + step.count; slot++) {
      const entry = state.nodes.entries[slot];
      if (entry === undefined) throw new Error(`slot ${slot} is unknown`);
      expect(!nodes.slots.has(entry.id), `node "${entry.id}" is kept twice`);
      isFront &&= slot >= staying && isLive(state, slot);
      // A tombstoned node is live again, in this table; older states still see it hidden in theirs.
      nodes.add(entry, isFront ? entry.revision : revision);
      if (!isFront) continue;
      removeLive(state, staying, slot);
      staying = slot + 1;
    }
  }
  removeLive(state, staying, state.length);
  return {
    nodes,
    length: nodes.entries.length,
    hiddenCount: 0,
    removalCount: state.removals.count,
  };
}

/** Enters what stood live in the slots from `start` to before `end` as gone with the next revision. */
function removeLive(state: SessionState, start: number, end: number): void {
  for (let slot = start; slot < end; slot++) {
    const entry = state.nodes.entries[slot];
    if (entry === undefined || !isLive(state, slot)) continue;
    state.removals.add({ id: entry.id, from: entry.revision, to: state.head?.revision ?? 0 });
  }
}

function applyTombstone(state: SessionState, record: TombstoneRecord, lsn: Lsn): SessionState {
  expectNewest(state);
  const ordinal = state.ordinal + 1;
  const hidden = new Set<NodeEntry>();
  for (const id of record.nodeIds) {
    const slot = state.nodes.slots.get(id);
    const entry = slot === undefined ? undefined : state.nodes.entries[slot];
    if (slot === undefined || entry === undefined || !isLive(state, slot)) {
      throw new Error(`node "${id}" is not live`);
    }
    hidden.add(entry);
  }
  const to = state.head?.revision ?? 0;
  for (const entry of hidden) {
    entry.hiddenAt = ordinal;
    state.removals.add({ id: entry.id, from: entry.revision, to });
  }
  const head = state.head && { ...state.head, nodeCount: state.head.nodeCount - hidden.size };
  return {
    ...state,
    head,
    picker: pickerAfter(state.picker, record.picker),
    hiddenCount: state.hiddenCount + hidden.size,
    removalCount: state.removals.count,
    ordinal,
    lastLsn: lsn,
  };
}

function vacuumed(state: SessionState): Nodes {
  expectNewest(state);
  const nodes = new NodeTable();
  for (const entry of liveEntries(state)) nodes.add(entry, entry.revision);
  return { nodes, length: nodes.entries.length, hiddenCount: 0, removalCount: state.removalCount };
}

function deleted(state: SessionState, lsn: Lsn): SessionState {
  return {
    sessionId: state.sessionId,
    deleted: true,
    head: undefined,
    meta: undefined,
    picker: NO_PICKER,
    ledger: [],
    nodes: new NodeTable(),
    length: 0,
    hiddenCount: 0,
    receipts: new ReceiptTable(0),
    removals: new RemovalLog(),
    removalCount: 0,
    ordinal: state.ordinal + 1,
    lastCommitLsn: state.lastCommitLsn,
    lastLsn: lsn,
  };
}

function expectNewest(state: SessionState): void {
  expect(state.length === state.nodes.entries.length, "is applied to a state that has a successor");
}

/** A record that contradicts its state is damage, not a bug: a plain Error that callers place. */
function expect(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new Error(problem);
}
