/** The container of heads files and packs where a disk or another store gives what no writer of this one wrote. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "../../src/checksum.ts";
import { pack } from "../../src/codec.ts";
import { BlockFileReader, type BlockPlace, fileIdentityIn } from "../../src/snapshot/block-file.ts";
import { BlockFileWriter } from "../../src/snapshot/block-file-writer.ts";
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
