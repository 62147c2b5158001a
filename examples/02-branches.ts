/** Asking again from an earlier message: a commit may append anywhere, and the leaf says which branch is active. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSessionConfig, openStore, type PluginNode, type RuntimePersistence } from "../src/index.ts";

const NO_TOKENS = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };
const TURN = { turnIndex: 1, tokenUsage: NO_TOKENS, modeTurnOptions: { modeId: "standard", payload: {} } };

function note(nodeId: string, parentNodeId?: string): PluginNode {
  const link = parentNodeId === undefined ? {} : { parentNodeId };
  return {
    nodeId,
    ...link,
    timestamp: "2026-03-01T12:00:00Z",
    kind: "plugin",
    pluginType: "note",
    body: nodeId,
  };
}

async function append(
  session: RuntimePersistence,
  leafNodeId: string,
  ...nodes: PluginNode[]
): Promise<void> {
  await session.commitRuntimeState({
    sessionId: session.sessionId,
    config: defaultSessionConfig(),
    graph: { kind: "append", nodes, leafNodeId },
    checkpoint: { turnState: TURN },
    usageDeltas: [],
  });
}

async function main(directory: string): Promise<void> {
  const store = await openStore(directory);
  const session = store.session("essay");
  await append(session, "first answer", note("question"), note("first answer", "question"));
  await append(session, "second answer", note("second answer", "question"));

  const pathTo = async (leafNodeId: string) =>
    (await session.loadSession({ kind: "activePath", leafNodeId }))?.graph.nodes.map((node) => node.nodeId);
  console.log(await pathTo("first answer"), await pathTo("second answer"));
  assert.deepEqual(await pathTo("first answer"), ["question", "first answer"]);
  assert.equal((await session.loadSession())?.graph.leafNodeId, "second answer");

  await session.tombstoneNodes(["first answer"]);
  assert.deepEqual(await pathTo("first answer"), []);
  console.log("hidden: the first answer; vacuum:", await session.vacuum());
  await store.close();
}

const directory = await mkdtemp(join(tmpdir(), "varve-example-"));
try {
  await main(directory);
} finally {
  await rm(directory, { recursive: true, force: true });
}
