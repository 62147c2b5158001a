/**
 * The read side of one snapshot: heads, pages and blobs of the files that one manifest names. Files are
 * opened once and shared by successive views; a view keeps its files readable until it is released, also
 * when they were removed meanwhile.
 *
 * 1. A newer file shadows an older one. Where a newer file's block is damaged, older files are not asked.
 * 2. Absent is an answer only after every file that could have it was read; anything else throws.
 */
import { assert } from "../assert.ts";
import { isStoreError, storeError } from "../errors.ts";
import { type BlobRef, refToBytes } from "../ids.ts";
import type { Receipt, SessionState } from "../session/state.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { corruptFile } from "./block-file.ts";
import { readReceipts, type StoredHead, stateFromHead } from "./head.ts";
import { compareListKeys, HeadsFileReader, type ListKey } from "./heads-file.ts";
import { type FileEntry, headsPath, type Manifest, packPath } from "./manifest.ts";
import { type PackEntry, type PackKind, PackReader } from "./pack.ts";
import type { PageStore } from "./pages.ts";

interface Shared<Reader> {
  readonly reader: Reader;
  users: number;
}

export class SnapshotView {
  readonly manifest: Manifest;
  readonly root: string;
  readonly #heads: readonly Shared<HeadsFileReader>[];
  readonly #packs: readonly Shared<PackReader>[];
  #users = 1;

  /** Use `open`. */
  constructor(
    root: string,
    manifest: Manifest,
    heads: readonly Shared<HeadsFileReader>[],
    packs: readonly Shared<PackReader>[],
  ) {
    this.root = root;
    this.manifest = manifest;
    this.#heads = heads;
    this.#packs = packs;
  }

  /** Opens every file of the manifest, sharing those that `previous` has open. Throws CORRUPT or STORE_IO. */
  static open(vfs: Vfs, root: string, manifest: Manifest, previous?: SnapshotView): SnapshotView {
    const opened: Shared<HeadsFileReader | PackReader>[] = [];
    const open = <Reader extends HeadsFileReader | PackReader>(
      entries: readonly FileEntry[],
      known: readonly Shared<Reader>[],
      make: (entry: FileEntry) => Reader,
    ): Shared<Reader>[] =>
      entries.map((entry) => {
        const shared = known.find(({ reader }) => reader.number === entry.number) ?? {
          reader: make(entry),
          users: 0,
        };
        shared.users++;
        opened.push(shared);
        return shared;
      });
    const { storeId } = manifest;
    try {
      const heads = open(
        manifest.heads,
        previous === undefined ? [] : previous.#heads,
        ({ number, bytes }) => new HeadsFileReader(vfs, headsPath(root, number), { storeId, number }, bytes),
      );
      const packs = open(
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
    for (const shared of [...this.#heads, ...this.#packs]) unshare(shared);
  }

  /** Heads files, newest first. */
  get headsFiles(): HeadsFileReader[] {
    return this.#heads.map(({ reader }) => reader).reverse();
  }
  /** Packs, newest first. */
  get packs(): PackReader[] {
    return this.#packs.map(({ reader }) => reader).reverse();
  }

  head(sessionId: string): StoredHead | undefined {
    for (const file of this.headsFiles) {
      const head = file.get(sessionId);
      if (head !== undefined) return head;
    }
    return undefined;
  }

  /**
   * The session with all its nodes. `olderReceipts` answers its stored receipts when one is first looked up:
   * it must ask the newest view then, because a gc may have removed the pages this one names.
   */
  loadState(
    sessionId: string,
    receiptsKept: number,
    olderReceipts: () => readonly Receipt[],
  ): SessionState | undefined {
    const stored = this.head(sessionId);
    if (stored === undefined) return undefined;
    return this.#withPages(sessionId, (store) =>
      stateFromHead(stored, store, { receiptsKept, nodes: "all", olderReceipts }),
    );
  }

  /** The stored receipts of a session, oldest first. */
  receipts(sessionId: string): Receipt[] {
    const stored = this.head(sessionId);
    return stored === undefined ? [] : this.#withPages(sessionId, (store) => readReceipts(stored, store));
  }

  #withPages<Value>(sessionId: string, work: (store: Pick<PageStore, "read">) => Value): Value {
    try {
      return work({ read: (ref) => this.readNamed(ref, sessionId) });
    } catch (error) {
      if (isStoreError(error)) throw error;
      const problem = `a page of session "${sessionId}" cannot be read: ${(error as Error).message}`;
      throw corruptFile(`${this.root}/blobs`, 0, problem, sessionId);
    }
  }

  /** What a blob is, and the bytes it takes in its pack. */
  blobInfo(ref: BlobRef): { readonly kind: PackKind; readonly storedBytes: number } | undefined {
    const found = this.#find(ref);
    return found === undefined
      ? undefined
      : { kind: found.entry.kind, storedBytes: found.entry.place.length };
  }

  /** The raw value, verified by its hash; undefined if no pack has it. */
  readBlob(ref: BlobRef): Uint8Array | undefined {
    const found = this.#find(ref);
    return found?.pack.read(found.entry);
  }

  /** A page or blob that a head names, so its absence is damage. */
  readNamed(ref: BlobRef, sessionId: string): Uint8Array {
    try {
      const bytes = this.readBlob(ref);
      if (bytes !== undefined) return bytes;
    } catch (error) {
      if (!isStoreError(error, "CORRUPT")) throw error;
      throw storeError(
        "CORRUPT",
        { file: error.file, offset: error.offset ?? 0, sessionId },
        error.message,
        error,
      );
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

  #find(ref: BlobRef): { pack: PackReader; entry: PackEntry } | undefined {
    const digest = refToBytes(ref);
    for (const pack of this.packs) {
      const entry = pack.find(digest);
      if (entry !== undefined) return { pack, entry };
    }
    return undefined;
  }
}

function unshare(shared: Shared<HeadsFileReader | PackReader>): void {
  if (--shared.users === 0) shared.reader.close();
}
