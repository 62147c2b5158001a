/**
 * Decides the writes that are no commits: tombstone, vacuum, meta and delete. Pure; none of them moves the
 * head's revision. Under the strict policy live nodes stay closed under parents.
 */
import { type StoreError, storeError } from "../errors.ts";
import { pickerAfterTombstone, pickerChange } from "./picker.ts";
import type { SessionRecord } from "./record.ts";
import { isUsed, liveEntries, liveEntry, type SessionState } from "./state.ts";
import type { GraphPolicy, SessionMeta, VacuumReport } from "./types.ts";

export type WritePlan<Value> =
  | { readonly kind: "refused"; readonly error: StoreError }
  /** Nothing is to be written. */
  | { readonly kind: "noop"; readonly answer: Value }
  | { readonly kind: "accepted"; readonly record: SessionRecord; readonly answer: Value };

/** Unknown ids are ignored, repeats are no-ops. */
export function planTombstone(
  state: SessionState,
  ids: readonly string[],
  policy: GraphPolicy,
): WritePlan<void> {
  if (state.deleted) return refuse(deletedError(state.sessionId));
  const hidden = new Set(ids.filter((id) => liveEntry(state, id) !== undefined));
  if (hidden.size === 0) return { kind: "noop", answer: undefined };
  if (policy === "strict") {
    const error = nodeInUse(state, hidden);
    if (error !== undefined) return refuse(error);
  }
  const picker = pickerAfterTombstone(state, hidden);
  const { sessionId } = state;
  return {
    kind: "accepted",
    record: {
      kind: "tombstone",
      sessionId,
      nodeIds: [...hidden],
      picker: pickerChange(state.picker, picker) && picker,
    },
    answer: undefined,
  };
}

/** The first of the nodes that is on the head's active path or has a live child that stays. */
function nodeInUse(state: SessionState, hidden: ReadonlySet<string>): StoreError | undefined {
  const onPath = new Set<string>();
  let at = state.head?.leafNodeId;
  while (at !== undefined && !onPath.has(at)) {
    const entry = liveEntry(state, at);
    if (entry === undefined) break;
    onPath.add(at);
    at = entry.parent;
  }
  const parentsThatStay = new Set<string>();
  for (const { id, parent } of liveEntries(state)) {
    if (parent !== undefined && !hidden.has(id)) parentsThatStay.add(parent);
  }
  for (const nodeId of hidden) {
    if (onPath.has(nodeId)) {
      return storeError("NODE_IN_USE", { nodeId }, `node "${nodeId}" is on the head's active path`);
    }
    if (parentsThatStay.has(nodeId)) {
      return storeError("NODE_IN_USE", { nodeId }, `node "${nodeId}" has a live child that would stay`);
    }
  }
  return undefined;
}

/** Removes every tombstoned node. */
export function planVacuum(state: SessionState): WritePlan<VacuumReport> {
  if (state.deleted) return refuse(deletedError(state.sessionId));
  const answer = { removedNodeCount: state.hiddenCount };
  if (state.hiddenCount === 0) return { kind: "noop", answer };
  // What stays is copied when the record is applied: too late for a body that is not there.
  state.nodes.needBodies();
  return { kind: "accepted", record: { kind: "vacuum", sessionId: state.sessionId }, answer };
}

export function planMeta(state: SessionState, meta: SessionMeta): WritePlan<void> {
  if (state.deleted) return refuse(deletedError(state.sessionId));
  const { sessionId } = state;
  return { kind: "accepted", record: { kind: "meta", sessionId, meta }, answer: undefined };
}

/** True when the session is gone for ever, also if it was before; false when its id was never used. */
export function planDelete(state: SessionState): WritePlan<boolean> {
  if (state.deleted) return { kind: "noop", answer: true };
  if (!isUsed(state)) return { kind: "noop", answer: false };
  return { kind: "accepted", record: { kind: "delete", sessionId: state.sessionId }, answer: true };
}

/** What every write of a deleted session gets. */
export function deletedError(sessionId: string): StoreError {
  return storeError(
    "SESSION_DELETED",
    { sessionId },
    `session "${sessionId}" was deleted; its id is never used again`,
  );
}

function refuse(error: StoreError): { readonly kind: "refused"; readonly error: StoreError } {
  return { kind: "refused", error };
}
