/**
 * Page forests: the nodes, or the receipts, of one session as a short list of references to pages in packs.
 * A page of level 0 holds a run of items; a page of level n holds references to pages of level n − 1. Items
 * keep their order: the forest read from left to right is the session's insertion order.
 *
 * 1. Cost follows the change: appending writes the new items, now and then merged with as many older ones.
 *    Pages that reached their size are left alone.
 * 2. A forest is short whatever its session's length: levels descend from left to right, with fewer than
 *    PAGE_FAN_OUT complete pages of each level, and behind them pages of falling size tiers, fewer than
 *    PAGE_MERGE_FAN_IN of each.
 */
import { sha256 } from "../checksum.ts";
import { copyOf, unpack } from "../codec.ts";
import { type BlobRef, refFromBytes, refToBytes } from "../ids.ts";
import { PAGE_BYTES, PAGE_FAN_OUT, PAGE_MERGE_FAN_IN } from "../limits.ts";
import { MsgpackReader } from "../msgpack-reader.ts";
import { MsgpackWriter } from "../msgpack-writer.ts";
import { asArray, asNumber } from "../session/record.ts";
import { expectItems, readRef } from "../session/record-reader.ts";

export interface PageRef {
  readonly ref: BlobRef;
  readonly level: number;
  /** Items below this page. */
  readonly items: number;
  /** Bytes of this page itself. */
  readonly bytes: number;
}
export type Forest = readonly PageRef[];

const REFERENCE_ITEMS = 4;
const writer = new MsgpackWriter("reused");

/** Where pages are read from and written to. `drop` tells that a page is superseded. */
export interface PageStore {
  read(ref: BlobRef): Uint8Array;
  write(bytes: Uint8Array, ref: BlobRef): void;
  drop(page: PageRef): void;
}

export function forestToWire(forest: Forest): unknown[] {
  return forest.map(({ ref, level, items, bytes }) => [refToBytes(ref), level, items, bytes]);
}
export function writeForest(to: MsgpackWriter, forest: Forest): void {
  to.array(forest.length);
  for (const { ref, level, items, bytes } of forest) {
    to.array(REFERENCE_ITEMS);
    to.hexBinary(ref);
    to.integer(level);
    to.integer(items);
    to.integer(bytes);
  }
}
/** The forest that comes next. Throws a plain Error on anything else. */
export function readForest(from: MsgpackReader): PageRef[] {
  const pages: PageRef[] = [];
  for (let left = from.array(); left > 0; left--) {
    expectItems(from, REFERENCE_ITEMS, "page reference");
    const ref = readRef(from, "digest");
    const level = asNumber(from.value(), "level");
    const items = asNumber(from.value(), "items");
    const bytes = asNumber(from.value(), "bytes");
    if (Math.min(level, items, bytes) < 0) throw new Error("a page reference has a negative number");
    pages.push({ ref, level, items, bytes });
  }
  return pages;
}

export function countItems(forest: Forest): number {
  return forest.reduce((sum, page) => sum + page.items, 0);
}

/** Items of a forest in order. */
export function* readItems(forest: Forest, store: Pick<PageStore, "read">): Generator<unknown> {
  for (const leaf of leavesOf(forest, store)) yield* readLeaf(leaf, store);
}

/** The pages of level 0, in order. */
export function* leavesOf(forest: Forest, store: Pick<PageStore, "read">): Generator<PageRef> {
  for (const page of forest) {
    if (page.level === 0) yield page;
    else yield* leavesOf(childrenOf(page, store), store);
  }
}

/** The pages of level 0, the newest first. */
export function* leavesFromTheRight(forest: Forest, store: Pick<PageStore, "read">): Generator<PageRef> {
  for (const page of forest.toReversed()) {
    if (page.level === 0) yield page;
    else yield* leavesFromTheRight(childrenOf(page, store), store);
  }
}

/** Every page of a forest, index pages included. */
export function* pagesOf(forest: Forest, store: Pick<PageStore, "read">): Generator<PageRef> {
  for (const page of forest) {
    yield page;
    if (page.level > 0) yield* pagesOf(childrenOf(page, store), store);
  }
}

/** The pages one level below an index page. */
export function childrenOf(page: PageRef, store: Pick<PageStore, "read">): PageRef[] {
  const from = new MsgpackReader(store.read(page.ref));
  if (from.array() !== 2) throw new Error(`page ${page.ref} is no pair`);
  const level = from.value();
  if (level !== page.level)
    throw new Error(`page ${page.ref} has level ${String(level)} instead of ${page.level}`);
  const children = readForest(from);
  from.finish();
  return children;
}

/** Items of a page of level 0. */
export function readLeaf(page: PageRef, store: Pick<PageStore, "read">): unknown[] {
  const [level, items] = asArray(unpack(store.read(page.ref)), "page");
  const list = asArray(items, "items");
  checkLeaf(page, level, list.length);
  return list;
}

/** What a page of level 0 says of itself agrees with what refers to it, or a plain Error is thrown. */
export function checkLeaf(page: PageRef, level: unknown, items: number): void {
  if (level !== 0) throw new Error(`page ${page.ref} has level ${String(level)} instead of 0`);
  if (items !== page.items) throw new Error(`page ${page.ref} has ${items} items instead of ${page.items}`);
}

