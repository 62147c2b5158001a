/**
 * Finds nodes of a stored session by their ids, looking at the newest first: pages are read from the right, each
 * once, and no more of them than was allowed. A path from a new leaf lies in few of them, however long the session
 * is. It deliberately keeps what it read only as long as somebody has it: a session in memory has a table.
 *
 * 1. `undefined` means that no live node has the id only as long as `isOutOfReach` is false.
 */
import type { NodeEntry } from "../session/node-table.ts";
import { LIVE } from "../session/node-table.ts";
import { asArray } from "../session/record.ts";
import { entryFromItem } from "./head.ts";
import { childrenOf, type Forest, type PageRef, type PageStore, readLeaf } from "./pages.ts";

export class NewestNodes {
  readonly #store: Pick<PageStore, "read">;
  readonly #pages: Generator<PageRef>;
  readonly #items = new Map<unknown, unknown>();
  #bytesLeft: number;
  #isOutOfReach = false;

  /** `maxBytes`: of pages with nodes that may be read; the first is read whatever its size. */
  constructor(forest: Forest, store: Pick<PageStore, "read">, maxBytes: number) {
    this.#store = store;
    this.#pages = leavesFromTheRight(forest, store);
    this.#bytesLeft = maxBytes;
  }

  /** A node was looked for and not found, and pages are left that may not be read. */
  get isOutOfReach(): boolean {
    return this.#isOutOfReach;
  }

  /** The live node of that id. */
  find(nodeId: string): NodeEntry | undefined {
    while (!this.#items.has(nodeId)) if (!this.#readOne()) return undefined;
    const entry = entryFromItem(this.#items.get(nodeId));
    return entry.hiddenAt === LIVE ? entry : undefined;
  }

  /** False if there is nothing more to read, or to be read. */
  #readOne(): boolean {
    if (this.#isOutOfReach) return false;
    const next = this.#pages.next();
    if (next.done === true) return false;
    if (this.#bytesLeft <= 0) {
      this.#isOutOfReach = true;
      return false;
    }
    this.#bytesLeft -= next.value.bytes;
    for (const item of readLeaf(next.value, this.#store)) this.#items.set(asArray(item, "node")[0], item);
    return true;
  }
}

/** The pages of level 0, the newest first. */
function* leavesFromTheRight(forest: Forest, store: Pick<PageStore, "read">): Generator<PageRef> {
  for (const page of forest.toReversed()) {
    if (page.level === 0) yield page;
    else yield* leavesFromTheRight(childrenOf(page, store), store);
  }
}
