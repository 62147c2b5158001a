/**
 * What a graph delta means for a session: the rules of step 6, and the fact that a record carries. A full
 * replacement becomes a difference: runs of entries that are kept, and the nodes that are new or changed.
 *
 * 1. A cycle counts wherever it lies, tombstoned nodes included: nothing that is stored may ever loop.
 * 2. A new edge is needed to close a cycle, so an append is walked only if a node of it names a later one,
 *    or if an entry of the table names it as its missing parent.
 * 3. A delta is looked at in this order: ids, cycles, and under the strict policy parents, then the leaf.
 */
import { type StoreError, storeError } from "../errors.ts";
import { findCycle } from "./cycles.ts";
import { BodiesShed } from "./node-entry.ts";
import { pickerAfterAppend, pickerAfterReplace } from "./picker.ts";
import { nodeSize, type PreparedGraph } from "./prepare-graph.ts";
import type { GraphFact, NodeFact, ReplaceStep } from "./record.ts";
import { refuseCommit } from "./shape.ts";
import { isLive, type PickerState, type SessionState } from "./state.ts";
import type { GraphPolicy } from "./types.ts";

export type GraphPlan =
  | { readonly kind: "refused"; readonly error: StoreError }
  | { readonly kind: "accepted"; readonly fact: GraphFact; readonly picker: PickerState };

/** Whether a durable node that is not in memory is live; undefined: not known without the whole session. */
export type StoredNodes = (sessionId: string, nodeId: string) => boolean | undefined;

export interface GraphPlanOptions {
  readonly graphPolicy: GraphPolicy;
  readonly isStoredLive: StoredNodes | undefined;
  /** Bytes left for the nodes of a replacement. */
  readonly maxBytes: number;
}

/** Bytes of a step that keeps a run of nodes. */
const KEEP_BYTES = 12;

export function planGraph(state: SessionState, graph: PreparedGraph, options: GraphPlanOptions): GraphPlan {
  switch (graph.kind) {
    case "unchanged":
      return planUnchanged(state, graph, options);
    case "append":
      return planAppend(state, graph, options);
    case "replaceFull":
      return planReplace(state, graph, options);
  }
}

function planUnchanged(
  state: SessionState,
  { leafNodeId }: PreparedGraph,
  options: GraphPlanOptions,
): GraphPlan {
  const strict = options.graphPolicy === "strict";
  if (strict && leafNodeId !== undefined && !isLiveNode(state, leafNodeId, options)) {
    return refuse(danglingLeaf(leafNodeId));
  }
  return { kind: "accepted", fact: { kind: "unchanged" }, picker: state.picker };
}

function planAppend(state: SessionState, graph: PreparedGraph, options: GraphPlanOptions): GraphPlan {
  const { nodes, leafNodeId } = graph;
  const { slots } = state.nodes;
  for (const { id } of nodes) if (slots.has(id)) return refuse(collision(id, "exists already"));
  const only = nodes[0];
  if (nodes.length === 1 && only !== undefined) return planOne(state, only, graph, options);
  const ids = idsOf(nodes);
  if (typeof ids === "string") return refuse(collision(ids, "is twice in the delta"));
  const cycle = findAppendCycle(state, nodes, ids);
  if (cycle !== undefined) return refuse(cyclic(cycle));
  if (options.graphPolicy === "permissive") needParents(state, nodes, options);
  else {
    const isLiveAfter = (id: string) => ids.has(id) || isLiveNode(state, id, options);
    const dangling = findDangling(nodes, leafNodeId, isLiveAfter);
    if (dangling !== undefined) return refuse(dangling);
  }
  const fact: GraphFact = nodes.length === 0 ? { kind: "unchanged" } : { kind: "append", nodes };
  return { kind: "accepted", fact, picker: pickerAfterAppend(state, nodes) };
}

