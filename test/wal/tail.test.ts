/** TAIL: what its two slots keep when a write of it is lost, torn or garbled. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { ensureTail, newestTail, readTail, TailFile } from "../../src/wal/tail.ts";

const PATH = "/store/wal/TAIL";
const STORE_ID = new Uint8Array(16).fill(7);
const SYNCS = 5;

/** The newest sync that the TAIL of a file system tells of; 0 for none. */
const toldBy = (vfs: MemoryVfs): number => newestTail(readTail(vfs, PATH, STORE_ID))?.lsn ?? 0;

describe("a write of TAIL that a crash takes, tears or garbles", () => {
  for (const lives of ["one process", "a process for each sync"] as const) {
    it(`costs the news of one sync, never of the one before: ${lives}`, () => {
      const vfs = new MemoryVfs();
      vfs.makeDirectory("/store/wal");
      ensureTail(vfs, PATH);
      for (const directory of ["/", "/store", "/store/wal"]) vfs.syncDirectory(directory);
      let file = new TailFile(vfs, PATH, STORE_ID);
      for (let lsn = 1; lsn <= SYNCS; lsn += 1) {
        if (lives === "a process for each sync") {
          file.close();
          file = new TailFile(vfs, PATH, STORE_ID);
        }
        file.write({ segment: 1, salt: 1n, lsn, end: 100 * lsn });
        assert.equal(toldBy(vfs), lsn);
        for (const { title, vfs: left } of vfs.crashes())
          assert.ok(toldBy(left) >= lsn - 1, `${title} of sync ${lsn}`);
        file.sync();
      }
      file.close();
    });
  }
});
