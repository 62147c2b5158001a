/** The disk: the shared suite, and what only an operating system does. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { createDiskVfs } from "../../src/vfs/disk.ts";
import { runVfsSuite } from "./suite.ts";

const STANDARD_CHILD = fileURLToPath(new URL("../support/vfs-standard-child.ts", import.meta.url));

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "varve-vfs-"));
  t.after(() => rmSync(directory, { recursive: true, maxRetries: 20, retryDelay: 100 }));
  return directory.replaceAll("\\", "/");
}

runVfsSuite("disk", (t) => ({ vfs: createDiskVfs(), directory: temporaryDirectory(t) }));

describe("disk: descriptors", () => {
  it("a file opened while standard input and output are closed takes neither descriptor", (t) => {
    const directory = temporaryDirectory(t);
    const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", STANDARD_CHILD, directory], {
      encoding: "utf8",
    });
    assert.equal(stderr, "");
    assert.equal(status, 0);
    const report: unknown = JSON.parse(readFileSync(join(directory, "report"), "utf8"));
    // The plain open of the child got descriptor 0: without the care, the store's files would have, too.
    assert.deepEqual(report, { plain: 0, freeAfterwards: [0, 1], content: "store" });
  });
});
