/**
 * Page forests: the order of items is kept whatever the sequence of changes, the forest stays short, and an
 * append touches few pages however long the session is.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pack } from "../../src/codec.ts";
import type { BlobRef } from "../../src/ids.ts";
import { PAGE_BYTES, PAGE_FAN_OUT, PAGE_MERGE_FAN_IN } from "../../src/limits.ts";
import { MsgpackReader } from "../../src/msgpack-reader.ts";
import { encodeHead } from "../../src/snapshot/head.ts";
import {
  appendItems,
  countItems,
  type Forest,
  forestToWire,
  type PageRef,
  type PageStore,
  pagesOf,
  readForest,
  readItems,
  replaceItems,
} from "../../src/snapshot/pages.ts";
import { storedHead } from "./files.ts";
import { value } from "./fixture.ts";

type Item = readonly [number, Uint8Array];
const size = (item: unknown): number => (item as Item)[1].length + 8;
const item = (id: number, bytes: number): Item => [id, Buffer.alloc(bytes, id & 0xff)];

/** Pages in memory; counts what is read and written. */
class MemoryPages implements PageStore {
  readonly pages = new Map<BlobRef, Uint8Array>();
  readonly dropped: PageRef[] = [];
  reads = 0;
  writes = 0;
  writtenBytes = 0;

  read(ref: BlobRef): Uint8Array {
    const bytes = this.pages.get(ref);
    assert.ok(bytes, `page ${ref} was written`);
    this.reads++;
    return bytes;
  }
  write(bytes: Uint8Array, ref: BlobRef): void {
    this.writes++;
    this.writtenBytes += bytes.length;
    this.pages.set(ref, bytes);
  }
  drop(page: PageRef): void {
    this.dropped.push(page);
  }
  reset(): void {
    this.reads = 0;
    this.writes = 0;
    this.writtenBytes = 0;
    this.dropped.length = 0;
  }
}

function idsOf(forest: Forest, store: MemoryPages): number[] {
  return [...readItems(forest, store)].map((one) => (one as Item)[0]);
}

/** The forest holds exactly these items, in order, and knows how many. */
function checkItems(forest: Forest, store: MemoryPages, expected: readonly Item[]): void {
  assert.equal(countItems(forest), expected.length);
  assert.deepEqual(
    [...readItems(forest, store)].map((one) => Buffer.from(pack(one)).toString("hex")),
    expected.map((one) => Buffer.from(pack(one)).toString("hex")),
  );
}

function checkShape(forest: Forest): void {
  const levels = forest.map((page) => page.level);
  assert.deepEqual(
    levels,
    [...levels].sort((a, b) => b - a),
    "levels descend from left to right",
  );
  for (const level of new Set(levels.filter((one) => one > 0))) {
    const count = levels.filter((one) => one === level).length;
    assert.ok(count < PAGE_FAN_OUT, `${count} pages of level ${level}`);
  }
  const complete = forest.filter((page) => page.level === 0 && page.bytes >= PAGE_BYTES / 2).length;
  assert.ok(complete < PAGE_FAN_OUT, `${complete} complete pages`);
  const tiers = Math.ceil(Math.log(PAGE_BYTES) / Math.log(PAGE_MERGE_FAN_IN));
  const small = forest.filter((page) => page.level === 0 && page.bytes < PAGE_BYTES / 2).length;
  assert.ok(small <= tiers * (PAGE_MERGE_FAN_IN - 1), `${small} incomplete pages`);
}

test("any sequence of appends keeps every item in order, and a short forest", () => {
  const appended = fc.array(fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 12 }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(appended, (batches) => {
      const store = new MemoryPages();
      const all: Item[] = [];
      let forest: Forest = [];
      for (const sizes of batches) {
        const items = sizes.map((bytes, index) => item(all.length + index, bytes));
        all.push(...items);
        forest = appendItems(forest, items, size, store);
        checkShape(forest);
      }
      checkItems(forest, store, all);
    }),
    { numRuns: 60 },
  );
});

