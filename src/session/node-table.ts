/**
 * Nodes of a session in insertion order, shared by the session's successive states: a commit only adds, and entries
 * are never reordered or removed. It deliberately decides nothing about graphs.
 *
 * 1. A table owns its bytes: whoever adds a node may reuse what he gave, and what a new table leaves out is
 *    really gone from memory. Only bytes that come whole, with many bodies in them, are kept as they are (`addIn`),
 *    and what a "borrowing" table is given: that of a fold, which is gone before what it was given changes.
 * 2. Bodies lie side by side in chunks, and an entry makes a view when it is asked for its body. A million small
 *    buffers would cost the garbage collector more than all the rest of their commits.
 * 3. Bodies that are durable may leave memory (`shed`): a session goes on taking commits without them. Whoever asks for
 *    one is thrown `BodiesShed` and changes nothing. All come back together (`takeBack`), in bounded steps, each under
 *    the same id and with the same length, or none does. A table that is held sheds nothing.
 */

import { decodeValueAt } from "../codec.ts";
import { KIB, NODES_BACK_PER_STEP } from "../limits.ts";
import type { Steps } from "../steps.ts";
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

/** An entry of a table, which knows its body without making a view of it. */
export interface TableEntry extends NodeEntry {
  readonly bodyBytes: number;
  /** What the body holds, decoded anew. */
  decodeBody(): unknown;
  /** Throws BodiesShed if the body is not in memory. */
  needBody(): void;
}

/** A body is needed that left memory. Nothing was decided: have the bodies brought back, and decide again. */
export class BodiesShed extends Error {
  constructor() {
    super("bodies of nodes left memory");
  }
}

export type NewNode = Omit<NodeEntry, "hiddenAt" | "revision">;

/** A node whose body lies in bytes that hold others as well. */
export interface PlacedNode extends Omit<NodeEntry, "body"> {
  readonly bodyAt: number;
  readonly bodyBytes: number;
}

class StoredEntry implements TableEntry {
  readonly id: string;
  readonly parent: string | undefined;
  readonly flags: number;
  readonly revision: number;
  hiddenAt: number;
  #chunk: Chunk;
  #at: number;
  readonly bodyBytes: number;

  constructor(
    { id, flags }: Pick<NodeEntry, "id" | "flags">,
    parent: string | undefined,
    revision: number,
    hiddenAt: number,
    chunk: Chunk,
    at: number,
    bodyBytes: number,
  ) {
    this.id = id;
    this.parent = parent;
    this.flags = flags;
    this.revision = revision;
    this.hiddenAt = hiddenAt;
    this.#chunk = chunk;
    this.#at = at;
    this.bodyBytes = bodyBytes;
  }

  get body(): Uint8Array {
    return this.#bytes().subarray(this.#at, this.#at + this.bodyBytes);
  }

  decodeBody(): unknown {
    return decodeValueAt(this.#bytes(), this.#at, this.bodyBytes);
  }

  #bytes(): Uint8Array {
    const { bytes } = this.#chunk;
    if (bytes === undefined) throw new BodiesShed();
    return bytes;
  }

  needBody(): void {
    if (this.isShed) throw new BodiesShed();
  }

  get isShed(): boolean {
    return this.#chunk.bytes === undefined;
  }

