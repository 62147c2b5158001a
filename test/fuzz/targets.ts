/**
 * What is fuzzed: everything that decodes bytes or words from outside, each as the store calls it, with seeds
 * from the golden stores. A target answers, or throws a typed error; whatever else it throws is a finding.
 * Where a checksum guards the inside, inputs are made honest first (`honest.ts`).
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { readStoreId } from "../../src/actors/directory.ts";
import { decodeCursor, listEntries } from "../../src/actors/listing.ts";
import { resolveOptions } from "../../src/actors/options.ts";
import { readMeta, readSessionOf } from "../../src/actors/reads.ts";
import { TailReplay } from "../../src/actors/replay.ts";
import { Source } from "../../src/actors/source.ts";
import { Tail } from "../../src/actors/tail.ts";
import { parseReplay } from "../../src/cli/replay/options.ts";
import { parseTranscript } from "../../src/cli/replay/transcript.ts";
import { encodeCanonical, pack, unpack } from "../../src/codec.ts";
import { encodeRecord, type LogRecord } from "../../src/session/record.ts";
import { hashOfId } from "../../src/session/stored-ids.ts";
import { understand } from "../../src/snapshot/block-file.ts";
import { decodeHead, entryFromItem } from "../../src/snapshot/head.ts";
import { HeadsFileReader } from "../../src/snapshot/heads-file.ts";
import { indexedNodes } from "../../src/snapshot/id-index.ts";
import { decodeManifest, readManifest } from "../../src/snapshot/manifest.ts";
import { EMPTY_OUTLINE, extendOutline, outlinedNodes } from "../../src/snapshot/outline.ts";
import { PackReader } from "../../src/snapshot/pack.ts";
import { readItems } from "../../src/snapshot/pages.ts";
import { SnapshotView } from "../../src/snapshot/view.ts";
import { runThrough } from "../../src/steps.ts";
import { imageOf, saltSeed } from "../../src/wal/frame.ts";
import { scanLog } from "../../src/wal/log.ts";
import { scanFrames, scanRemains } from "../../src/wal/scan.ts";
import { decodeHeader, decodeLink, SEGMENT_HEADER_BYTES } from "../../src/wal/segment.ts";
import { decodeTail } from "../../src/wal/tail.ts";
import { unpackGolden } from "../support/golden.ts";
import { ImageVfs } from "../support/image-vfs.ts";
import { honestBlockFile, honestCrc, honestFrames, honestManifest } from "./honest.ts";

export interface Target {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Throws what the code under test throws. `input` is the target's own to change. */
  readonly run: (input: Buffer) => void;
}

const ROOT = "/fuzz";
const STORE_ID = 16;
/** Bytes of a segment that hold anything in the golden stores, rounded up. */
const SEGMENT_USED_BYTES = 12 * 1024;

/** Where the frames of that segment begin. */
const FIRST = { offset: SEGMENT_HEADER_BYTES, lsn: 0, crc: 0 };

interface Seeds {
  readonly storeId: Uint8Array;
  readonly of: (pattern: RegExp) => { readonly path: string; readonly bytes: Uint8Array }[];
  readonly records: readonly Uint8Array[];
  /** A segment whose LINK names the empty first one: its frames follow LSN 0. */
  readonly first: Uint8Array;
}

function goldenSeeds(): Seeds {
  const images = ImageVfs.of(unpackGolden("folded", ROOT), ROOT);
  const closed = ImageVfs.of(unpackGolden("closed", ROOT), ROOT);
  const storeId = Uint8Array.from(images.bytes(`${ROOT}/format`).subarray(16, 16 + STORE_ID));
  const closedId = Uint8Array.from(closed.bytes(`${ROOT}/format`).subarray(16, 16 + STORE_ID));
  const records: Uint8Array[] = [];
  const newest = closed.paths.find((path) => path.includes("/manifest-")) ?? "";
  const { log } = readManifest(closed, ROOT, Number(newest.slice(-6)), closedId);
  scanLog(closed, `${ROOT}/wal`, closedId, log, undefined, (_lsn, _segment, _offset, payload) => {
    records.push(Uint8Array.from(payload));
  });
  const of = (pattern: RegExp) =>
    images.paths.filter((path) => pattern.test(path)).map((path) => ({ path, bytes: images.bytes(path) }));
  return { storeId, of, records, first: closed.bytes(`${ROOT}/wal/0000000000000002.wal`) };
}