test("a replacement keeps the pages in front of the first change and writes the rest", () => {
  const bytes = fc.integer({ min: 0, max: 90_000 });
  fc.assert(
    fc.property(
      fc.array(fc.array(bytes, { maxLength: 6 }), { minLength: 1, maxLength: 8 }),
      fc.array(bytes, { maxLength: 10 }),
      fc.nat(),
      (batches, rest, cut) => {
        const store = new MemoryPages();
        const all: Item[] = [];
        let forest: Forest = [];
        for (const sizes of batches) {
          const items = sizes.map((one, index) => item(all.length + index, one));
          all.push(...items);
          forest = appendItems(forest, items, size, store);
        }
        const unchanged = all.length === 0 ? 0 : cut % (all.length + 1);
        const next = [...all.slice(0, unchanged), ...rest.map((one, index) => item(1000 + index, one))];
        const replaced = replaceItems(forest, next, unchanged, size, store);
        checkItems(replaced, store, next);
        checkShape(replaced);
        checkItems(forest, store, all);
      },
    ),
    { numRuns: 100 },
  );
});

test("a replacement reads no page of items", () => {
  const store = new MemoryPages();
  const items = Array.from({ length: 30 }, (_, index) => item(index, PAGE_BYTES));
  const forest = appendItems([], items, size, store);
  store.reset();
  const kept = replaceItems(forest, items.slice(0, 29), 29, size, store);
  assert.ok(store.reads <= 2 * forest.length, `${store.reads} pages were read for their references`);
  assert.ok(store.writtenBytes < 16 * 1024, `${store.writtenBytes} bytes were written`);
  checkShape(kept);
});

test("what a change drops and what stays reachable are exactly the pages that were there", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 120_000 }), { minLength: 2, maxLength: 60 }), (sizes) => {
      const store = new MemoryPages();
      let forest: Forest = [];
      for (const [index, bytes] of sizes.entries()) {
        const before = new Set([...pagesOf(forest, store)].map((page) => page.ref));
        store.dropped.length = 0;
        const known = new Set(store.pages.keys());
        forest = appendItems(forest, [item(index, bytes)], size, store);
        const reachable = new Set([...pagesOf(forest, store)].map((page) => page.ref));
        const dropped = new Set(store.dropped.map((page) => page.ref));
        for (const ref of before)
          assert.ok(reachable.has(ref) !== dropped.has(ref), "kept or dropped, never both");
        for (const ref of store.pages.keys()) {
          if (!known.has(ref))
            assert.ok(reachable.has(ref) || dropped.has(ref), "no page is written for nothing");
        }
      }
    }),
    { numRuns: 40 },
  );
});

test("a replacement drops every index page, and of the pages of items those that it does not keep", () => {
  const one = fc.oneof(fc.integer({ min: 1, max: PAGE_BYTES }), fc.constant(PAGE_BYTES));
  const sizes = fc.oneof(
    fc.array(one, { maxLength: 30 }),
    // Enough full pages for an index page.
    fc.array(one, { minLength: 3 * PAGE_FAN_OUT, maxLength: 3 * PAGE_FAN_OUT }),
  );
  fc.assert(
    fc.property(sizes, fc.nat(), (bytes, cut) => {
      const store = new MemoryPages();
      const all = bytes.map((length, index) => item(index, length));
      let forest: Forest = [];
      for (const each of all) forest = appendItems(forest, [each], size, store);
      const before = [...pagesOf(forest, store)];
      store.reset();
      const unchanged = cut % (all.length + 1);
      const replaced = replaceItems(
        forest,
        [...all.slice(0, unchanged), item(1000, 1)],
        unchanged,
        size,
        store,
      );
      const dropped = new Set(store.dropped.map((page) => page.ref));
      const reachable = new Set([...pagesOf(replaced, store)].map((page) => page.ref));
      for (const { ref, level } of before)
        assert.ok(level > 0 ? dropped.has(ref) : dropped.has(ref) !== reachable.has(ref), `level ${level}`);
    }),
    { numRuns: 20 },
  );
});

