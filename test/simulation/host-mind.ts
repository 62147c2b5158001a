/**
 * What a host believes of the sessions it writes, and the commits it makes of that. Its beliefs may be old or
 * wrong: several hosts write the same sessions, and crashes take what was not acknowledged. It decides by
 * chance only; whether an answer is right is not its business.
 */
import type {
  GraphCommitDelta,
  HydratedSessionCheckpoint,
  PersistedSessionRead,
  RuntimeCommit,
  RuntimeCommitResult,
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
import type { Settings } from "./settings.ts";

/** Bytes of an execution state that fills more than a segment of 64 KiB, at least. */
const BIG_BYTES = 66_000;
/** Different values that hosts share. */
const VALUES = 6;

type Refs = Pick<HydratedSessionCheckpoint, "toolStateRef" | "pluginSnapshotRef" | "executionStateRef">;

/** What one host believes of one session. */
export interface Belief {
  revision: number;
  /** Live nodes in insertion order. */
  nodes: SessionNodeRecord[];
  leaf: string | undefined;
  refs: Refs;
}

/** Shared by all hosts of a simulation, and by their lives: what they wrote on paper. */
export class Notebook {
  /** Commits with an operation id, to be sent again. */
  readonly sent: RuntimeCommit[] = [];
  /** Those of them that are not known to be there. */
  readonly unanswered = new Set<RuntimeCommit>();
  readonly refs: Refs[] = [];
  readonly hiddenIds: string[] = [];
  readonly sessionIds: string[];
  readonly deletedIds: string[] = [];
  nextNode = 0;
  nextOperation = 0;

  constructor(sessions: number) {
    this.sessionIds = Array.from({ length: sessions }, (_, number) => `s${number}`);
  }

  /** Its id is never used again, so another session takes its place. */
  deleted(sessionId: string): void {
    const at = this.sessionIds.indexOf(sessionId);
    if (at === -1) return;
    this.deletedIds.push(sessionId);
    this.sessionIds[at] = `s${this.sessionIds.length + this.deletedIds.length}`;
  }
}

export class HostMind {
  readonly #random: Random;
  readonly #settings: Settings;
  readonly #notebook: Notebook;
  readonly #beliefs = new Map<string, Belief>();

  constructor(parts: { random: Random; settings: Settings; notebook: Notebook }) {
    this.#random = parts.random;
    this.#settings = parts.settings;
    this.#notebook = parts.notebook;
  }

  belief(sessionId: string): Belief {
    let belief = this.#beliefs.get(sessionId);
    if (belief === undefined) {
      belief = { revision: 0, nodes: [], leaf: undefined, refs: {} };
      this.#beliefs.set(sessionId, belief);
    }
    return belief;
  }

  believe(sessionId: string, read: PersistedSessionRead | undefined): void {
    if (read === undefined) {
      this.#beliefs.delete(sessionId);
      return;
    }
    this.#beliefs.set(sessionId, {
      revision: read.headRevision,
      nodes: read.graph.nodes,
      leaf: read.graph.leafNodeId,
      refs: refsOf(read.checkpoint),
    });
  }

  hid(sessionId: string, ids: readonly string[]): void {
    const belief = this.belief(sessionId);
    belief.nodes = belief.nodes.filter(({ nodeId }) => !ids.includes(nodeId));
    this.#notebook.hiddenIds.push(...ids);
  }

  /** A commit, with the belief it leads to if it is taken; the belief is held at once, as by a host in a hurry. */
  nextCommit(sessionId: string): RuntimeCommit {
    const { stale, unconditional, withOperation } = this.#settings;
    const random = this.#random;
    const belief = this.belief(sessionId);
    const graph = this.#graph(belief);
    const expected = random.chance(stale)
      ? Math.max(0, belief.revision - random.between(1, 2))
      : belief.revision;
    const value = commit({
      sessionId,
      config: config({ configuredModel: `model-${random.below(3)}` }),
      graph,
      checkpoint: this.#checkpoint(belief),
      usageDeltas: random.chance(0.5)
        ? [ledgerEntry("turn", `m${random.below(3)}`, usage(random.below(9), 1))]
        : [],
      ...(random.chance(unconditional) ? {} : { expectedHeadRevision: expected }),
      ...(random.chance(withOperation) ? { operationId: `op-${this.#notebook.nextOperation++}` } : {}),
    });
    if (value.operationId !== undefined) {
      this.#notebook.sent.push(value);
      this.#notebook.unanswered.add(value);
    }
    this.#hope(belief, value);
    return value;
  }

  answered(value: RuntimeCommit, result: RuntimeCommitResult): void {
    this.#notebook.unanswered.delete(value);
    const belief = this.belief(value.sessionId);
    if (!result.replayed) belief.revision = Math.max(belief.revision, result.headRevision);
    belief.refs = refsOf(result.manifest);
    this.#notebook.refs.push(belief.refs);
  }

  #hope(belief: Belief, { graph }: RuntimeCommit): void {
    belief.revision++;
    if (graph.kind === "replaceFull") {
      belief.nodes = [...graph.graph.nodes];
      belief.leaf = graph.graph.leafNodeId;
      return;
    }
    if (graph.kind === "append") belief.nodes.push(...graph.nodes);
    belief.leaf = graph.leafNodeId;
  }

  #graph(belief: Belief): GraphCommitDelta {
    const random = this.#random;
    const anyNode = (): string | undefined => random.pickAny(belief.nodes)?.nodeId;
    switch (random.weighted(this.#settings.graphs)) {
      case "branch":
        return this.#append(anyNode());
      case "unchanged":
        return unchanged(random.chance(0.8) ? anyNode() : belief.leaf);
      case "replaceFull":
        return this.#replace(belief);
      case "bad":
        return this.#bad(belief);
      default:
        return this.#append(belief.leaf);
    }
  }

  #append(parent: string | undefined): GraphCommitDelta {
    const nodes: SessionNodeRecord[] = [];
    let above = parent;
    for (let count = this.#random.between(1, this.#settings.nodes); count > 0; count--) {
      const node = this.#node(this.#newId(), above);
      nodes.push(node);
      // Some nodes stay leaves of their own, so that there is something to hide.
      if (this.#random.chance(0.7)) above = node.nodeId;
    }
    return append(nodes, above);
  }

  #node(nodeId: string, parent: string | undefined): SessionNodeRecord {
    const text = `text of ${nodeId} ${"x".repeat(this.#random.spread(1, 200))}`;
    if (this.#random.chance(0.3)) return pluginNode(nodeId, parent, { text });
    return messageNode(nodeId, parent, text, this.#random.pick(["User", "Assistant"]));
  }

  /** Mostly an id that was never used; now and then one that was hidden, and may be free again. */
  #newId(): string {
    const old = this.#random.chance(0.1) ? this.#random.pickAny(this.#notebook.hiddenIds) : undefined;
    return old ?? `n${this.#notebook.nextNode++}`;
  }

  #replace(belief: Belief): GraphCommitDelta {
    const random = this.#random;
    const kept = new Set<string>();
    const nodes: SessionNodeRecord[] = [];
    for (const node of belief.nodes) {
      if (random.chance(0.15) || (node.parentNodeId !== undefined && !kept.has(node.parentNodeId))) continue;
      kept.add(node.nodeId);
      nodes.push(random.chance(0.1) ? this.#node(node.nodeId, node.parentNodeId) : node);
    }
    const last = nodes.at(-1)?.nodeId;
    const added = this.#node(this.#newId(), last);
    return replaceFull([...nodes, added], random.chance(0.8) ? added.nodeId : last);
  }

  /** What a strict store refuses: an id that exists, a parent or leaf that does not, a cycle. */
  #bad(belief: Belief): GraphCommitDelta {
    const known = this.#random.pickAny(belief.nodes)?.nodeId;
    const id = this.#newId();
    switch (this.#random.below(4)) {
      case 0:
        return append([this.#node(known ?? id, undefined)], known ?? id);
      case 1:
        return append([this.#node(id, "nowhere")], id);
      case 2:
        return append([this.#node(id, id)], id);
      default:
        return append([this.#node(id, known)], "nowhere");
    }
  }

  #checkpoint({ refs }: Belief): HydratedSessionCheckpoint {
    const random = this.#random;
    const { carried, big } = this.#settings;
    const made: HydratedSessionCheckpoint = {
      turnState: turnState({ turnIndex: random.below(1000) }),
      ...(random.chance(0.3) ? { pluginSnapshotRevision: BigInt(random.below(1000)) } : {}),
    };
    if (random.chance(carried)) {
      const source = random.chance(0.7) ? refs : (random.pickAny(this.#notebook.refs) ?? refs);
      Object.assign(made, source);
    }
    if (random.chance(0.6)) made.toolState = toolState(this.#value(), "fill");
    if (random.chance(0.3)) made.pluginSnapshot = pluginSnapshot({ value: this.#value() });
    if (random.chance(big)) made.executionState = noise(BIG_BYTES * random.between(1, 3), this.#value());
    else if (random.chance(0.5)) made.executionState = noise(200 * random.between(0, 12), this.#value());
    return made;
  }

  /** Often one that other sessions use as well. */
  #value(): number {
    const { reused } = this.#settings;
    return this.#random.chance(reused) ? this.#random.below(VALUES) : this.#random.below(100_000);
  }
}

function refsOf({ toolStateRef, pluginSnapshotRef, executionStateRef }: Refs): Refs {
  return {
    ...(toolStateRef === undefined ? {} : { toolStateRef }),
    ...(pluginSnapshotRef === undefined ? {} : { pluginSnapshotRef }),
    ...(executionStateRef === undefined ? {} : { executionStateRef }),
  };
}
