/**
 * Nodes of a session in insertion order, shared by the session's successive states: a commit only adds, and entries
 * are never reordered or removed. It deliberately decides nothing about graphs.
 *
 * 1. A table owns its bytes: whoever adds a node may reuse what he gave, and what a new table leaves out is
 *    really gone from memory. Only bytes that come whole, with many bodies in them, are kept as they are (`addIn`),
 *    and what a "borrowing" table is given: that of a fold, which is gone before what it was given changes.
 * 2. Bodies lie side by side in chunks, and an entry makes a view when it is asked for its body. A million small
 *    buffers would cost the garbage collector more than all the rest of their commits.
 * 3. Bodies that are durable may leave memory (`shed`): a session goes on taking commits without them. Whoever asks for one is
 *    thrown `BodiesShed` and changes nothing. All come back together (`takeBack`), in bounded steps, each under the same id and
 *    with the same length, or none does. A table that is held sheds nothing.
 * 4. Entries may leave as well (`shedEntries`), but for the newest and the hidden ones. The index stays, so that an id which
 *    is new is known to be; for any other of theirs `BodiesShed` is thrown as for a body, and they come back with them.
 * 5. A table may begin with stored nodes of which only hashes of the ids are read (`beginWith`): they are as if they had left.
 */

import { ENTRIES_KEPT, KIB, LOAD_STEP_BYTES, NODES_BACK_PER_STEP } from "../limits.ts";
import { runThrough, type Steps } from "../steps.ts";
import { type Chunk, Chunks, SHED } from "./chunks.ts";
import type { NewNode, NodeEntry, PlacedNode, TableEntry } from "./node-entry.ts";
import { BodiesShed, LIVE, SHED_ENTRY, StoredEntry } from "./node-entry.ts";
import type { RecentBodies } from "./recent-bodies.ts";
import { SlotIndex } from "./slot-index.ts";
import type { StoredIds } from "./stored-ids.ts";

/** Bytes of memory that an entry costs beside its id, its body and its cells in the index, as measured. */
const ENTRY_BYTES = 116;
/** Of them those of its place in the table, which it keeps when it leaves. */
const PLACE_BYTES = 8;

const NONE_MISSING: ReadonlySet<string> = new Set();

export class NodeTable {
  readonly #stored: (StoredEntry | typeof SHED_ENTRY)[] = [];
  readonly entries: readonly TableEntry[] = this.#stored;
  readonly slots = new SlotIndex(this.#stored);
  #missingParents: Set<string> | undefined;
  /** Bytes of what is kept of each entry beside its body. */
  #entryBytes = 0;
  /** Absent while it has no body of its own: those of most sessions in memory are recent, or shed. */
  #chunks: Chunks | undefined;
  readonly #borrows: boolean;
  /** Entries in front of this one may be without their bodies. */
  #shedEnd = 0;
  /** Entries in front of this one have left, but for hidden ones. */
  #entriesShedEnd = 0;
  #holds = 0;
  #recent: RecentBodies | undefined;
  /** The first entry whose body was put there, and the bytes of all that were. */
  #recentFrom: number | undefined;
  #recentBytes = 0;

  constructor(bytes: "owned" | "borrowed" = "owned") {
    this.#borrows = bytes === "borrowed";
  }

  get #bodies(): Chunks {
    this.#chunks ??= new Chunks({ least: 1 * KIB, most: 64 * KIB });
    return this.#chunks;
  }

  /** Parents that entries name (live or not) but that are not in the table; only permissive graphs have any. */
  get missingParents(): ReadonlySet<string> {
    return this.#missingParents ?? NONE_MISSING;
  }

  /** Bytes of memory of all bodies and ids, for memory accounting. */
  get bytes(): number {
    return this.#entryBytes + this.slots.bytes + (this.#chunks?.bytes ?? 0);
  }

  /** Bytes of bodies that `shed` could free if all of them were durable. */
  get sheddableBytes(): number {
    return this.#holds > 0 ? 0 : (this.#chunks?.fullBytes ?? 0);
  }

  /** Bytes of entries that `shedEntries` could free if all of them were durable, at least. */
  get sheddableEntryBytes(): number {
    const entries = this.#holds > 0 ? 0 : this.#stored.length - ENTRIES_KEPT - this.#entriesShedEnd;
    return Math.max(0, entries * ENTRY_BYTES);
  }

