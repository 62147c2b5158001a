/** An opening and the log's thread, which starts beside it. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { watchThreads } from "../wal/threaded.ts";

it("an opening that fails before it reads the log leaves no thread, and lets the directory go", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "varve-open-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  await (await openStore(root)).close();
  const threads = watchThreads(t);
  for (const name of readdirSync(root))
    if (name.startsWith("manifest-")) writeFileSync(join(root, name), "no");
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    await assert.rejects(openStore(root), (error) => isStoreError(error, "CORRUPT"));
    assert.deepEqual([threads.started.length, threads.ended], [attempt, attempt]);
  }
});
