/**
 * Pure helpers over any graph a host holds, whole or partial. Nothing here mutates its argument; a new graph
 * shares the node records of the old one. They deliberately accept what the store would refuse (dangling
 * parents, unknown leaves), and throw INVALID_GRAPH only where a cycle would make them run for ever.
 *
 * Of several nodes with one id the last counts, as in the original.
 */
import { storeError } from "../errors.ts";
import { findCycle } from "./cycles.ts";
import { countsAsUserMessage, userMessageText } from "./picker.ts";
import type { Json, Message, SessionEvent, SessionGraph, SessionNodeRecord } from "./types.ts";

/** Nodes from the root to the leaf; none if the leaf is no node. A missing parent ends the path. */
export function activePath<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
  leafNodeId: string | undefined = graph.leafNodeId,
): SessionNodeRecord<Event, Body>[] {
  const byId = nodesById(graph);
  const path: SessionNodeRecord<Event, Body>[] = [];
  let node = leafNodeId === undefined ? undefined : byId.get(leafNodeId);
  while (node !== undefined) {
    // A path longer than the graph has come by a node twice.
    if (path.length === byId.size) throw cyclic(node.nodeId);
    path.push(node);
    node = node.parentNodeId === undefined ? undefined : byId.get(node.parentNodeId);
  }
  return path.reverse();
}

export function findNode<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
  nodeId: string,
): SessionNodeRecord<Event, Body> | undefined {
  return graph.nodes.findLast((node) => node.nodeId === nodeId);
}

/**
 * The graph with a chain of message nodes behind its leaf; the last becomes the leaf. A node's id is its
 * message's, on collision `message:<id>`, then `message:<id>:2` and on. Transient messages are skipped.
 */
export function appendMessages<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
  messages: readonly Message[],
  options: { timestamp: string },
): SessionGraph<Event | { conversation: Message }, Body> {
  const taken = new Set(graph.nodes.map((node) => node.nodeId));
  const nodes: SessionNodeRecord<Event | { conversation: Message }, Body>[] = [...graph.nodes];
  let leafNodeId = graph.leafNodeId;
  for (const message of messages) {
    if (message.origin?.transient === true) continue;
    const nodeId = freeNodeId(message.id, taken);
    taken.add(nodeId);
    nodes.push({
      nodeId,
      ...(leafNodeId === undefined ? {} : { parentNodeId: leafNodeId }),
      timestamp: options.timestamp,
      kind: "event",
      event: { conversation: message },
    });
    leafNodeId = nodeId;
  }
  return leafNodeId === undefined ? { nodes } : { nodes, leafNodeId };
}

function freeNodeId(messageId: string, taken: ReadonlySet<string>): string {
  if (!taken.has(messageId)) return messageId;
  const base = `message:${messageId}`;
  let nodeId = base;
  for (let n = 2; taken.has(nodeId); n++) nodeId = `${base}:${n}`;
  return nodeId;
}

/**
 * A copy of the full graph brought up to date by what `loadSession({ kind: "changesSince" })` answered. Of a copy of
 * another revision than the one that was asked for it makes nonsense.
 */
export function applyChanges<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
  changes: { graph: SessionGraph<Event, Body>; removedNodeIds?: readonly string[] },
): SessionGraph<Event, Body> {
  const removed = new Set(changes.removedNodeIds);
  const kept = graph.nodes.filter((node) => !removed.has(node.nodeId));
  return { ...changes.graph, nodes: [...kept, ...changes.graph.nodes] };
}

/** The graph with another leaf, or with none. */
export function branchTo<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
  leafNodeId: string | undefined,
): SessionGraph<Event, Body> {
  const nodes = [...graph.nodes];
  return leafNodeId === undefined ? { nodes } : { nodes, leafNodeId };
}

/** A graph with the nodes of the active path only, and the same leaf. */
export function forkCurrentPath<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
): SessionGraph<Event, Body> {
  return { ...graph, nodes: activePath(graph) };
}

