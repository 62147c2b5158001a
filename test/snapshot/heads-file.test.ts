/** Heads files: look-up by id, scanning in key order, listing newest first. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeHead } from "../../src/snapshot/head.ts";
import { HeadsFileReader } from "../../src/snapshot/heads-file.ts";
import { HeadsFileWriter } from "../../src/snapshot/heads-file-writer.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { Vfs, VfsFile } from "../../src/vfs/vfs.ts";
import { storedHead, withHeads, writeHeads } from "./files.ts";
import { corruptionOf, flipBit, makeDirectories, ROOT, STORE_ID } from "./fixture.ts";

const PATH = `${ROOT}/heads/000007.heads`;

function memory(): MemoryVfs {
  const vfs = new MemoryVfs({ crashable: false });
  makeDirectories(vfs);
  return vfs;
}

/** Ids whose order by UTF-8 bytes differs from JavaScript's order by UTF-16 units. */
const STRANGE_IDS = ["\u{10000}", "\uffee", "z", "é", "a b", "../../etc", "a".repeat(512), "\u0000"];

function many(count: number) {
  return Array.from({ length: count }, (_, index) =>
    storedHead(`session-${String(index).padStart(5, "0")}`, (index * 7919) % count),
  );
}

test("every head of a file of many blocks is found and equal", () => {
  const vfs = memory();
  const heads = [...many(1000), ...STRANGE_IDS.map((id) => storedHead(id, 5000))];
  const size = writeHeads(vfs, PATH, 7, heads);
  withHeads(vfs, { path: PATH, number: 7, size }, (file) => {
    assert.equal(file.count, heads.length);
    for (const head of heads) assert.deepEqual(file.get(head.sessionId), head);
  });
});

test("a head longer than any other block of heads is found, with its neighbours", () => {
  const vfs = memory();
  const meta = { sessionName: "n".repeat(60_000), createdAt: "2026-01-01T00:00:00Z", model: "m" };
  const long = { ...storedHead("session-00500", 1), meta: { sessionId: "session-00500", ...meta } };
  const heads = many(1000).map((head) => (head.sessionId === long.sessionId ? long : head));
  const size = writeHeads(vfs, PATH, 7, heads);
  withHeads(vfs, { path: PATH, number: 7, size }, (file) => {
    for (const head of heads.slice(490, 510)) assert.deepEqual(file.get(head.sessionId), head);
  });
});

test("who asks in the order of ids is answered as anybody, and so is who breaks the order", () => {
  const vfs = memory();
  const heads = [...many(1000), ...STRANGE_IDS.map((id) => storedHead(id, 5000))];
  const size = writeHeads(vfs, PATH, 7, heads);
  withHeads(vfs, { path: PATH, number: 7, size }, (file) => {
    const inOrder = heads.toSorted((a, b) =>
      Buffer.compare(Buffer.from(a.sessionId), Buffer.from(b.sessionId)),
    );
    for (const head of inOrder) assert.deepEqual(file.getInOrder(head.sessionId), head);
    for (const head of heads.toReversed()) assert.deepEqual(file.getInOrder(head.sessionId), head);
    for (const id of ["", "session-00000x", "zzz"]) assert.equal(file.getInOrder(id), undefined, id);
  });
});

test("an id that is not in the file is not found, also below the first and above the last", () => {
  const vfs = memory();
  const size = writeHeads(vfs, PATH, 7, many(1000));
  withHeads(vfs, { path: PATH, number: 7, size }, (file) => {
    for (const id of ["", "a", "session-00000x", "session-01000", "zzz", "\u{10ffff}"]) {
      assert.equal(file.get(id), undefined, id);
    }
    for (let index = 0; index < 1000; index++) assert.equal(file.get(`other-${index}`), undefined);
  });
});

test("a scan gives every head once, in the order of the ids' bytes", () => {
  const vfs = memory();
  const heads = [...many(300), ...STRANGE_IDS.map((id) => storedHead(id, 1))];
  const size = writeHeads(vfs, PATH, 7, heads);
  const expected = heads.map((head) => Buffer.from(head.sessionId)).sort(Buffer.compare);
  withHeads(vfs, { path: PATH, number: 7, size }, (file) => {
    assert.deepEqual(
      [...file.scan()].map(({ sessionId }) => Buffer.from(sessionId)),
      expected,
    );
  });
});

