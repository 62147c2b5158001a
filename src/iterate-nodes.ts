/**
 * The nodes of one state, one at a time, for the store and the read-only view. It holds the state as it was
 * when the first node was asked for: its encoded nodes, shared with the store as long as the store has them.
 *
 * 1. All nodes are of one state, whatever is committed, hidden, removed or deleted meanwhile.
 * 2. The event loop turns between so many nodes, and a closed store ends the walk with STORE_CLOSED.
 */
import { throwIfAborted } from "./actors/ask.ts";
import type { Source } from "./actors/source.ts";
import { type Clock, nextTurn } from "./clock.ts";
import type { CallOptions } from "./contract.ts";
import { preparePath } from "./session/prepare.ts";
import { nodeFromEntry, type PathNode, pathEntries } from "./session/read.ts";
import { liveEntries, liveEntry, type SessionState } from "./session/state.ts";
import type { Json, SessionEvent, SessionNodeRecord } from "./session/types.ts";

export interface Walkable {
  readonly source: () => Source;
  /** The newest durable state, its bodies held. */
  readonly load: () => Promise<SessionState>;
  /** Throws when the store may not be read. */
  readonly check: () => void;
  readonly clock: Clock;
}

/** Nodes shown between two turns of the event loop. */
const NODES_PER_TURN = 64;

/** Newest node first. Arguments are read now; what is wrong with them is told where the first node is asked for. */
export function iteratePathOf<Event = SessionEvent, Body = Json>(
  store: Walkable,
  path: unknown,
  options: CallOptions | undefined,
): AsyncGenerator<SessionNodeRecord<Event, Body>> {
  let choose: () => Choice;
  try {
    const { leafNodeId } = preparePath(path);
    choose = () => (state) => pathEntries((id) => liveEntry(state, id), leafNodeId ?? state.head?.leafNodeId);
  } catch (error) {
    choose = () => {
      throw error;
    };
  }
  return iterateNodes<Event, Body>(store, choose, options?.signal);
}

/** In insertion order. */
export function iterateGraphOf<Event = SessionEvent, Body = Json>(
  store: Walkable,
  options: CallOptions | undefined,
): AsyncGenerator<SessionNodeRecord<Event, Body>> {
  return iterateNodes<Event, Body>(store, () => liveEntries, options?.signal);
}

type Choice = (state: SessionState) => Iterable<PathNode>;

async function* iterateNodes<Event, Body>(
  store: Walkable,
  choose: () => Choice,
  signal: AbortSignal | undefined,
): AsyncGenerator<SessionNodeRecord<Event, Body>> {
  store.check();
  throwIfAborted(signal);
  const choice = choose();
  const state = await store.load();
  try {
    if (state.head === undefined || state.deleted) return;
    let shown = 0;
    for (const entry of choice(state)) {
      const node = store.source().readFor(state.sessionId, () => nodeFromEntry(entry));
      // The host says what its nodes hold; the store keeps any shape.
      yield node as unknown as SessionNodeRecord<Event, Body>;
      throwIfAborted(signal);
      if (++shown % NODES_PER_TURN === 0) await nextTurn(store.clock, "iterating");
      store.check();
    }
  } finally {
    state.nodes.release();
  }
}

/** For `load`, where the state is read: it may be of the past by the time its nodes are asked for. */
export function holdBodies(state: SessionState): SessionState {
  state.nodes.ownBodies();
  state.nodes.hold();
  return state;
}
