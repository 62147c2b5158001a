/** What reads of one state answer about its nodes. Every answer is decoded anew and aliases nothing. */
import { decodeValue } from "../codec.ts";
import { storeError } from "../errors.ts";
import { DECODE_STEP_BYTES } from "../limits.ts";
import { runThrough, type Steps } from "../steps.ts";
import type { NodeEntry, TableEntry } from "./node-entry.ts";
import { liveEntries, liveEntry, type SessionState } from "./state.ts";
import type { SessionGraph, SessionNodeRecord, SessionReadScope } from "./types.ts";

/** What a node costs to decode beside its body, as so many bytes more of it. */
const DECODE_NODE_BYTES = 512;

export interface GraphRead {
  readonly graph: SessionGraph;
  /** Read by active path: there may be nodes beside it. */
  readonly graphIsPartial: boolean;
  /** The newest node of the path that `limit` left out. */
  readonly nextOlderNodeId?: string;
  /** What a copy must drop. */
  readonly removedNodeIds?: string[];
}

/** What a path needs of a node. */
export type PathNode = Pick<TableEntry, "id" | "parent" | "bodyBytes" | "decodeBody">;
/** A node that lies in no table, as a path needs it. */
export function pathNode({ id, parent, body }: Pick<NodeEntry, "id" | "parent" | "body">): PathNode {
  return { id, parent, bodyBytes: body.length, decodeBody: () => decodeValue(body) };
}

/** The live node of that id, if there is one. */
export type FindNode = (nodeId: string) => PathNode | undefined;

export function readGraph(state: SessionState, scope: SessionReadScope): GraphRead {
  return runThrough(readGraphInSteps(state, scope));
}

/** As `readGraph`, so many bytes of nodes a step. The state's bodies must be held meanwhile. */
export function* readGraphInSteps(state: SessionState, scope: SessionReadScope): Steps<GraphRead> {
  if (scope.kind === "fullGraph") {
    const nodes = yield* decodeNodes(liveEntries(state));
    return { graph: graphOf(nodes, state.head?.leafNodeId), graphIsPartial: false };
  }
  if (scope.kind === "changesSince") return yield* changesSince(state, scope.headRevision);
  const limit = scope.limit ?? Number.POSITIVE_INFINITY;
  return yield* readPath((id) => liveEntry(state, id), leafOf(state, scope), limit);
}

/** The newest nodes of a path, and where to go on. */
export function* readPath(find: FindNode, leafNodeId: string | undefined, limit: number): Steps<GraphRead> {
  const { nodes, nextOlder } = yield* newestOfPath(find, leafNodeId, limit);
  const read = { graph: graphOf(nodes, leafNodeId), graphIsPartial: true };
  return nextOlder === undefined ? read : { ...read, nextOlderNodeId: nextOlder.id };
}

/**
 * What makes of a copy of that revision a copy of this state: drop the removed, put the nodes behind the rest. A copy
 * of nothing can always be brought up to date.
 */
function* changesSince(state: SessionState, headRevision: number): Steps<GraphRead> {
  const newest = state.head?.revision ?? 0;
  if (headRevision > newest) throw unknownRevision(state.sessionId, headRevision, newest);
  const removed = headRevision === 0 ? { ids: [] } : state.removals.since(headRevision, state.removalCount);
  if ("oldest" in removed) throw historyGone(state.sessionId, headRevision, removed.oldest);
  const nodes = yield* decodeNodes(liveEntries(state, firstSince(state, headRevision)));
  return {
    graph: graphOf(nodes, state.head?.leafNodeId),
    graphIsPartial: true,
    removedNodeIds: removed.ids,
  };
}

function unknownRevision(sessionId: string, asked: number, newest: number): Error {
  return storeError(
    "REVISION_UNKNOWN",
    { asked, newest },
    `session "${sessionId}" is at revision ${newest} and has never been at ${asked}: the copy is of another store, or of commits that are lost; load it in full`,
  );
}

function historyGone(sessionId: string, asked: number, oldest: number): Error {
  return storeError(
    "HISTORY_GONE",
    { asked, oldest },
    `what session "${sessionId}" removed since revision ${asked} is not known any more, only since ${oldest}: load it in full`,
  );
}

