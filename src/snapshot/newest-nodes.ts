/**
 * Finds nodes of a stored session by their ids, looking at the newest first: pages are read from the right, each
 * once, and no more of them than was allowed. A path from a new leaf lies in few of them, however long the session
 * is. It deliberately keeps what it read only as long as somebody has it: a session in memory has a table.
 *
 * 1. `undefined` means that no live node has the id only as long as `isOutOfReach` is false.
 */
import type { NodeChanges } from "../session/node-changes.ts";
import { LIVE } from "../session/node-entry.ts";
import { type GraphRead, type PathNode, pathNode, readPath } from "../session/read.ts";
import { asArray } from "../session/record.ts";
import { runThrough } from "../steps.ts";
import { entryFromItem } from "./head.ts";
import { childrenOf, type Forest, type PageRef, type PageStore, readLeaf } from "./pages.ts";

export interface NewestPath {
  readonly leafNodeId: string | undefined;
  readonly limit: number;
  /** Of pages with nodes that may be read; the first is read whatever its size. */
  readonly maxBytes: number;
}

/** The newest nodes of a path over a stored forest and the changes since; nothing if more pages had to be read. */
export function readNewestPath(
  forest: Forest,
  store: Pick<PageStore, "read">,
  changes: NodeChanges,
  { leafNodeId, limit, maxBytes }: NewestPath,
): GraphRead | undefined {
  const stored = new NewestNodes(forest, store, maxBytes);
  const find = (nodeId: string) => {
    const change = changes.of(nodeId);
    if (change === "hidden") return undefined;
    return change === "before" ? stored.find(nodeId) : pathNode(change);
  };
  const read = runThrough(readPath(find, leafNodeId, limit));
  return stored.isOutOfReach ? undefined : read;
}

class NewestNodes {
  readonly #store: Pick<PageStore, "read">;
  readonly #pages: Generator<PageRef>;
  readonly #items = new Map<unknown, unknown>();
  #bytesLeft: number;
  #isOutOfReach = false;

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
  find(nodeId: string): PathNode | undefined {
    while (!this.#items.has(nodeId)) if (!this.#readOne()) return undefined;
    const entry = entryFromItem(this.#items.get(nodeId));
    return entry.hiddenAt === LIVE ? pathNode(entry) : undefined;
  }

  /** False if there is nothing more to read, or to be read. */
  #readOne(): boolean {
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
