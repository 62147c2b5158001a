/** TAIL: what its two slots keep when a write of it is lost, torn or garbled. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { encodeTail, ensureTail, newestTail, readTail, TAIL_BYTES, TailFile } from "../../src/wal/tail.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { readFile } from "./fixture.ts";

const PATH = "/store/wal/TAIL";
const STORE_ID = new Uint8Array(16).fill(7);
const SYNCS = 5;
const SLOT_BYTES = 64;
const SECOND_SLOT_AT = 4096;

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

/** An empty TAIL, open, in a directory that is synced. */
function emptyTail(): { vfs: MemoryVfs; file: TailFile } {
  const vfs = new MemoryVfs();
  vfs.makeDirectory("/store/wal");
  ensureTail(vfs, PATH);
  return { vfs, file: new TailFile(vfs, PATH, STORE_ID) };
}

describe("a slot of TAIL", () => {
  it("counts when it is there to its last byte, and not before", () => {
    const { vfs, file } = emptyTail();
    for (const lsn of [1, 2]) file.write({ segment: 1, salt: 1n, lsn, end: 100 });
    const told = (size: number): (number | undefined)[] => {
      const cut = vfs.open(PATH, "write");
      cut.truncate(size);
      cut.close();
      return readTail(vfs, PATH, STORE_ID).map((slot) => slot?.lsn);
    };
    assert.deepEqual(told(SECOND_SLOT_AT + SLOT_BYTES), [1, 2]);
    assert.deepEqual(told(SECOND_SLOT_AT + SLOT_BYTES - 1), [1, undefined]);
    assert.deepEqual(told(SLOT_BYTES), [1, undefined]);
    assert.deepEqual(told(SLOT_BYTES - 1), [undefined, undefined]);
    assert.deepEqual(told(0), [undefined, undefined]);
  });

  it("of the later segment is the newer one when a roll that nothing followed told the same LSN again", () => {
    for (const synced of [1, 2]) {
      const { vfs, file } = emptyTail();
      for (let lsn = 1; lsn <= synced; lsn += 1) file.write({ segment: 1, salt: 1n, lsn, end: 100 });
      file.write({ segment: 2, salt: 2n, lsn: synced, end: 4200 });
      assert.equal(newestTail(readTail(vfs, PATH, STORE_ID))?.segment, 2);
      file.close();
      const next = new TailFile(vfs, PATH, STORE_ID);
      next.write({ segment: 2, salt: 2n, lsn: synced + 1, end: 4300 });
      const left = readTail(vfs, PATH, STORE_ID).map((slot) => slot?.segment);
      assert.deepEqual(left, [2, 2], "the older one was written over");
    }
  });
});

describe("the file TAIL", () => {
  it("is made when it is missing or has another size, and left alone when it is there", () => {
    const vfs = new MemoryVfs();
    vfs.makeDirectory("/store/wal");
    const counting = new CountingVfs(vfs);
    assert.equal(ensureTail(counting, PATH), true);
    const slot = encodeTail(STORE_ID, { segment: 1, salt: 1n, lsn: 7, end: 100 });
    const write = (bytes: Uint8Array, at: number): void => {
      const file = vfs.open(PATH, "write");
      file.write([bytes], at);
      file.close();
    };
    write(slot, 0);
    assert.equal(ensureTail(counting, PATH), false);
    assert.equal(toldBy(vfs), 7);
    write(Buffer.from("x"), TAIL_BYTES);
    assert.equal(ensureTail(counting, PATH), true);
    assert.deepEqual(readFile(vfs, PATH), Buffer.alloc(TAIL_BYTES));
    assert.deepEqual(counting.openPaths, []);
  });

  it("is open while the log is, and only then", () => {
    const { vfs } = emptyTail();
    const counting = new CountingVfs(vfs);
    const file = new TailFile(counting, PATH, STORE_ID);
    assert.deepEqual(counting.openPaths, [PATH]);
    file.close();
    assert.deepEqual(counting.openPaths, []);
  });
});

describe("a TAIL that was just made", () => {
  it("is whole and empty after any crash, once its name is synced", () => {
    const vfs = new MemoryVfs();
    vfs.makeDirectory("/store/wal");
    assert.equal(ensureTail(vfs, PATH), true);
    for (const directory of ["/", "/store", "/store/wal"]) vfs.syncDirectory(directory);
    assert.equal(ensureTail(vfs, PATH), false);
    for (const { title, vfs: left } of vfs.crashes()) {
      assert.equal(left.stat(PATH)?.size, TAIL_BYTES, title);
      assert.deepEqual(readTail(left, PATH, STORE_ID), [undefined, undefined], title);
    }
  });
});
