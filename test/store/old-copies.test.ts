/**
 * Copies of long ago: removals are remembered up to a number, across snapshots and openings. A copy either gets all
 * that it must drop, or is refused; the remembered ones do not grow without end.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { applyChanges, openStore } from "../../src/index.ts";
import { MAX_REMOVALS_KEPT } from "../../src/limits.ts";
import type { SessionGraph } from "../../src/session/types.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { commit, messageNode, replaceFull } from "../support/builders.ts";

const OPTIONS: StoreOptions = { snapshot: false, gc: false };
/** Nodes that each revision replaces: three revisions fill what is remembered. */
const NODES = 1_500;
const REVISIONS = 24;

async function replaceAll(store: Store, revision: number): Promise<void> {
  const nodes = Array.from({ length: NODES }, (_, n) => messageNode(`r${revision}n${n}`));
  await store
    .session("s")
    .commitRuntimeState(commit({ sessionId: "s", graph: replaceFull(nodes, nodes[0]?.nodeId) }));
}

async function graphOf(store: Store): Promise<SessionGraph> {
  const read = await store.session("s").loadSession();
  assert.ok(read !== undefined);
  return read.graph;
}

test("a copy of any revision is brought up to date wholly or refused, when removals fill many pages", async () => {
  const vfs = new MemoryVfs();
  const copies = new Map<number, SessionGraph>();
  let store = await openStore("/store", { ...OPTIONS, vfs });
  const refused: number[] = [];
  for (let revision = 1; revision <= REVISIONS; revision++) {
    await replaceAll(store, revision);
    copies.set(revision, await graphOf(store));
    await store.snapshot();
    if (revision % 3 !== 0) continue;
    // What is not in memory any more comes from the pages.
    await store.close();
    store = await openStore("/store", { ...OPTIONS, vfs });
    const now = await graphOf(store);
    refused.splice(0);
    for (const [of, copy] of copies) {
      try {
        const changes = await store.session("s").loadSession({ kind: "changesSince", headRevision: of });
        assert.ok(changes !== undefined);
        assert.deepEqual(applyChanges(copy, changes), now, `a copy of revision ${of} at ${revision}`);
      } catch (error) {
        if (!isStoreError(error, "HISTORY_GONE")) throw error;
        assert.ok(error.oldest > of, `${of} is refused, and ${error.oldest} is said to be the oldest`);
        refused.push(of);
      }
    }
  }
  assert.ok(refused.length > 0, "the oldest copies are refused in the end");
  const kept = Math.floor(MAX_REMOVALS_KEPT / NODES);
  assert.ok(
    refused.every((of) => of < REVISIONS - kept),
    `${refused} refused, ${kept} revisions are remembered at least`,
  );
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
});