/** Whether all that such a read decodes is in memory, and one step decodes it. Decodes nothing; throws BodiesShed where not. */
export function isAtHand(state: SessionState, scope: SessionReadScope): boolean {
  let bytes = 0;
  for (const entry of entriesOf(state, scope)) {
    entry.needBody();
    bytes += entry.bodyBytes + DECODE_NODE_BYTES;
    if (bytes > DECODE_STEP_BYTES) return false;
  }
  return true;
}

function* entriesOf(state: SessionState, scope: SessionReadScope): Generator<TableEntry> {
  if (scope.kind === "fullGraph") return yield* liveEntries(state);
  if (scope.kind === "changesSince") return yield* liveEntries(state, firstSince(state, scope.headRevision));
  let left = scope.limit ?? Number.POSITIVE_INFINITY;
  for (const entry of pathEntries((id) => liveEntry(state, id), leafOf(state, scope))) {
    if (left-- === 0) return;
    yield entry;
  }
}

function leafOf(state: SessionState, scope: { leafNodeId?: string }): string | undefined {
  return scope.leafNodeId ?? state.head?.leafNodeId;
}

/** The first slot of which the node stands there since a later revision. */
function firstSince(state: SessionState, headRevision: number): number {
  if (headRevision === 0) return 0;
  let slot = state.length;
  while (slot > 0 && (state.nodes.entries[slot - 1]?.revision ?? 0) > headRevision) slot--;
  return slot;
}

/** That live node, on or off the active path. */
export function readNode(state: SessionState, nodeId: string): SessionNodeRecord | undefined {
  const entry = liveEntry(state, nodeId);
  return entry && nodeFromEntry(entry);
}

export function nodeFromEntry(entry: PathNode): SessionNodeRecord {
  const { id, parent } = entry;
  // A body was checked when it was accepted: it is a node without its two ids.
  const rest = entry.decodeBody() as Omit<SessionNodeRecord, "nodeId" | "parentNodeId">;
  const ids = parent === undefined ? { nodeId: id } : { nodeId: id, parentNodeId: parent };
  return Object.assign(ids, rest) as SessionNodeRecord;
}

/** Entries of a path, leaf first; it ends below a missing or tombstoned parent. */
export function* pathEntries<Node extends PathNode>(
  find: (nodeId: string) => Node | undefined,
  leafNodeId: string | undefined,
): Generator<Node> {
  let at = leafNodeId;
  while (at !== undefined) {
    const entry = find(at);
    if (entry === undefined) return;
    yield entry;
    at = entry.parent;
  }
}

/** The newest nodes of a path, root first, and the one that would have been next. */
function* newestOfPath(
  find: FindNode,
  leafNodeId: string | undefined,
  limit: number,
): Steps<{ readonly nodes: SessionNodeRecord[]; readonly nextOlder: PathNode | undefined }> {
  const nodes: SessionNodeRecord[] = [];
  const pause = new Pause();
  for (const entry of pathEntries(find, leafNodeId)) {
    if (nodes.length === limit) return { nodes: nodes.reverse(), nextOlder: entry };
    if (pause.isDue) yield;
    nodes.push(pause.decode(entry));
  }
  return { nodes: nodes.reverse(), nextOlder: undefined };
}

function* decodeNodes(entries: Iterable<PathNode>): Steps<SessionNodeRecord[]> {
  const nodes: SessionNodeRecord[] = [];
  const pause = new Pause();
  for (const entry of entries) {
    if (pause.isDue) yield;
    nodes.push(pause.decode(entry));
  }
  return nodes;
}

/** Counts what is decoded. */
class Pause {
  #bytes = 0;

  /** True once after each step's worth. */
  get isDue(): boolean {
    if (this.#bytes < DECODE_STEP_BYTES) return false;
    this.#bytes = 0;
    return true;
  }

  decode(entry: PathNode): SessionNodeRecord {
    this.#bytes += entry.bodyBytes + DECODE_NODE_BYTES;
    return nodeFromEntry(entry);
  }
}

function graphOf(nodes: SessionNodeRecord[], leafNodeId: string | undefined): SessionGraph {
  return leafNodeId === undefined ? { nodes } : { nodes, leafNodeId };
}