test("nothing appended is no page", () => {
  const store = new MemoryPages();
  const forest = appendItems([], [item(0, 10)], size, store);
  store.reset();
  assert.deepEqual(appendItems(forest, [], size, store), forest);
  assert.deepEqual(appendItems([], [], size, store), []);
  assert.equal(store.writes, 0);
});

test("a page is full with the item that fills it to its last byte", () => {
  const store = new MemoryPages();
  const exact = [0, 1, 2].map((id) => item(id, PAGE_BYTES - 8));
  assert.equal(appendItems([], exact, size, store).length, 3);
});

/** A page of exactly so many bytes, which has one item. */
function pageOf(bytes: number, id: number, store: MemoryPages): PageRef {
  const beside = (appendItems([], [item(id, bytes - 100)], size, store)[0]?.bytes ?? 0) - bytes + 100;
  const [page] = appendItems([], [item(id, bytes - beside)], size, store);
  assert.equal(page?.bytes, bytes);
  return page;
}

test("a page is left alone from exactly half of its size on, and below it goes into the full one behind it", () => {
  for (const [bytes, pages] of [
    [PAGE_BYTES / 2, 2],
    [PAGE_BYTES / 2 - 1, 1],
  ] as const) {
    const store = new MemoryPages();
    const forest = appendItems([pageOf(bytes, 0, store)], [item(1, PAGE_BYTES / 2 + 100)], size, store);
    assert.equal(forest.length, pages, `${bytes} bytes`);
    assert.deepEqual(idsOf(forest, store), [0, 1]);
  }
});

