/** A viewer beside the running host: no lock, not one byte written, and a newer view only when it asks for one. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSessionConfig, openStore, openStoreReadOnly, type Store } from "../src/index.ts";

const NO_TOKENS = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };

async function commit(store: Store, sessionId: string): Promise<void> {
  await store.session(sessionId).commitRuntimeState({
    sessionId,
    config: defaultSessionConfig(),
    graph: { kind: "unchanged" },
    checkpoint: {
      turnState: {
        turnIndex: 0,
        tokenUsage: NO_TOKENS,
        modeTurnOptions: { modeId: "standard", payload: {} },
      },
    },
    usageDeltas: [],
  });
}

async function main(directory: string): Promise<void> {
  const host = await openStore(directory);
  await commit(host, "monday");

  const viewer = await openStoreReadOnly(directory);
  const list = async () => {
    const ids: string[] = [];
    for await (const info of viewer.listSessions()) ids.push(info.sessionId);
    return ids;
  };
  await commit(host, "tuesday");
  console.log("the viewer sees its moment:", (await list()).join(", "));
  assert.deepEqual(await list(), ["monday"]);

  await viewer.refresh();
  console.log("after refresh:             ", (await list()).join(", "));
  assert.deepEqual(await list(), ["tuesday", "monday"]);

  await viewer.close();
  await host.close();
}

const directory = await mkdtemp(join(tmpdir(), "varve-example-"));
try {
  await main(directory);
} finally {
  await rm(directory, { recursive: true, force: true });
}
