/** Reading one frame by its place: what is not there as a whole is refused, and no length in a file is believed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isStoreError, storeError } from "../../src/errors.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";
import { frameBytes } from "../../src/wal/frame.ts";
import { LogReader } from "../../src/wal/reader.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { ForwardingVfs, forwardFile } from "../support/forwarding-vfs.ts";
import {
  DIRECTORY,
  type LogFixture,
  opened,
  payloadFor,
  readFile,
  refusal,
  STORE_ID,
  segmentPathOf,
  writeFile,
} from "./fixture.ts";

/** Where a frame has its length. */
const LENGTH_AT = 4;
/** More than the first read takes, so that a second one is needed; and more than that in one frame. */
const LONG_BYTES = 20_000;

interface Given {
  readonly log: LogFixture;
  readonly vfs: MemoryVfs;
  readonly segment: number;
  readonly path: string;
  readonly offset: number;
}

/** A killed log whose only record is long. */
async function oneLongRecord(): Promise<Given> {
  const vfs = new MemoryVfs();
  const log = await opened({ vfs });
  await log.write(LONG_BYTES);
  const { segment = 0, offset = 0 } = log.durable.get(1) ?? {};
  log.kill();
  return { log, vfs, segment, path: segmentPathOf(segment), offset };
}

/** What a fresh reader reads there; it leaves no file open. */
async function read(vfs: Vfs, segment: number, offset: number): Promise<Uint8Array> {
  const counting = new CountingVfs(vfs);
  const reader = new LogReader({ vfs: counting, directory: DIRECTORY, storeId: STORE_ID });
  try {
    return reader.read(segment, offset);
  } finally {
    reader.close();
    assert.deepEqual(counting.openPaths, []);
  }
}

/** Every read of more than one byte less than it gives passes through `changed`. */
class ReadsVfs extends ForwardingVfs {
  readonly sizes: number[] = [];
  readonly #answer: (target: Uint8Array, read: number) => number;
  constructor(inner: Vfs, answer: (target: Uint8Array, read: number) => number = (_target, read) => read) {
    super(inner);
    this.#answer = answer;
  }
  override open(path: string, mode: OpenMode): VfsFile {
    const file = super.open(path, mode);
    return forwardFile(file, {
      read: (target, position) => {
        this.sizes.push(target.length);
        return this.#answer(target, file.read(target, position));
      },
    });
  }
}

test("a frame longer than the first read is read whole, and verified", async () => {
  const { vfs, segment, path, offset } = await oneLongRecord();
  assert.deepEqual(Buffer.from(await read(vfs, segment, offset)), payloadFor(1, LONG_BYTES));
  const bytes = readFile(vfs, path);
  bytes[offset + LONG_BYTES] = 0xee;
  writeFile(vfs, path, bytes);
  assert.deepEqual(await refusalOf(read(vfs, segment, offset)), { file: path, offset });
});

test("a place so near to the end of its file that no header fits is refused", async () => {
  const { vfs, segment, path } = await oneLongRecord();
  const { size = 0 } = vfs.stat(path) ?? {};
  for (const offset of [size - 47, size - 8, size, size + 4096])
    assert.deepEqual(await refusalOf(read(vfs, segment, offset)), { file: path, offset });
});

test("a length that damage made larger than the file, or than a frame can be, is refused and not allocated", async () => {
  const { vfs, segment, path, offset } = await oneLongRecord();
  const { size = 0 } = vfs.stat(path) ?? {};
  for (const length of [size, 2 ** 29, 2 ** 29 + 8, 2 ** 32 - 1]) {
    const bytes = readFile(vfs, path);
    bytes.writeUInt32LE(length, offset + LENGTH_AT);
    writeFile(vfs, path, bytes);
    const reads = new ReadsVfs(vfs);
    assert.deepEqual(await refusalOf(read(reads, segment, offset)), { file: path, offset });
    assert.ok(Math.max(...reads.sizes) <= 4096, `${length}: ${reads.sizes}`);
  }
});

test("a file that gives fewer bytes than it says it has is refused, whatever lies in the buffer behind them", async () => {
  const { vfs, segment, path, offset } = await oneLongRecord();
  const short = new ReadsVfs(vfs, (target, given) => (target.length > 4096 ? given - 1 : given));
  assert.deepEqual(await refusalOf(read(short, segment, offset)), { file: path, offset });
  assert.ok(Math.max(...short.sizes) > LONG_BYTES, "the second read was asked for");
});

test("a segment whose header is damaged is refused when a record of it is read, and no file stays open", async () => {
  const { vfs, segment, path, offset } = await oneLongRecord();
  const bytes = readFile(vfs, path);
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  writeFile(vfs, path, bytes);
  assert.deepEqual(await refusalOf(read(vfs, segment, offset)), { file: path, offset: 0 });
});

