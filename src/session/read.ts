/** What reads of one state answer about its nodes. Every answer is decoded anew and aliases nothing. */
import { decodeValue } from "../codec.ts";
import type { NodeEntry } from "./node-table.ts";
import { liveEntries, liveEntry, type SessionState } from "./state.ts";
import type { SessionGraph, SessionNodeRecord, SessionReadScope } from "./types.ts";

export interface GraphRead {
  readonly graph: SessionGraph;
  /** Read by active path: there may be nodes beside it. */
  readonly graphIsPartial: boolean;
  /** The newest node of the path that `limit` left out. */
  readonly nextOlderNodeId?: string;
}

export function readGraph(state: SessionState, scope: SessionReadScope): GraphRead {
  if (scope.kind === "fullGraph") {
    const nodes: SessionNodeRecord[] = [];
    for (const entry of liveEntries(state)) nodes.push(nodeFromEntry(entry));
    return { graph: graphOf(nodes, state.head?.leafNodeId), graphIsPartial: false };
  }
  const leafNodeId = scope.leafNodeId ?? state.head?.leafNodeId;
  const { nodes, nextOlder } = newestOfPath(state, leafNodeId, scope.limit ?? Number.POSITIVE_INFINITY);
  const read = { graph: graphOf(nodes, leafNodeId), graphIsPartial: true };
  return nextOlder === undefined ? read : { ...read, nextOlderNodeId: nextOlder.id };
}

/** That live node, on or off the active path. */
export function readNode(state: SessionState, nodeId: string): SessionNodeRecord | undefined {
  const entry = liveEntry(state, nodeId);
  return entry && nodeFromEntry(entry);
}

export function nodeFromEntry({ id, parent, body }: NodeEntry): SessionNodeRecord {
  // A body was checked when it was accepted: it is a node without its two ids.
  const rest = decodeValue(body) as Omit<SessionNodeRecord, "nodeId" | "parentNodeId">;
  const ids = parent === undefined ? { nodeId: id } : { nodeId: id, parentNodeId: parent };
  return Object.assign(ids, rest) as SessionNodeRecord;
}

/** Entries of a path, leaf first; it ends below a missing or tombstoned parent. */
export function* pathEntries(state: SessionState, leafNodeId: string | undefined): Generator<NodeEntry> {
  let at = leafNodeId;
  while (at !== undefined) {
    const entry = liveEntry(state, at);
    if (entry === undefined) return;
    yield entry;
    at = entry.parent;
  }
}

/** The newest nodes of a path, root first, and the one that would have been next. */
function newestOfPath(
  state: SessionState,
  leafNodeId: string | undefined,
  limit: number,
): { readonly nodes: SessionNodeRecord[]; readonly nextOlder: NodeEntry | undefined } {
  const nodes: SessionNodeRecord[] = [];
  for (const entry of pathEntries(state, leafNodeId)) {
    if (nodes.length === limit) return { nodes: nodes.reverse(), nextOlder: entry };
    nodes.push(nodeFromEntry(entry));
  }
  return { nodes: nodes.reverse(), nextOlder: undefined };
}

function graphOf(nodes: SessionNodeRecord[], leafNodeId: string | undefined): SessionGraph {
  return leafNodeId === undefined ? { nodes } : { nodes, leafNodeId };
}