/** What most commits append: one node, with nothing in its delta to look up. */
function planOne(
  state: SessionState,
  node: NodeFact,
  { nodes, leafNodeId }: PreparedGraph,
  options: GraphPlanOptions,
): GraphPlan {
  const { graphPolicy } = options;
  const { id, parent } = node;
  if (parent === id) return refuse(cyclic(id));
  if (graphPolicy === "permissive") needParents(state, nodes, options);
  if (state.nodes.missingParents.has(id)) {
    const cycle = findAppendCycle(state, nodes, new Map([[id, 0]]));
    if (cycle !== undefined) return refuse(cyclic(cycle));
  }
  if (graphPolicy === "strict") {
    if (parent !== undefined && !isLiveNode(state, parent, options))
      return refuse(danglingParent(id, parent));
    if (leafNodeId !== undefined && leafNodeId !== id && !isLiveNode(state, leafNodeId, options)) {
      return refuse(danglingLeaf(leafNodeId));
    }
  }
  return { kind: "accepted", fact: { kind: "append", nodes }, picker: pickerAfterAppend(state, nodes) };
}

/** Nobody asks whether they exist, but the table notes which do not: too late, if that were not known when it is written. */
function needParents(state: SessionState, nodes: readonly NodeFact[], options: GraphPlanOptions): void {
  for (const { parent } of nodes) if (parent !== undefined) isLiveNode(state, parent, options);
}

/** Asked first of the newest node: it is nearly always the parent of the next one, and needs no look-up. */
function isLiveNode(state: SessionState, id: string, options: GraphPlanOptions): boolean {
  const last = state.nodes.entries[state.length - 1];
  if (last !== undefined && last.id === id) return last.hiddenAt > state.ordinal;
  const slot = state.nodes.slots.peek(id);
  if (slot === "left") return isStoredLive(state, id, options);
  return slot !== undefined && isLive(state, slot);
}

/** Of a node that left memory, if it is one. Nothing hid or removed it since: for that it would have come back. */
function isStoredLive({ sessionId }: SessionState, id: string, options: GraphPlanOptions): boolean {
  const isLive = options.isStoredLive?.(sessionId, id);
  // Under the permissive policy a parent that is not live may be hidden, or nowhere, which the table must know.
  if (isLive === undefined || (!isLive && options.graphPolicy === "permissive")) throw new BodiesShed();
  return isLive;
}

function findAppendCycle(
  state: SessionState,
  nodes: readonly NodeFact[],
  positions: ReadonlyMap<string, number>,
): string | undefined {
  const { entries, slots, missingParents } = state.nodes;
  const closesNothing = nodes.every(({ id, parent }, i) => {
    if (missingParents.has(id)) return false;
    const position = parent === undefined ? undefined : positions.get(parent);
    return position === undefined || position < i;
  });
  if (closesNothing) return undefined;
  const parentOf = (id: string) => {
    const position = positions.get(id);
    return position === undefined ? entries[slots.get(id) ?? -1]?.parent : nodes[position]?.parent;
  };
  return findCycle(positions.keys(), parentOf);
}

function planReplace(state: SessionState, graph: PreparedGraph, options: GraphPlanOptions): GraphPlan {
  const { nodes, leafNodeId } = graph;
  const positions = idsOf(nodes);
  if (typeof positions === "string") return refuse(collision(positions, "is twice in the delta"));
  // All that does not stay is removed by its id when the record is applied.
  state.nodes.needEntries();
  const parentOf = (id: string) => nodes[positions.get(id) ?? -1]?.parent;
  const cycle = findCycle(positions.keys(), parentOf);
  if (cycle !== undefined) return refuse(cyclic(cycle));
  if (options.graphPolicy === "strict") {
    const dangling = findDangling(nodes, leafNodeId, (id) => positions.has(id));
    if (dangling !== undefined) return refuse(dangling);
  }
  const { steps, bytes } = difference(state, nodes);
  if (bytes > options.maxBytes) {
    const problem = `would write ${bytes} bytes of changed nodes; ${options.maxBytes} are left of maxCommitBytes`;
    return refuse(refuseCommit("graph.graph.nodes", problem));
  }
  return { kind: "accepted", fact: smallestFact(state, steps), picker: pickerAfterReplace(nodes) };
}

