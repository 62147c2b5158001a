/**
 * The parts of a salvage one at a time, on files and pages that are damaged where the whole-store tests do not
 * reach: what can be read is given, what cannot is "lost" or "unreadable", and nothing throws for damage.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "../../src/checksum.ts";
import { pack } from "../../src/codec.ts";
import { type BlobRef, refFromBytes } from "../../src/ids.ts";
import type { SessionRecord } from "../../src/session/record.ts";
import { BlockFileWriter } from "../../src/snapshot/block-file-writer.ts";
import { encodeHead, nodeItem } from "../../src/snapshot/head.ts";
import { HeadsFileWriter } from "../../src/snapshot/heads-file-writer.ts";
import { looseBlocks } from "../../src/snapshot/loose-blocks.ts";
import { forestToWire, type PageRef } from "../../src/snapshot/pages.ts";
import { SalvagedHeads } from "../../src/snapshot/salvage-heads.ts";
import { type LsnGap, salvageSession, type ValueReader } from "../../src/snapshot/salvage-session.ts";
import { SalvagedValues } from "../../src/snapshot/salvage-values.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { storedHead, writeHeads, writePack } from "./files.ts";
import {
  append,
  bytesOf,
  commitRecord,
  flipBit,
  makeDirectories,
  node,
  ROOT,
  STORE_ID,
  value,
} from "./fixture.ts";

const HEADS = `${ROOT}/heads/000007.heads`;
const PACK = `${ROOT}/blobs/000008.pack`;

function memory(): MemoryVfs {
  const vfs = new MemoryVfs({ crashable: false });
  makeDirectories(vfs);
  return vfs;
}

/** What a salvage of the heads file says; it leaves no file open. */
function heads(vfs: Vfs, ids: readonly string[]) {
  const counting = new CountingVfs(vfs);
  const found = new SalvagedHeads(counting, HEADS, { storeId: STORE_ID, number: 7 });
  const kinds = ids.map((id) => found.get(id).kind);
  found.close();
  assert.deepEqual(counting.openPaths, []);
  return { kinds, ids: [...found.ids].sort(), problems: found.problems.length, isWhole: found.isWhole };
}

/** Offset of the payload of the n-th block of a file. */
function blockAt(vfs: Vfs, path: string, index: number): number {
  const block = [...looseBlocks(vfs, path)][index];
  assert.ok(block);
  return block.offset + 8;
}

test("a heads file whose list is damaged gives every head, and says that it is not whole", () => {
  const vfs = memory();
  writeHeads(vfs, HEADS, 7, [storedHead("a", 1), storedHead("b", 2)]);
  assert.deepEqual(heads(vfs, ["a", "b", "c"]), {
    ...{ kinds: ["head", "head", "absent"], ids: ["a", "b"], problems: 0, isWhole: true },
  });
  // The block of heads, then that of the list.
  flipBit(vfs, HEADS, blockAt(vfs, HEADS, 1) + 2);
  assert.deepEqual(heads(vfs, ["a", "b", "c"]), {
    ...{ kinds: ["head", "head", "absent"], ids: ["a", "b"], problems: 1, isWhole: false },
  });
});

test("a head that makes no sense is unreadable, its neighbours are given, and the file is not whole", () => {
  const vfs = memory();
  const writer = new HeadsFileWriter(vfs, HEADS, { storeId: STORE_ID, number: 7 });
  writer.add({ sessionId: "a", lastCommitLsn: 1, bytes: encodeHead(storedHead("a", 1)) });
  writer.add({ sessionId: "b", lastCommitLsn: 2, bytes: Buffer.from("no head") });
  writer.finish();
  const found = { kinds: ["head", "unreadable"], ids: ["a", "b"], problems: 1, isWhole: false };
  assert.deepEqual(heads(vfs, ["a", "b"]), found);
});

