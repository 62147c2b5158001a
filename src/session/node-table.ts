/**
 * Nodes of a session in insertion order, shared by the session's successive states: a commit only adds, and entries
 * are never reordered or removed. It deliberately decides nothing about graphs.
 *
 * 1. A table owns its bytes: whoever adds a node may reuse what he gave, and what a new table leaves out is
 *    really gone from memory.
 * 2. Bodies lie side by side in chunks, and an entry makes a view when it is asked for its body. A million small
 *    buffers would cost the garbage collector more than all the rest of their commits.
 * 3. Bodies that are durable may leave memory (`shed`): a session goes on taking commits without them. The first
 *    that is asked for brings all of them back, each under the same id and with the same length, or throws.
 */
import { KIB } from "../limits.ts";
import { type Chunk, Chunks } from "./chunks.ts";
import { SlotIndex } from "./slot-index.ts";

/** The node counts as a user message of the picker. */
export const NODE_USER_MESSAGE = 1;
/** `hiddenAt` of a live node. A small integer: every other number would be an object of its own. */
export const LIVE = 0x7fff_ffff;

/** Bytes of memory that an entry costs beside its id, its body and its cells in the index, as measured. */
const ENTRY_BYTES = 116;

export interface NodeEntry {
  readonly id: string;
  readonly parent: string | undefined;
  /** Bits: NODE_USER_MESSAGE. */
  readonly flags: number;
  /** `encodeValue` of the node without `nodeId` and `parentNodeId`. */
  readonly body: Uint8Array;
  /**
   * Revision since which the node stands here: a copy of an earlier one lacks it, or has it elsewhere. It never falls
   * from one entry to the next. 0: stored before revisions were.
   */
  readonly revision: number;
  /** Number of the state (`ordinal`) from which on the node is tombstoned; LIVE while it is live. */
  hiddenAt: number;
}

export type NewNode = Omit<NodeEntry, "hiddenAt" | "revision">;

class StoredEntry implements NodeEntry {
  readonly id: string;
  readonly parent: string | undefined;
  readonly flags: number;
  readonly revision: number;
  hiddenAt: number;
  readonly #table: NodeTable;
  #chunk: Chunk;
  #at: number;
  readonly #length: number;

  constructor(
    node: NewNode,
    parent: string | undefined,
    revision: number,
    hiddenAt: number,
    table: NodeTable,
    chunks: Chunks,
  ) {
    this.id = node.id;
    this.parent = parent;
    this.flags = node.flags;
    this.revision = revision;
    this.hiddenAt = hiddenAt;
    this.#table = table;
    this.#at = chunks.put(node.body);
    this.#chunk = chunks.last;
    this.#length = node.body.length;
  }

  get body(): Uint8Array {
    if (this.#chunk.bytes === undefined) this.#table.fill();
    const { bytes } = this.#chunk;
    if (bytes === undefined) throw new Error(`the body of node "${this.id}" is not there`);
    return bytes.subarray(this.#at, this.#at + this.#length);
  }

  get isShed(): boolean {
    return this.#chunk.bytes === undefined;
  }

  isSameAs(other: StoredEntry): boolean {
    return other.id === this.id && other.#length === this.#length;
  }

  /** Takes the body of the same node in a table that was read anew, and says where it lies. */
  takeFrom(fresh: StoredEntry): Chunk {
    this.#chunk = fresh.#chunk;
    this.#at = fresh.#at;
    return this.#chunk;
  }
}

export class NodeTable {
  readonly #stored: StoredEntry[] = [];
  readonly entries: readonly NodeEntry[] = this.#stored;
  readonly slots = new SlotIndex(this.#stored);
  /** Parents that entries name (live or not) but that are not in the table; only permissive graphs have any. */
  readonly missingParents = new Set<string>();
  /** Bytes of what is kept of each entry beside its body. */
  #entryBytes = 0;
  readonly #bodies = new Chunks({ least: 1 * KIB, most: 64 * KIB });
  /** What is kept beside nodes, in chunks of its own: it is forgotten sooner than they are. */
  readonly #beside = new Chunks({ least: KIB / 4, most: 8 * KIB });
  #reload: (() => NodeTable) | undefined;
  #holds = 0;

  /** Bytes of memory of all bodies, of ids and of what else is kept, for memory accounting. */
  get bytes(): number {
    return this.#entryBytes + this.slots.bytes + this.#bodies.bytes + this.#beside.bytes;
  }

  /** Bytes of bodies that `shed` could free if all of them were durable. */
  get sheddableBytes(): number {
    return this.#holds > 0 ? 0 : this.#bodies.fullBytes;
  }

  /**
   * Adds a copy of the node at the end. Throws if its id is taken; the table is then of no use any more. Two plain
   * numbers, because every commit comes by here.
   */
  add(node: NewNode, revision = 0, hiddenAt = LIVE): void {
    const { id, parent } = node;
    const last = this.#stored.at(-1);
    // Nearly every node's parent is the one before it: its id is kept once, and looked up never.
    const followsLast = last !== undefined && parent === last.id;
    if (!this.slots.add(id, this.#stored.length)) throw new Error(`node "${id}" exists already`);
    this.#stored.push(
      new StoredEntry(node, followsLast ? last.id : parent, revision, hiddenAt, this, this.#bodies),
    );
    this.#bodies.last.end = this.#stored.length;
    if (this.missingParents.size > 0) this.missingParents.delete(id);
    if (parent !== undefined && !followsLast && !this.slots.has(parent)) this.missingParents.add(parent);
    this.#entryBytes += id.length * 2 + ENTRY_BYTES;
  }

  /** A copy of bytes that live as long as somebody has them, such as the checkpoint manifest of the newest commit. */
  keep(bytes: Uint8Array): Uint8Array {
    const at = this.#beside.put(bytes);
    const kept = this.#beside.last.bytes?.subarray(at, at + bytes.length);
    this.#beside.forgetFull();
    return kept as Uint8Array;
  }

  /**
   * Lets go of the bodies of the first `length` entries, but for those that share a chunk with newer ones. All of
   * them must be durable: `reload` reads a table that begins with the same entries.
   */
  shed(length: number, reload: () => NodeTable): void {
    if (this.#holds > 0) return;
    if (this.#bodies.shed(length)) this.#reload = reload;
  }

  /** Brings back what was shed, if anything was. Throws what reading it throws; nothing is changed then. */
  fill(): void {
    if (this.#reload === undefined) return;
    const fresh = this.#reload().#stored;
    const slots: number[] = [];
    for (const [slot, entry] of this.#stored.entries()) {
      if (!entry.isShed) continue;
      const same = fresh[slot];
      if (same === undefined || !entry.isSameAs(same))
        throw new Error(`node "${entry.id}" is not stored as it was`);
      slots.push(slot);
    }
    const ends = new Map<Chunk, number>();
    for (const slot of slots) {
      const entry = this.#stored[slot] as StoredEntry;
      const chunk = entry.takeFrom(fresh[slot] as StoredEntry);
      ends.set(chunk, slot + 1);
    }
    for (const [chunk, end] of ends) this.#bodies.adopt(chunk, end);
    this.#reload = undefined;
  }

  /** Keeps all bodies in memory until `release` is called as often. */
  hold(): void {
    this.fill();
    this.#holds += 1;
  }
  release(): void {
    this.#holds -= 1;
  }
}
