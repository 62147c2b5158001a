/**
 * A naive model of one session: arrays and maps, no sharing, no durability. It decides each call at the
 * moment it is made, because writes of one session take effect in call order; what it answers is what the
 * store must answer. It deliberately knows strict graphs only, and no blobs but the tool state's value.
 *
 * 1. `states` holds every state the session ever had, oldest first; a read must equal one of them.
 */
import type { StoreErrorCode } from "../../errors.ts";
import type {
  PersistedSessionRead,
  RuntimeCommit,
  SessionNodeRecord,
  TokenLedgerEntry,
} from "../../session/types.ts";

interface ModelNode {
  readonly id: string;
  readonly parent: string | undefined;
  readonly hidden: boolean;
}
export interface ModelState {
  readonly revision: number;
  readonly nodes: readonly ModelNode[];
  readonly leaf: string | undefined;
  readonly tool: number | undefined;
  /** Input tokens by model name, in first-seen order. */
  readonly ledger: ReadonlyMap<string, number>;
  readonly metaName: string | undefined;
  readonly deleted: boolean;
}

export type Outcome =
  | { readonly kind: "refused"; readonly code: StoreErrorCode }
  | { readonly kind: "answer"; readonly value: unknown; readonly state: number };

const NEW: ModelState = {
  revision: 0,
  nodes: [],
  leaf: undefined,
  tool: undefined,
  ledger: new Map(),
  metaName: undefined,
  deleted: false,
};

export class ModelSession {
  readonly states: ModelState[] = [NEW];
  /** Index of the newest state that an answered call has shown to be durable. */
  floor = 0;
  readonly #receipts = new Map<string, { content: string; revision: number; state: number }>();

  get now(): ModelState {
    return this.states.at(-1) ?? NEW;
  }

