/**
 * The examples of `docs/format.md` are what the code writes: every block marked `hex <name>` is compared, byte
 * for byte, with a value made here by the source, and none may be missing on either side. What is decoded
 * again is what was written. A change that fails this test changes the format of stores that exist.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ownDirectory, readStoreId } from "../src/actors/directory.ts";
import { crc32, sha256 } from "../src/checksum.ts";
import { decodeValue, encodeCanonical, encodeValue, pack } from "../src/codec.ts";
import { refFromBytes } from "../src/ids.ts";
import { KeptBytes } from "../src/session/kept-bytes.ts";
import { LIVE } from "../src/session/node-entry.ts";
import { type CommitRecord, decodeRecord, encodeRecord, type LogRecord } from "../src/session/record.ts";
import { hashOfId } from "../src/session/stored-ids.ts";
import {
  decodeHead,
  encodeHead,
  type IdIndex,
  nodeItem,
  receiptItem,
  removalItem,
  type StoredHead,
} from "../src/snapshot/head.ts";
import { HeadsFileReader } from "../src/snapshot/heads-file.ts";
import { HeadsFileWriter } from "../src/snapshot/heads-file-writer.ts";
import { decodeManifest, encodeManifest, type Manifest } from "../src/snapshot/manifest.ts";
import { EMPTY_OUTLINE, extendOutline } from "../src/snapshot/outline.ts";
import { compressValue, PackReader, PackWriter } from "../src/snapshot/pack.ts";
import { forestToWire } from "../src/snapshot/pages.ts";
import { MemoryVfs } from "../src/vfs/memory.ts";
import { readWhole, type Vfs, writeNew } from "../src/vfs/vfs.ts";
import { FrameType, frameBytes, imageOf, putFrame, saltSeed, stampFrame } from "../src/wal/frame.ts";
import { encodeHeader, encodeLink } from "../src/wal/segment.ts";
import { encodeTail } from "../src/wal/tail.ts";

const DOCUMENT = readFileSync(new URL("../docs/format.md", import.meta.url), "utf8");
const STORE_ID = Buffer.from("00112233445566778899aabbccddeeff", "hex");
const SALT = 0x0102030405060708n;
const CHECKPOINT = encodeCanonical({ turnState: { turnIndex: 1 } });
const CHECKPOINT_DIGEST = sha256(CHECKPOINT);
const CHECKPOINT_REF = refFromBytes(CHECKPOINT_DIGEST);
const CONFIG = { providerId: "p", configuredModel: "m", contextWindow: 8, executionMode: "standard" };
const USAGE = [
  {
    source: "turn",
    model: "m",
    usage: { inputTokens: 1, outputTokens: 2, cachedInputTokens: 3, reasoningTokens: 4 },
  },
];
const PICKER = { firstUserMessage: "hi", userMessageCount: 1 };
const NODE = { id: "n1", parent: undefined, flags: 1, body: encodeValue({ kind: "event" }) };
const DIGEST = Buffer.alloc(32, 0xdd);

const COMMIT: CommitRecord = {
  kind: "commit",
  sessionId: "s",
  revision: 1,
  config: CONFIG,
  leafNodeId: "n1",
  checkpointRef: CHECKPOINT_REF,
  manifest: CHECKPOINT,
  toolStateRef: undefined,
  pluginSnapshotRef: undefined,
  executionStateRef: undefined,
  graph: { kind: "append", nodes: [NODE] },
  usage: USAGE,
  picker: PICKER,
  operation: { id: "op", digest: DIGEST },
};
const REPLACE: CommitRecord = {
  ...COMMIT,
  revision: 2,
  usage: [],
  picker: undefined,
  operation: undefined,
  graph: {
    kind: "replace",
    steps: [
      { kind: "keep", start: 0, count: 1 },
      { kind: "node", node: { ...NODE, id: "n2", parent: "n1", flags: 0 } },
    ],
  },
};
const META = { sessionId: "s", sessionName: "name", createdAt: "t", model: "m", cwd: "/w" };

const HEAD: StoredHead = {
  sessionId: "s",
  deleted: false,
  head: {
    revision: 1,
    config: CONFIG,
    leafNodeId: "n1",
    checkpointRef: CHECKPOINT_REF,
    manifest: undefined,
    refs: { toolState: undefined, pluginSnapshot: undefined, executionState: undefined },
    nodeCount: 1,
  },
  meta: META,
  picker: PICKER,
  ledger: USAGE,
  lastCommitLsn: 1,
  lastLsn: 2,
  hiddenCount: 0,
  nodes: [{ ref: refFromBytes(DIGEST), level: 0, items: 1, bytes: 300 }],
  receipts: [],
  removals: [{ ref: refFromBytes(DIGEST), level: 0, items: 2, bytes: 20 }],
  oldestCopy: 0,
  outline: extendOutline(EMPTY_OUTLINE, [nodeItem({ ...NODE, revision: 1, hiddenAt: LIVE }, false)]),
  index: undefined,
};
const INDEX: IdIndex = {
  isClosed: true,
  pages: [{ ref: refFromBytes(DIGEST), level: 0, items: 1, bytes: 12 }],
  newest: Buffer.from(hashOfId("n2")),
};
const DELETED: StoredHead = {
  sessionId: "s",
  deleted: true,
  head: undefined,
  meta: undefined,
  picker: { firstUserMessage: "", userMessageCount: 0 },
  ledger: [],
  lastCommitLsn: 0,
  lastLsn: 7,
  hiddenCount: 0,
  nodes: [],
  receipts: [],
  removals: [],
  oldestCopy: 0,
  outline: undefined,
  index: undefined,
};
const MANIFEST: Manifest = {
  number: 42,
  storeId: STORE_ID,
  log: { segment: 5, salt: SALT, lsn: 1000, crc: 0x11223344 },
  heads: [{ number: 7, bytes: 204, count: 1 }],
  packs: [{ number: 12, bytes: 283, count: 1 }],
  deadBytes: 0,
  nextFile: 13,
};

function frame(type: number, lsn: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(frameBytes(payload.length));
  const image = imageOf(bytes);
  putFrame(image, 0, type, lsn, payload);
  stampFrame(image, 0, { durable: 6, previousCrc: 0x11223344, framesLeft: 0, saltCrc: saltSeed(SALT) });
  return bytes;
}

function memory(): MemoryVfs {
  const vfs = new MemoryVfs({ crashable: false });
  vfs.makeDirectory("/s");
  return vfs;
}

function fileBytes(vfs: Vfs, path: string): Uint8Array {
  const bytes = readWhole(vfs, path, 1 << 20);
  assert.ok(bytes !== undefined);
  return bytes;
}

/** The file as the code writes it; only the UUID, which it draws at random, and its checksum are put in. */
function formatFile(): Uint8Array {
  const vfs = memory();
  ownDirectory(vfs, "/s").release();
  const bytes = Buffer.from(fileBytes(vfs, "/s/format"));
  assert.equal(bytes.readUInt32LE(32), crc32(bytes.subarray(0, 32)));
  bytes.set(STORE_ID, 16);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 32)), 32);
  return bytes;
}

