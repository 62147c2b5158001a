/** What the reads of a session answer, from one of its durable states. Results alias nothing of the store. */
import { copyLedger, type HeadFigures } from "../session/head-meta.ts";
import { BodiesShed } from "../session/node-entry.ts";
import { type GraphRead, isAtHand, readGraph, readGraphInSteps, readNode } from "../session/read.ts";
import { liveEntry, type SessionState } from "../session/state.ts";
import type {
  Json,
  PersistedSessionRead,
  SessionEvent,
  SessionGraph,
  SessionMeta,
  SessionNodeRecord,
  SessionReadScope,
} from "../session/types.ts";
import { runThrough, type Steps } from "../steps.ts";
import type { NewestRead, Source } from "./source.ts";

/** Times as many nodes as are asked for, beyond which a session is not brought back for them. */
const MUCH_LONGER = 4;

/** `undefined` if the session has no head. */
export function readSessionOf<Event = SessionEvent, Body = Json>(
  source: Source,
  state: SessionState,
  scope: SessionReadScope,
): PersistedSessionRead<Event, Body> | undefined {
  return runThrough(readSessionInSteps<Event, Body>(source, state, scope));
}

/** As `readSessionOf`, in steps, all of the state given; its bodies are in memory, and stay there meanwhile. */
export function* readSessionInSteps<Event = SessionEvent, Body = Json>(
  source: Source,
  state: SessionState,
  scope: SessionReadScope,
): Steps<PersistedSessionRead<Event, Body> | undefined> {
  state.nodes.hold();
  try {
    return yield* answerOf<Event, Body>(source, state.sessionId, state, readGraphInSteps(state, scope));
  } finally {
    state.nodes.release();
  }
}

/**
 * The same where only the newest nodes of a path are asked for, or what changed since a revision, and the session need not be in
 * memory for it, or not more of it than is. `loaded`: what of it is. No answer at all: load the session, or bring back what was shed.
 */
export function readNewestOf<Event = SessionEvent, Body = Json>(
  source: Source,
  sessionId: string,
  loaded: SessionState | undefined,
  scope: SessionReadScope,
): { readonly answer: PersistedSessionRead<Event, Body> | undefined } | undefined {
  const newest = newestOf(source, sessionId, loaded, scope);
  if (newest === undefined) return undefined;
  const { figures, read } = newest;
  return { answer: runThrough(answerOf<Event, Body>(source, sessionId, figures, known(read))) };
}

function newestOf(
  source: Source,
  sessionId: string,
  loaded: SessionState | undefined,
  scope: SessionReadScope,
): NewestRead | undefined {
  if (scope.kind === "changesSince") return loaded && readInMemory(source, loaded, scope);
  if (scope.kind !== "activePath" || scope.limit === undefined) return undefined;
  const { limit } = scope;
  const there = loaded && readInMemory(source, loaded, scope);
  if (there !== undefined || isWorthBringingBack(loaded, limit)) return there;
  return source.newestOfPath(sessionId, { ...scope, limit });
}

/** If there is a head, and the nodes are all there, and no more than one step decodes. */
function readInMemory(source: Source, state: SessionState, scope: SessionReadScope): NewestRead | undefined {
  if (state.head === undefined) return undefined;
  try {
    if (!isAtHand(state, scope)) return undefined;
    return { figures: state, read: source.readFor(state.sessionId, () => readGraph(state, scope)) };
  } catch (error) {
    if (error instanceof BodiesShed) return undefined;
    throw error;
  }
}

/** A session that is whole in memory, or not much longer than what is asked of it. */
function isWorthBringingBack(loaded: SessionState | undefined, limit: number): boolean {
  return loaded !== undefined && (!loaded.nodes.isShed || loaded.length <= MUCH_LONGER * limit);
}

// biome-ignore lint/correctness/useYield: nothing is left to do
function* known<Value>(value: Value): Steps<Value> {
  return value;
}

/** The checkpoint is read in the first step: its blobs may be gone later. */
function* answerOf<Event, Body>(
  source: Source,
  sessionId: string,
  { head, deleted, ledger }: HeadFigures,
  read: Steps<GraphRead>,
): Steps<PersistedSessionRead<Event, Body> | undefined> {
  if (head === undefined || deleted) return undefined;
  const checkpoint = source.hydrate(sessionId, head);
  const { graph, graphIsPartial, nextOlderNodeId, removedNodeIds } = yield* source.readInStepsFor(
    sessionId,
    read,
  );
  return {
    sessionId,
    headRevision: head.revision,
    config: structuredClone(head.config),
    // The host says what its nodes hold; the store keeps any shape.
    graph: graph as SessionGraph as unknown as SessionGraph<Event, Body>,
    graphIsPartial,
    checkpointRef: head.checkpointRef,
    checkpoint,
    tokenLedger: copyLedger(ledger),
    ...(nextOlderNodeId === undefined ? {} : { nextOlderNodeId }),
    ...(removedNodeIds === undefined ? {} : { removedNodeIds }),
  };
}

/** A node that is in memory or can be found without its session; no answer at all: as of `readNewestOf`. */
export function readNodeAlone<Event = SessionEvent, Body = Json>(
  source: Source,
  sessionId: string,
  loaded: SessionState | undefined,
  nodeId: string,
): { readonly answer: SessionNodeRecord<Event, Body> | undefined } | undefined {
  const newest = newestOf(source, sessionId, loaded, { kind: "activePath", leafNodeId: nodeId, limit: 1 });
  if (newest === undefined) return undefined;
  const node = newest.figures.deleted ? undefined : newest.read.graph.nodes[0];
  return { answer: node as SessionNodeRecord<Event, Body> | undefined };
}

export function readNodeOf<Event = SessionEvent, Body = Json>(
  source: Source,
  state: SessionState,
  nodeId: string,
): SessionNodeRecord<Event, Body> | undefined {
  if (state.deleted) return undefined;
  liveEntry(state, nodeId)?.needBody();
  const node = source.readFor(state.sessionId, () => readNode(state, nodeId));
  return node as SessionNodeRecord<Event, Body> | undefined;
}

export function readMeta({ meta, deleted }: HeadFigures): SessionMeta | undefined {
  return meta === undefined || deleted ? undefined : { ...meta };
}