test("a list is newest first, ties by id, and can be resumed behind any of its entries", () => {
  const vfs = memory();
  const heads = many(400).map((head, index) => ({ ...head, lastCommitLsn: Math.floor(index / 3) % 50 }));
  const size = writeHeads(vfs, PATH, 7, heads);
  const expected = heads
    .map(({ sessionId, lastCommitLsn }) => ({ lastCommitLsn, sessionId }))
    .sort((a, b) => b.lastCommitLsn - a.lastCommitLsn || (a.sessionId < b.sessionId ? -1 : 1));
  withHeads(vfs, { path: PATH, number: 7, size }, (file) => {
    assert.deepEqual([...file.list(undefined)], expected);
    for (let index = 0; index < expected.length; index += 13) {
      assert.deepEqual([...file.list(expected[index])], expected.slice(index + 1));
    }
    assert.deepEqual([...file.list({ lastCommitLsn: 1000, sessionId: "" })], expected);
    assert.deepEqual([...file.list({ lastCommitLsn: 0, sessionId: "zzz" })], []);
  });
});

test("a look-up costs one filter and one block, whatever the file's size", () => {
  const vfs = memory();
  const size = writeHeads(vfs, PATH, 7, many(2000));
  const reads: number[] = [];
  const counting = countingReads(vfs, reads);
  withHeads(counting, { path: PATH, number: 7, size }, (file) => {
    reads.length = 0;
    file.get("session-01234");
    assert.equal(reads.length, 1);
    assert.ok((reads[0] ?? 0) < 8192, `${reads[0]} bytes were read`);
    reads.length = 0;
    for (let index = 0; index < 1000; index++) file.get(`absent-${index}`);
    assert.ok(reads.length < 30, `${reads.length} of 1000 absent ids were read for`);
  });
});

test("listing the newest reads only what it shows", () => {
  const vfs = memory();
  const size = writeHeads(vfs, PATH, 7, many(5000));
  const reads: number[] = [];
  withHeads(countingReads(vfs, reads), { path: PATH, number: 7, size }, (file) => {
    reads.length = 0;
    const list = file.list(undefined);
    for (let shown = 0; shown < 20; shown++) list.next();
    assert.equal(reads.length, 1);
  });
});

test("a damaged block is CORRUPT for its session, naming file, offset and session", () => {
  const vfs = memory();
  const size = writeHeads(vfs, PATH, 7, many(100));
  flipBit(vfs, PATH, 100);
  withHeads(vfs, { path: PATH, number: 7, size }, (file) => {
    const corruption = corruptionOf(() => file.get("session-00000"));
    assert.equal(corruption?.file, PATH);
    assert.equal(corruption?.sessionId, "session-00000");
    assert.ok((corruption?.offset ?? -1) >= 0);
    assert.notEqual(file.get("session-00099"), undefined, "sessions of other blocks are still read");
  });
});

test("a head that cannot be decoded is CORRUPT naming file and session", () => {
  const vfs = memory();
  const writer = new HeadsFileWriter(vfs, PATH, { storeId: STORE_ID, number: 7 });
  writer.add({ sessionId: "a", lastCommitLsn: 1, bytes: encodeHead(storedHead("a", 1)).subarray(0, 9) });
  const size = writer.finish();
  withHeads(vfs, { path: PATH, number: 7, size }, (file) => {
    const corruption = corruptionOf(() => file.get("a"));
    assert.equal(corruption?.file, PATH);
    assert.equal(corruption?.sessionId, "a");
  });
});

test("an empty heads file opens and has nothing", () => {
  const vfs = memory();
  const size = writeHeads(vfs, PATH, 7, []);
  withHeads(vfs, { path: PATH, number: 7, size }, (file) => {
    assert.equal(file.get("a"), undefined);
    assert.deepEqual([...file.scan(), ...file.list(undefined)], []);
  });
});

test("a heads file of another store or number is refused", () => {
  const vfs = memory();
  const size = writeHeads(vfs, PATH, 7, many(3));
  const open = (storeId: Uint8Array, number: number) =>
    corruptionOf(() => new HeadsFileReader(vfs, PATH, { storeId, number }, size).close())?.file;
  assert.equal(open(STORE_ID, 7), undefined);
  assert.equal(open(new Uint8Array(16), 7), PATH);
  assert.equal(open(STORE_ID, 8), PATH);
});

/** The same file system, noting the size of each read. */
function countingReads(vfs: Vfs, reads: number[]): Vfs {
  return new Proxy(vfs, {
    get(target, key) {
      if (key !== "open") return Reflect.get(target, key).bind(target);
      return (path: string, mode: "read"): VfsFile => {
        const file = target.open(path, mode);
        const read = file.read.bind(file);
        file.read = (into, position) => {
          reads.push(into.length);
          return read(into, position);
        };
        return file;
      };
    },
  });
}
