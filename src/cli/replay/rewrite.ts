/**
 * How a host tidies a long history before it replaces the graph: old, large tool results are marked as taken
 * out of the model's context, and of a very long history only the newest part is kept. Order and ids stay.
 */
import type { Message, Part, SessionNodeRecord } from "../../session/types.ts";

/** Nodes a session keeps through a rewrite; bounds what a long run has to hold, in the store and here. */
const KEPT_NODES = 2_000;
/** The newest nodes stay as they are. */
const UNTOUCHED_NODES = 60;
/** A tool result of at least this many characters is worth clearing. */
const LARGE_RESULT = 2_048;

/** `nodes` in insertion order; a kept node whose parent is dropped becomes a root. */
export function rewriteHistory(nodes: readonly SessionNodeRecord[]): SessionNodeRecord[] {
  const kept = nodes.slice(-KEPT_NODES);
  const ids = new Set(kept.map((node) => node.nodeId));
  return kept.map((node, index) => {
    const linked =
      node.parentNodeId !== undefined && !ids.has(node.parentNodeId) ? withoutParent(node) : node;
    return index < kept.length - UNTOUCHED_NODES ? cleared(linked) : linked;
  });
}

function withoutParent(node: SessionNodeRecord): SessionNodeRecord {
  const { parentNodeId: _dropped, ...root } = node;
  return root;
}

function cleared(node: SessionNodeRecord): SessionNodeRecord {
  const message = messageOf(node);
  if (node.kind !== "event" || message === undefined || !message.parts.some(isLargeResult)) return node;
  const parts = message.parts.map((part) =>
    isLargeResult(part) ? { ...part, pruneState: "Cleared" } : part,
  );
  return { ...node, event: { conversation: { ...message, parts } } };
}

function isLargeResult(part: Part): boolean {
  return part.kind === "ToolResult" && part.content.length >= LARGE_RESULT;
}

/** The message of a conversation node as `mapping.ts` makes it. */
function messageOf(node: SessionNodeRecord): Message | undefined {
  if (node.kind !== "event" || !("conversation" in node.event)) return undefined;
  return node.event.conversation as Message;
}