export function makeTargets(): Target[] {
  const seeds = goldenSeeds();
  return [...logTargets(seeds), ...fileTargets(seeds), ...valueTargets(seeds), ...wordTargets()];
}

function logTargets({ of, storeId, records, first }: Seeds): Target[] {
  const segments = of(/\.wal$/).map(({ bytes }) => bytes);
  const seed = saltSeed(Buffer.from(first).readBigUInt64LE(40));
  return [
    {
      name: "frames",
      seeds: [first.slice(0, SEGMENT_USED_BYTES)],
      run: (input) => {
        scanAll(input, seed);
        honestFrames(input, seed);
        scanAll(input, seed);
      },
    },
    {
      name: "segment header",
      seeds: segments.map((bytes) => bytes.slice(0, SEGMENT_HEADER_BYTES)),
      run: (input) => {
        honestCrc(input, 4092, 0, 4092);
        decodeHeader(input);
      },
    },
    {
      name: "link",
      seeds: segments.map((bytes) => bytes.slice(SEGMENT_HEADER_BYTES + 48, SEGMENT_HEADER_BYTES + 88)),
      run: (input) => void decodeLink(input),
    },
    {
      name: "tail",
      seeds: of(/TAIL$/).flatMap(({ bytes }) => [bytes.slice(0, 64), bytes.slice(4096, 4160)]),
      run: (input) => {
        honestCrc(input, 60, 0, 60);
        decodeTail(storeId, input);
      },
    },
    { name: "records", seeds: recordSeeds(records), run: replay },
  ];
}

/** Accepted frames have the checksum that the format says, by our own reckoning, and lie inside. */
function scanAll(input: Buffer, seed: number): void {
  const image = imageOf(input);
  scanFrames(image, seed, FIRST, input.length, ({ offset, end, payloadBytes, crc }) => {
    assert.ok(offset % 8 === 0 && end <= input.length && payloadBytes <= end - offset);
    if (payloadBytes <= 8192) assert.equal(crc32(input.subarray(offset + 4, end), seed), crc);
  });
  const { end } = scanRemains(image, seed, Math.min(SEGMENT_HEADER_BYTES, input.length));
  assert.ok(end <= input.length);
}

/** A sequence of records, each behind its length, as a log would hand them out. */
function recordSeeds(records: readonly Uint8Array[]): Uint8Array[] {
  const framed = records.map((record) => {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(record.length);
    return Buffer.concat([length, record]);
  });
  return [...framed, Buffer.concat(framed)];
}

function replay(input: Buffer): void {
  const tail = new Tail();
  const replay = new TailReplay(tail, `${ROOT}/wal`);
  const payloads: Uint8Array[] = [];
  for (let at = 0; at + 2 <= input.length; ) {
    const length = input.readUInt16LE(at);
    const payload = input.subarray(at + 2, at + 2 + length);
    payloads.push(payload);
    replay.onRecord(payloads.length, 1, payloads.length, payload);
    at += 2 + length;
  }
  replay.finish();
  const log = { segment: 1, salt: 0n, lsn: 0, crc: 0 };
  const manifest = {
    number: 1,
    storeId: new Uint8Array(16),
    log,
    heads: [],
    packs: [],
    deadBytes: 0,
    nextFile: 1,
  };
  const view = new SnapshotView(ROOT, manifest, [], []);
  const source = new Source({
    view: () => view,
    tail,
    readFrame: (_segment, offset) => payloads[offset - 1] ?? new Uint8Array(),
    segmentName: (segment) => `${ROOT}/wal/${segment}`,
    receiptsKept: 10,
    isCondemned: () => false,
  });
  for (const id of tail.sessions().keys()) {
    typed(() => {
      const state = source.load(id);
      readMeta(state);
      readSessionOf(source, state, { kind: "fullGraph" });
    });
  }
  for (const _entry of listEntries(source, () => undefined, { after: undefined, includeChildren: true }));
}