/** A leaf that names no node becomes the last conversation node, else none. No leaf needs no healing. */
export function healOrphanedLeaf<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
): { graph: SessionGraph<Event, Body>; healed: boolean } {
  const { leafNodeId } = graph;
  if (leafNodeId === undefined || findNode(graph, leafNodeId) !== undefined) {
    return { graph: branchTo(graph, leafNodeId), healed: false };
  }
  const last = graph.nodes.findLast((node) => messageOf(node) !== undefined);
  return { graph: branchTo(graph, last?.nodeId), healed: true };
}

/** User messages on all branches; those that hold nothing but tool calls or results do not count. */
export function userMessageCount<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
): number {
  return graph.nodes.filter(isUserMessage).length;
}

/** Text of the first of them in insertion order; "" if there is none. */
export function firstUserMessage<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
): string {
  const first = graph.nodes.find(isUserMessage);
  return first?.kind === "event" ? userMessageText(first.event) : "";
}

/** A message and the messages that follow it on some branch. */
export interface MessageTreeNode {
  nodeId: string;
  timestamp: string;
  message: Message;
  children: MessageTreeNode[];
}

/**
 * The messages of all branches as trees; nodes that are no messages are passed over. Roots and children are
 * sorted by timestamp text, equal ones in insertion order.
 */
export function messageTree<Event = SessionEvent, Body = Json>(
  graph: SessionGraph<Event, Body>,
): MessageTreeNode[] {
  const byId = nodesById(graph);
  const trees = new Map<string, MessageTreeNode>();
  for (const node of byId.values()) {
    const message = messageOf(node);
    const { nodeId, timestamp } = node;
    if (message !== undefined) trees.set(nodeId, { nodeId, timestamp, message, children: [] });
  }
  const roots: MessageTreeNode[] = [];
  const nearest = nearestMessages(byId, trees);
  for (const [nodeId, tree] of trees) {
    const parentNodeId = byId.get(nodeId)?.parentNodeId;
    const parent = parentNodeId === undefined ? undefined : nearest(parentNodeId);
    (parent?.children ?? roots).push(tree);
  }
  for (const tree of trees.values()) tree.children.sort(byTimestamp);
  return roots.sort(byTimestamp);
}

/** Answers the message at or above a node; every node is walked over once. Throws INVALID_GRAPH on a cycle. */
function nearestMessages<Event, Body>(
  byId: ReadonlyMap<string, SessionNodeRecord<Event, Body>>,
  trees: ReadonlyMap<string, MessageTreeNode>,
): (nodeId: string) => MessageTreeNode | undefined {
  const cycle = findCycle(byId.keys(), (id) => byId.get(id)?.parentNodeId);
  if (cycle !== undefined) throw cyclic(cycle);
  const known = new Map<string, MessageTreeNode | undefined>();
  return (nodeId) => {
    const walked: string[] = [];
    let at: string | undefined = nodeId;
    while (at !== undefined && !trees.has(at) && !known.has(at)) {
      walked.push(at);
      at = byId.get(at)?.parentNodeId;
    }
    const message = at === undefined ? undefined : (trees.get(at) ?? known.get(at));
    for (const id of walked) known.set(id, message);
    return message;
  };
}

function byTimestamp(a: MessageTreeNode, b: MessageTreeNode): number {
  if (a.timestamp === b.timestamp) return 0;
  return a.timestamp < b.timestamp ? -1 : 1;
}

function nodesById<Event, Body>(
  graph: SessionGraph<Event, Body>,
): Map<string, SessionNodeRecord<Event, Body>> {
  return new Map(graph.nodes.map((node) => [node.nodeId, node]));
}

function isUserMessage<Event, Body>(node: SessionNodeRecord<Event, Body>): boolean {
  return node.kind === "event" && countsAsUserMessage(node.event);
}

/** The message of a conversation node, told by its shape: hosts may have events of their own. */
function messageOf<Event, Body>(node: SessionNodeRecord<Event, Body>): Message | undefined {
  if (node.kind !== "event") return undefined;
  const event: unknown = node.event;
  if (typeof event !== "object" || event === null || !("conversation" in event)) return undefined;
  const { conversation } = event;
  return typeof conversation === "object" && conversation !== null ? (conversation as Message) : undefined;
}

function cyclic(nodeId: string): Error {
  return storeError("INVALID_GRAPH", { nodeId }, `node "${nodeId}" is its own ancestor`);
}