/** The forest with `items` behind it. `size` estimates the bytes of one item. */
export function appendItems(
  forest: Forest,
  items: readonly unknown[],
  size: (item: unknown) => number,
  store: PageStore,
): PageRef[] {
  const pages = [...forest];
  for (const run of runsOf(items, size)) {
    pages.push(writePage(0, run, run.length, store));
    settle(pages, size, store);
  }
  return pages;
}

/**
 * The forest of `items`, of which the first `unchanged` are those of the old forest: its pages that lie
 * wholly among them are kept, the rest is written anew.
 */
export function replaceItems(
  forest: Forest,
  items: readonly unknown[],
  unchanged: number,
  size: (item: unknown) => number,
  store: PageStore,
): PageRef[] {
  const kept: PageRef[] = [];
  let covered = 0;
  for (const page of pagesOf(forest, store)) if (page.level > 0) store.drop(page);
  let isPrefix = true;
  for (const leaf of leavesOf(forest, store)) {
    isPrefix &&= covered + leaf.items <= unchanged;
    if (isPrefix) {
      kept.push(leaf);
      covered += leaf.items;
    } else {
      store.drop(leaf);
    }
  }
  const pages: PageRef[] = [];
  for (const leaf of kept) {
    pages.push(leaf);
    settle(pages, size, store);
  }
  return appendItems(pages, items.slice(covered), size, store);
}

/** Runs of items that fill a page each, the last one perhaps less. */
function* runsOf(items: readonly unknown[], size: (item: unknown) => number): Generator<unknown[]> {
  let run: unknown[] = [];
  let bytes = 0;
  for (const item of items) {
    run.push(item);
    bytes += size(item);
    if (bytes >= PAGE_BYTES) {
      yield run;
      run = [];
      bytes = 0;
    }
  }
  if (run.length > 0) yield run;
}

function writePage(level: number, content: unknown, items: number, store: PageStore): PageRef {
  writer.begin();
  writer.array(2);
  writer.integer(level);
  writeItem(content);
  const bytes = copyOf(writer.end());
  const ref = refFromBytes(sha256(bytes));
  store.write(bytes, ref);
  return { ref, level, items, bytes: bytes.length };
}

/** What items are made of: arrays, texts, numbers, bytes and nil. */
function writeItem(item: unknown): void {
  if (typeof item === "string") return writer.text(item);
  if (typeof item === "number") return writer.number(item);
  if (item === null) return writer.nil();
  if (item instanceof Uint8Array) return writer.binary(item);
  const parts = asArray(item, "an item");
  writer.array(parts.length);
  for (const part of parts) writeItem(part);
}

/** A page of level 0 that is left alone; a little short of full counts, or the last item would decide. */
function isComplete(page: PageRef): boolean {
  return page.level > 0 || page.bytes >= PAGE_BYTES / 2;
}

/** Size tier of an incomplete page: 8-fold steps. */
function tierOf(page: PageRef): number {
  return Math.floor(Math.log(page.bytes) / Math.log(PAGE_MERGE_FAN_IN));
}

/** Restores invariant 2 after a page was added at the right. */
function settle(pages: PageRef[], size: (item: unknown) => number, store: PageStore): void {
  for (let start = mergeStart(pages); start !== undefined; start = mergeStart(pages)) {
    const merged = pages.splice(start);
    const items = merged.flatMap((page) => readLeaf(page, store));
    for (const page of merged) store.drop(page);
    for (const run of runsOf(items, size)) pages.push(writePage(0, run, run.length, store));
  }
  group(pages, store);
}

/** Index from which on the incomplete pages at the right must become one; undefined if they are in order. */
function mergeStart(pages: readonly PageRef[]): number | undefined {
  const last = pages.at(-1);
  const before = pages.at(-2);
  if (last === undefined || before === undefined || isComplete(before)) return undefined;
  if (isComplete(last) || tierOf(before) < tierOf(last)) {
    // A small page in front of a larger one would never be merged again.
    return isComplete(last) ? startOfIncomplete(pages, pages.length - 1) : pages.length - 2;
  }
  const tier = tierOf(last);
  const start = pages.length - PAGE_MERGE_FAN_IN;
  const run = pages.slice(Math.max(0, start));
  return start >= 0 && run.every((page) => !isComplete(page) && tierOf(page) === tier) ? start : undefined;
}

function startOfIncomplete(pages: readonly PageRef[], end: number): number {
  let start = end;
  for (let before = pages[start - 1]; before !== undefined && !isComplete(before); before = pages[start - 1])
    start--;
  return start;
}

/** Wraps PAGE_FAN_OUT complete neighbours of one level into an index page of the next, level by level. */
function group(pages: PageRef[], store: PageStore): void {
  for (let level = 0; pages.some((page) => page.level >= level); level++) {
    const start = pages.findIndex((page) => page.level === level);
    const run = start < 0 ? [] : pages.slice(start, start + PAGE_FAN_OUT);
    if (run.length < PAGE_FAN_OUT || !run.every((page) => page.level === level && isComplete(page))) continue;
    pages.splice(start, PAGE_FAN_OUT, writePage(level + 1, forestToWire(run), countItems(run), store));
  }
}
