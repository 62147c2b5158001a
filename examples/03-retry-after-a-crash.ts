/** A host that never got its answer sends the same commit again: an operation id makes that safe. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSessionConfig, isStoreError, openStore, type RuntimeCommit } from "../src/index.ts";

const TOKENS = { inputTokens: 1_000, outputTokens: 50, cachedInputTokens: 0, reasoningTokens: 0 };

const commit: RuntimeCommit = {
  sessionId: "billing",
  expectedHeadRevision: 0,
  config: defaultSessionConfig(),
  graph: { kind: "unchanged" },
  checkpoint: {
    turnState: { turnIndex: 1, tokenUsage: TOKENS, modeTurnOptions: { modeId: "standard", payload: {} } },
  },
  usageDeltas: [{ source: "turn", model: "small-1", usage: TOKENS }],
  operationId: "billing/turn-1/final",
};

async function main(directory: string): Promise<void> {
  const before = await openStore(directory);
  const first = await before.session("billing").commitRuntimeState(commit);
  // Here the host goes down before it could note the answer. All it knows later is what it meant to do.
  await before.close();

  const store = await openStore(directory);
  const session = store.session("billing");
  const again = await session.commitRuntimeState(commit);
  console.log(`sent again: revision ${again.headRevision}, replayed: ${again.replayed}`);
  assert.deepEqual(again, { ...first, replayed: true });

  const [row] = (await session.loadSession())?.tokenLedger ?? [];
  console.log(`the tokens were counted once: ${row?.usage.inputTokens}`);
  assert.equal(row?.usage.inputTokens, 1_000);

  const other = session.commitRuntimeState({ ...commit, usageDeltas: [] });
  await assert.rejects(other, (error) => isStoreError(error, "OPERATION_CONFLICT"));
  console.log("the same id with other content is refused");
  await store.close();
}

const directory = await mkdtemp(join(tmpdir(), "varve-example-"));
try {
  await main(directory);
} finally {
  await rm(directory, { recursive: true, force: true });
}
