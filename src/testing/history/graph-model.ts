/**
 * The nodes of a session in every state it had, naively: one growing table, in which each entry knows from
 * which state on it is hidden. A state is a length of a table and an index. It shares no thought with the
 * store's own page tree.
 *
 * 1. An entry of a table is never moved or removed; what removes entries starts a new table.
 */
import type { StoreErrorCode } from "../../errors.ts";
import type { GraphPolicy } from "../../session/types.ts";
import type { NodeSeen } from "./events.ts";

interface Entry {
  readonly node: NodeSeen;
  readonly position: number;
  /** Index of the first state in which it is tombstoned. */
  hiddenFrom: number;
}

export interface GraphState {
  /** Index of the state in its timeline. */
  readonly index: number;
  readonly table: NodeTable;
  /** Entries of the table that exist in this state. */
  readonly length: number;
  readonly hidden: number;
  readonly leaf: string | undefined;
}

export interface GraphDelta {
  readonly graph: "unchanged" | "append" | "replaceFull";
  readonly nodes: readonly NodeSeen[];
  readonly leaf: string | undefined;
}

export class NodeTable {
  readonly entries: Entry[] = [];
  readonly #byId = new Map<string, Entry>();
  readonly #children = new Map<string, Entry[]>();

  static of(nodes: Iterable<NodeSeen>): NodeTable {
    const table = new NodeTable();
    for (const node of nodes) table.add(node);
    return table;
  }

  add(node: NodeSeen): Entry {
    const entry = { node, position: this.entries.length, hiddenFrom: Number.POSITIVE_INFINITY };
    this.entries.push(entry);
    this.#byId.set(node.id, entry);
    if (node.parent !== undefined) {
      const siblings = this.#children.get(node.parent);
      if (siblings === undefined) this.#children.set(node.parent, [entry]);
      else siblings.push(entry);
    }
    return entry;
  }

  find(id: string): Entry | undefined {
    return this.#byId.get(id);
  }

  childrenOf(id: string): readonly Entry[] {
    return this.#children.get(id) ?? [];
  }

  /** The table as this state has it, for a timeline that goes another way from here. */
  copyAt({ length, index }: GraphState): NodeTable {
    const copy = new NodeTable();
    for (const { node, hiddenFrom } of this.entries.slice(0, length)) {
      const entry = copy.add(node);
      if (hiddenFrom <= index) entry.hiddenFrom = hiddenFrom;
    }
    return copy;
  }
}

export function liveNode(state: GraphState, id: string): NodeSeen | undefined {
  const entry = state.table.find(id);
  return entry !== undefined && isLive(state, entry) ? entry.node : undefined;
}

export function liveNodes(state: GraphState): NodeSeen[] {
  const nodes: NodeSeen[] = [];
  for (const entry of state.table.entries) {
    if (entry.position >= state.length) break;
    if (isLive(state, entry)) nodes.push(entry.node);
  }
  return nodes;
}

/** Root first; ends below a parent that is not live. */
export function livePath(state: GraphState, leaf: string | undefined): NodeSeen[] {
  const path: NodeSeen[] = [];
  let node = leaf === undefined ? undefined : liveNode(state, leaf);
  while (node !== undefined && path.length < state.length) {
    path.push(node);
    node = node.parent === undefined ? undefined : liveNode(state, node.parent);
  }
  return path.reverse();
}

function isLive({ index, length }: GraphState, { position, hiddenFrom }: Entry): boolean {
  return position < length && hiddenFrom > index;
}

/** Why a delta on the newest state is refused, by step 6 of the contract's order. */
export function refuseDelta(
  state: GraphState,
  delta: GraphDelta,
  policy: GraphPolicy,
): StoreErrorCode | undefined {
  const added = new Map(delta.nodes.map((node) => [node.id, node]));
  const replaces = delta.graph === "replaceFull";
  if (added.size < delta.nodes.length) return "NODE_ID_COLLISION";
  if (!replaces && delta.nodes.some(({ id }) => state.table.find(id) !== undefined))
    return "NODE_ID_COLLISION";
  if (closesCycle(state, delta, added)) return "INVALID_GRAPH";
  if (policy === "permissive") return undefined;
  const isLiveAfter = (id: string): boolean =>
    added.has(id) || (!replaces && liveNode(state, id) !== undefined);
  const dangles = delta.nodes.some(({ parent }) => parent !== undefined && !isLiveAfter(parent));
  return dangles || (delta.leaf !== undefined && !isLiveAfter(delta.leaf)) ? "INVALID_GRAPH" : undefined;
}

/** A cycle needs an edge to a node that comes later, or a node that was missed as a parent before. */
function closesCycle(
  state: GraphState,
  { graph, nodes }: GraphDelta,
  added: ReadonlyMap<string, NodeSeen>,
): boolean {
  const seen = new Set<string>();
  const suspicious = nodes.some(({ id, parent }) => {
    seen.add(id);
    const isForward = parent !== undefined && added.has(parent) && (!seen.has(parent) || parent === id);
    return isForward || state.table.childrenOf(id).length > 0;
  });
  if (!suspicious) return false;
  const parentOf = (id: string): string | undefined =>
    (added.get(id) ?? (graph === "append" ? state.table.find(id)?.node : undefined))?.parent;
  const safe = new Set<string>();
  for (const id of added.keys()) {
    const walked = new Set<string>();
    for (let at: string | undefined = id; at !== undefined && !safe.has(at); at = parentOf(at)) {
      if (walked.has(at)) return true;
      walked.add(at);
    }
    for (const at of walked) safe.add(at);
  }
  return false;
}

/** The graph that is left by an accepted delta, as state `index`. */
export function graphAfter(state: GraphState, delta: GraphDelta, index: number): GraphState {
  if (delta.graph === "replaceFull") {
    return {
      index,
      table: NodeTable.of(delta.nodes),
      length: delta.nodes.length,
      hidden: 0,
      leaf: delta.leaf,
    };
  }
  for (const node of delta.nodes) state.table.add(node);
  const { table, hidden } = state;
  return { index, table, hidden, length: table.entries.length, leaf: delta.leaf };
}

/** Nodes of these that a tombstone would hide, or the refusal. */
export function planHiding(
  state: GraphState,
  ids: readonly string[],
  policy: GraphPolicy,
): ReadonlySet<string> | "NODE_IN_USE" {
  const hidden = new Set(ids.filter((id) => liveNode(state, id) !== undefined));
  if (policy === "permissive") return hidden;
  // Under the strict policy every inner node of the active path has a live child, so only the leaf is left.
  if (state.leaf !== undefined && hidden.has(state.leaf)) return "NODE_IN_USE";
  for (const id of hidden) {
    const stays = state.table
      .childrenOf(id)
      .some((child) => isLive(state, child) && !hidden.has(child.node.id));
    if (stays) return "NODE_IN_USE";
  }
  return hidden;
}

export function graphHiding(state: GraphState, ids: ReadonlySet<string>, index: number): GraphState {
  for (const id of ids) {
    const entry = state.table.find(id);
    if (entry !== undefined) entry.hiddenFrom = index;
  }
  return { ...state, index, hidden: state.hidden + ids.size };
}

export function graphVacuumed(state: GraphState, index: number): GraphState {
  const nodes = liveNodes(state);
  return { ...state, index, table: NodeTable.of(nodes), length: nodes.length, hidden: 0 };
}