function headsFile(): Uint8Array {
  const vfs = memory();
  const writer = new HeadsFileWriter(vfs, "/s/h", { storeId: STORE_ID, number: 7 });
  writer.add({ sessionId: "s", lastCommitLsn: 0, bytes: encodeHead(DELETED) });
  writer.finish();
  return fileBytes(vfs, "/s/h");
}

function packFile(): Uint8Array {
  const vfs = memory();
  const writer = new PackWriter(vfs, "/s/p", { storeId: STORE_ID, number: 12 });
  writer.add(compressValue(CHECKPOINT_DIGEST, "manifest", CHECKPOINT, "none"));
  writer.finish();
  return fileBytes(vfs, "/s/p");
}

const SEGMENT = encodeHeader({
  storeId: STORE_ID,
  number: 5,
  salt: SALT,
  fileBytes: 16 * 1024 * 1024,
  createdAt: 1_700_000_000_000,
});
const LINK = encodeLink({ previousSegment: 4, previousSalt: 9n, lsn: 6, crc: 0x11223344, end: 4184 });
const BLOB: LogRecord = {
  kind: "blob",
  ref: CHECKPOINT_REF,
  blobKind: "toolState",
  size: CHECKPOINT.length,
  at: 0,
  data: CHECKPOINT,
};
const RECORDS: Readonly<Record<string, LogRecord>> = {
  blob: BLOB,
  commit: COMMIT,
  "commit, replacing": REPLACE,
  meta: { kind: "meta", sessionId: "s", meta: META },
  tombstone: { kind: "tombstone", sessionId: "s", nodeIds: ["n1"], picker: undefined },
  vacuum: { kind: "vacuum", sessionId: "s" },
  delete: { kind: "delete", sessionId: "s" },
};
const VALUES: Readonly<Record<string, unknown>> = {
  "keys in order": { b: 1, a: "x" },
  "key $v": { $v: 1 },
  "key __proto__": JSON.parse('{"__proto__":1}') as unknown,
  "lone surrogate": "\ud800",
  "numbers and bytes": [1.5, -1, 2 ** 40, 2n ** 63n, true, null, new Uint8Array([1, 2])],
};

