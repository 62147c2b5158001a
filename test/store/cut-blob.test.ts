/**
 * A value that travels in several frames, cut short by a power cut. Its first frames are sound and were never
 * acknowledged: no commit may rest on them, the value can be sent again, and then it is there whole.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { MIB } from "../../src/limits.ts";
import type { RuntimeCommit } from "../../src/session/types.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, checkpoint, commit, messageNode, noise } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";

const OPTIONS: StoreOptions = { snapshot: false, gc: false, segmentBytes: 4 * MIB };
/** Three frames. */
const VALUE = noise(2 * MIB + 100, 1);

function large(): RuntimeCommit {
  return commit({
    sessionId: "s",
    operationId: "large",
    graph: append([messageNode("b", "a")], "b"),
    checkpoint: checkpoint({ executionState: VALUE }),
  });
}

async function cutImages(): Promise<{ title: string; vfs: MemoryVfs }[]> {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  const first = commit({ sessionId: "s", graph: append([messageNode("a")], "a") });
  await store.session("s").commitRuntimeState(first);
  const images: { title: string; vfs: MemoryVfs }[] = [];
  vfs.onOperation = ({ at, operation }) => {
    if (operation !== "datasync") return;
    images.push({ title: `${operation} #${at}, nothing unsynced kept`, vfs: vfs.crashKeepingNothing() });
    images.push({ title: `${operation} #${at}, everything kept`, vfs: vfs.crashKeepingEverything() });
  };
  await store.session("s").commitRuntimeState(large());
  vfs.onOperation = undefined;
  await store.close();
  return images;
}

test("a value of which only the first frames are left counts as none, and can be sent again", async () => {
  // The ref of the value, from a store that was not cut.
  const whole = await openStore("/store", { ...OPTIONS, vfs: new MemoryVfs() });
  const { manifest } = await whole
    .session("s")
    .commitRuntimeState({ ...large(), expectedHeadRevision: 0, graph: append([messageNode("b")], "b") });
  await whole.close();
  const ref = manifest.executionStateRef;
  assert.ok(ref !== undefined);
  let cut = 0;
  for (const { title, vfs } of await cutImages()) {
    try {
      const store = await openStore("/store", { ...OPTIONS, vfs });
      const session = store.session("s");
      const isThere = (await session.loadSession())?.headRevision === 2;
      if (!isThere) {
        if (store.recovery.replayedRecords > 1) cut += 1;
        const naming = commit({
          sessionId: "s",
          graph: { kind: "unchanged", leafNodeId: "a" },
          checkpoint: checkpoint({ executionStateRef: ref }),
        });
        await refuses(session.commitRuntimeState(naming), "BLOB_MISSING");
      }
      const again = await session.commitRuntimeState(large());
      assert.equal(again.replayed, isThere);
      await store.close();
      const reopened = await openStore("/store", { ...OPTIONS, vfs });
      const read = await reopened.session("s").loadSession();
      assert.equal(Buffer.compare(read?.checkpoint.executionState ?? Buffer.alloc(0), VALUE), 0);
      await reopened.snapshot();
      assert.deepEqual(await reopened.verify(), { ok: true, problems: [] });
      await reopened.close();
    } catch (error) {
      throw new Error(`after a crash before ${title}${isStoreError(error) ? `: ${error.code}` : ""}`, {
        cause: error,
      });
    }
  }
  assert.ok(cut > 0, "some crashes left some of the frames");
});
