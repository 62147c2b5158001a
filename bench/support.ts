/** What benches share: a commit of about 1 KB, percentiles, a temporary directory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GraphCommitDelta, RuntimeCommit } from "../src/index.ts";

export const isSmall = process.argv.includes("--small");

export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "varve-bench-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

const TEXT = "The quick brown fox jumps over the lazy dog. ".repeat(20);

/** A commit that appends one message of about 1 KB behind `parent`. */
export function appendCommit(sessionId: string, step: number, parent: string | undefined): RuntimeCommit {
  const nodeId = `m${step}`;
  const graph: GraphCommitDelta = {
    kind: "append",
    nodes: [
      {
        nodeId,
        ...(parent === undefined ? {} : { parentNodeId: parent }),
        timestamp: "2026-01-01T00:00:00Z",
        kind: "event",
        event: {
          conversation: {
            id: nodeId,
            role: step % 2 === 0 ? "User" : "Assistant",
            parts: [{ id: "p", kind: "Text", content: TEXT, pruneState: "Intact" }],
          },
        },
      },
    ],
    leafNodeId: nodeId,
  };
  return {
    sessionId,
    expectedHeadRevision: step,
    config: { providerId: "p", configuredModel: "m", contextWindow: 200_000, executionMode: "standard" },
    graph,
    checkpoint: {
      turnState: {
        turnIndex: step,
        tokenUsage: { inputTokens: step, outputTokens: 1, cachedInputTokens: 0, reasoningTokens: 0 },
        modeTurnOptions: { modeId: "standard", payload: {} },
      },
    },
    usageDeltas: [],
  };
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export function median(values: readonly number[]): number {
  return percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}
