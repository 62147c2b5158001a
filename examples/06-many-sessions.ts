/** Many sessions at once share each sync of the log: that is why one store hosts them all. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSessionConfig, openStore, type RuntimePersistence } from "../src/index.ts";

const SESSIONS = 100;
const COMMITS = 10;
const NO_TOKENS = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };

async function work(session: RuntimePersistence): Promise<void> {
  for (let revision = 0; revision < COMMITS; revision++) {
    const answer = await session.commitRuntimeState({
      sessionId: session.sessionId,
      expectedHeadRevision: revision,
      config: defaultSessionConfig(),
      graph: { kind: "unchanged" },
      checkpoint: {
        turnState: {
          turnIndex: revision,
          tokenUsage: NO_TOKENS,
          modeTurnOptions: { modeId: "standard", payload: {} },
        },
      },
      usageDeltas: [],
    });
    assert.equal(answer.headRevision, revision + 1);
  }
}

async function main(directory: string): Promise<void> {
  const store = await openStore(directory);
  const sessions = Array.from({ length: SESSIONS }, (_, index) => store.session(`session-${index}`));
  await Promise.all(sessions.map(work));

  const { commits, log } = store.stats();
  console.log(`${commits} commits of ${SESSIONS} sessions, every one on stable storage`);
  console.log(`${log.syncs} syncs: ${(commits / log.syncs).toFixed(0)} commits shared one on average`);
  assert.equal(commits, SESSIONS * COMMITS);
  assert.ok(log.syncs < commits / 2, "syncs are shared");
  await store.close();
}

const directory = await mkdtemp(join(tmpdir(), "varve-example-"));
try {
  await main(directory);
} finally {
  await rm(directory, { recursive: true, force: true });
}