test("small pages become one as soon as there are enough of a tier, and a larger one takes those in front of it", () => {
  const store = new MemoryPages();
  let forest: Forest = [];
  const lengths: number[] = [];
  for (let id = 0; id < PAGE_MERGE_FAN_IN + 1; id++) {
    forest = appendItems(forest, [item(id, 1000)], size, store);
    lengths.push(forest.length);
  }
  assert.deepEqual(lengths, [1, 2, 3, 4, 5, 6, 7, 1, 2]);
  // One of eight and one of one: the larger is in front, where it may stay.
  forest = appendItems(forest, [item(9, 9000)], size, store);
  assert.deepEqual(
    forest.map((page) => page.items),
    [8, 2],
  );
  assert.deepEqual(idsOf(forest, store), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("all small pages in front of a full one go into it at once", () => {
  const store = new MemoryPages();
  let forest: Forest = [];
  for (let id = 0; id < 3; id++) forest = appendItems(forest, [item(id, 1000)], size, store);
  assert.equal(forest.length, 3);
  store.reset();
  forest = appendItems(forest, [item(3, PAGE_BYTES / 2 + 100)], size, store);
  assert.deepEqual([forest.length, store.writes, store.dropped.length], [1, 2, 4]);
  assert.deepEqual(idsOf(forest, store), [0, 1, 2, 3]);
});

test("100,000 nodes, one commit after another: the head stays below 4 KiB and an append touches few pages", () => {
  const store = new MemoryPages();
  let forest: Forest = [];
  let receipts: Forest = [];
  let longest = 0;
  let mostReads = 0;
  let total = 0;
  const body = Buffer.alloc(300, 1);
  for (let id = 0; id < 100_000; id += 10) {
    store.reset();
    const nodes = Array.from({ length: 10 }, (_, index) => [id + index, body] as const);
    forest = appendItems(forest, nodes, size, store);
    mostReads = Math.max(mostReads, store.reads);
    total += store.writtenBytes;
    if (id < 10_000) receipts = appendItems(receipts, [item(id, 200)], size, store);
    const head = storedHead("session", id, { nodes: forest, receipts });
    longest = Math.max(longest, encodeHead(head).length);
  }
  assert.equal(countItems(forest), 100_000);
  assert.deepEqual(
    idsOf(forest, store),
    Array.from({ length: 100_000 }, (_, index) => index),
  );
  checkShape(forest);
  assert.ok(longest < 4096, `the longest head had ${longest} bytes`);
  const tiers = Math.ceil(Math.log(PAGE_BYTES) / Math.log(PAGE_MERGE_FAN_IN));
  assert.ok(mostReads <= tiers * PAGE_MERGE_FAN_IN, `${mostReads} pages were read for one append`);
  const written = total / (100_000 * 310);
  assert.ok(written < tiers + 2, `each byte was written ${written} times`);
});

test("pages that reached their size are never read or written again by appends", () => {
  const store = new MemoryPages();
  let forest: Forest = [];
  for (let id = 0; id < 60; id++) {
    const full = forest.filter((page) => page.bytes >= PAGE_BYTES / 2).map((page) => page.ref);
    store.reset();
    forest = appendItems(forest, [item(id, id % 3 === 0 ? 1000 : PAGE_BYTES)], size, store);
    assert.ok(!store.dropped.some((page) => full.includes(page.ref)));
  }
});

test("index pages are grouped as soon as there are enough of them, level by level", () => {
  const store = new MemoryPages();
  let forest: Forest = [];
  for (let id = 0; id < PAGE_FAN_OUT ** 2 + 3; id++) {
    forest = appendItems(forest, [item(id, PAGE_BYTES / 2)], size, store);
    checkShape(forest);
  }
  assert.deepEqual(
    forest.map((page) => page.level),
    [2, 0, 0, 0],
  );
  assert.equal([...pagesOf(forest, store)].length, 1 + PAGE_FAN_OUT + PAGE_FAN_OUT ** 2 + 3);
});

test("an item larger than a page has a page of its own", () => {
  const store = new MemoryPages();
  const items = [item(0, 10), item(1, 3 * PAGE_BYTES), item(2, 10)];
  checkItems(appendItems([], items, size, store), store, items);
});

/** What is read of these msgpack values. */
function forestOf(wire: unknown): PageRef[] {
  return readForest(new MsgpackReader(pack(wire)));
}

test("a forest travels through its bytes", () => {
  const store = new MemoryPages();
  let forest: Forest = [];
  for (let id = 0; id < 40; id++) forest = appendItems(forest, [item(id, 100_000)], size, store);
  assert.deepEqual(forestOf(forestToWire(forest)), forest);
});

test("a page that holds another number of items than its reference says is refused", () => {
  const store = new MemoryPages();
  const [page] = appendItems([], [item(0, 1), item(1, 1)], size, store);
  assert.ok(page);
  assert.throws(() => [...readItems([{ ...page, items: 3 }], store)], /2 items instead of 3/);
});

test("a page of another level than its reference says is refused", () => {
  const store = new MemoryPages();
  const [page] = appendItems([], [item(0, 1)], size, store);
  assert.ok(page);
  assert.throws(() => [...readItems([{ ...page, level: 1 }], store)], /level 0 instead of 1/);
  const { ref } = value("x");
  store.pages.set(ref, pack([1, []]));
  assert.throws(() => [...readItems([{ ...page, ref }], store)], /level 1 instead of 0/);
});

test("a page reference whose numbers are not counts is refused", () => {
  const store = new MemoryPages();
  const [page] = appendItems([], [item(0, 1)], size, store);
  assert.ok(page);
  assert.deepEqual(forestOf(forestToWire([{ ...page, items: 0, bytes: 0 }])).length, 1);
  for (const changed of [{ level: -1 }, { items: -1 }, { bytes: -1 }])
    assert.throws(() => forestOf(forestToWire([{ ...page, ...changed }])), /a negative number/);
  for (const changed of [{ level: 0.5 }, { items: 0.5 }, { bytes: 0.5 }])
    assert.throws(() => forestOf(forestToWire([{ ...page, ...changed }])), /is not an integer/);
  assert.throws(() => forestOf(5), /an array was expected/);
  assert.throws(() => forestOf([5]), /page reference is not an array/);
  assert.throws(() => forestOf([[1, 2, 3]]), /page reference has 3 items/);
  assert.throws(() => forestOf([[1, 2, 3, 4]]), /digest is not bytes/);
});