test("without header and footer a heads file gives the heads of blocks that make sense, and calls no session absent", () => {
  const vfs = memory();
  const writer = new BlockFileWriter(vfs, HEADS, { kind: "heads", storeId: STORE_ID, number: 7 });
  writer.append(pack(["a", 1, encodeHead(storedHead("a", 1))]));
  // Blocks that are whole and hold no heads: no value, a head that is none, and a list.
  writer.append(Buffer.from([0x92, 1]));
  writer.append(pack(["b", 2, Buffer.from("no head")]));
  writer.append(pack([2, "listed"]));
  writer.finish(["no footer"]);
  const found = { kinds: ["head", "unreadable", "unreadable", "unreadable"], ids: ["a", "listed"] };
  assert.deepEqual(heads(vfs, ["a", "b", "listed", "never"]), { ...found, problems: 1, isWhole: false });
});

test("a heads file that cannot be opened gives nothing, and each attempt to read it is a problem", () => {
  const vfs = memory();
  writeHeads(vfs, HEADS, 7, [storedHead("a", 1)]);
  const faulty = withFaults(vfs);
  faulty.inject({ operation: "open", errno: "EIO", path: /heads$/, times: "forever" });
  assert.deepEqual(heads(faulty, ["a"]), {
    ...{ kinds: ["unreadable"], ids: [], problems: 2, isWhole: false },
  });
});

/** What a salvage of the pack answers for these values. */
function values(vfs: Vfs, refs: readonly BlobRef[]) {
  const found = new SalvagedValues(vfs, [{ path: PACK, number: 8 }], STORE_ID, () => undefined);
  try {
    const read = refs.map((ref) => found.read(ref));
    return { has: refs.map((ref) => found.has(ref)), read, problems: found.problems.map(({ code }) => code) };
  } finally {
    found.close();
  }
}

test("a value whose block is damaged is missing, the others of its pack are given, and the damage is told once", () => {
  const vfs = memory();
  const contents = ["one ".repeat(40), "two ".repeat(40)];
  const [one, two] = contents.map((content) => value(content));
  assert.ok(one && two);
  writePack(
    vfs,
    PACK,
    8,
    contents.map((content) => ({ kind: "toolState", content })),
  );
  const first = [one, two].sort((a, b) => Buffer.compare(a.digest, b.digest))[0];
  flipBit(vfs, PACK, blockAt(vfs, PACK, 0) + 20);
  const { has, problems } = values(vfs, [one.ref, two.ref]);
  assert.deepEqual(has, [one !== first, two !== first]);
  assert.deepEqual(problems, ["CORRUPT"]);
});

test("a pack that cannot be opened, with or without its index, is a problem and no end", () => {
  const vfs = memory();
  writePack(vfs, PACK, 8, [{ kind: "toolState", content: "one" }]);
  const faulty = withFaults(vfs);
  faulty.inject({ operation: "open", errno: "EIO", path: /pack$/, times: "forever" });
  const { has, problems } = values(faulty, [value("one").ref]);
  assert.deepEqual([has, problems], [[false], ["STORE_IO", "STORE_IO"]]);
});

/** Pages by their refs; without those in `lost`. */
class Pages implements ValueReader {
  readonly #bytes = new Map<BlobRef, Uint8Array>();
  put(level: number, content: unknown[], items: number): PageRef {
    const bytes = pack([level, content]);
    const ref = refFromBytes(sha256(bytes));
    this.#bytes.set(ref, bytes);
    return { ref, level, items, bytes: bytes.length };
  }
  leaf(...ids: string[]): PageRef {
    const items = ids.map((id) =>
      nodeItem({ ...node(id), revision: 1, hiddenAt: 0 }, id.startsWith("hidden")),
    );
    return this.put(0, items, items.length);
  }
  index(...pages: PageRef[]): PageRef {
    return this.put(
      1,
      forestToWire(pages),
      pages.reduce((sum, { items }) => sum + items, 0),
    );
  }
  lose({ ref }: PageRef): void {
    this.#bytes.delete(ref);
  }
  has(): boolean {
    return true;
  }
  read(ref: BlobRef): Uint8Array | undefined {
    return this.#bytes.get(ref);
  }
}

