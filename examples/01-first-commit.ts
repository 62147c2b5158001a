/** A session is born with its first commit, and is still there after the store was closed and opened again. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSessionConfig, type Message, openStore, type SessionNodeRecord } from "../src/index.ts";

const NO_TOKENS = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };

const MESSAGE: Message = {
  id: "hello",
  role: "User",
  parts: [{ id: "hello.0", kind: "Text", content: "Hello, store", pruneState: "Intact" }],
};
const NODE: SessionNodeRecord = {
  nodeId: "hello",
  timestamp: "2026-03-01T12:00:00Z",
  kind: "event",
  event: { conversation: MESSAGE },
};

async function main(directory: string): Promise<void> {
  const store = await openStore(directory);
  const answer = await store.session("greeting").commitRuntimeState({
    sessionId: "greeting",
    expectedHeadRevision: 0,
    config: { ...defaultSessionConfig(), configuredModel: "small-1" },
    graph: { kind: "append", nodes: [NODE], leafNodeId: "hello" },
    checkpoint: {
      turnState: {
        turnIndex: 1,
        tokenUsage: NO_TOKENS,
        modeTurnOptions: { modeId: "standard", payload: {} },
      },
    },
    usageDeltas: [],
  });
  console.log(`committed revision ${answer.headRevision}; it would survive a power failure from here on`);
  await store.close();

  const reopened = await openStore(directory);
  const read = await reopened.session("greeting").loadSession();
  await reopened.close();
  assert.equal(read?.headRevision, 1);
  assert.deepEqual(read.graph, { nodes: [NODE], leafNodeId: "hello" });
  console.log(
    `after reopening: revision ${read.headRevision}, ${read.graph.nodes.length} node, as it was sent`,
  );
}

const directory = await mkdtemp(join(tmpdir(), "varve-example-"));
try {
  await main(directory);
} finally {
  await rm(directory, { recursive: true, force: true });
}
