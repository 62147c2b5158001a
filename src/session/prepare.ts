/**
 * Everything about a commit that needs no session: its shape is checked and every value is encoded before
 * the call returns, so that changing the argument afterwards changes nothing and the actor has little to do.
 * What the commit means for its session is decided in `plan.ts`.
 *
 * 1. Every field of the argument is read once, by `Shape`; a payload is encoded right after it was checked.
 * 2. The result holds nothing of the caller's. Its bytes lie in slabs that are written again (`scratch.ts`).
 */
import { sha256 } from "../checksum.ts";
import { pack } from "../codec.ts";
import type { BlobRef } from "../ids.ts";
import { checkBinding } from "./prepare-arguments.ts";
import { type PreparedCheckpoint, type PreparedComponent, prepareCheckpoint } from "./prepare-checkpoint.ts";
import { prepareConfig, prepareUsageDeltas } from "./prepare-config.ts";
import { type PreparedGraph, prepareGraph } from "./prepare-graph.ts";
import { configToWire, usageToWire } from "./record.ts";
import { commitShape as shape } from "./shape.ts";
import type { PersistedSessionConfig, SessionCheckpoint, TokenLedgerEntry } from "./types.ts";

export {
  prepareMeta,
  prepareNodeId,
  prepareNodeIds,
  preparePath,
  prepareScope,
} from "./prepare-arguments.ts";

export interface PreparedCommit {
  readonly sessionId: string;
  readonly expectedHeadRevision: number | undefined;
  readonly config: PersistedSessionConfig;
  readonly graph: PreparedGraph;
  /** The components that the checkpoint has. */
  readonly components: readonly PreparedComponent[];
  /** Canonical bytes of the checkpoint manifest, as those of the bodies a view of a shared slab. */
  readonly manifest: Uint8Array;
  readonly checkpointRef: BlobRef;
  /** The manifest as the caller gets it. */
  readonly checkpoint: SessionCheckpoint;
  /** All-zero entries left out. */
  readonly usage: readonly TokenLedgerEntry[];
  readonly operation: { readonly id: string; readonly digest: Uint8Array } | undefined;
  /** Bytes that the commit adds to its record beside the nodes. */
  readonly baseBytes: number;
  /** Bytes that the commit may write at most, component values included; for admission to the queue. */
  readonly newBytes: number;
}

export interface CommitLimits {
  readonly maxCommitBytes: number;
}

const COMMIT = [
  "sessionId",
  "expectedHeadRevision",
  "config",
  "graph",
  "checkpoint",
  "usageDeltas",
  "operationId",
];
/** Bytes of a usage entry beside its two names. */
const USAGE_OVERHEAD = 48;

/** Throws INVALID_COMMIT, then SESSION_BINDING_MISMATCH. */
export function prepareCommit(value: unknown, boundSessionId: string, limits: CommitLimits): PreparedCommit {
  const fields = shape.open(value, "", COMMIT);
  const sessionId = shape.id(fields, "", "sessionId");
  const expectedHeadRevision = shape.optionalCounter(fields, "", "expectedHeadRevision");
  const operationId = shape.optionalId(fields, "", "operationId");
  const config = prepareConfig(shape.get(fields, "", "config"));
  const deltas = prepareUsageDeltas(shape.get(fields, "", "usageDeltas"));
  const checkpoint = prepareCheckpoint(shape.get(fields, "", "checkpoint"));
  const graph = prepareGraph(
    shape.get(fields, "", "graph"),
    operationId === undefined ? "bodies-only" : "with-canonical-bodies",
  );
  const operation =
    operationId === undefined
      ? undefined
      : {
          id: operationId,
          digest: digestOf(sessionId, expectedHeadRevision, config, graph, checkpoint, deltas),
        };
  const baseBytes = bytesOf(config, deltas, checkpoint);
  // How much of a replacement is new shows only against the session: `planGraph` checks that.
  const written = graph.kind === "replaceFull" ? baseBytes : baseBytes + graph.nodeBytes;
  checkSize(written, limits.maxCommitBytes, graph.kind === "append" ? "graph.nodes" : "");
  checkBinding(sessionId, boundSessionId);
  return {
    sessionId,
    expectedHeadRevision,
    config,
    graph,
    components: checkpoint.components,
    manifest: checkpoint.manifest,
    checkpointRef: checkpoint.checkpointRef,
    checkpoint: checkpoint.checkpoint,
    usage: deltas.length === 0 ? deltas : deltas.filter(countsAnything),
    operation,
    baseBytes,
    newBytes: componentBytes(checkpoint) + baseBytes + Math.min(graph.nodeBytes, limits.maxCommitBytes),
  };
}

function checkSize(bytes: number, maxCommitBytes: number, path: string): void {
  if (bytes <= maxCommitBytes) return;
  shape.fail(path, `would write ${bytes} bytes; maxCommitBytes is ${maxCommitBytes}`);
}

function countsAnything({ usage }: TokenLedgerEntry): boolean {
  return (
    usage.inputTokens !== 0 ||
    usage.outputTokens !== 0 ||
    usage.cachedInputTokens !== 0 ||
    usage.reasoningTokens !== 0
  );
}

/** SHA-256 over every field but the operation id, normalised and with sorted keys. */
function digestOf(
  sessionId: string,
  expectedHeadRevision: number | undefined,
  config: PersistedSessionConfig,
  graph: PreparedGraph,
  checkpoint: PreparedCheckpoint,
  usageDeltas: readonly TokenLedgerEntry[],
): Uint8Array {
  const { components, givenRefs, manifest } = checkpoint;
  return sha256(
    // The wire forms have one order of fields and keep lone surrogates apart, so packing them is canonical.
    pack([
      sessionId,
      expectedHeadRevision ?? null,
      configToWire(config),
      graph.kind,
      graph.leafNodeId ?? null,
      graph.nodes.map(({ id, parent }, i) => [id, parent ?? null, graph.canonicalBodies[i] ?? null]),
      manifest,
      // The manifest holds the refs in effect; these two tell a value from a ref alone.
      components.map(({ component, value }) => [component, value !== undefined]),
      givenRefs,
      usageDeltas.map(usageToWire),
    ]),
  );
}

/** Bytes of what a caller can make large beside nodes, at most (a UTF-16 unit is three bytes of UTF-8). */
function bytesOf(
  config: PersistedSessionConfig,
  usage: readonly TokenLedgerEntry[],
  checkpoint: PreparedCheckpoint,
): number {
  const { providerId, configuredModel, executionMode, modelVariant } = config;
  const names =
    providerId.length + configuredModel.length + executionMode.length + (modelVariant?.length ?? 0);
  let bytes = names * 3 + checkpoint.manifest.length;
  for (const { source, model } of usage) bytes += (source.length + model.length) * 3 + USAGE_OVERHEAD;
  return bytes;
}

function componentBytes({ components }: PreparedCheckpoint): number {
  return components.reduce((bytes, { value }) => bytes + (value?.length ?? 0), 0);
}
