/**
 * Files whose every checksum is right and whose content makes no sense: made by a bug, or by somebody. What a
 * reader cannot make sense of is CORRUPT naming the file, never a plain error and never a handle left open.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, sha256 } from "../../src/checksum.ts";
import { pack } from "../../src/codec.ts";
import type { BlockFileKind } from "../../src/snapshot/block-file.ts";
import { BlockFileWriter } from "../../src/snapshot/block-file-writer.ts";
import { HeadsFileReader } from "../../src/snapshot/heads-file.ts";
import { PackReader } from "../../src/snapshot/pack.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";
import { bytesOf, corruptionOf, makeDirectories, put, ROOT, STORE_ID } from "./fixture.ts";

const PATH = `${ROOT}/blobs/000003.pack`;
const IDENTITY = { storeId: STORE_ID, number: 3 };
const DIGEST = Buffer.from(sha256(Buffer.from("any")));
const FULL_FILTER = Buffer.alloc(8, 0xff);
/** Numbers that a place, a count or a length must survive. */
const STRANGE_NUMBERS = [-1, -8, -9, -64, 2 ** 31, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER];
const STRANGE_VALUES = [null, true, "text", 1.5, [], [[]], { a: 1 }, Buffer.alloc(3), new Map()];

/** Counts the files that are open. */
class CountingVfs extends MemoryVfs {
  openFiles = 0;

  constructor() {
    super({ crashable: false });
    makeDirectories(this);
  }

  override open(path: string, mode: OpenMode): VfsFile {
    const file = super.open(path, mode);
    const close = file.close.bind(file);
    this.openFiles++;
    file.close = () => {
      this.openFiles--;
      close();
    };
    return file;
  }
}

/** Writes a block file of these payloads; `footer` is told where they lie. Answers its size. */
function writeFile(
  vfs: Vfs,
  kind: BlockFileKind,
  payloads: readonly Uint8Array[],
  footer: (places: number[]) => unknown,
): number {
  const writer = new BlockFileWriter(vfs, PATH, { ...IDENTITY, kind });
  const places = payloads.flatMap((payload) => {
    const { offset, length } = writer.append(payload);
    return [offset, length];
  });
  return writer.finish(footer(places));
}

/** Reads all there is to read; answers what was refused, which must be CORRUPT of this file. */
function readAll(kind: BlockFileKind, vfs: Vfs, size: number): string | undefined {
  const corruption = corruptionOf(() => {
    const file =
      kind === "pack"
        ? new PackReader(vfs, PATH, IDENTITY, size)
        : new HeadsFileReader(vfs, PATH, IDENTITY, size);
    try {
      if (file instanceof PackReader) {
        const entry = file.find(DIGEST);
        if (entry !== undefined) file.read(entry);
        for (const one of file.entries()) file.read(one);
      } else {
        file.get("s");
        for (const head of file.scan()) file.decode(head.sessionId, head.bytes);
        for (const _key of file.list({ lastCommitLsn: 1, sessionId: "" }));
      }
    } finally {
      file.close();
    }
  });
  if (corruption !== undefined) assert.equal(corruption.file, PATH);
  return corruption?.message;
}

/** Every footer that differs in one item, at any depth, from a right one. */
function* strangeFooters(footer: readonly unknown[]): Generator<unknown> {
  yield* STRANGE_VALUES;
  for (let at = 0; at < footer.length; at++) {
    for (const strange of [...STRANGE_VALUES, ...STRANGE_NUMBERS]) yield footer.with(at, strange);
    yield footer.toSpliced(at, 1);
    const item = footer[at];
    if (!Array.isArray(item)) continue;
    for (let inner = 0; inner < item.length; inner++) {
      for (const strange of [...STRANGE_VALUES, ...STRANGE_NUMBERS]) {
        yield footer.with(at, (item as unknown[]).with(inner, strange));
      }
      yield footer.with(at, (item as unknown[]).toSpliced(inner, 1));
    }
  }
}

function indexEntry(fields: {
  offset?: bigint;
  stored?: number;
  raw?: number;
  kind?: number;
  how?: number;
}): Buffer {
  const entry = Buffer.alloc(56);
  DIGEST.copy(entry, 0);
  entry.writeBigUInt64LE(fields.offset ?? 64n, 32);
  entry.writeUInt32LE(fields.stored ?? 3, 40);
  entry.writeUInt32LE(fields.raw ?? 3, 44);
  entry[48] = fields.kind ?? 0;
  entry[49] = fields.how ?? 0;
  return entry;
}