/** One session's refusal must not hide the next one. */
function typed(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isTyped(error)) throw error;
  }
}

function fileTargets({ of, storeId }: Seeds): Target[] {
  const numberOf = (path: string): number => Number(/(\d{6})\.\w+$/.exec(path)?.[1]);
  const heads = of(/\.heads$/);
  const packs = of(/\.pack$/);
  const path = `${ROOT}/file`;
  const only = (bytes: Uint8Array): ImageVfs => {
    const images = new ImageVfs();
    images.makeDirectory(ROOT);
    images.put(path, bytes);
    return images;
  };
  return [
    {
      name: "heads file",
      seeds: heads.map(({ bytes }) => bytes),
      run: (input) => {
        honestBlockFile(input, heads[0]?.bytes);
        const number = heads[0] === undefined ? 0 : numberOf(heads[0].path);
        const file = new HeadsFileReader(only(input), path, { storeId, number }, input.length);
        for (const id of ["root", "hidden", "nobody"]) file.get(id);
        for (const head of file.scan()) typed(() => void file.decode(head.sessionId, head.bytes));
        for (const _key of file.list({ lastCommitLsn: 1, sessionId: "" }));
      },
    },
    {
      name: "pack",
      seeds: packs.map(({ bytes }) => bytes),
      run: (input) => {
        honestBlockFile(input, packs[0]?.bytes);
        const number = packs[0] === undefined ? 0 : numberOf(packs[0].path);
        const file = new PackReader(only(input), path, { storeId, number }, input.length);
        file.find(new Uint8Array(32));
        for (const entry of file.entries()) typed(() => void file.read(entry));
      },
    },
    {
      name: "manifest",
      seeds: of(/\/manifest-/).map(({ bytes }) => bytes),
      run: (input) => {
        honestManifest(input);
        decodeManifest(path, input);
      },
    },
    {
      name: "format",
      seeds: of(/\/format$/).map(({ bytes }) => bytes),
      run: (input) => {
        honestCrc(input, 32, 0, 32);
        const images = only(new Uint8Array());
        images.put(`${ROOT}/format`, input);
        readStoreId(images, ROOT);
      },
    },
  ];
}

