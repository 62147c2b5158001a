/**
 * What a listing says of a session beyond its picker info, from its head and its records in the tail: no node
 * page is read, so a store of many long sessions lists as fast as one of short ones.
 */
import type { StoreView } from "../actors/view-of-moment.ts";
import type { Lsn } from "../ids.ts";
import type { GraphFact, SessionRecord } from "../session/record.ts";
import type { SessionMeta } from "../session/types.ts";

export interface SessionSummary {
  /** Live nodes. */
  readonly nodes: number;
  /** 0 = none. */
  readonly lastCommitLsn: Lsn;
  readonly meta: SessionMeta | undefined;
}

export function summariseSession({ source }: StoreView, sessionId: string): SessionSummary {
  const stored = source.view.head(sessionId);
  let summary: SessionSummary = {
    nodes: stored?.head?.nodeCount ?? 0,
    lastCommitLsn: stored?.lastCommitLsn ?? 0,
    meta: stored?.meta,
  };
  source.tail.forEachRecord(sessionId, (lsn, segment, offset) => {
    if (lsn <= (stored?.lastLsn ?? 0)) return;
    const record = source.record(segment, offset);
    if (record.kind !== "blob") summary = after(summary, record, lsn);
  });
  return summary;
}

function after(summary: SessionSummary, record: SessionRecord, lsn: Lsn): SessionSummary {
  switch (record.kind) {
    case "commit":
      return { ...summary, nodes: nodesAfter(summary.nodes, record.graph), lastCommitLsn: lsn };
    case "tombstone":
      // A record names only nodes that were live.
      return { ...summary, nodes: summary.nodes - record.nodeIds.length };
    case "meta":
      return { ...summary, meta: record.meta };
    case "vacuum":
    case "delete":
      return summary;
  }
}

function nodesAfter(nodes: number, graph: GraphFact): number {
  if (graph.kind === "unchanged") return nodes;
  if (graph.kind === "append") return nodes + graph.nodes.length;
  // Everything that a replacement keeps or brings is live.
  return graph.steps.reduce((sum, step) => sum + (step.kind === "keep" ? step.count : 1), 0);
}
