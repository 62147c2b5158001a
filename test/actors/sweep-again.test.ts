/**
 * The story: a collection that met a blob which a commit had named meanwhile swept the slice again, and when
 * that happened three times running it left the whole slice alone and answered well. So blobs that nobody had
 * named, and that no head reached, could still be named by ref after a gc that said it was done. Races found
 * it (test/races/gc.test.ts). Now what is dead besides is condemned the first time, and swept once more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { read, refuses } from "../support/expect.ts";
import { carrying, withGarbage } from "./garbage.ts";

test("a gc deletes what nobody named although commits name dead blobs again at every sweep", async () => {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { segmentBytes: 64 * 1024, snapshot: false, gc: false, vfs });
  const [dead, ...named] = await withGarbage(store);
  assert.ok(dead !== undefined);
  const accepted: Promise<boolean>[] = [];
  let packs = 0;
  vfs.onOperation = ({ operation, path }) => {
    // The first pack is the one that the gc's own fold writes.
    if (operation !== "open" || !path.includes("/blobs/") || ++packs === 1) return;
    const ref = named[accepted.length];
    if (ref === undefined) return;
    const id = `late-${accepted.length}`;
    const sent = store.session(id).commitRuntimeState(carrying(id, ref));
    accepted.push(
      sent.then(
        () => true,
        (error: unknown) => !isStoreError(error, "BLOB_MISSING"),
      ),
    );
  };
  await store.gc();
  vfs.onOperation = undefined;
  const kept = await Promise.all(accepted);
  assert.equal(kept[0], true, "what is named before the verdict is kept");
  await refuses(store.session("probe").commitRuntimeState(carrying("probe", dead)), "BLOB_MISSING");
  for (const [index, isKept] of kept.entries()) if (isKept) await read(store.session(`late-${index}`));
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
});
