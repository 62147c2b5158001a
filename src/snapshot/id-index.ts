/**
 * The index of a long session's ids, in its head and in pages of its own: of every node a hash of its id. A commit needs to know that an
 * id is new and what the newest nodes are, so it reads the index and the last pages, and not all the session's nodes.
 *
 * 1. It has the hashes of the same nodes as the pages, in the same order.
 * 2. Where it says that it is closed, every parent that a node names is a node. If one is not (the permissive graph policy accepts
 *    that), a new node may close a cycle through nodes nobody has read: such an index is given up, and says so.
 * 3. It only grows by what is put behind it: a fold that appends reads of it what tells that a parent is there, the newest first.
 */
import { ENTRIES_KEPT, INDEX_ITEM_BYTES, MAX_INDEX_BYTES_IN_HEAD, MIN_INDEXED_BYTES } from "../limits.ts";
import { NodeTable } from "../session/node-table.ts";
import { asArray, asBytes, asText } from "../session/record.ts";
import { hashOfId, ID_HASH_BYTES, StoredIds } from "../session/stored-ids.ts";
import { runThrough, type Steps } from "../steps.ts";
import type { IdIndex, NodeItem, StoredHead } from "./head.ts";
import { addLeaf } from "./node-page.ts";
import {
  appendItems,
  countItems,
  type Forest,
  leavesFromTheRight,
  leavesOf,
  type PageRef,
  type PageStore,
  pagesOf,
  readItems,
  readLeaf,
  replaceItems,
} from "./pages.ts";

const NO_HASHES = new Uint8Array(0);
const GIVEN_UP: IdIndex = { isClosed: false, pages: [], newest: NO_HASHES };
/** What a slot index can begin with. */
const MIN_STORED = 16;

/** The index with these nodes behind it. */
export function extendIndex(index: IdIndex, added: readonly NodeItem[], store: PageStore): IdIndex {
  if (!index.isClosed || added.length === 0) return index;
  const { hashes, parents } = hashesOf(added, added.length);
  for (const [id] of added) parents.delete(id);
  if (parents.size > 0 && !hasAll(index, [...parents].map(hashOfId), store)) return giveUp(index, store);
  const newest = Buffer.concat([index.newest, hashes]);
  if (newest.length <= MAX_INDEX_BYTES_IN_HEAD) return { ...index, newest };
  const pages = appendItems(index.pages, indexItems(newest), sizeOf, store);
  return { isClosed: true, pages, newest: NO_HASHES };
}

/**
 * The index of a session of which all nodes are given, and the forest they lie in; undefined if they are too few. What the
 * index before has in its pages and did not change stays there.
 */
export function makeIndex(
  before: IdIndex | undefined,
  forest: Forest,
  items: Iterable<unknown>,
  store: PageStore,
): IdIndex | undefined {
  if (!isLong(forest)) {
    if (before !== undefined) giveUp(before, store);
    return undefined;
  }
  const { hashes, parents } = hashesOf(items, countItems(forest));
  const known = runThrough(StoredIds.of(hashes));
  for (const parent of parents) {
    if (known.find(parent) === undefined) return giveUp(before, store);
  }
  const old = [...readItems(before?.pages ?? [], store)].map((item) => asBytes(item, "hashes"));
  let kept = 0;
  let at = 0;
  for (const item of old) {
    if (Buffer.compare(item, hashes.subarray(at, at + item.length)) !== 0) break;
    kept++;
    at += item.length;
  }
  const rest = hashes.subarray(at);
  const newest = rest.length <= MAX_INDEX_BYTES_IN_HEAD ? rest : NO_HASHES;
  const added = newest.length === 0 ? indexItems(rest) : [];
  const pages = replaceItems(before?.pages ?? [], [...old.slice(0, kept), ...added], kept, sizeOf, store);
  return { isClosed: true, pages, newest: Buffer.from(newest) };
}

/**
 * The nodes of a stored session, but for the newest as if they had left memory; undefined if the head has no index, or none that
 * is closed. Throws a plain Error if the index is not of these nodes.
 */
export function* indexedNodes(
  { index, nodes: forest }: StoredHead,
  store: Pick<PageStore, "read">,
): Steps<NodeTable | undefined> {
  if (index?.isClosed !== true) return undefined;
  const newest = newestPages(forest, store);
  const front = countItems(forest) - countItems(newest);
  if (front < MIN_STORED) return undefined;
  const hashes = yield* readHashes(index, countItems(forest), store);
  const nodes = new NodeTable();
  nodes.beginWith(yield* StoredIds.of(hashes.subarray(0, front * ID_HASH_BYTES)));
  for (const page of newest) addLeaf(page, store.read(page.ref), nodes);
  for (let slot = front; slot < nodes.entries.length; slot++) {
    const { id } = nodes.entries[slot] as { readonly id: string };
    if (!isAt(hashes, slot, id)) throw new Error(`node "${id}" is another in the index of its session`);
  }
  return nodes;
}

