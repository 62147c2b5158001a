/**
 * The read side of one snapshot: heads, pages and blobs of the files that one manifest names. Files are
 * opened once and shared by successive views; a view keeps its files readable until it is released, also
 * when they were removed meanwhile.
 *
 * 1. A newer file shadows an older one. Where a newer file's block is damaged, older files are not asked.
 * 2. Absent is an answer only after every file that could have it was read; anything else throws.
 * 3. A file that is damaged or missing hides what lies in it and nothing else: a view opens without it, a
 *    value is looked for in every other pack first, and what may lie in it is CORRUPT, never absent.
 */
import { assert } from "../assert.ts";
import { isStoreError, type StoreError, type StoreErrorOf, storeError } from "../errors.ts";
import { type BlobRef, refToBytes } from "../ids.ts";
import type { StoredRemovals } from "../session/removals.ts";
import type { Receipt, SessionState } from "../session/state.ts";
import { runThrough, type Steps } from "../steps.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { corruptFile } from "./block-file.ts";
import {
  isUnreadable,
  openSlots,
  readable,
  type Shared,
  type Slot,
  type UnreadableFile,
  unshare,
} from "./file-slots.ts";
import type { StoredHead } from "./head.ts";
import { type HeadLoadOptions, readReceipts, readRemovals, stateFromHeadInSteps } from "./head-state.ts";
import { compareListKeys, HeadsFileReader, type ListKey } from "./heads-file.ts";
import { headsPath, type Manifest, packPath } from "./manifest.ts";
import { type PackEntry, type PackKind, PackReader } from "./pack.ts";
import type { PageStore } from "./pages.ts";

export class SnapshotView {
  readonly manifest: Manifest;
  readonly root: string;
  readonly #heads: readonly Slot<HeadsFileReader>[];
  readonly #packs: readonly Slot<PackReader>[];
  readonly #newestHeads: readonly Slot<HeadsFileReader>[];
  /** Heads files that can be read, newest first; and packs. */
  readonly headsFiles: readonly HeadsFileReader[];
  readonly packs: readonly PackReader[];
  #users = 1;

  /** Use `open`. */
  constructor(
    root: string,
    manifest: Manifest,
    heads: readonly Slot<HeadsFileReader>[],
    packs: readonly Slot<PackReader>[],
  ) {
    this.root = root;
    this.manifest = manifest;
    this.#heads = heads;
    this.#packs = packs;
    this.#newestHeads = heads.toReversed();
    this.headsFiles = readersOf(heads);
    this.packs = readersOf(packs);
  }

  /**
   * Opens every file of the manifest that can be read, sharing those that `previous` has open; the others are
   * `unreadable`. Throws STORE_IO, or FORMAT_UNSUPPORTED.
   */
  static open(vfs: Vfs, root: string, manifest: Manifest, previous?: SnapshotView): SnapshotView {
    return runThrough(SnapshotView.openInSteps(vfs, root, manifest, previous));
  }

  /** As `open`, one file a step. `previous` must stay unreleased meanwhile. */
  static *openInSteps(
    vfs: Vfs,
    root: string,
    manifest: Manifest,
    previous?: SnapshotView,
  ): Steps<SnapshotView> {
    const opened: Shared<HeadsFileReader | PackReader>[] = [];
    const { storeId } = manifest;
    try {
      const heads = yield* openSlots(
        opened,
        manifest.heads,
        previous === undefined ? [] : previous.#heads,
        ({ number, bytes }) => new HeadsFileReader(vfs, headsPath(root, number), { storeId, number }, bytes),
      );
      const packs = yield* openSlots(
        opened,
        manifest.packs,
        previous === undefined ? [] : previous.#packs,
        ({ number, bytes }) => new PackReader(vfs, packPath(root, number), { storeId, number }, bytes),
      );
      return new SnapshotView(root, manifest, heads, packs);
    } catch (error) {
      for (const shared of opened) unshare(shared);
      throw error;
    }
  }

