/** The whole cycle of a host: state → commit → adopt the answer; later load the state and go on with the turn. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  appendMessages,
  applyCommitResult,
  commitFromState,
  defaultSessionState,
  loadPersistedSessionState,
  type Message,
  openStore,
} from "../src/index.ts";

const USAGE = { inputTokens: 20, outputTokens: 4, cachedInputTokens: 0, reasoningTokens: 0 };

function says(id: string, role: "User" | "Assistant", content: string): Message {
  return { id, role, parts: [{ id: `${id}.0`, kind: "Text", content, pruneState: "Intact" }] };
}

async function main(directory: string): Promise<void> {
  const store = await openStore(directory);
  const session = store.session("root");

  const fresh = defaultSessionState();
  const messages = [says("m1", "User", "What is 6 × 7?"), says("m2", "Assistant", "42")];
  const played = {
    ...fresh,
    sessionGraph: appendMessages(fresh.sessionGraph, messages, { timestamp: "2026-03-01T12:00:00Z" }),
    turnIndex: 1,
    executionStateSnapshot: new TextEncoder().encode("answer = 42"),
  };
  const commit = commitFromState(played, [{ source: "turn", model: "small-1", usage: USAGE }]);
  const state = applyCommitResult(played, await session.commitRuntimeState(commit));
  console.log(
    `turn 1 is revision ${state.headRevision}; the interpreter's state is blob ${state.executionStateRef?.slice(0, 12)}…`,
  );
  assert.equal(state.executionStateSnapshot, undefined);
  await store.close();

  const reopened = await openStore(directory);
  const resumed = await loadPersistedSessionState(reopened.session("root"));
  assert.ok(resumed !== undefined);
  console.log(`resumed at turn ${resumed.turnIndex} with ${resumed.sessionGraph.nodes.length} nodes`);
  console.log(`the interpreter goes on from: ${new TextDecoder().decode(resumed.executionStateSnapshot)}`);
  assert.equal(resumed.turnIndex, 1);
  assert.equal(new TextDecoder().decode(resumed.executionStateSnapshot), "answer = 42");
  assert.deepEqual(resumed.sessionGraph, played.sessionGraph);
  await reopened.close();
}

const directory = await mkdtemp(join(tmpdir(), "varve-example-"));
try {
  await main(directory);
} finally {
  await rm(directory, { recursive: true, force: true });
}