test("a record that was read belongs to whoever read it: the next read changes nothing of it", async () => {
  const vfs = new MemoryVfs();
  const log = await opened({ vfs });
  for (const bytes of [100, LONG_BYTES, 120]) await log.write(bytes);
  const places = [...log.durable.values()];
  log.kill();
  const reader = new LogReader({ vfs, directory: DIRECTORY, storeId: STORE_ID });
  const read = places.map(({ segment, offset }) => reader.read(segment, offset));
  reader.close();
  assert.deepEqual(
    read.map((payload) => Buffer.from(payload)),
    [payloadFor(1, 100), payloadFor(2, LONG_BYTES), payloadFor(3, 120)],
  );
});

test("a record is the same whatever number of bytes is expected of it, and the right one reads no more than its frame", async () => {
  const vfs = new MemoryVfs();
  const log = await opened({ vfs });
  const sizes = [100, LONG_BYTES, 120];
  for (const bytes of sizes) await log.write(bytes);
  const places = [...log.durable.values()];
  log.kill();
  const reads = new ReadsVfs(vfs);
  const reader = new LogReader({ vfs: reads, directory: DIRECTORY, storeId: STORE_ID });
  for (const [i, { segment, offset }] of places.entries()) {
    const bytes = sizes[i] as number;
    for (const expected of [0, 1, bytes - 1, bytes, bytes + 1, 10 * LONG_BYTES]) {
      reads.sizes.length = 0;
      const payload = Buffer.from(reader.read(segment, offset, expected));
      assert.deepEqual(payload, payloadFor(i + 1, bytes), `${expected} of ${bytes}`);
      if (expected === bytes && bytes < 4096) assert.equal(reads.sizes.at(-1), frameBytes(bytes));
    }
  }
  reader.close();
});

/** A killed log with a record in each of so many segments, their places, and a reader that says what it opens. */
async function manySegments(count: number) {
  const vfs = new MemoryVfs();
  const log = await opened({ vfs });
  for (let segment = 0; segment < count; segment += 1) {
    await log.write(100);
    log.start = await log.roll();
  }
  const places = [...log.durable.values()];
  log.kill();
  const files = new OpenedVfs(vfs);
  const reader = new LogReader({ vfs: files, directory: DIRECTORY, storeId: STORE_ID });
  const look = (index: number): Buffer => {
    const { segment, offset } = places[index] ?? { segment: 0, offset: 0 };
    return Buffer.from(reader.read(segment, offset));
  };
  const pathsOf = (...indexes: number[]) =>
    indexes.map((index) => segmentPathOf(places[index]?.segment ?? 0)).sort();
  return { files, reader, look, pathsOf, places };
}

class OpenedVfs extends CountingVfs {
  opened = 0;
  override open(path: string, mode: OpenMode): VfsFile {
    this.opened += 1;
    return super.open(path, mode);
  }
}

test("the eight segments read last stay open, and are not opened again", async () => {
  const { files, reader, look, pathsOf } = await manySegments(10);
  for (let index = 0; index < 8; index += 1) assert.deepEqual(look(index), payloadFor(index + 1, 100));
  assert.deepEqual(files.openPaths, pathsOf(0, 1, 2, 3, 4, 5, 6, 7));
  look(0);
  assert.equal(files.opened, 8);
  look(8);
  assert.deepEqual(files.openPaths, pathsOf(0, 2, 3, 4, 5, 6, 7, 8));
  look(9);
  assert.deepEqual(files.openPaths, pathsOf(0, 3, 4, 5, 6, 7, 8, 9));
  look(1);
  assert.deepEqual([files.opened, files.openPaths], [11, pathsOf(0, 1, 4, 5, 6, 7, 8, 9)]);
  reader.close();
  assert.deepEqual(files.openPaths, []);
});

test("segments that are forgotten are closed, the others stay open, and each can be read again", async () => {
  const { files, reader, look, pathsOf, places } = await manySegments(4);
  for (const index of [3, 0, 2, 1]) look(index);
  reader.forget(places[2]?.segment ?? 0);
  assert.deepEqual(files.openPaths, pathsOf(2, 3));
  assert.deepEqual(look(0), payloadFor(1, 100));
  assert.deepEqual(look(3), payloadFor(4, 100));
  assert.equal(files.opened, 5);
  reader.close();
});

test("a missing segment is damage, and one that cannot be opened is not", async () => {
  const { vfs, segment, path, offset } = await oneLongRecord();
  const failing = new (class extends ForwardingVfs {
    override open(): VfsFile {
      throw storeError("STORE_IO", { path, operation: "open", errno: "EIO" }, "an open that fails");
    }
  })(vfs);
  await assert.rejects(read(failing, segment, offset), (error) => isStoreError(error, "STORE_IO"));
  vfs.remove(path);
  await assert.rejects(
    read(vfs, segment, offset),
    (error) => isStoreError(error, "CORRUPT") && error.file === path && error.offset === undefined,
  );
});

async function refusalOf(work: Promise<unknown>): Promise<object> {
  const { file, offset } = await refusal(work);
  return { file, offset };
}
