/**
 * Finds nodes of a stored session by their ids, looking at the newest first: pages are read from the right, each once, and no more of
 * them than was allowed. A path from a new leaf lies in few of them, however long the session is; one from an old leaf is found by the
 * index of ids, if there is one. It deliberately keeps what it read only as long as somebody has it: a session in memory has a table.
 *
 * 1. `undefined` means that no live node has the id only as long as `isOutOfReach` is false.
 */
import type { NodeChanges } from "../session/node-changes.ts";
import { LIVE } from "../session/node-entry.ts";
import { type GraphRead, type PathNode, pathNode, readPath } from "../session/read.ts";
import { asArray, asBytes } from "../session/record.ts";
import { hashOfId, ID_HASH_BYTES } from "../session/stored-ids.ts";
import { runThrough } from "../steps.ts";
import { entryFromItem, type IdIndex, type StoredHead } from "./head.ts";
import { placeOfHash } from "./id-index.ts";
import {
  childrenOf,
  countItems,
  type Forest,
  leavesFromTheRight,
  type PageRef,
  type PageStore,
  readLeaf,
} from "./pages.ts";

export interface NewestPath {
  readonly leafNodeId: string | undefined;
  readonly limit: number;
  /** Of pages with nodes that may be read, and of pages with ids; the first is read whatever its size. */
  readonly maxBytes: number;
  readonly maxIndexBytes: number;
}

/** The newest nodes of a path over a stored session and the changes since; nothing if more pages had to be read. */
export function readNewestPath(
  stored: Pick<StoredHead, "nodes" | "index">,
  store: Pick<PageStore, "read">,
  changes: NodeChanges,
  { leafNodeId, limit, maxBytes, maxIndexBytes }: NewestPath,
): GraphRead | undefined {
  const nodes = new NewestNodes(stored, new Allowance(store, maxBytes), new Allowance(store, maxIndexBytes));
  const find = (nodeId: string) => {
    const change = changes.of(nodeId);
    if (change === "hidden") return undefined;
    return change === "before" ? nodes.find(nodeId) : pathNode(change);
  };
  const read = runThrough(readPath(find, leafNodeId, limit));
  return nodes.isOutOfReach ? undefined : read;
}

/** Pages of level 0 that may still be read. */
class Allowance {
  readonly #store: Pick<PageStore, "read">;
  #bytesLeft: number;

  constructor(store: Pick<PageStore, "read">, bytes: number) {
    this.#store = store;
    this.#bytesLeft = bytes;
  }

  /** For what is small: pages of references. */
  get store(): Pick<PageStore, "read"> {
    return this.#store;
  }

  /** Undefined if the page may not be read. */
  items(page: PageRef): unknown[] | undefined {
    if (this.#bytesLeft <= 0) return undefined;
    this.#bytesLeft -= page.bytes;
    return readLeaf(page, this.#store);
  }
}

class NewestNodes {
  readonly #forest: Forest;
  readonly #allowance: Allowance;
  readonly #pages: Generator<PageRef>;
  readonly #index: IndexedSlots | undefined;
  readonly #items = new Map<unknown, unknown>();
  #hasNewest = false;
  #isOutOfReach = false;

  constructor(
    { nodes, index }: Pick<StoredHead, "nodes" | "index">,
    allowance: Allowance,
    forIndex: Allowance,
  ) {
    this.#forest = nodes;
    this.#allowance = allowance;
    this.#pages = leavesFromTheRight(nodes, allowance.store);
    if (index?.isClosed === true) this.#index = new IndexedSlots(index, countItems(nodes), forIndex);
  }

  /** A node was looked for and not found, and pages are left that may not be read. */
  get isOutOfReach(): boolean {
    return this.#isOutOfReach;
  }

  /** The live node of that id. */
  find(nodeId: string): PathNode | undefined {
    while (!this.#items.has(nodeId)) if (!this.#readMore(nodeId)) return undefined;
    const entry = entryFromItem(this.#items.get(nodeId));
    return entry.hiddenAt === LIVE ? pathNode(entry) : undefined;
  }

  /** False if there is nothing more to read, or to be read. */
  #readMore(nodeId: string): boolean {
    if (this.#index === undefined || !this.#hasNewest) {
      this.#hasNewest = true;
      const next = this.#pages.next();
      return next.done !== true && this.#read(next.value);
    }
    const slot = this.#index.slotOf(nodeId);
    if (slot === undefined) return false;
    const page = slot === "out of reach" ? undefined : leafAt(this.#forest, slot, this.#allowance.store);
    // A page that was read and does not have it: another id of the same hash. Whoever reads all of them knows.
    const isFound = page !== undefined && this.#read(page) && this.#items.has(nodeId);
    this.#isOutOfReach ||= !isFound;
    return isFound;
  }

  #read(page: PageRef): boolean {
    const items = this.#allowance.items(page);
    this.#isOutOfReach ||= items === undefined;
    for (const item of items ?? []) this.#items.set(asArray(item, "node")[0], item);
    return items !== undefined;
  }
}

/** The index of a session's ids, read from the right as far as it is asked for. */
class IndexedSlots {
  readonly #allowance: Allowance;
  readonly #pages: Generator<PageRef>;
  /** Hashes that were read, the newest first, each with the slot of its first one. */
  readonly #parts: { readonly start: number; readonly hashes: Uint8Array }[] = [];
  #start: number;

  constructor(index: IdIndex, count: number, allowance: Allowance) {
    this.#allowance = allowance;
    this.#pages = leavesFromTheRight(index.pages, allowance.store);
    this.#start = count;
    this.#add(index.newest);
  }

  /** The slot of the id, if its hash is there. */
  slotOf(id: string): number | "out of reach" | undefined {
    const hash = hashOfId(id);
    for (let part = 0; ; part++) {
      while (part === this.#parts.length) {
        const page = this.#pages.next();
        if (page.done === true) return undefined;
        const items = this.#allowance.items(page.value);
        if (items === undefined) return "out of reach";
        for (const item of items.reverse()) this.#add(asBytes(item, "hashes"));
      }
      const { start, hashes } = this.#parts[part] as { start: number; hashes: Uint8Array };
      const place = placeOfHash(hashes, hash);
      if (place !== undefined) return start + place;
    }
  }

  #add(hashes: Uint8Array): void {
    this.#start -= hashes.length / ID_HASH_BYTES;
    this.#parts.push({ start: this.#start, hashes });
  }
}

/** The page of level 0 that has the item. */
function leafAt(forest: Forest, item: number, store: Pick<PageStore, "read">): PageRef | undefined {
  let start = 0;
  for (const page of forest) {
    if (item < start + page.items)
      return page.level === 0 ? page : leafAt(childrenOf(page, store), item - start, store);
    start += page.items;
  }
  return undefined;
}