/** The ids of all nodes, if the head has an index that is closed. */
export function indexedIds(stored: StoredHead, store: Pick<PageStore, "read">): StoredIds | undefined {
  const { index, nodes } = stored;
  if (index?.isClosed !== true) return undefined;
  return runThrough(StoredIds.of(runThrough(readHashes(index, countItems(nodes), store))));
}

/** The hashes of all nodes, a page a step. Throws a plain Error if they are not so many. */
function* readHashes(index: IdIndex, count: number, store: Pick<PageStore, "read">): Steps<Uint8Array> {
  const hashes = new Uint8Array(count * ID_HASH_BYTES);
  let at = 0;
  const put = (part: Uint8Array): void => {
    if (at + part.length <= hashes.length) hashes.set(part, at);
    at += part.length;
  };
  for (const leaf of leavesOf(index.pages, store)) {
    for (const item of readLeaf(leaf, store)) put(asBytes(item, "hashes"));
    yield;
  }
  put(index.newest);
  if (at !== hashes.length) throw new Error(`an index has ${at / ID_HASH_BYTES} ids of ${count} nodes`);
  return hashes;
}

/** Whether the hash there is that of the id. */
function isAt(hashes: Uint8Array, slot: number, id: string): boolean {
  const at = slot * ID_HASH_BYTES;
  return Buffer.compare(hashes.subarray(at, at + ID_HASH_BYTES), hashOfId(id)) === 0;
}

function isLong(forest: Forest): boolean {
  return (
    forest.some(({ level }) => level > 0) ||
    forest.reduce((sum, page) => sum + page.bytes, 0) >= MIN_INDEXED_BYTES
  );
}

/** Pages that hold the newest entries, oldest first. */
function newestPages(forest: Forest, store: Pick<PageStore, "read">): PageRef[] {
  const pages: PageRef[] = [];
  for (const page of leavesFromTheRight(forest, store)) {
    if (countItems(pages) >= ENTRIES_KEPT) break;
    pages.unshift(page);
  }
  return pages;
}

function giveUp(index: IdIndex | undefined, store: PageStore): IdIndex {
  for (const page of pagesOf(index?.pages ?? [], store)) store.drop(page);
  return GIVEN_UP;
}

/** Whether all of the hashes are there; the newest are looked at first. */
function hasAll(index: IdIndex, wanted: readonly Uint8Array[], store: Pick<PageStore, "read">): boolean {
  let missing = wanted;
  for (const hashes of hashesFromTheRight(index, store)) {
    missing = missing.filter((hash) => placeOfHash(hashes, hash) === undefined);
    if (missing.length === 0) return true;
  }
  return false;
}

function* hashesFromTheRight(index: IdIndex, store: Pick<PageStore, "read">): Generator<Uint8Array> {
  yield index.newest;
  for (const page of leavesFromTheRight(index.pages, store)) {
    for (const item of readLeaf(page, store).reverse()) yield asBytes(item, "hashes");
  }
}

/** Which of the hashes it is. */
export function placeOfHash(hashes: Uint8Array, hash: Uint8Array): number | undefined {
  const bytes = Buffer.from(hashes.buffer, hashes.byteOffset, hashes.length);
  for (let at = bytes.indexOf(hash); at >= 0; at = bytes.indexOf(hash, at + 1)) {
    if (at % ID_HASH_BYTES === 0) return at / ID_HASH_BYTES;
  }
  return undefined;
}

function indexItems(hashes: Uint8Array): Uint8Array[] {
  const items: Uint8Array[] = [];
  for (let at = 0; at < hashes.length; at += INDEX_ITEM_BYTES)
    items.push(hashes.subarray(at, at + INDEX_ITEM_BYTES));
  return items;
}
function sizeOf(item: unknown): number {
  return (item as Uint8Array).length + 5;
}

/** The hashes of the nodes' ids, and the parents that are not the node in front of the one that names them. */
function hashesOf(items: Iterable<unknown>, count: number): { hashes: Uint8Array; parents: Set<string> } {
  const hashes = new Uint8Array(count * ID_HASH_BYTES);
  const parents = new Set<string>();
  let slot = 0;
  let last: string | undefined;
  for (const item of items) {
    const wire = asArray(item, "node");
    const id = asText(wire[0], "node id");
    hashes.set(hashOfId(id), slot++ * ID_HASH_BYTES);
    if (wire[1] !== null && wire[1] !== last) parents.add(asText(wire[1], "parent"));
    last = id;
  }
  return { hashes, parents };
}