  isSameAs(other: StoredEntry): boolean {
    return other.id === this.id && other.bodyBytes === this.bodyBytes;
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
  readonly entries: readonly TableEntry[] = this.#stored;
  readonly slots = new SlotIndex(this.#stored);
  /** Parents that entries name (live or not) but that are not in the table; only permissive graphs have any. */
  readonly missingParents = new Set<string>();
  /** Bytes of what is kept of each entry beside its body. */
  #entryBytes = 0;
  readonly #bodies = new Chunks({ least: 1 * KIB, most: 64 * KIB });
  /** What is kept beside nodes, in chunks of its own: it is forgotten sooner than they are. */
  readonly #beside = new Chunks({ least: KIB / 4, most: 8 * KIB });
  readonly #borrows: boolean;
  /** Entries in front of this one may be without their bodies. */
  #shedEnd = 0;
  #holds = 0;

  constructor(bytes: "owned" | "borrowed" = "owned") {
    this.#borrows = bytes === "borrowed";
  }

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
    const parent = this.#enter(node);
    let at = 0;
    if (this.#borrows) this.#bodies.putWhole(node.body);
    else at = this.#bodies.put(node.body);
    const { last } = this.#bodies;
    this.#stored.push(new StoredEntry(node, parent, revision, hiddenAt, last, at, node.body.length));
    last.end = this.#stored.length;
  }

  /** Keeps bytes that nobody changes any more, for `addIn`. */
  keepWhole(bytes: Uint8Array): Chunk {
    return this.#bodies.putWhole(bytes);
  }

  /** As `add`, of a node whose body lies in bytes that are kept whole. */
  addIn(chunk: Chunk, node: PlacedNode): void {
    const parent = this.#enter(node);
    const { revision, hiddenAt, bodyAt, bodyBytes } = node;
    this.#stored.push(new StoredEntry(node, parent, revision, hiddenAt, chunk, bodyAt, bodyBytes));
    chunk.end = this.#stored.length;
  }

  /** Enters the id that comes next, and answers its parent's: the text that the parent's entry has, if there is one. */
  #enter({ id, parent }: Pick<NodeEntry, "id" | "parent">): string | undefined {
    const last = this.#stored.at(-1);
    if (!this.slots.add(id, this.#stored.length)) throw new Error(`node "${id}" exists already`);
    if (this.missingParents.size > 0) this.missingParents.delete(id);
    this.#entryBytes += id.length * 2 + ENTRY_BYTES;
    if (parent === undefined || parent === id) return parent;
    // Nearly every node's parent is the one before it: its id is looked up never.
    if (parent === last?.id) return last.id;
    const slot = this.slots.get(parent);
    if (slot !== undefined) return this.#stored[slot]?.id;
    this.missingParents.add(parent);
    return parent;
  }

  /** A copy of bytes that live as long as somebody has them, such as the checkpoint manifest of the newest commit. */
  keep(bytes: Uint8Array): Uint8Array {
    if (this.#borrows) return bytes;
    const at = this.#beside.put(bytes);
    const kept = this.#beside.last.bytes?.subarray(at, at + bytes.length);
    this.#beside.forgetFull();
    return kept as Uint8Array;
  }

  /** Whether bodies left memory that are not all back. */
  get isShed(): boolean {
    return this.#shedEnd > 0;
  }

  /** Throws BodiesShed if not all bodies are in memory. */
  needBodies(): void {
    if (this.isShed) throw new BodiesShed();
  }

  /**
   * Lets go of the bodies of the first `length` entries, which must be durable, but for those that share a chunk with
   * newer ones.
   */
  shed(length: number): void {
    if (this.#holds > 0) return;
    if (this.#bodies.shed(length)) this.#shedEnd = Math.max(this.#shedEnd, length);
  }

  /**
   * Brings back what was shed from a table that begins with the same entries and is of no use afterwards. Throws, and
   * nothing is changed, if it does not. Hold this table meanwhile; nodes may be added to it and hidden in it.
   */
  *takeBack(fresh: NodeTable): Steps<void> {
    const end = this.#shedEnd;
    let looks = 0;
    for (let slot = 0; slot < end; slot++) {
      if (looks++ % NODES_BACK_PER_STEP === NODES_BACK_PER_STEP - 1) yield;
      const entry = this.#stored[slot] as StoredEntry;
      if (!entry.isShed) continue;
      const same = fresh.#stored[slot];
      if (same === undefined || !entry.isSameAs(same))
        throw new Error(`node "${entry.id}" is not stored as it was`);
    }
    const adopted = new Set<Chunk>();
    for (let slot = 0; slot < end; slot++) {
      if (looks++ % NODES_BACK_PER_STEP === NODES_BACK_PER_STEP - 1) yield;
      const entry = this.#stored[slot] as StoredEntry;
      if (!entry.isShed) continue;
      const chunk = entry.takeFrom(fresh.#stored[slot] as StoredEntry);
      chunk.end = slot + 1;
      if (adopted.has(chunk)) continue;
      adopted.add(chunk);
      this.#bodies.adopt(chunk);
    }
    this.#shedEnd = 0;
  }

  /** Keeps all bodies in memory that are there, and that come back, until `release` is called as often. */
  hold(): void {
    this.#holds += 1;
  }
  release(): void {
    this.#holds -= 1;
  }
}