function valueTargets({ records }: Seeds): Target[] {
  const values = [{ b: 1, $v: ["s"] }, "\ud800", { ["__proto__"]: 1n }, [1.5, null, new Uint8Array(3)]];
  const nodes = pack([0, [["n1", null, 1, encodeCanonical({ kind: "event" })]]]);
  return [
    {
      name: "value",
      seeds: values.map((value) => encodeCanonical(value)),
      run: (input) => {
        // As a session meets it: a commit's checkpoint manifest.
        const blob: LogRecord = {
          kind: "commit",
          sessionId: "s",
          revision: 1,
          config: { providerId: "p", configuredModel: "m", contextWindow: 0, executionMode: "standard" },
          leafNodeId: undefined,
          checkpointRef: "0".repeat(64) as never,
          manifest: input,
          toolStateRef: undefined,
          pluginSnapshotRef: undefined,
          executionStateRef: undefined,
          graph: { kind: "append", nodes: [{ id: "n", parent: undefined, flags: 0, body: input }] },
          usage: [],
          picker: undefined,
          operation: undefined,
        };
        const record = encodeRecord(blob);
        const length = Buffer.alloc(2);
        length.writeUInt16LE(record.length);
        replay(Buffer.concat([length, record]));
      },
    },
    {
      name: "page",
      seeds: [nodes, pack([1, [[new Uint8Array(32), 0, 1, 9]]])],
      run: (input) => {
        const ref = {
          ref: "0".repeat(64) as never,
          level: input[0] === 0x92 && input[1] === 1 ? 1 : 0,
          items: 1,
          bytes: 9,
        };
        understand(ROOT, 0, () => {
          let left = 20;
          const read = (): Uint8Array => {
            if (--left < 0) throw new Error("pages without end");
            return input;
          };
          for (const item of readItems([ref], { read })) entryFromItem(item);
        });
      },
    },
    {
      name: "head",
      seeds: [
        pack([1, false, null, null, ["", 0], [], 1, 1, 0, [], []]),
        pack([
          3,
          false,
          null,
          null,
          ["", 0],
          [],
          1,
          1,
          0,
          [[new Uint8Array(32), 0, 2, 9]],
          [],
          [],
          0,
          OUTLINE,
        ]),
        pack([
          ...[4, false, null, null, ["", 0], [], 1, 1, 0],
          [
            [new Uint8Array(32), 0, 20, 9],
            [new Uint8Array(32), 0, NODES.length, 9],
          ],
          ...[[], [], 0, null],
          [true, [[new Uint8Array(32).fill(1), 0, 1, 9]], HASHES],
        ]),
      ],
      run: (input) => {
        understand(ROOT, 0, () => {
          const head = decodeHead("s", input);
          let left = 20;
          const read = (ref: string): Uint8Array => {
            if (--left < 0) throw new Error("pages without end");
            return ref.startsWith("01") ? pack([0, [new Uint8Array(160)]]) : pack([0, NODES]);
          };
          return outlinedNodes(head) ?? runThrough(indexedNodes(head, { read }));
        });
      },
    },
    {
      name: "msgpack",
      seeds: [...records.slice(0, 4)],
      run: (input) => void understand(ROOT, 0, () => unpack(input)),
    },
  ];
}

const OUTLINE = extendOutline(EMPTY_OUTLINE, [
  ["a", null, 1, new Uint8Array(3), 1],
  ["b", "a", 128, new Uint8Array(900), 2],
]);

const NODES = Array.from({ length: 40 }, (_, n) => [
  `n${n}`,
  n === 0 ? null : `n${n - 1}`,
  0,
  new Uint8Array(9),
  n,
]);
const HASHES = Buffer.concat(NODES.map(([id]) => hashOfId(id as string)));

function wordTargets(): Target[] {
  const lines = [
    '{"type":"session","id":"s"}\n{"type":"message","id":"a","parentId":null,"message":{"role":"user","content":"hi"}}',
    '{"type":"message","id":"b","parentId":"a","message":{"role":"assistant","content":[{"type":"text","text":"x"}],"usage":{"input":3}}}',
  ];
  const options = [
    '{"sync":"always","segmentBytes":65536,"snapshot":{"logBytes":1}}',
    '{"gc":false,"workers":1}',
  ];
  return [
    {
      name: "transcript",
      seeds: lines.map((line) => Buffer.from(line)),
      run: (input) => void parseTranscript("f", input),
    },
    {
      name: "options",
      seeds: options.map((text) => Buffer.from(text)),
      run: (input) => {
        let given: unknown;
        try {
          given = JSON.parse(input.toString());
        } catch {
          return;
        }
        resolveOptions(given as never);
      },
    },
    {
      name: "arguments",
      seeds: ["--sessions\n4\n--seed\n1", "--sync\nnever\nfile.jsonl", "--dir=x\n--json"].map((text) =>
        Buffer.from(text),
      ),
      run: (input) => void parseReplay(input.toString().split("\n")),
    },
    {
      name: "cursor",
      seeds: [Buffer.from(Buffer.from('[3,"root"]').toString("base64url"))],
      run: (input) => void decodeCursor(input.toString()),
    },
  ];
}

/** Errors that the code under test may throw. */
export function isTyped(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return error.name === "StoreError" ? code !== "INTERNAL" : error.constructor.name === "UsageError";
}
