/** What the reads of a session answer, from one of its durable states. Results alias nothing of the store. */
import { copyLedger } from "../session/head-meta.ts";
import { readGraph, readNode } from "../session/read.ts";
import type { SessionState } from "../session/state.ts";
import type {
  Json,
  PersistedSessionRead,
  SessionEvent,
  SessionGraph,
  SessionMeta,
  SessionNodeRecord,
  SessionReadScope,
} from "../session/types.ts";
import type { Source } from "./source.ts";

/** `undefined` if the session has no head. */
export function readSessionOf<Event = SessionEvent, Body = Json>(
  source: Source,
  state: SessionState,
  scope: SessionReadScope,
): PersistedSessionRead<Event, Body> | undefined {
  const { head } = state;
  if (head === undefined || state.deleted) return undefined;
  const { graph, graphIsPartial, nextOlderNodeId, removedNodeIds } = source.readFor(state.sessionId, () =>
    readGraph(state, scope),
  );
  return {
    sessionId: state.sessionId,
    headRevision: head.revision,
    config: structuredClone(head.config),
    // The host says what its nodes hold; the store keeps any shape.
    graph: graph as SessionGraph as unknown as SessionGraph<Event, Body>,
    graphIsPartial,
    checkpointRef: head.checkpointRef,
    checkpoint: source.hydrate(state.sessionId, head),
    tokenLedger: copyLedger(state.ledger),
    ...(nextOlderNodeId === undefined ? {} : { nextOlderNodeId }),
    ...(removedNodeIds === undefined ? {} : { removedNodeIds }),
  };
}

export function readNodeOf<Event = SessionEvent, Body = Json>(
  source: Source,
  state: SessionState,
  nodeId: string,
): SessionNodeRecord<Event, Body> | undefined {
  return state.deleted
    ? undefined
    : (source.readFor(state.sessionId, () => readNode(state, nodeId)) as unknown as
        | SessionNodeRecord<Event, Body>
        | undefined);
}

export function readMeta(state: SessionState): SessionMeta | undefined {
  return state.meta === undefined || state.deleted ? undefined : { ...state.meta };
}
