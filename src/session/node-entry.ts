/**
 * A node of a session's table: what it is, and where its body lies. It deliberately knows no table.
 */
import { decodeValueAt } from "../codec.ts";
import type { Chunk, Chunks } from "./chunks.ts";

/** The node counts as a user message of the picker. */
export const NODE_USER_MESSAGE = 1;
/** `hiddenAt` of a live node. A small integer: every other number would be an object of its own. */
export const LIVE = 0x7fff_ffff;

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

/** A body, or an entry, is needed that left memory. Nothing was decided: have all brought back, and decide again. */
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

export class StoredEntry implements TableEntry {
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

  /** Its body lies where that of others lies, who may let it go. */
  get isLent(): boolean {
    return !this.#chunk.isOwn;
  }

  /** Copies the body there. */
  moveTo(bodies: Chunks): Chunk {
    this.#at = bodies.put(this.body);
    this.#chunk = bodies.last;
    return this.#chunk;
  }

  isSameAs(other: StoredEntry): boolean {
    return other.id === this.id && other.bodyBytes === this.bodyBytes;
  }

  /** Takes the body of the same node in a table that was read anew. */
  takeFrom(fresh: StoredEntry): void {
    this.#chunk = fresh.#chunk;
    this.#at = fresh.#at;
  }

  /** Where its body lies. */
  get chunk(): Chunk {
    return this.#chunk;
  }
}

/**
 * Stands in a table for every entry that left memory. Whatever it is asked it throws BodiesShed, so that an entry that is
 * not there is never taken for one that does not exist.
 */
class ShedEntry implements TableEntry {
  readonly isShed = true;

  get id(): string {
    throw new BodiesShed();
  }
  get parent(): string | undefined {
    throw new BodiesShed();
  }
  get flags(): number {
    throw new BodiesShed();
  }
  get revision(): number {
    throw new BodiesShed();
  }
  get hiddenAt(): number {
    throw new BodiesShed();
  }
  get body(): Uint8Array {
    throw new BodiesShed();
  }
  get bodyBytes(): number {
    throw new BodiesShed();
  }
  decodeBody(): unknown {
    throw new BodiesShed();
  }
  needBody(): void {
    throw new BodiesShed();
  }
}

export const SHED_ENTRY = new ShedEntry();
