/** What reads of one state answer about its nodes. Every answer is decoded anew and aliases nothing. */
import { decodeValue } from "../codec.ts";
import type { NodeEntry } from "./node-table.ts";
import { isLive, liveEntries, liveEntry, type SessionState } from "./state.ts";
import type { SessionGraph, SessionNodeRecord, SessionReadScope } from "./types.ts";

export interface GraphRead {
  readonly graph: SessionGraph;
  /** Read by active path: there may be nodes beside it. */
  readonly graphIsPartial: boolean;
}

export function readGraph(state: SessionState, scope: SessionReadScope): GraphRead {
  if (scope.kind === "fullGraph") {
    const nodes: SessionNodeRecord[] = [];
    for (const entry of liveEntries(state)) nodes.push(nodeFromEntry(entry));
    return { graph: graphOf(nodes, state.head?.leafNodeId), graphIsPartial: false };
  }
  const leafNodeId = scope.leafNodeId ?? state.head?.leafNodeId;
  return { graph: graphOf(pathTo(state, leafNodeId), leafNodeId), graphIsPartial: true };
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

/** Root first; it ends below a missing or tombstoned parent. */
function pathTo(state: SessionState, leafNodeId: string | undefined): SessionNodeRecord[] {
  const path: SessionNodeRecord[] = [];
  let at = leafNodeId;
  while (at !== undefined) {
    const slot = state.nodes.slots.get(at);
    const entry = slot === undefined ? undefined : state.nodes.entries[slot];
    if (slot === undefined || entry === undefined || !isLive(state, slot)) break;
    path.push(nodeFromEntry(entry));
    at = entry.parent;
  }
  return path.reverse();
}

function graphOf(nodes: SessionNodeRecord[], leafNodeId: string | undefined): SessionGraph {
  return leafNodeId === undefined ? { nodes } : { nodes, leafNodeId };
}