  commit(commit: RuntimeCommit): Outcome {
    const { now } = this;
    if (now.deleted) return refused("SESSION_DELETED");
    const content = contentOf(commit);
    const receipt = commit.operationId === undefined ? undefined : this.#receipts.get(commit.operationId);
    if (receipt !== undefined) {
      if (receipt.content !== content) return refused("OPERATION_CONFLICT");
      return { kind: "answer", value: { revision: receipt.revision, replayed: true }, state: receipt.state };
    }
    if (commit.expectedHeadRevision !== undefined && commit.expectedHeadRevision !== now.revision) {
      return refused("HEAD_REVISION_CONFLICT");
    }
    const graph = graphAfter(now, commit);
    if ("code" in graph) return refused(graph.code);
    const revision = now.revision + 1;
    const state = this.#become({
      ...graph,
      revision,
      tool: commit.checkpoint.toolState?.generation,
      ledger: ledgerAfter(now.ledger, commit.usageDeltas),
    });
    if (commit.operationId !== undefined)
      this.#receipts.set(commit.operationId, { content, revision, state });
    return { kind: "answer", value: { revision, replayed: false }, state };
  }

  tombstone(ids: readonly string[]): Outcome {
    const { now } = this;
    if (now.deleted) return refused("SESSION_DELETED");
    const hide = new Set(
      now.nodes.filter((node) => !node.hidden && ids.includes(node.id)).map((node) => node.id),
    );
    const path = new Set(pathOf(now, now.leaf));
    const held = now.nodes.some((node) => !node.hidden && !hide.has(node.id) && hide.has(node.parent ?? ""));
    if (held || [...hide].some((id) => path.has(id))) return refused("NODE_IN_USE");
    if (hide.size === 0) return this.#same(undefined);
    const nodes = now.nodes.map((node) => (hide.has(node.id) ? { ...node, hidden: true } : node));
    return { kind: "answer", value: undefined, state: this.#become({ nodes }) };
  }

  vacuum(): Outcome {
    const { now } = this;
    if (now.deleted) return refused("SESSION_DELETED");
    const nodes = now.nodes.filter((node) => !node.hidden);
    const removedNodeCount = now.nodes.length - nodes.length;
    if (removedNodeCount === 0) return this.#same({ removedNodeCount });
    return { kind: "answer", value: { removedNodeCount }, state: this.#become({ nodes }) };
  }

  saveMeta(metaName: string): Outcome {
    if (this.now.deleted) return refused("SESSION_DELETED");
    return { kind: "answer", value: undefined, state: this.#become({ metaName }) };
  }

  delete(): Outcome {
    const { now } = this;
    const used = now.deleted || now.revision > 0 || now.metaName !== undefined;
    if (!used || now.deleted) return this.#same(used);
    return { kind: "answer", value: true, state: this.#become({ ...NEW, deleted: true }) };
  }

  #same(value: unknown): Outcome {
    return { kind: "answer", value, state: this.states.length - 1 };
  }

  #become(change: Partial<ModelState>): number {
    this.states.push({ ...this.now, ...change });
    return this.states.length - 1;
  }
}

/** What a read of the whole session must show in this state, with ids for nodes. */
export function shown(state: ModelState, path: "whole" | "active"): unknown {
  if (state.revision === 0) return undefined;
  const live = state.nodes.filter((node) => !node.hidden);
  const nodes =
    path === "whole"
      ? live.map((node) => [node.id, node.parent])
      : pathOf(state, state.leaf).map((id) => parentPair(live, id));
  return {
    revision: state.revision,
    nodes,
    leaf: state.leaf,
    tool: state.tool,
    ledger: [...state.ledger].filter(([, total]) => total > 0),
  };
}

/** What a read showed, in the same terms. */
export function summary(found: PersistedSessionRead | undefined) {
  if (found === undefined) return undefined;
  return {
    revision: found.headRevision,
    nodes: found.graph.nodes.map((node) => [node.nodeId, node.parentNodeId]),
    leaf: found.graph.leafNodeId,
    tool: found.checkpoint.toolState?.generation,
    ledger: found.tokenLedger.map((entry) => [entry.model, entry.usage.inputTokens]),
  };
}

function parentPair(live: readonly ModelNode[], id: string): [string, string | undefined] {
  return [id, live.find((node) => node.id === id)?.parent];
}

function pathOf(state: ModelState, leaf: string | undefined): string[] {
  const path: string[] = [];
  let id = leaf;
  while (id !== undefined) {
    const at = id;
    const node = state.nodes.find((candidate) => candidate.id === at && !candidate.hidden);
    if (node === undefined) break;
    path.unshift(node.id);
    id = node.parent;
  }
  return path;
}

type GraphAfter =
  | { readonly nodes: readonly ModelNode[]; readonly leaf: string | undefined }
  | { readonly code: StoreErrorCode };

function graphAfter(now: ModelState, { graph }: RuntimeCommit): GraphAfter {
  const kept = graph.kind === "replaceFull" ? [] : now.nodes;
  const added = graph.kind === "append" ? graph.nodes : graph.kind === "replaceFull" ? graph.graph.nodes : [];
  const leaf = graph.kind === "replaceFull" ? graph.graph.leafNodeId : graph.leafNodeId;
  const nodes = [...kept];
  for (const node of added) {
    if (nodes.some((other) => other.id === node.nodeId)) return { code: "NODE_ID_COLLISION" };
    nodes.push(modelNode(node));
  }
  const live = new Set(nodes.filter((node) => !node.hidden).map((node) => node.id));
  if (added.some((node) => node.parentNodeId !== undefined && !live.has(node.parentNodeId)))
    return { code: "INVALID_GRAPH" };
  if (leaf !== undefined && !live.has(leaf)) return { code: "INVALID_GRAPH" };
  if (added.some((node) => isOnCycle(nodes, node.nodeId))) return { code: "INVALID_GRAPH" };
  return { nodes, leaf };
}

function isOnCycle(nodes: readonly ModelNode[], id: string): boolean {
  const seen = new Set<string>();
  let at: string | undefined = id;
  while (at !== undefined && !seen.has(at)) {
    const here: string = at;
    seen.add(here);
    at = nodes.find((node) => node.id === here)?.parent;
  }
  return at !== undefined;
}

function modelNode(node: SessionNodeRecord): ModelNode {
  return { id: node.nodeId, parent: node.parentNodeId, hidden: false };
}

function ledgerAfter(
  ledger: ReadonlyMap<string, number>,
  deltas: readonly TokenLedgerEntry[],
): Map<string, number> {
  const after = new Map(ledger);
  for (const { model, usage } of deltas) {
    if (usage.inputTokens > 0) after.set(model, (after.get(model) ?? 0) + usage.inputTokens);
  }
  return after;
}

function contentOf({ operationId: _id, ...content }: RuntimeCommit): string {
  return JSON.stringify(content);
}

function refused(code: StoreErrorCode): Outcome {
  return { kind: "refused", code };
}
