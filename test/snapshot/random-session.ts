/** Random but valid histories: which record comes next, drawn from what the session's state allows. */
import { sha256 } from "../../src/checksum.ts";
import { NODE_USER_MESSAGE } from "../../src/session/node-entry.ts";
import type { GraphFact, NodeFact, ReplaceStep, SessionRecord } from "../../src/session/record.ts";
import { liveEntries, type SessionState } from "../../src/session/state.ts";
import { commitRecord } from "./fixture.ts";

/** Draws from 0 up to, not including, `limit`. */
export type Draw = (limit: number) => number;

/** Ids are few, so that a forgotten operation is used again. */
const OPERATIONS = 7;

let ids = 0;

export function nextRecord(state: SessionState, draw: Draw): SessionRecord {
  const { sessionId } = state;
  const live = [...liveEntries(state)].map((entry) => entry.id);
  const turn = draw(20);
  if (turn === 0) return { kind: "meta", sessionId, meta: randomMeta(sessionId, draw) };
  if (turn <= 3 && live.length > 0) return tombstone(state, live, draw);
  if (turn === 4 && state.hiddenCount > 0) return { kind: "vacuum", sessionId };
  if (turn === 5 && state.head !== undefined && draw(8) === 0) return { kind: "delete", sessionId };
  return commit(state, live, draw);
}

function commit(state: SessionState, live: readonly string[], draw: Draw): SessionRecord {
  const graph = randomGraph(state, draw);
  const operationId = `operation-${draw(OPERATIONS)}`;
  const isRemembered = state.receipts.find(operationId) !== undefined;
  return commitRecord(state.sessionId, (state.head?.revision ?? 0) + 1, {
    graph,
    turn: draw(1000),
    leafNodeId: live[draw(live.length + 1)],
    usage: Array.from({ length: draw(3) }, () => ({
      source: `source-${draw(3)}`,
      model: `model-${draw(2)}`,
      usage: { inputTokens: draw(9), outputTokens: 1, cachedInputTokens: 0, reasoningTokens: draw(2) },
    })),
    ...(draw(2) === 0 ? { picker: { firstUserMessage: `first ${draw(9)}`, userMessageCount: draw(9) } } : {}),
    ...(draw(2) === 0 || isRemembered
      ? {}
      : { operation: { id: operationId, digest: sha256(Buffer.from(`${operationId} ${draw(99)}`)) } }),
  });
}

function randomGraph(state: SessionState, draw: Draw): GraphFact {
  const kind = draw(8);
  if (kind === 0) return { kind: "unchanged" };
  if (kind === 1) return { kind: "replace", steps: randomSteps(state, draw) };
  return { kind: "append", nodes: Array.from({ length: draw(5) }, () => randomNode(state, draw)) };
}

/** Runs of the old table, tombstones included, and new nodes among them. */
function randomSteps(state: SessionState, draw: Draw): ReplaceStep[] {
  const steps: ReplaceStep[] = [];
  for (let slot = 0; slot < state.length; ) {
    const count = Math.min(1 + draw(6), state.length - slot);
    if (draw(3) > 0) steps.push({ kind: "keep", start: slot, count });
    if (draw(4) === 0) steps.push({ kind: "node", node: randomNode(state, draw) });
    slot += count;
  }
  // Now and then the order is another one.
  return draw(3) === 0 ? steps.reverse() : steps;
}

function randomNode(state: SessionState, draw: Draw): NodeFact {
  const bytes = draw(30) === 0 ? 20_000 + draw(20_000) : draw(200);
  const slot = draw(state.length + 2);
  return {
    id: `node-${ids++}`,
    parent: slot === state.length ? undefined : (state.nodes.entries[slot]?.id ?? "nobody"),
    flags: draw(2) * NODE_USER_MESSAGE,
    body: Buffer.alloc(bytes, draw(256)),
  };
}

function tombstone(state: SessionState, live: readonly string[], draw: Draw): SessionRecord {
  const nodeIds = [...new Set([live[draw(live.length)], live[draw(live.length)]])].filter(
    (id) => id !== undefined,
  );
  return { kind: "tombstone", sessionId: state.sessionId, nodeIds, picker: undefined };
}

function randomMeta(sessionId: string, draw: Draw) {
  return {
    sessionId,
    sessionName: `name ${draw(9)}`,
    createdAt: "then",
    model: "m",
    parentSessionId: "parent",
  };
}
