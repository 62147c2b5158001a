/**
 * Decides a commit against the newest state of its session, in the contract's order: deleted, operation id,
 * revision, checkpoint refs, graph, usage. Pure: a refusal leaves no trace, and what was accepted is a record
 * that `apply` turns into the next state. Shape and binding were decided before, in `prepare.ts`.
 */
import { decodeValue } from "../codec.ts";
import { type StoreError, storeError } from "../errors.ts";
import type { BlobRef } from "../ids.ts";
import { addUsage } from "./ledger.ts";
import { pickerChange } from "./picker.ts";
import { type GraphPlan, planGraph, type StoredNodes } from "./plan-graph.ts";
import { deletedError } from "./plan-session.ts";
import type { PreparedCommit } from "./prepare.ts";
import type { BlobKind, CommitRecord } from "./record.ts";
import type { Receipt, SessionState } from "./state.ts";
import type { GraphPolicy, RuntimeCommitResult, SessionCheckpoint } from "./types.ts";

/** A component value that is stored for the first time. */
export interface PlannedBlob {
  readonly ref: BlobRef;
  readonly blobKind: BlobKind;
  /** Canonical encoding of the value. */
  readonly bytes: Uint8Array;
}

export type CommitPlan =
  | { readonly kind: "refused"; readonly error: StoreError }
  | { readonly kind: "replayed"; readonly result: RuntimeCommitResult }
  | {
      readonly kind: "accepted";
      readonly record: CommitRecord;
      readonly blobs: readonly PlannedBlob[];
      readonly result: RuntimeCommitResult;
    };

export interface CommitPlanOptions {
  readonly graphPolicy: GraphPolicy;
  readonly maxCommitBytes: number;
  readonly isStoredLive?: StoredNodes | undefined;
}

/** What kind of blob lies under a ref; undefined if none does. */
export type BlobFacts = (ref: BlobRef) => BlobKind | undefined;

/** Refs of which `planCommit` asks whether they exist. */
export function needs(prepared: PreparedCommit): readonly BlobRef[] {
  return prepared.components.map(({ ref }) => ref);
}

export function planCommit(
  state: SessionState,
  facts: BlobFacts,
  prepared: PreparedCommit,
  options: CommitPlanOptions,
): CommitPlan {
  if (state.deleted) return refuse(deletedError(state.sessionId));
  const remembered = prepared.operation && state.receipts.find(prepared.operation.id);
  if (remembered !== undefined) return replay(remembered, prepared);
  const conflict = revisionConflict(state, prepared) ?? missingBlob(facts, prepared);
  if (conflict !== undefined) return refuse(conflict);
  const graph = planGraph(state, prepared.graph, {
    graphPolicy: options.graphPolicy,
    isStoredLive: options.isStoredLive,
    maxBytes: options.maxCommitBytes - prepared.baseBytes,
  });
  if (graph.kind === "refused") return graph;
  const sum = addUsage(state.ledger, prepared.usage);
  if (sum.kind === "overflow") {
    const { source, model, counter } = sum.overflow;
    const message = `usage of ("${source}", "${model}"): ${counter} would exceed 2^53 - 1`;
    return refuse(storeError("USAGE_OVERFLOW", sum.overflow, message));
  }
  return accept(state, facts, prepared, graph);
}

function accept(
  state: SessionState,
  facts: BlobFacts,
  prepared: PreparedCommit,
  graph: Extract<GraphPlan, { kind: "accepted" }>,
): CommitPlan {
  const revision = (state.head?.revision ?? 0) + 1;
  const { checkpointRef, checkpoint } = prepared;
  const record: CommitRecord = {
    kind: "commit",
    sessionId: state.sessionId,
    revision,
    config: prepared.config,
    leafNodeId: prepared.graph.leafNodeId,
    checkpointRef,
    manifest: prepared.manifest,
    toolStateRef: checkpoint.toolStateRef,
    pluginSnapshotRef: checkpoint.pluginSnapshotRef,
    executionStateRef: checkpoint.executionStateRef,
    graph: graph.fact,
    usage: prepared.usage,
    picker: pickerChange(state.picker, graph.picker),
    operation: prepared.operation,
  };
  const blobs: PlannedBlob[] = [];
  for (const { component, ref, value } of prepared.components) {
    if (value !== undefined && facts(ref) === undefined) {
      blobs.push({ ref, blobKind: component, bytes: value });
    }
  }
  return {
    kind: "accepted",
    record,
    blobs,
    result: { headRevision: revision, checkpointRef, manifest: checkpoint, replayed: false },
  };
}

function replay(receipt: Receipt, { operation }: PreparedCommit): CommitPlan {
  const { operationId, digest, headRevision, checkpointRef } = receipt;
  if (operation === undefined || Buffer.compare(digest, operation.digest) !== 0) {
    const message = `operation "${operationId}" was used before with other content`;
    return refuse(storeError("OPERATION_CONFLICT", { operationId }, message));
  }
  const manifest = decodeValue(receipt.manifest.bytes) as SessionCheckpoint;
  return { kind: "replayed", result: { headRevision, checkpointRef, manifest, replayed: true } };
}

function revisionConflict(state: SessionState, prepared: PreparedCommit): StoreError | undefined {
  const expected = prepared.expectedHeadRevision;
  const actual = state.head?.revision ?? 0;
  if (expected === undefined || expected === actual) return undefined;
  return storeError(
    "HEAD_REVISION_CONFLICT",
    { expected, actual },
    `session "${state.sessionId}": expected head revision ${expected}, actual ${actual}`,
  );
}

/** A ref alone must name a blob of that component's kind; one of another kind is as good as none. */
function missingBlob(facts: BlobFacts, prepared: PreparedCommit): StoreError | undefined {
  for (const { component, ref, value } of prepared.components) {
    if (value !== undefined || facts(ref) === component) continue;
    const message = `the ${component} ref ${ref} names no such blob: never stored, or collected by gc`;
    return storeError("BLOB_MISSING", { component, ref }, message);
  }
  return undefined;
}

function refuse(error: StoreError): CommitPlan {
  return { kind: "refused", error };
}
