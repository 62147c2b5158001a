/**
 * Nodes of a session in insertion order, shared by the session's successive states: a commit only adds, and entries
 * are never reordered or removed. It deliberately decides nothing about graphs.
 *
 * 1. A table owns its bytes: whoever adds a node may reuse what he gave, and what a new table leaves out is
 *    really gone from memory.
 * 2. Bodies lie side by side in chunks, and an entry makes a view when it is asked for its body. A million small
 *    buffers would cost the garbage collector more than all the rest of their commits.
 */
import { copyOf } from "../codec.ts";
import { KIB } from "../limits.ts";

/** The node counts as a user message of the picker. */
export const NODE_USER_MESSAGE = 1;
/** `hiddenAt` of a live node. A small integer: every other number would be an object of its own. */
export const LIVE = 0x7fff_ffff;

/** Bytes of a chunk, least and most. */
const MIN_CHUNK_BYTES = 1 * KIB;
const MAX_CHUNK_BYTES = 64 * KIB;
const NO_BYTES = new Uint8Array(0);
/** Bytes of memory that an entry costs beside its id and its body, estimated. */
const ENTRY_BYTES = 120;

export interface NodeEntry {
  readonly id: string;
  readonly parent: string | undefined;
  /** Bits: NODE_USER_MESSAGE. */
  readonly flags: number;
  /** `encodeValue` of the node without `nodeId` and `parentNodeId`. */
  readonly body: Uint8Array;
  /** Number of the state (`ordinal`) from which on the node is tombstoned; LIVE while it is live. */
  hiddenAt: number;
}

class StoredEntry implements NodeEntry {
  readonly id: string;
  readonly parent: string | undefined;
  readonly flags: number;
  hiddenAt: number;
  readonly #chunk: Uint8Array;
  readonly #at: number;
  readonly #length: number;

  constructor(
    node: Omit<NodeEntry, "hiddenAt">,
    parent: string | undefined,
    hiddenAt: number,
    chunk: Uint8Array,
    at: number,
  ) {
    this.id = node.id;
    this.parent = parent;
    this.flags = node.flags;
    this.hiddenAt = hiddenAt;
    this.#chunk = chunk;
    this.#at = at;
    this.#length = node.body.length;
  }

  get body(): Uint8Array {
    return this.#chunk.subarray(this.#at, this.#at + this.#length);
  }
}

export class NodeTable {
  readonly entries: NodeEntry[] = [];
  readonly slots = new Map<string, number>();
  /** Parents that entries name (live or not) but that are not in the table; only permissive graphs have any. */
  readonly missingParents = new Set<string>();
  /** Bytes of all bodies and ids and of what else is kept, for memory accounting. */
  bytes = 0;
  #chunk: Uint8Array = NO_BYTES;
  #used = 0;

  /** Adds a copy of the node at the end. Throws if its id is taken; the table is then of no use any more. */
  add(node: Omit<NodeEntry, "hiddenAt">, hiddenAt = LIVE): void {
    const { id, parent, body } = node;
    const at = this.#place(body.length);
    const chunk = at === undefined ? copyOf(body) : this.#chunk;
    if (at !== undefined) chunk.set(body, at);
    const last = this.entries.at(-1);
    // Nearly every node's parent is the one before it: its id is kept once, and looked up never.
    const followsLast = last !== undefined && parent === last.id;
    this.slots.set(id, this.entries.length);
    if (this.slots.size === this.entries.length) throw new Error(`node "${id}" exists already`);
    this.entries.push(new StoredEntry(node, followsLast ? last.id : parent, hiddenAt, chunk, at ?? 0));
    if (this.missingParents.size > 0) this.missingParents.delete(id);
    if (parent !== undefined && !followsLast && !this.slots.has(parent)) this.missingParents.add(parent);
    this.bytes += body.length + id.length * 2 + ENTRY_BYTES;
  }

  /** A copy of bytes that live as long as the table, such as the checkpoint manifest that came with its newest node. */
  keep(bytes: Uint8Array): Uint8Array {
    this.bytes += bytes.length;
    const at = this.#place(bytes.length);
    if (at === undefined) return copyOf(bytes);
    const kept = this.#chunk.subarray(at, at + bytes.length);
    kept.set(bytes);
    return kept;
  }

  /** Takes room in the current chunk, or a new one; undefined for bytes that are to have an allocation of their own. */
  #place(length: number): number | undefined {
    if (this.#used + length > this.#chunk.length) {
      // As much again as there is: a table of many small nodes has few chunks, one of few wastes little.
      const size = Math.min(Math.max(this.bytes, MIN_CHUNK_BYTES), MAX_CHUNK_BYTES);
      // One that would fill a chunk leaves the current one to those that come.
      if (length > size / 2) return undefined;
      this.#chunk = Buffer.allocUnsafeSlow(size);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += length;
    return at;
  }
}
