/** What an open store means for its process: it keeps it alive while there is work, and not a moment longer. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { openStore } from "../../src/index.ts";
import { read } from "../support/expect.ts";
import { Owner } from "../support/owner.ts";
import { temporaryDirectory } from "../support/temporary.ts";

test("an idle open store does not keep its process alive", async (t) => {
  const directory = join(temporaryDirectory(t), "store");
  const owner = new Owner(t, "idle", directory);
  await owner.ended();
  assert.deepEqual([owner.process.exitCode, owner.process.signalCode], [0, null]);
  const store = await openStore(directory);
  t.after(() => store.close());
  assert.equal((await read(store.session("s0"))).headRevision, 1);
});

test("work in flight keeps its process alive until it is answered", async (t) => {
  const directory = join(temporaryDirectory(t), "store");
  const owner = new Owner(t, "flight", directory);
  await owner.ended();
  assert.equal(owner.process.exitCode, 0);
  assert.deepEqual(owner.lines.toSorted(), ["committed", "open", "snapshot"]);
});

test("threads and timers are gone after close", async (t) => {
  const owner = new Owner(t, "closed", join(temporaryDirectory(t), "store"));
  await owner.ended();
  assert.equal(owner.process.exitCode, 0);
});