/** The session "s" at LSN 10, with revision 1 and these nodes. */
function salvage(
  pages: Pages,
  nodes: readonly PageRef[],
  records: readonly SessionRecord[] = [],
  gaps: readonly LsnGap[] = [],
) {
  const head = {
    revision: 1,
    config: { providerId: "p", configuredModel: "m", contextWindow: 8, executionMode: "standard" as const },
    leafNodeId: undefined,
    checkpointRef: value("checkpoint").ref,
    manifest: undefined,
    refs: { toolState: undefined, pluginSnapshot: undefined, executionState: undefined },
    nodeCount: nodes.reduce((sum, { items }) => sum + items, 0),
  };
  const stored = storedHead("s", 9, { head, nodes, lastLsn: 10 });
  const saved = salvageSession(
    "s",
    { head: stored, exactAt: 10, isGuess: false },
    records.map((record, index) => ({ lsn: 12 + index, read: () => record })),
    gaps,
    pages,
  );
  const { state, lostSlots } = saved;
  const ids = state.nodes.entries.slice(0, state.length).map(({ id }) => id);
  return {
    saved,
    given: ids.filter((id) => !lostSlots.has(id)),
    places: ids.map((id) => (lostSlots.has(id) ? "lost" : id)),
    counts: [state.head?.nodeCount, state.hiddenCount],
  };
}

test("nodes of pages below an index page are given, hidden ones as hidden", () => {
  const pages = new Pages();
  const forest = [pages.index(pages.leaf("a", "hidden b"), pages.leaf("c")), pages.leaf("d")];
  const { given, counts } = salvage(pages, forest);
  assert.deepEqual(
    [given, counts],
    [
      ["a", "hidden b", "c", "d"],
      [3, 1],
    ],
  );
});

test("a lost leaf costs its own nodes, which keep their places, and a lost index page all those below it", () => {
  const pages = new Pages();
  const lost = pages.leaf("b", "b2");
  const forest = [pages.index(pages.leaf("a"), lost), pages.leaf("c")];
  pages.lose(lost);
  assert.deepEqual(salvage(pages, forest).places, ["a", "lost", "lost", "c"]);
  pages.lose(forest[0] ?? assert.fail());
  assert.deepEqual(salvage(pages, forest).places, ["lost", "lost", "lost", "c"]);
});

test("an index page that is read and does not hold what its head says is as good as lost", () => {
  const pages = new Pages();
  const index = pages.index(pages.leaf("a"), pages.leaf("b"));
  assert.deepEqual(salvage(pages, [{ ...index, items: 3 }]).places, ["lost", "lost", "lost"]);
  assert.deepEqual(salvage(pages, [{ ...pages.leaf("a"), level: 1 }]).places, ["lost"]);
  assert.deepEqual(salvage(pages, [{ ...pages.leaf("a"), items: 2 }]).places, ["lost", "lost"]);
});

test("behind a gap a replacement is applied if it keeps no node by its place, and else the session ends", () => {
  const pages = new Pages();
  const gaps = [{ first: 11, last: 11 }];
  const whole = commitRecord("s", 2, {
    graph: { kind: "replace", steps: [{ kind: "node", node: node("new") }] },
  });
  const replaced = salvage(pages, [pages.leaf("a")], [whole], gaps);
  assert.deepEqual(replaced.given, ["new"]);
  assert.deepEqual([replaced.saved.isBehindGap, replaced.saved.stoppedBy], [true, undefined]);
  const keeping = commitRecord("s", 2, {
    graph: { kind: "replace", steps: [{ kind: "keep", start: 0, count: 1 }] },
  });
  const ended = salvage(pages, [pages.leaf("a")], [keeping, commitRecord("s", 3)], gaps);
  assert.deepEqual([ended.given, ended.saved.reachedLsn], [["a"], 10]);
  assert.match(ended.saved.stoppedBy ?? "", /^LSN 12: it keeps nodes by their place/);
  // Without a gap in front of it, it is one like any other.
  assert.equal(salvage(pages, [pages.leaf("a")], [keeping]).saved.stoppedBy, undefined);
  // And an append names no place.
  const appended = salvage(
    pages,
    [pages.leaf("a")],
    [commitRecord("s", 2, { graph: append(node("b")) })],
    gaps,
  );
  assert.deepEqual(appended.given, ["a", "b"]);
});

test("what is read is left as it was", () => {
  const vfs = memory();
  writeHeads(vfs, HEADS, 7, [storedHead("a", 1)]);
  flipBit(vfs, HEADS, 3);
  const before = bytesOf(vfs, HEADS);
  heads(vfs, ["a"]);
  assert.deepEqual(bytesOf(vfs, HEADS), before);
});