/** Every example of the document by its name. */
function examples(): Map<string, Uint8Array> {
  const all: [string, Uint8Array][] = [
    ["format", formatFile()],
    ["segment header, first bytes", SEGMENT.subarray(0, 64)],
    ["segment header, last bytes", SEGMENT.subarray(4088)],
    ["frame", frame(FrameType.data, 7, Buffer.from("hello"))],
    ["LINK", frame(FrameType.link, 6, LINK)],
    ["SEAL", frame(FrameType.seal, 6, new Uint8Array(0))],
    ["TAIL slot", encodeTail(STORE_ID, { segment: 5, salt: SALT, lsn: 7, end: 4240 })],
    ["manifest", encodeManifest(MANIFEST)],
    ["heads file", headsFile()],
    ["pack", packFile()],
    ["head", encodeHead(HEAD)],
    ["index in a head", encodeHead({ ...HEAD, index: INDEX }).subarray(encodeHead(HEAD).length)],
    ["page of nodes", pack([0, [nodeItem({ ...NODE, revision: 1, hiddenAt: 0 }, true)]])],
    ["page of removals", pack([0, [removalItem({ id: "n1", from: 1, to: 3 })]])],
    ["page of receipts", pack([0, [receiptItem(RECEIPT)]])],
    ["page of ids", pack([0, [hashOfId("n1")]])],
    ["index page", pack([1, forestToWire(HEAD.nodes)])],
  ];
  for (const [name, record] of Object.entries(RECORDS)) all.push([`record: ${name}`, encodeRecord(record)]);
  for (const [name, value] of Object.entries(VALUES)) all.push([`value: ${name}`, encodeCanonical(value)]);
  return new Map(all);
}

const RECEIPT = {
  operationId: "op",
  digest: DIGEST,
  headRevision: 1,
  checkpointRef: CHECKPOINT_REF,
  manifest: new KeptBytes(CHECKPOINT),
};

/** Blocks ```` ```hex <name> ````: lines of an offset and up to eight bytes, then perhaps a remark behind `|`. */
function documented(): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name = "", body = ""] of DOCUMENT.matchAll(/^```hex (.+)\n([\s\S]*?)^```$/gm)) {
    assert.ok(!found.has(name), `two examples are called "${name}"`);
    const lines = body.trimEnd().split("\n");
    lines.forEach((line, index) => {
      assert.equal(
        line.slice(0, 3),
        (index * 8).toString(16).padStart(3, "0"),
        `${name}: offset of line ${index}`,
      );
    });
    found.set(name, lines.map((line) => (line.slice(3).split("|")[0] ?? "").replaceAll(" ", "")).join(""));
  }
  return found;
}

test("every example of the format document is what the code writes, byte for byte", () => {
  const inDocument = documented();
  const written = examples();
  assert.deepEqual([...inDocument.keys()].sort(), [...written.keys()].sort());
  for (const [name, bytes] of written) {
    assert.equal(inDocument.get(name), Buffer.from(bytes).toString("hex"), name);
  }
});

test("the documented bytes of small files and records are read back as what they stand for", () => {
  const bytesOf = (name: string): Buffer => Buffer.from(documented().get(name) ?? "", "hex");
  const vfs = memory();
  for (const name of ["format", "heads file", "pack"]) writeNew(vfs, `/s/${name}`, bytesOf(name));
  assert.deepEqual(Buffer.from(readStoreId(vfs, "/s")), STORE_ID);
  assert.deepEqual(decodeManifest("manifest", bytesOf("manifest")), MANIFEST);
  const heads = new HeadsFileReader(
    vfs,
    "/s/heads file",
    { storeId: STORE_ID, number: 7 },
    bytesOf("heads file").length,
  );
  assert.deepEqual(heads.get("s"), DELETED);
  heads.close();
  const values = new PackReader(vfs, "/s/pack", { storeId: STORE_ID, number: 12 }, bytesOf("pack").length);
  const entry = values.find(CHECKPOINT_DIGEST);
  assert.deepEqual(entry && Buffer.from(values.read(entry)), Buffer.from(CHECKPOINT));
  values.close();
  assert.deepEqual(decodeHead("s", bytesOf("head")), HEAD);
  const long = { ...HEAD, index: INDEX };
  assert.deepEqual(decodeHead("s", encodeHead(long)), long);
  for (const [name, record] of Object.entries(RECORDS)) {
    const again = encodeRecord(decodeRecord(bytesOf(`record: ${name}`)));
    assert.deepEqual(Buffer.from(again), Buffer.from(encodeRecord(record)), name);
  }
  for (const [name, value] of Object.entries(VALUES)) {
    assert.deepEqual(decodeValue(bytesOf(`value: ${name}`)), value, name);
  }
});