  /**
   * Adds a copy of the node at the end. Throws if its id is taken; the table is then of no use any more. Two plain
   * numbers, because every commit comes by here.
   */
  add(node: NewNode, revision = 0, hiddenAt = LIVE): void {
    const parent = this.#enter(node);
    const recent = this.#holds === 0 ? this.#recent : undefined;
    let at = recent?.put(node.body);
    if (recent === undefined || at === undefined) {
      if (this.#borrows) this.#bodies.putWhole(node.body);
      else at = this.#bodies.put(node.body);
      const { last } = this.#bodies;
      this.#stored.push(new StoredEntry(node, parent, revision, hiddenAt, last, at ?? 0, node.body.length));
      last.end = this.#stored.length;
      return;
    }
    this.#recentFrom ??= this.#stored.length;
    this.#recentBytes += node.body.length;
    this.#stored.push(new StoredEntry(node, parent, revision, hiddenAt, recent.last, at, node.body.length));
  }

  /** The newest entry, if it is in memory. */
  get last(): StoredEntry | undefined {
    const last = this.#stored.at(-1);
    return last === SHED_ENTRY ? undefined : (last as StoredEntry | undefined);
  }

  /** Begins an empty table with more than eight durable nodes that are not in memory, all of their parents among them. */
  beginWith(ids: StoredIds): void {
    // At once: one that grows is moved again and again.
    this.#stored.length = ids.count;
    this.#stored.fill(SHED_ENTRY);
    this.slots.beginWith(ids);
    this.#entryBytes += ids.count * PLACE_BYTES;
    this.#shedEnd = ids.count;
    this.#entriesShedEnd = ids.count;
  }

  /** Bodies that are added go there from now on. */
  useRecent(recent: RecentBodies | undefined): void {
    this.#recent = recent;
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

  /** As `add`, of a durable node whose body is not in memory. */
  addShed(node: Omit<PlacedNode, "bodyAt">): void {
    const parent = this.#enter(node);
    this.#stored.push(new StoredEntry(node, parent, node.revision, node.hiddenAt, SHED, 0, node.bodyBytes));
    this.#shedEnd = this.#stored.length;
  }

  /** Enters the id that comes next, and answers its parent's: the text that the parent's entry has, if there is one. */
  #enter({ id, parent }: Pick<NodeEntry, "id" | "parent">): string | undefined {
    const { last } = this;
    if (!this.slots.add(id, this.#stored.length)) throw new Error(`node "${id}" exists already`);
    this.#missingParents?.delete(id);
    this.#entryBytes += id.length * 2 + ENTRY_BYTES;
    if (parent === undefined || parent === id) return parent;
    // Nearly every node's parent is the one before it: its id is looked up never.
    if (parent === last?.id) return last.id;
    const slot = this.slots.peek(parent);
    // One that left was found before this was decided.
    if (slot === "left") return parent;
    if (slot !== undefined) return this.#stored[slot]?.id;
    this.#missingParents ??= new Set();
    this.#missingParents.add(parent);
    return parent;
  }

  /** Whether bodies left memory that are not all back. Of recent ones the oldest leaves first. */
  get isShed(): boolean {
    return (
      this.#shedEnd > 0 || (this.#recentFrom !== undefined && this.#stored[this.#recentFrom]?.isShed === true)
    );
  }

  /** Throws BodiesShed if not all bodies are in memory. They are there for this turn. */
  needBodies(): void {
    if (this.isShed) throw new BodiesShed();
  }
  /** For a durable state: the table has all bodies for its own when this returns. Throws BodiesShed if that takes more than a step. */
  ownBodies(): void {
    if (this.isShed || this.#recentBytes > LOAD_STEP_BYTES) throw new BodiesShed();
    runThrough(this.gather());
  }

  /** Takes copies of recent bodies, as far as they are there. Hold the table meanwhile. */
  *gather(): Steps<void> {
    const from = this.#recentFrom ?? this.#stored.length;
    let bytes = 0;
    for (let slot = from; slot < this.#stored.length; slot++) {
      const entry = this.#stored[slot];
      if (!(entry instanceof StoredEntry) || !entry.isLent) continue;
      if (entry.isShed) {
        this.#shedEnd = Math.max(this.#shedEnd, slot + 1);
        continue;
      }
      const chunk = entry.moveTo(this.#bodies);
      chunk.end = Math.max(chunk.end, slot + 1);
      bytes += entry.bodyBytes + ENTRY_BYTES;
      if (bytes < LOAD_STEP_BYTES) continue;
      yield;
      bytes = 0;
    }
    this.#recentFrom = undefined;
    this.#recentBytes = 0;
  }

  /**
   * Lets go of the bodies of the first `length` entries, which must be durable, but for those that share a chunk with
   * newer ones.
   */
  shed(length: number): void {
    if (this.#holds > 0) return;
    if (this.#chunks?.shed(length) === true) this.#shedEnd = Math.max(this.#shedEnd, length);
  }

  /**
   * As `shed`, and of the entries themselves as well, but for the newest and the hidden ones: of at most so many, oldest first.
   * Answers how many were looked at; fewer than `most` if no more may leave.
   */
  shedEntries(length: number, most: number): number {
    if (this.#holds > 0) return 0;
    this.shed(length);
    const start = this.#entriesShedEnd;
    const end = Math.max(start, Math.min(length, this.#stored.length - ENTRIES_KEPT, start + most));
    for (let slot = start; slot < end; slot++) {
      const entry = this.#stored[slot] as TableEntry;
      if (entry.hiddenAt !== LIVE) continue;
      this.#entryBytes -= entry.id.length * 2 + ENTRY_BYTES - PLACE_BYTES;
      this.#stored[slot] = SHED_ENTRY;
    }
    this.#entriesShedEnd = end;
    this.#shedEnd = Math.max(this.#shedEnd, end);
    return end - start;
  }

  /** Throws BodiesShed if entries left memory. */
  needEntries(): void {
    if (this.#entriesShedEnd > 0) throw new BodiesShed();
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
      if (this.#stored[slot]?.isShed !== true || this.#isSame(slot, fresh.#stored[slot])) continue;
      const found = fresh.#stored[slot];
      throw new Error(
        `node ${slot + 1} is not stored as it was, ${found ? `but as "${found.id}"` : "nor at all"}`,
      );
    }
    const adopted = new Set<Chunk>();
    for (let slot = 0; slot < end; slot++) {
      if (looks++ % NODES_BACK_PER_STEP === NODES_BACK_PER_STEP - 1) yield;
      if (this.#stored[slot]?.isShed !== true) continue;
      const chunk = this.#takeFrom(slot, fresh.#stored[slot] as StoredEntry);
      chunk.end = slot + 1;
      if (adopted.has(chunk)) continue;
      adopted.add(chunk);
      this.#bodies.adopt(chunk);
    }
    this.#shedEnd = 0;
    this.#entriesShedEnd = 0;
  }

  /** Whether what was read anew is the entry whose body, or all of which, left memory. Of one that left the index says where it was. */
  #isSame(slot: number, fresh: TableEntry | undefined): boolean {
    if (!(fresh instanceof StoredEntry) || fresh.isShed) return false;
    const entry = this.#stored[slot];
    if (entry instanceof StoredEntry) return entry.isSameAs(fresh);
    const wasHidden = fresh.hiddenAt === 0 && slot < this.slots.storedEnd;
    return (fresh.hiddenAt === LIVE || wasHidden) && this.slots.mayBeAt(fresh.id, slot);
  }

  #takeFrom(slot: number, fresh: StoredEntry): Chunk {
    const entry = this.#stored[slot];
    if (entry instanceof StoredEntry) entry.takeFrom(fresh);
    else {
      this.#stored[slot] = fresh;
      if (slot < this.slots.storedEnd) this.slots.enter(fresh.id, slot);
      this.#entryBytes += fresh.id.length * 2 + ENTRY_BYTES - PLACE_BYTES;
    }
    return fresh.chunk;
  }

  /** Keeps all bodies in memory that are there, and that come back, until `release` is called as often. */
  hold(): void {
    this.#holds++;
  }
  release(): void {
    this.#holds--;
  }
}
