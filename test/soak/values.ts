/**
 * What a soak's host writes: commits for what it believes of a session. Sizes and values come from chance alone; whether
 * an answer is right is not its business.
 */
import type {
  HydratedSessionCheckpoint,
  PersistedSessionRead,
  RuntimeCommit,
  SessionNodeRecord,
} from "../../src/session/types.ts";
import type { Random } from "../../src/testing/simulation/random.ts";
import {
  append,
  commit,
  config,
  ledgerEntry,
  messageNode,
  noise,
  pluginNode,
  pluginSnapshot,
  replaceFull,
  toolState,
  turnState,
  unchanged,
  usage,
} from "../support/builders.ts";

/** How many nodes a session of a kind holds before it is cut back, how many come at once, and how large they are. */
export const KINDS = {
  small: { nodes: 40, atOnce: 3, textBytes: 2_000 },
  big: { nodes: 500, atOnce: 40, textBytes: 2_000 },
} as const;
export type Kind = keyof typeof KINDS;

/** Values that many sessions share. */
const SHARED_VALUES = 12;
/** One execution state in so many is large: it fills a segment, or several frames. */
const LARGE_EVERY = 60;
const LARGE_BYTES = 200_000;

type Refs = Pick<HydratedSessionCheckpoint, "toolStateRef" | "pluginSnapshotRef" | "executionStateRef">;

/** What the host believes of one session. Ids only: bodies are read when they are needed. */
export interface Belief {
  revision: number;
  /** Live nodes in insertion order. */
  ids: string[];
  leaf: string | undefined;
  refs: Refs;
  /** Revision of an older read, for a read of the changes since. */
  copyOf: number;
}

export function kindOf(sessionId: string): Kind {
  return sessionId.startsWith("big") ? "big" : "small";
}

export function nothingBelieved(): Belief {
  return { revision: 0, ids: [], leaf: undefined, refs: {}, copyOf: 0 };
}

export function believe(read: PersistedSessionRead): Belief {
  return {
    revision: read.headRevision,
    ids: read.graph.nodes.map(({ nodeId }) => nodeId),
    leaf: read.graph.leafNodeId,
    refs: refsOf(read.checkpoint),
    copyOf: read.headRevision,
  };
}

export function refsOf({ toolStateRef, pluginSnapshotRef, executionStateRef }: Refs): Refs {
  return {
    ...(toolStateRef === undefined ? {} : { toolStateRef }),
    ...(pluginSnapshotRef === undefined ? {} : { pluginSnapshotRef }),
    ...(executionStateRef === undefined ? {} : { executionStateRef }),
  };
}

export class Writer {
  readonly #random: Random;
  readonly #life: number;
  #made = 0;

  constructor(random: Random, life: number) {
    this.#random = random;
    this.#life = life;
  }

  /** Of no other life and no other writer of this one. */
  newId(prefix: string): string {
    return `${prefix}${this.#life}-${this.#made++}`;
  }

  /** A commit that goes on from what is believed; mostly an append. */
  next(sessionId: string, belief: Belief): RuntimeCommit {
    const random = this.#random;
    const graph = random.weighted({ append: 10, branch: 3, unchanged: 2, bad: 0.3 });
    const anyNode = random.pickAny(belief.ids);
    if (graph === "unchanged") return this.#commit(sessionId, belief, unchanged(anyNode ?? belief.leaf));
    if (graph === "bad")
      return this.#commit(sessionId, belief, append([this.#node(kindOf(sessionId), anyNode)], "nowhere"));
    const { atOnce } = KINDS[kindOf(sessionId)];
    const nodes: SessionNodeRecord[] = [];
    let parent = graph === "branch" ? anyNode : belief.leaf;
    for (let count = random.between(1, atOnce); count > 0; count--) {
      const node = this.#node(kindOf(sessionId), parent);
      nodes.push(node);
      // Some stay leaves of their own, so that there is something to hide.
      if (random.chance(0.8)) parent = node.nodeId;
    }
    return this.#commit(sessionId, belief, append(nodes, parent));
  }

  /** The whole graph anew: some nodes written differently, some left out, at most `most` kept. */
  replacement(sessionId: string, read: PersistedSessionRead, most: number): RuntimeCommit {
    const random = this.#random;
    const kept = new Set<string>();
    const nodes: SessionNodeRecord[] = [];
    for (const node of read.graph.nodes.slice(0, most)) {
      const { nodeId, parentNodeId } = node;
      if (random.chance(0.05) || (parentNodeId !== undefined && !kept.has(parentNodeId))) continue;
      kept.add(nodeId);
      const other = { ...this.#node(kindOf(sessionId), parentNodeId), nodeId };
      nodes.push(random.chance(0.05) ? other : node);
    }
    const added = this.#node(kindOf(sessionId), nodes.at(-1)?.nodeId);
    return this.#commit(sessionId, believe(read), replaceFull([...nodes, added], added.nodeId));
  }

  /** The leaf moves back to this node: what comes behind it may be hidden then. */
  moveLeaf(sessionId: string, belief: Belief, leaf: string | undefined): RuntimeCommit {
    return this.#commit(sessionId, belief, unchanged(leaf));
  }

  /** A new session with a path of another one. */
  fork(sessionId: string, path: readonly SessionNodeRecord[]): RuntimeCommit {
    return this.#commit(sessionId, nothingBelieved(), replaceFull([...path], path.at(-1)?.nodeId));
  }

  #commit(sessionId: string, belief: Belief, graph: RuntimeCommit["graph"]): RuntimeCommit {
    const random = this.#random;
    return commit({
      sessionId,
      config: config({ configuredModel: `model-${random.below(3)}` }),
      graph,
      checkpoint: this.#checkpoint(belief),
      usageDeltas: random.chance(0.5)
        ? [ledgerEntry("turn", `m${random.below(3)}`, usage(random.below(9), 1))]
        : [],
      ...(random.chance(0.1) ? {} : { expectedHeadRevision: belief.revision }),
      ...(random.chance(0.4) ? { operationId: this.newId("op") } : {}),
    });
  }

  #node(kind: Kind, parent: string | undefined): SessionNodeRecord {
    const random = this.#random;
    const nodeId = this.newId("n");
    const text = `${nodeId} ${Buffer.from(noise(random.spread(1, KINDS[kind].textBytes), this.#made)).toString("base64")}`;
    if (random.chance(0.3)) return pluginNode(nodeId, parent, { text });
    return messageNode(nodeId, parent, text, random.pick(["User", "Assistant"]));
  }

  /** Each component is carried, sent, or dropped. */
  #checkpoint({ refs }: Belief): HydratedSessionCheckpoint {
    const random = this.#random;
    const made: HydratedSessionCheckpoint = { turnState: turnState({ turnIndex: random.below(1000) }) };
    if (random.chance(0.7)) Object.assign(made, refs);
    if (random.chance(0.3)) made.toolState = toolState(this.#value(), "tool ".repeat(20));
    if (random.chance(0.2)) made.pluginSnapshot = pluginSnapshot({ value: this.#value() });
    if (random.chance(0.3)) made.executionState = this.#executionState();
    return made;
  }

  #executionState(): Uint8Array {
    const value = this.#value();
    return noise(value % LARGE_EVERY === 0 ? LARGE_BYTES + value : (value % 7) * 400, value);
  }

  /** Often one that other sessions use as well. */
  #value(): number {
    return this.#random.chance(0.4) ? this.#random.below(SHARED_VALUES) : this.#random.below(1_000_000);
  }
}
