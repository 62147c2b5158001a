/** A copy of a session that follows it: only what changed since the last look is read, and what must go is named. */
import assert from "node:assert/strict";
import {
  applyChanges,
  defaultSessionConfig,
  emptySessionGraph,
  type GraphCommitDelta,
  isStoreError,
  openMemoryStore,
  type SessionGraph,
  type SessionReader,
} from "../src/index.ts";

const NO_TOKENS = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };

interface Copy {
  readonly headRevision: number;
  readonly graph: SessionGraph;
}

async function follow(session: SessionReader, copy: Copy): Promise<Copy> {
  try {
    const changes = await session.loadSession({ kind: "changesSince", headRevision: copy.headRevision });
    if (changes === undefined) return copy;
    const { headRevision } = changes;
    const sent = changes.graph.nodes.map(({ nodeId }) => nodeId);
    console.log(`to revision ${headRevision}: new [${sent}], gone [${changes.removedNodeIds ?? []}]`);
    return { headRevision, graph: applyChanges(copy.graph, changes) };
  } catch (error) {
    // The copy cannot follow: begin again from nothing, which always works.
    const isLost = isStoreError(error, "HISTORY_GONE") || isStoreError(error, "REVISION_UNKNOWN");
    if (!isLost || copy.headRevision === 0) throw error;
    return follow(session, { headRevision: 0, graph: emptySessionGraph() });
  }
}

await using store = await openMemoryStore();
const session = store.session("talk");

const note = (nodeId: string, parentNodeId?: string) => ({
  nodeId,
  ...(parentNodeId === undefined ? {} : { parentNodeId }),
  timestamp: "2026-01-01T00:00:00Z",
  kind: "plugin" as const,
  pluginType: "note",
  body: { text: nodeId },
});
const commit = (graph: GraphCommitDelta) =>
  session.commitRuntimeState({
    sessionId: "talk",
    config: defaultSessionConfig(),
    graph,
    checkpoint: {
      turnState: {
        turnIndex: 0,
        tokenUsage: NO_TOKENS,
        modeTurnOptions: { modeId: "standard", payload: {} },
      },
    },
    usageDeltas: [],
  });

await commit({
  kind: "append",
  nodes: [note("question"), note("draft", "question")],
  leafNodeId: "question",
});
let copy = await follow(session, { headRevision: 0, graph: emptySessionGraph() });
await session.tombstoneNodes(["draft"]);
await commit({ kind: "append", nodes: [note("answer", "question")], leafNodeId: "answer" });
copy = await follow(session, copy);
assert.deepEqual(copy.graph, (await session.loadSession())?.graph);

// A copy of a store that is not this one any more.
copy = await follow(session, { headRevision: 40, graph: { nodes: [note("lost")] } });
assert.deepEqual(copy.graph, (await session.loadSession())?.graph);
