/**
 * Brings back the bodies that a session has shed: its state is read anew, in the steps of a first load, and its table
 * takes the bodies of the same nodes. It deliberately decides nothing about who waits for them.
 *
 * 1. The table is held from before the first step on: nothing sheds again what is on its way back.
 * 2. Whatever is committed between the steps is another entry of the table, or another table. If a write that was in
 *    flight has replaced the nodes, those that are there now are brought back in their place.
 */
import type { NodeTable } from "../session/node-table.ts";
import type { SessionState } from "../session/state.ts";
import type { Steps } from "../steps.ts";
import type { Source } from "./source.ts";

/** The bodies of one table; nothing to do if all are there. */
export function bringBack(source: Source, sessionId: string, nodes: NodeTable): Steps<void> {
  return source.readInStepsFor(sessionId, takeBack(source, sessionId, nodes));
}

function* takeBack(source: Source, sessionId: string, nodes: NodeTable): Steps<void> {
  // First: what goes meanwhile is durable then, and in what is read behind it.
  yield* nodes.gather();
  if (!nodes.isShed) return;
  const fresh = yield* source.loadInSteps(sessionId);
  yield* nodes.takeBack(fresh.nodes);
}

/** The bodies of the newest durable state: answers its table, which is held until the caller lets go of it. */
export function* holdNewest(
  newest: () => SessionState,
  bringBack: (nodes: NodeTable) => Steps<void>,
): Steps<NodeTable> {
  for (;;) {
    const { nodes } = newest();
    nodes.hold();
    let isNewest = false;
    try {
      yield* bringBack(nodes);
      isNewest = newest().nodes === nodes;
    } catch (error) {
      if (newest().nodes === nodes) throw error;
    } finally {
      if (!isNewest) nodes.release();
    }
    if (isNewest) return nodes;
  }
}
