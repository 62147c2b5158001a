/** A session as the tests hold it: commits are prepared, planned, encoded, decoded and applied in one call. */
import { strict as assert } from "node:assert";
import { isStoreError, type StoreErrorCode, type StoreErrorOf } from "../../src/errors.ts";
import type { BlobRef } from "../../src/ids.ts";
import { apply } from "../../src/session/apply.ts";
import {
  planCommit,
  planDelete,
  planMeta,
  planTombstone,
  planVacuum,
  type WritePlan,
} from "../../src/session/plan.ts";
import type { StoredNodes } from "../../src/session/plan-graph.ts";
import { prepareCommit, prepareMeta, prepareNodeIds, prepareScope } from "../../src/session/prepare.ts";
import { readGraph } from "../../src/session/read.ts";
import { type BlobKind, encodeRecord, type SessionRecord } from "../../src/session/record.ts";
import { emptySession, type SessionState } from "../../src/session/state.ts";
import type {
  GraphPolicy,
  RuntimeCommit,
  RuntimeCommitResult,
  SessionGraph,
  SessionMeta,
  SessionNodeRecord,
  VacuumReport,
} from "../../src/session/types.ts";

export const SESSION = "root";
export const MAX_COMMIT_BYTES = 1024 * 1024;

export class SessionBench {
  state: SessionState;
  readonly records: SessionRecord[] = [];
  /** Encoded, as the log carries them. */
  readonly log: Uint8Array[] = [];
  readonly blobs = new Map<BlobRef, { kind: BlobKind; bytes: Uint8Array }>();
  policy: GraphPolicy = "strict";
  maxCommitBytes = MAX_COMMIT_BYTES;
  /** What is known of nodes that left memory. */
  isStoredLive: StoredNodes | undefined;

  constructor(policy: GraphPolicy = "strict", receiptsKept = 10) {
    this.policy = policy;
    this.state = emptySession(SESSION, receiptsKept);
  }

  plan(commit: unknown) {
    const prepared = prepareCommit(commit, SESSION, this);
    const facts = (ref: BlobRef) => this.blobs.get(ref)?.kind;
    return planCommit(this.state, facts, prepared, {
      graphPolicy: this.policy,
      maxCommitBytes: this.maxCommitBytes,
      isStoredLive: this.isStoredLive,
    });
  }

  commit(commit: unknown): RuntimeCommitResult {
    const plan = this.plan(commit);
    if (plan.kind === "refused") throw plan.error;
    if (plan.kind === "replayed") return plan.result;
    for (const { ref, blobKind, bytes } of plan.blobs) this.blobs.set(ref, { kind: blobKind, bytes });
    this.blobs.set(plan.record.checkpointRef, { kind: "manifest", bytes: plan.record.manifest });
    this.#apply(plan.record);
    return plan.result;
  }

  tombstone(...ids: string[]): void {
    this.#write(planTombstone(this.state, prepareNodeIds(ids), this.policy));
  }
  vacuum(): VacuumReport {
    return this.#write(planVacuum(this.state));
  }
  saveMeta(meta: SessionMeta): void {
    this.#write(planMeta(this.state, prepareMeta(meta, SESSION)));
  }
  delete(): boolean {
    return this.#write(planDelete(this.state));
  }
  graph(scope?: unknown): SessionGraph {
    return readGraph(this.state, prepareScope(scope)).graph;
  }
  /** Ids of the live nodes in order. */
  ids(scope?: unknown): string[] {
    return this.graph(scope).nodes.map((node) => node.nodeId);
  }

  #write<Value>(plan: WritePlan<Value>): Value {
    if (plan.kind === "refused") throw plan.error;
    if (plan.kind === "accepted") this.#apply(plan.record);
    return plan.answer;
  }

  #apply(record: SessionRecord): void {
    this.records.push(record);
    this.log.push(encodeRecord(record));
    this.state = apply(this.state, record, this.state.lastLsn + 1);
  }
}

/** Nothing of the value is fixed to a revision: the commit is unconditional. */
export function commitOf(changes: Partial<RuntimeCommit> = {}): RuntimeCommit {
  return {
    sessionId: SESSION,
    config: { providerId: "p", configuredModel: "m", contextWindow: 0, executionMode: "standard" },
    graph: { kind: "unchanged" },
    checkpoint: {
      turnState: {
        turnIndex: 0,
        tokenUsage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 },
        modeTurnOptions: { modeId: "standard", payload: {} },
      },
    },
    usageDeltas: [],
    ...changes,
  };
}

/** A node whose event is no message. */
export function node(nodeId: string, parentNodeId?: string): SessionNodeRecord {
  const ids = parentNodeId === undefined ? { nodeId } : { nodeId, parentNodeId };
  return { ...ids, timestamp: "t", kind: "plugin", pluginType: "note", body: null };
}

export function message(
  nodeId: string,
  text: string,
  options: { parent?: string; role?: "User" | "Assistant" | "System"; kind?: "Text" | "ToolResult" } = {},
): SessionNodeRecord {
  const { parent, role = "User", kind = "Text" } = options;
  const parts = [{ id: "p", kind, content: text, pruneState: "Intact" }];
  return {
    nodeId,
    ...(parent === undefined ? {} : { parentNodeId: parent }),
    timestamp: "t",
    kind: "event",
    event: { conversation: { id: nodeId, role, parts } },
  };
}

export function append(nodes: SessionNodeRecord[], leafNodeId?: string): RuntimeCommit {
  return commitOf({ graph: { kind: "append", nodes, ...(leafNodeId === undefined ? {} : { leafNodeId }) } });
}

export function replaceFull(nodes: SessionNodeRecord[], leafNodeId?: string): RuntimeCommit {
  const graph = leafNodeId === undefined ? { nodes } : { nodes, leafNodeId };
  return commitOf({ graph: { kind: "replaceFull", graph } });
}

/** Runs `work` and answers the store error it throws, which must have that code. */
export function refusal<Code extends StoreErrorCode>(code: Code, work: () => unknown): StoreErrorOf<Code> {
  try {
    work();
  } catch (error) {
    if (isStoreError(error, code)) return error;
    throw error;
  }
  return assert.fail(`expected ${code}`);
}

/** Prepares a commit with the bench's limits. */
export const prepare = (commit: unknown) =>
  prepareCommit(commit, SESSION, { maxCommitBytes: MAX_COMMIT_BYTES });

/** A commit with one field replaced, by path. */
export function withField(
  path: string,
  value: unknown,
  base: RuntimeCommit = append([message("n", "hi")], "n"),
): unknown {
  const commit = structuredClone(base);
  const keys = path.split(/[.[\]]+/).filter((key) => key !== "");
  let at = commit as unknown as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) {
    at[key] ??= {};
    at = at[key] as Record<string, unknown>;
  }
  at[keys.at(-1) as string] = value;
  return commit;
}

/** An approach with every counter set. */
export const OBSERVATIONAL_MEMORY = {
  kind: "observational_memory",
  observationMessageTokens: 1,
  observationBufferTokens: 2,
  observationBlockAfterTokens: 3,
  observationMaxTokensPerBatch: 4,
  previousObserverTokens: 5,
  reflectionObservationTokens: 6,
  reflectionBufferActivationBps: 7,
  reflectionBlockAfterTokens: 8,
};
