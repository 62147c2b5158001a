/** The container of heads files and packs where a disk or another store gives what no writer of this one wrote. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "../../src/checksum.ts";
import { pack } from "../../src/codec.ts";
import { BlockFileReader, type BlockPlace, fileIdentityIn } from "../../src/snapshot/block-file.ts";
import { BlockFileWriter } from "../../src/snapshot/block-file-writer.ts";
import { ioError } from "../../src/vfs/io-error.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { ForwardingVfs, forwardFile } from "../support/forwarding-vfs.ts";
import { bytesOf, corruptionOf, makeDirectories, put, ROOT, STORE_ID } from "./fixture.ts";

const PATH = `${ROOT}/blobs/000003.pack`;
const IDENTITY = { kind: "pack", storeId: STORE_ID, number: 3 } as const;

interface Given {
  readonly vfs: MemoryVfs;
  readonly size: number;
  readonly place: BlockPlace;
}

/** A file of one block and a footer. */
function written(payload: Uint8Array = pack("payload")): Given {
  const vfs = new MemoryVfs({ crashable: false });
  makeDirectories(vfs);
  const writer = new BlockFileWriter(vfs, PATH, IDENTITY);
  const place = writer.append(payload);
  return { vfs, size: writer.finish("footer"), place };
}

/** Opens the file and does something with it; nothing stays open. */
function withFile<Value>(vfs: Vfs, size: number, work: (file: BlockFileReader<unknown>) => Value): Value {
  const counting = new CountingVfs(vfs);
  try {
    const file = new BlockFileReader(counting, PATH, IDENTITY, size, (_payload, decode) => decode());
    try {
      return work(file);
    } finally {
      file.close();
    }
  } finally {
    assert.deepEqual(counting.openPaths, []);
  }
}

test("a block and a footer read back", () => {
  const { vfs, size, place } = written();
  const read = withFile(vfs, size, (file) => [file.footer, file.decode(place.offset, file.block(place))]);
  assert.deepEqual(read, ["footer", "payload"]);
});

test("files that are written at the same time do not share a slice, whatever ended before them, and how often", () => {
  const vfs = new MemoryVfs({ crashable: false });
  makeDirectories(vfs);
  const writerOf = (number: number) => new BlockFileWriter(vfs, `${PATH}.${number}`, { ...IDENTITY, number });
  const finished = writerOf(1);
  finished.finish("footer");
  const first = writerOf(2);
  finished.abort();
  const second = writerOf(3);
  const places = [first, second].map((writer) => writer.append(pack(`of ${writer === first}`)));
  const read = [first, second].map((writer, i) => {
    const number = i + 2;
    const size = writer.finish("footer");
    const reader = new BlockFileReader(vfs, `${PATH}.${number}`, { ...IDENTITY, number }, size, () => "");
    const place = places[i];
    try {
      return place && reader.decode(place.offset, reader.block(place));
    } finally {
      reader.close();
    }
  });
  assert.deepEqual(read, ["of true", "of false"]);
});

test("a block that is whole and cannot be decoded is CORRUPT at its offset", () => {
  // An array of two items that ends behind the first.
  const { vfs, size, place } = written(Uint8Array.of(0x92, 1));
  const corruption = corruptionOf(() =>
    withFile(vfs, size, (file) => void file.decode(place.offset, file.block(place))),
  );
  assert.deepEqual([corruption?.file, corruption?.offset], [PATH, place.offset]);
  assert.match(corruption?.message ?? "", /cannot be decoded/);
});

/** A disk that gives a byte less than was asked for, from the n-th read on. */
class ShortVfs extends ForwardingVfs {
  #left: number;
  constructor(inner: Vfs, wholeReads: number) {
    super(inner);
    this.#left = wholeReads;
  }
  override open(path: string, mode: OpenMode): VfsFile {
    const file = super.open(path, mode);
    return forwardFile(file, {
      read: (target, position) => file.read(target, position) - (this.#left-- > 0 ? 0 : 1),
    });
  }
}

test("a read that gives fewer bytes than the file has is CORRUPT, whatever lies in the buffer behind them", () => {
  const { vfs, size, place } = written();
  const whole = withFile(new ShortVfs(vfs, 100), size, (file) => file.block(place).length);
  assert.equal(whole, place.length);
  // Header, trailer, footer, block.
  const offsets = [0, 1, 2, 3].map((reads) => {
    const short = new ShortVfs(vfs, reads);
    const corruption = corruptionOf(() => withFile(short, size, (file) => void file.block(place)));
    assert.equal(corruption?.file, PATH);
    assert.match(corruption.message, /bytes were expected/);
    return corruption.offset;
  });
  assert.deepEqual(offsets, [0, size - 64, place.offset + 8 + place.length, place.offset]);
});

test("a trailer of another store is CORRUPT there, its checksum right", () => {
  const { vfs, size } = written();
  const bytes = bytesOf(vfs, PATH);
  bytes.writeUInt8(bytes.readUInt8(size - 32) ^ 1, size - 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(size - 64, size - 4)), size - 4);
  put(vfs, PATH, bytes);
  const corruption = corruptionOf(() => withFile(vfs, size, () => undefined));
  assert.deepEqual([corruption?.file, corruption?.offset], [PATH, size - 64]);
  assert.match(corruption?.message ?? "", /trailer belongs to another store/);
});

