/** What was removed leaves the disk: looked for byte by byte in every file of the store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { readWhole } from "../../src/vfs/vfs.ts";
import { append, checkpoint, commit, messageNode, meta, replaceFull } from "../support/builders.ts";
import { nodeIds } from "../support/expect.ts";

const OPTIONS: StoreOptions = {
  segmentBytes: 64 * 1024,
  snapshot: false,
  gc: false,
  blobCompression: "none",
};
const SECRETS = {
  node: "SECRET-of-a-node",
  replaced: "SECRET-replaced",
  blob: "SECRET-of-a-blob",
  session: "SECRET-session",
  meta: "SECRET-meta",
};

function secret(kind: keyof typeof SECRETS): string {
  // Repeated, so that it crosses blocks and pages wherever they end.
  return `${SECRETS[kind]} `.repeat(400);
}

/** Paths of the files in which the text occurs. */
function filesWith(vfs: MemoryVfs, text: string, directory = "/store"): string[] {
  return vfs.list(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    if (vfs.stat(path)?.kind === "directory") return filesWith(vfs, text, path);
    return Buffer.from(readWhole(vfs, path, 1 << 30) ?? []).includes(text) ? [path] : [];
  });
}

async function writeSecrets(store: Store): Promise<void> {
  const session = store.session("root");
  await session.commitRuntimeState(
    commit({
      graph: append(
        [messageNode("r"), messageNode("s", "r", secret("node")), messageNode("p", "r", secret("replaced"))],
        "r",
      ),
      checkpoint: checkpoint({ executionState: Buffer.from(secret("blob")) }),
    }),
  );
  await store.session("doomed").saveSessionMeta(meta("doomed", { sessionName: secret("meta") }));
  await store
    .session("doomed")
    .commitRuntimeState(
      commit({ sessionId: "doomed", graph: append([messageNode("d", undefined, secret("session"))], "d") }),
    );
}

async function removeSecrets(store: Store): Promise<void> {
  const session = store.session("root");
  await session.tombstoneNodes(["s"]);
  await session.vacuum();
  await session.commitRuntimeState(commit({ graph: replaceFull([messageNode("r")], "r") }));
  await store.deleteSession("doomed");
}

for (const foldedBefore of [false, true]) {
  test(`removed bytes leave the disk after a gc and two snapshots, folded before: ${foldedBefore}`, async (t) => {
    const vfs = new MemoryVfs({ crashable: false });
    const store = await openStore("/store", { ...OPTIONS, vfs });
    t.after(() => store.close());
    await writeSecrets(store);
    if (foldedBefore) await store.snapshot();
    for (const text of Object.values(SECRETS)) assert.notDeepEqual(filesWith(vfs, text), [], text);
    await removeSecrets(store);
    await store.gc();
    for (let round = 0; round < 2; round++) {
      await store.session("root").commitRuntimeState(commit({ graph: replaceFull([messageNode("r")], "r") }));
      await store.snapshot();
    }
    for (const text of Object.values(SECRETS)) assert.deepEqual(filesWith(vfs, text), [], text);
    assert.deepEqual(await nodeIds(store.session("root")), ["r"]);
    assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  });
}