const HEADS_BLOCKS = [pack(["s", 1, Buffer.from("no head")]), pack([1, "s"])];
const headsFooter = ([offset = 0, length = 0, listOffset = 0, listLength = 0]: number[]): unknown[] => [
  1,
  ["s"],
  [offset, length],
  FULL_FILTER,
  [1],
  ["s"],
  [listOffset, listLength],
];
const PACK_BLOCKS = [Buffer.from("any"), indexEntry({})];
const packFooter = ([, , offset = 0, length = 0]: number[]): unknown[] => [
  1,
  DIGEST,
  [offset, length],
  FULL_FILTER,
];

for (const [kind, blocks, footerOf] of [
  ["heads", HEADS_BLOCKS, headsFooter],
  ["pack", PACK_BLOCKS, packFooter],
] as const) {
  test(`a ${kind} footer that makes no sense is CORRUPT of its file, and nothing stays open`, () => {
    const vfs = new CountingVfs();
    let right: unknown[] = [];
    writeFile(vfs, kind, blocks, (places) => {
      right = footerOf(places);
      return right;
    });
    let refused = 0;
    for (const footer of strangeFooters(right)) {
      const size = writeFile(vfs, kind, blocks, () => footer);
      if (readAll(kind, vfs, size) !== undefined) refused++;
      assert.equal(vfs.openFiles, 0, `a file stays open after ${JSON.stringify(footer)}`);
    }
    assert.ok(refused > 100, `${refused} were refused`);
  });
}

test("a heads block or list block that makes no sense is CORRUPT of its file", () => {
  const vfs = new CountingVfs();
  const strange = [
    ...STRANGE_VALUES,
    ["s"],
    ["s", 1],
    ["s", 1, 2],
    ["s", "x", Buffer.alloc(1)],
    [1, 2, 3],
    ["s", 1, null],
  ];
  for (const content of strange) {
    for (const blocks of [
      [pack(content), HEADS_BLOCKS[1] as Uint8Array],
      [HEADS_BLOCKS[0] as Uint8Array, pack(content)],
    ]) {
      readAll("heads", vfs, writeFile(vfs, "heads", blocks, headsFooter));
    }
  }
});

test("an index entry that makes no sense is CORRUPT of its file", () => {
  const vfs = new CountingVfs();
  const entries = [
    indexEntry({ offset: 2n ** 64n - 1n }),
    indexEntry({ offset: 0n }),
    indexEntry({ stored: 2 ** 32 - 1 }),
    indexEntry({ stored: 0 }),
    indexEntry({ raw: 2 ** 32 - 1 }),
    indexEntry({ raw: 2 ** 32 - 1, how: 1 }),
    indexEntry({ raw: 0, how: 1 }),
    indexEntry({ kind: 5 }),
    indexEntry({ kind: 255 }),
    indexEntry({ how: 2 }),
    indexEntry({}).subarray(0, 55),
    Buffer.alloc(0),
  ];
  for (const entry of entries) {
    const size = writeFile(vfs, "pack", [Buffer.from("any"), entry], packFooter);
    assert.ok(readAll("pack", vfs, size) !== undefined, entry.toString("hex"));
  }
  assert.equal(readAll("pack", vfs, writeFile(vfs, "pack", PACK_BLOCKS, packFooter)), undefined);
});

test("a trailer that makes no sense is CORRUPT of its file", () => {
  const vfs = new CountingVfs();
  const size = writeFile(vfs, "pack", PACK_BLOCKS, packFooter);
  const right = bytesOf(vfs, PATH);
  for (const at of [8, 16, 24]) {
    for (const strange of [0n, 1n, 63n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      const bytes = Buffer.from(right);
      bytes.writeBigUInt64LE(strange, size - 64 + at);
      bytes.writeUInt32LE(crc32(bytes.subarray(size - 64, size - 4)), size - 4);
      put(vfs, PATH, bytes);
      assert.ok(readAll("pack", vfs, size) !== undefined, `${strange} at ${at}`);
    }
  }
});

test("a file too short for header and trailer is CORRUPT, also when its manifest says so", () => {
  const vfs = new CountingVfs();
  writeFile(vfs, "pack", PACK_BLOCKS, packFooter);
  const right = bytesOf(vfs, PATH);
  for (let length = 0; length < right.length; length++) {
    put(vfs, PATH, right.subarray(0, length));
    assert.ok(readAll("pack", vfs, length) !== undefined, `${length} bytes`);
  }
});