test("a header tells whose file it is only if it is whole, and only of its own kind", () => {
  const { vfs } = written();
  const header = bytesOf(vfs, PATH).subarray(0, 64);
  assert.deepEqual(fileIdentityIn(header, "pack"), { ...IDENTITY, storeId: Buffer.from(STORE_ID) });
  assert.equal(fileIdentityIn(header, "heads"), undefined);
  assert.equal(fileIdentityIn(header.subarray(0, 63), "pack"), undefined);
  for (let at = 0; at < 64; at++) {
    const damaged = Buffer.from(header);
    damaged.writeUInt8(header.readUInt8(at) ^ 0x10, at);
    assert.equal(fileIdentityIn(damaged, "pack"), undefined, `byte ${at}`);
  }
});

/** A file of many blocks of 1 KiB, their places, and what reads of it ask for. */
function manyBlocks(count: number) {
  const vfs = new MemoryVfs({ crashable: false });
  makeDirectories(vfs);
  const writer = new BlockFileWriter(vfs, PATH, IDENTITY);
  const payloads = Array.from({ length: count }, (_, i) => Buffer.alloc(1024, i));
  const places = payloads.map((payload) => writer.append(payload));
  return { vfs, size: writer.finish("footer"), payloads, places };
}

/** A disk that tells what is read of it, and fails a read that touches the byte at `bad`. */
class WatchedVfs extends ForwardingVfs {
  readonly reads: number[] = [];
  readonly #bad: number;
  readonly #how: "fails" | "ends";
  constructor(inner: Vfs, bad = Number.POSITIVE_INFINITY, how: "fails" | "ends" = "fails") {
    super(inner);
    this.#bad = bad;
    this.#how = how;
  }
  override open(path: string, mode: OpenMode): VfsFile {
    const file = super.open(path, mode);
    return forwardFile(file, {
      read: (target, position) => {
        this.reads.push(target.length);
        const read = file.read(target, position);
        if (position > this.#bad || position + target.length <= this.#bad) return read;
        if (this.#how === "ends") return this.#bad - position;
        throw ioError("read", path, "EIO");
      },
    });
  }
}

test("blocks that are read in their order are read in pieces, and stay what they are", () => {
  const { vfs, size, payloads, places } = manyBlocks(400);
  const watched = new WatchedVfs(vfs);
  const found = withFile(watched, size, (file) => places.map((place) => file.blockInOrder(place)));
  assert.deepEqual(found, payloads);
  // 64 KiB at a time, and three reads of the ends of the file.
  assert.ok(watched.reads.length <= 3 + Math.ceil(size / (60 * 1024)), `${watched.reads.length} reads`);
});

test("of blocks that lie far from each other no more is read than they are, whatever their order", () => {
  const { vfs, size, payloads, places } = manyBlocks(400);
  const order = [390, 350, 0, 40, 41, 20, 399, 120, 41, 39, 380];
  const watched = new WatchedVfs(vfs);
  const found = withFile(watched, size, (file) =>
    order.map((at) => file.blockInOrder(places[at] as BlockPlace)),
  );
  assert.deepEqual(
    found,
    order.map((at) => payloads[at]),
  );
  const far = watched.reads.slice(3).filter((bytes) => bytes === 1024 + 8);
  assert.equal(far.length, order.length - 1, "all but the neighbour");
});

test("a place behind a block that cannot be read does not cost the block, and its own block is refused", () => {
  const { vfs, size, payloads, places } = manyBlocks(40);
  const bad = (places[20] as BlockPlace).offset + 500;
  for (const how of ["fails", "ends"] as const) {
    withFile(new WatchedVfs(vfs, bad, how), size, (file) => {
      for (const [i, place] of places.entries()) {
        const read = (): Buffer => file.blockInOrder(place);
        if (i !== 20) assert.deepEqual(read(), payloads[i], `${how}: block ${i}`);
        else if (how === "ends") assert.equal(corruptionOf(read)?.offset, place.offset);
        else assert.throws(read, { code: "STORE_IO" });
      }
    });
  }
});
