/**
 * The figures of a session's head without its nodes: what a stored head holds, carried on by the records
 * behind it. A `SessionState` and a stored head both are such figures. It deliberately checks less than
 * `apply`: what a record says of nodes is not compared with the nodes.
 *
 * 1. After the same records the figures are those of the state that `apply` makes.
 */

import { KeptBytes } from "./kept-bytes.ts";
import { addUsage } from "./ledger.ts";
import type { CommitRecord, GraphFact, SessionRecord } from "./record.ts";
import type { HeadState } from "./state.ts";
import type { SessionHeadMeta, SessionMeta, TokenLedgerEntry } from "./types.ts";

export interface HeadFigures {
  readonly deleted: boolean;
  /** Absent until the first commit. */
  readonly head: HeadState | undefined;
  readonly meta: SessionMeta | undefined;
  readonly ledger: readonly TokenLedgerEntry[];
}

/** Of a session of which nothing is stored. */
export const NO_FIGURES: HeadFigures = { deleted: false, head: undefined, meta: undefined, ledger: [] };

/** Throws a plain Error for a record that does not follow; callers say where it lies. */
export function applyToFigures(figures: HeadFigures, record: SessionRecord): HeadFigures {
  if (figures.deleted) throw new Error("follows the deletion of its session");
  switch (record.kind) {
    case "commit":
      return afterCommit(figures, record);
    case "tombstone": {
      const { head } = figures;
      const hidden = new Set(record.nodeIds).size;
      return { ...figures, head: head && { ...head, nodeCount: head.nodeCount - hidden } };
    }
    case "delete":
      return { deleted: true, head: undefined, meta: undefined, ledger: [] };
    case "meta":
      return { ...figures, meta: record.meta };
    case "vacuum":
      // A vacuum removes what was not counted any more.
      return figures;
  }
}

function afterCommit({ head, meta, ledger }: HeadFigures, record: CommitRecord): HeadFigures {
  const { revision, config, leafNodeId, checkpointRef, manifest } = record;
  const before = head?.revision ?? 0;
  if (revision !== before + 1) throw new Error(`revision ${revision} does not follow ${before}`);
  const sum = addUsage(ledger, record.usage);
  if (sum.kind === "overflow") throw new Error("usage overflows");
  const refs = {
    toolState: record.toolStateRef,
    pluginSnapshot: record.pluginSnapshotRef,
    executionState: record.executionStateRef,
  };
  const nodeCount = countAfter(head?.nodeCount ?? 0, record.graph);
  return {
    deleted: false,
    head: { revision, config, leafNodeId, checkpointRef, manifest: new KeptBytes(manifest), refs, nodeCount },
    meta,
    ledger: sum.ledger,
  };
}

/** Live nodes after a commit: all that a replacement keeps are live, those that were tombstoned too. */
function countAfter(before: number, graph: GraphFact): number {
  switch (graph.kind) {
    case "unchanged":
      return before;
    case "append":
      return before + graph.nodes.length;
    case "replace":
      return graph.steps.reduce((sum, step) => sum + (step.kind === "node" ? 1 : step.count), 0);
  }
}

/** `undefined` if the session has no head. Aliases nothing. */
export function readHeadMeta(
  sessionId: string,
  { deleted, head, ledger }: HeadFigures,
): SessionHeadMeta | undefined {
  if (deleted || head === undefined) return undefined;
  const { leafNodeId } = head;
  return {
    sessionId,
    headRevision: head.revision,
    config: structuredClone(head.config),
    checkpointRef: head.checkpointRef,
    ...(leafNodeId === undefined ? {} : { leafNodeId }),
    graphNodeCount: head.nodeCount,
    tokenLedger: copyLedger(ledger),
  };
}

export function copyLedger(ledger: readonly TokenLedgerEntry[]): TokenLedgerEntry[] {
  return ledger.map(({ source, model, usage }) => ({ source, model, usage: { ...usage } }));
}