/** The new graph as runs of entries that stay as they are, and nodes to be written. */
function difference(
  state: SessionState,
  nodes: readonly NodeFact[],
): { steps: ReplaceStep[]; bytes: number } {
  const steps: ReplaceStep[] = [];
  let run: { start: number; count: number } | undefined;
  let bytes = 0;
  for (const node of nodes) {
    const slot = sameSlot(state, node);
    if (slot === undefined) {
      run = undefined;
      steps.push({ kind: "node", node });
      bytes += nodeSize(node);
    } else if (run !== undefined && run.start + run.count === slot) {
      run.count++;
    } else {
      run = { start: slot, count: 1 };
      steps.push(Object.assign(run, { kind: "keep" as const }));
      bytes += KEEP_BYTES;
    }
  }
  return { steps, bytes };
}

/** The slot of the entry that equals the node in everything but liveness. */
function sameSlot(state: SessionState, node: NodeFact): number | undefined {
  const slot = state.nodes.slots.get(node.id);
  const entry = slot === undefined ? undefined : state.nodes.entries[slot];
  if (entry === undefined || entry.parent !== node.parent || entry.flags !== node.flags) return undefined;
  return Buffer.compare(entry.body, node.body) === 0 ? slot : undefined;
}

/** A replacement that keeps every entry is an append, or nothing: cheaper to apply and to fold. */
function smallestFact(state: SessionState, steps: readonly ReplaceStep[]): GraphFact {
  if (state.hiddenCount > 0) return { kind: "replace", steps };
  const [first, ...rest] = steps;
  const keepsAll =
    state.length === 0 || (first?.kind === "keep" && first.start === 0 && first.count === state.length);
  if (!keepsAll) return { kind: "replace", steps };
  const added: NodeFact[] = [];
  for (const step of state.length === 0 ? steps : rest) if (step.kind === "node") added.push(step.node);
  return added.length === 0 ? { kind: "unchanged" } : { kind: "append", nodes: added };
}

/** Position of every id, or the first id that comes twice. */
function idsOf(nodes: readonly NodeFact[]): Map<string, number> | string {
  const positions = new Map<string, number>();
  for (let i = 0; i < nodes.length; i++) {
    const { id } = nodes[i] as NodeFact;
    if (positions.has(id)) return id;
    positions.set(id, i);
  }
  return positions;
}

function findDangling(
  nodes: readonly NodeFact[],
  leafNodeId: string | undefined,
  isLiveAfter: (id: string) => boolean,
): StoreError | undefined {
  for (const { id, parent } of nodes) {
    if (parent === undefined || isLiveAfter(parent)) continue;
    return danglingParent(id, parent);
  }
  return leafNodeId === undefined || isLiveAfter(leafNodeId) ? undefined : danglingLeaf(leafNodeId);
}

function danglingParent(nodeId: string, parent: string): StoreError {
  const message = `node "${nodeId}": its parent "${parent}" is not a live node after this commit`;
  return storeError("INVALID_GRAPH", { nodeId }, message);
}

function danglingLeaf(nodeId: string): StoreError {
  return storeError("INVALID_GRAPH", { nodeId }, `the leaf "${nodeId}" is not a live node after this commit`);
}

function cyclic(nodeId: string): StoreError {
  return storeError("INVALID_GRAPH", { nodeId }, `node "${nodeId}" would be its own ancestor`);
}

function collision(nodeId: string, why: string): StoreError {
  return storeError("NODE_ID_COLLISION", { nodeId }, `node id "${nodeId}" ${why}`);
}

function refuse(error: StoreError): GraphPlan {
  return { kind: "refused", error };
}
