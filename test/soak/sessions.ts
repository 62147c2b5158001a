/**
 * The sessions of a soak's host, and what its lanes believe of each: shared, so that lanes come in each other's way. What is
 * believed may be old or wrong, as with any host.
 */
import type {
  PersistedSessionRead,
  RuntimeCommit,
  RuntimeCommitResult,
  SessionNodeRecord,
} from "../../src/session/types.ts";
import type { Random } from "../../src/testing/simulation/random.ts";
import { type Belief, believe, KINDS, type Kind, kindOf, nothingBelieved, refsOf } from "./values.ts";

/** Sessions at a time. */
const MOST: Readonly<Record<Kind, number>> = { small: 24, big: 4 };
/** Ids of deleted sessions that are remembered. */
const KEPT = 24;

export class Sessions {
  readonly deletedIds: string[];
  readonly #beliefs = new Map<string, Belief>();
  readonly #newId: (prefix: string) => string;

  constructor(deletedIds: readonly string[], newId: (prefix: string) => string) {
    this.deletedIds = [...deletedIds];
    this.#newId = newId;
  }

  get size(): number {
    return this.#beliefs.size;
  }

  get areMany(): boolean {
    return this.size > MOST.small + MOST.big;
  }

  /** Nothing is believed any more. */
  clear(): void {
    this.#beliefs.clear();
  }

  of(sessionId: string): Belief {
    return this.#beliefs.get(sessionId) ?? nothingBelieved();
  }

  /** Mostly one that is there; a new one while there are too few; now and then one that is gone. */
  pick(random: Random): string {
    if (random.chance(0.02)) return random.pickAny(this.deletedIds) ?? "never";
    const kind = random.chance(0.3) ? "big" : "small";
    const those = [...this.#beliefs.keys()].filter((id) => kindOf(id) === kind);
    if (those.length < MOST[kind]) return this.begin(kind);
    return random.pickAny(those) ?? "never";
  }

  /** One that has grown to half of what it may be, if there is one. */
  pickLong(random: Random): string | undefined {
    const long = [...this.#beliefs].filter(([id, { ids }]) => ids.length >= KINDS[kindOf(id)].nodes / 2);
    return random.pickAny(long)?.[0];
  }

  isFull(sessionId: string): boolean {
    return this.of(sessionId).ids.length >= KINDS[kindOf(sessionId)].nodes;
  }

  begin(kind: Kind): string {
    const sessionId = this.#newId(kind);
    this.#beliefs.set(sessionId, nothingBelieved());
    return sessionId;
  }

  /** At an opening, and when all is looked at. */
  found(sessionId: string, read: PersistedSessionRead | undefined): void {
    this.#beliefs.set(sessionId, read === undefined ? nothingBelieved() : believe(read));
  }

  read(sessionId: string, read: PersistedSessionRead | undefined): void {
    // Whoever deleted it meanwhile has taken it out.
    if (read !== undefined && this.#beliefs.has(sessionId)) this.#beliefs.set(sessionId, believe(read));
  }

  committed(commit: RuntimeCommit, { headRevision, manifest }: RuntimeCommitResult): void {
    const belief = this.#beliefs.get(commit.sessionId);
    if (belief !== undefined && headRevision > belief.revision)
      this.#beliefs.set(commit.sessionId, after(belief, commit.graph, headRevision, refsOf(manifest)));
  }

  hid(sessionId: string, ids: readonly string[]): void {
    const belief = this.of(sessionId);
    belief.ids = belief.ids.filter((id) => !ids.includes(id));
  }

  /** At once: no lane should begin anything with it, though some may have. */
  forget(sessionId: string): void {
    this.#beliefs.delete(sessionId);
  }

  deleted(sessionId: string): void {
    if (this.deletedIds.includes(sessionId)) return;
    this.deletedIds.push(sessionId);
    if (this.deletedIds.length > KEPT) this.deletedIds.shift();
  }
}

function after(
  { ids, copyOf }: Belief,
  graph: RuntimeCommit["graph"],
  revision: number,
  refs: Belief["refs"],
): Belief {
  if (graph.kind === "replaceFull") {
    const { nodes, leafNodeId } = graph.graph;
    return { revision, ids: idsOf(nodes), leaf: leafNodeId, refs, copyOf };
  }
  const added = graph.kind === "append" ? idsOf(graph.nodes) : [];
  return { revision, ids: [...ids, ...added], leaf: graph.leafNodeId, refs, copyOf };
}

function idsOf(nodes: readonly SessionNodeRecord[]): string[] {
  return nodes.map(({ nodeId }) => nodeId);
}