  /** Keeps the files open until a matching `release`. */
  retain(): void {
    assert(this.#users > 0, "a released view is not used again");
    this.#users++;
  }

  release(): void {
    assert(this.#users > 0, "a view is released once");
    if (--this.#users > 0) return;
    for (const shared of [...readable(this.#heads), ...readable(this.#packs)]) unshare(shared);
  }

  /** Files of the manifest that are damaged or missing. */
  get unreadable(): UnreadableFile[] {
    return [...this.#heads, ...this.#packs].filter(isUnreadable);
  }

  /** For work that must have seen everything. */
  refuseUnreadable(): void {
    const [first] = this.unreadable;
    if (first !== undefined) throw first.damage;
  }

  head(sessionId: string): StoredHead | undefined {
    const key = Buffer.from(sessionId);
    return this.#newestHead(sessionId, (reader) => reader.get(sessionId, key));
  }

  /** As `head`, for a fold, which asks in the order of ids. */
  headInOrder(sessionId: string): StoredHead | undefined {
    const key = Buffer.from(sessionId);
    return this.#newestHead(sessionId, (reader) => reader.getInOrder(sessionId, key));
  }

  #newestHead(
    sessionId: string,
    get: (reader: HeadsFileReader) => StoredHead | undefined,
  ): StoredHead | undefined {
    for (const slot of this.#newestHeads) {
      if (isUnreadable(slot)) throw ofSession(slot.damage, sessionId);
      const head = get(slot.reader);
      if (head !== undefined) return head;
    }
    return undefined;
  }

  /**
   * The session with all its nodes. The options answer its stored receipts and removals when they are first
   * asked for: from the newest view then, because a gc may have removed the pages this one names.
   */
  loadState(sessionId: string, options: Omit<HeadLoadOptions, "nodes">): SessionState | undefined {
    return runThrough(this.loadStateInSteps(sessionId, { ...options, nodes: "all" }));
  }

  /** As `loadState`, some pages a step, or without bodies. The view must stay unreleased meanwhile. */
  *loadStateInSteps(sessionId: string, options: HeadLoadOptions): Steps<SessionState | undefined> {
    const stored = this.head(sessionId);
    if (stored === undefined) return undefined;
    const store = this.#pagesOf(sessionId);
    try {
      return yield* stateFromHeadInSteps(stored, store, options);
    } catch (error) {
      throw this.#unreadablePage(sessionId, error);
    }
  }

  /** The stored receipts of a session, oldest first. */
  receipts(sessionId: string): Receipt[] {
    const stored = this.head(sessionId);
    return stored === undefined ? [] : this.withPages(sessionId, (store) => readReceipts(stored, store));
  }

  /** The stored removals of a session. */
  removals(sessionId: string): StoredRemovals {
    const stored = this.head(sessionId);
    if (stored === undefined) return { oldest: 0, removals: [] };
    return this.withPages(sessionId, (store) => readRemovals(stored, store));
  }

  /** Does what reads pages of a session; damage that it meets is told with the session. */
  withPages<Value>(sessionId: string, work: (store: Pick<PageStore, "read">) => Value): Value {
    try {
      return work(this.#pagesOf(sessionId));
    } catch (error) {
      throw this.#unreadablePage(sessionId, error);
    }
  }

  #pagesOf(sessionId: string): Pick<PageStore, "read"> {
    return { read: (ref) => this.readNamed(ref, sessionId) };
  }

  #unreadablePage(sessionId: string, error: unknown): StoreError {
    if (isStoreError(error)) return error;
    const problem = `a page of session "${sessionId}" cannot be read: ${(error as Error).message}`;
    return corruptFile(`${this.root}/blobs`, 0, problem, sessionId);
  }

  /** What a blob is, and the bytes it takes in its pack; undefined if no pack that can be read has it. */
  blobInfo(ref: BlobRef): { readonly kind: PackKind; readonly storedBytes: number } | undefined {
    const { value } = this.#search(ref, (_pack, { kind, place }) => ({ kind, storedBytes: place.length }));
    return value;
  }

  /** Of a blob that `blobInfo` does not know: the damage behind which it may lie. */
  damageHiding(ref: BlobRef): StoreErrorOf<"CORRUPT"> | undefined {
    const { value, damage } = this.#search(ref, () => true);
    return value === undefined ? damage : undefined;
  }

  /** The raw value, verified by its hash; undefined if no pack has it. */
  readBlob(ref: BlobRef): Uint8Array | undefined {
    const { value, damage } = this.#search(ref, (pack, entry) => pack.read(entry));
    if (value === undefined && damage !== undefined) throw damage;
    return value;
  }

  /** A page or blob that a head names, so its absence is damage. */
  readNamed(ref: BlobRef, sessionId: string): Uint8Array {
    try {
      const bytes = this.readBlob(ref);
      if (bytes !== undefined) return bytes;
    } catch (error) {
      if (!isStoreError(error, "CORRUPT")) throw error;
      throw ofSession(error, sessionId);
    }
    throw corruptFile(
      `${this.root}/blobs`,
      0,
      `value ${ref} of session "${sessionId}" is in no pack`,
      sessionId,
    );
  }

  /** Sessions by last commit, newest first, each once, behind `after`. Deleted ones included. */
  *list(after?: ListKey): Generator<ListKey> {
    for (const slot of this.#heads) if (isUnreadable(slot)) throw slot.damage;
    const files = this.headsFiles;
    const lists = files.map((file) => file.list(after));
    const fronts = lists.map((list) => list.next().value as ListKey | undefined);
    for (;;) {
      let first = -1;
      for (let i = 0; i < fronts.length; i++) {
        const front = fronts[i];
        const best = fronts[first];
        if (front !== undefined && (best === undefined || compareListKeys(front, best) < 0)) first = i;
      }
      const key = fronts[first];
      if (key === undefined) return;
      fronts[first] = lists[first]?.next().value as ListKey | undefined;
      // A session stands where the newest file that has it says.
      if (!files.slice(0, first).some((newer) => newer.getBytes(key.sessionId) !== undefined)) yield key;
    }
  }

  /** What `take` makes of a value in the first pack where that succeeds, and the first damage met before. */
  #search<Value>(
    ref: BlobRef,
    take: (pack: PackReader, entry: PackEntry) => Value,
  ): { readonly value?: Value; readonly damage: StoreErrorOf<"CORRUPT"> | undefined } {
    const digest = refToBytes(ref);
    let damage: StoreErrorOf<"CORRUPT"> | undefined;
    for (const pack of this.packs) {
      try {
        const entry = pack.find(digest);
        if (entry !== undefined) return { value: take(pack, entry), damage };
      } catch (error) {
        if (!isStoreError(error, "CORRUPT")) throw error;
        damage ??= error;
      }
    }
    return { damage: damage ?? this.#packs.find(isUnreadable)?.damage };
  }
}

/** Newest first. */
function readersOf<Reader extends HeadsFileReader | PackReader>(slots: readonly Slot<Reader>[]): Reader[] {
  return readable(slots)
    .map(({ reader }) => reader)
    .reverse();
}

/** The damage as it is told to a session that it meets. */
export function ofSession(damage: StoreErrorOf<"CORRUPT">, sessionId: string): StoreErrorOf<"CORRUPT"> {
  const { file, offset, message } = damage;
  const place = offset === undefined ? { file } : { file, offset };
  return storeError("CORRUPT", { ...place, sessionId }, message, damage);
}
