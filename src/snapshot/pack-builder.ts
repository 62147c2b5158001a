/**
 * Collects the values of a fold, new blobs and new pages, and writes them as one pack, together with small
 * older packs when there are too many of them. Also estimates what died. A damaged old pack is left as it is.
 */
import { isStoreError } from "../errors.ts";
import { type BlobRef, refToBytes } from "../ids.ts";
import { MAX_SMALL_PACKS, SMALL_PACK_BYTES } from "../limits.ts";
import type { BlobKind } from "../session/record.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { type FileEntry, packPath } from "./manifest.ts";
import { mergeValues, packSource, type ValueSource } from "./merge-packs.ts";
import { type BlobCompression, compressValue, type PackKind, PackWriter, type StoredValue } from "./pack.ts";
import type { PageRef, PageStore } from "./pages.ts";
import type { NewFile } from "./tasks.ts";
import type { SnapshotView } from "./view.ts";

interface Value {
  readonly kind: PackKind;
  readonly bytes: Uint8Array;
  /** Pages of equal content may be written, and dropped, by several sessions. */
  users: number;
}

export interface PackedFiles {
  readonly newFiles: readonly NewFile[];
  readonly packs: readonly FileEntry[];
  readonly nextFile: number;
  /** Bytes in packs that died by this fold, as far as it can tell. */
  readonly deadBytes: number;
}

export class PackBuilder {
  readonly #vfs: Vfs;
  readonly #view: SnapshotView;
  readonly #compression: BlobCompression;
  readonly #values = new Map<BlobRef, Value>();
  readonly #named = new Set<BlobRef>();
  readonly #dropped = new Set<BlobRef>();
  /** Bytes that the new blobs take in the pack. */
  readonly #newBlobBytes = new Map<BlobRef, number>();

  constructor(vfs: Vfs, view: SnapshotView, compression: BlobCompression) {
    this.#vfs = vfs;
    this.#view = view;
    this.#compression = compression;
  }

  has(ref: BlobRef): boolean {
    return this.#values.has(ref);
  }

  addBlob(ref: BlobRef, kind: BlobKind, bytes: Uint8Array): void {
    this.#values.set(ref, { kind, bytes, users: 1 });
  }

  /** A folded head names these. */
  name(refs: readonly BlobRef[]): void {
    for (const ref of refs) this.#named.add(ref);
  }

  /** A folded head named these before. */
  drop(refs: readonly BlobRef[]): void {
    for (const ref of refs) this.#dropped.add(ref);
  }

  /** Where the pages of one session are read and written. */
  pagesOf(sessionId: string): PageStore {
    return {
      read: (ref) => this.#values.get(ref)?.bytes ?? this.#view.readNamed(ref, sessionId),
      write: (bytes, ref) => {
        const known = this.#values.get(ref);
        if (known === undefined) this.#values.set(ref, { kind: "page", bytes, users: 1 });
        else known.users++;
      },
      drop: (page) => this.#dropPage(page),
    };
  }

  #dropPage({ ref }: PageRef): void {
    const own = this.#values.get(ref);
    if (own === undefined) this.#dropped.add(ref);
    else if (--own.users === 0) this.#values.delete(ref);
  }

  /** Bytes of the older packs that folded heads named and name no more. */
  #droppedBytes(): number {
    let bytes = 0;
    for (const ref of this.#dropped) {
      if (!this.#named.has(ref) && !this.#values.has(ref))
        bytes += this.#view.blobInfo(ref)?.storedBytes ?? 0;
    }
    return bytes;
  }

  /** Bytes that this fold wrote and no head names: superseded while they were in the log. Known once written. */
  #unnamedBytes(): number {
    let bytes = 0;
    for (const [ref, stored] of this.#newBlobBytes) if (!this.#named.has(ref)) bytes += stored;
    return bytes;
  }

  /** `leftAlone` are packs that a running gc has marked: merged, they would be lost to its marks. */
  finish(nextFile: number, leftAlone: readonly number[]): PackedFiles {
    const { manifest } = this.#view;
    // Before anything is written: it reads the old packs, and a fold that fails leaves no file.
    const deadBytes = this.#droppedBytes();
    const unreadable = this.#view.unreadable.map((file) => file.number);
    const small = manifest.packs.filter(
      ({ bytes, number }) =>
        bytes < SMALL_PACK_BYTES && !leftAlone.includes(number) && !unreadable.includes(number),
    );
    const merged = new Set(small.length >= MAX_SMALL_PACKS ? small.map((pack) => pack.number) : []);
    try {
      return this.#write(nextFile, merged, deadBytes);
    } catch (error) {
      if (merged.size === 0 || !isStoreError(error, "CORRUPT")) throw error;
      return this.#write(nextFile, new Set(), deadBytes);
    }
  }

  /** One pack of the new values and of those of the packs in `merged`. */
  #write(nextFile: number, merged: ReadonlySet<number>, deadBytes: number): PackedFiles {
    const { manifest, root } = this.#view;
    const kept = manifest.packs.filter((pack) => !merged.has(pack.number));
    if (this.#values.size === 0 && merged.size === 0)
      return { newFiles: [], packs: kept, nextFile, deadBytes };
    const sources = this.#view.packs
      .filter((pack) => merged.has(pack.number))
      .map((pack) => packSource(pack));
    const final = packPath(root, nextFile);
    const temporary = `${final}.tmp`;
    const writer = new PackWriter(this.#vfs, temporary, { storeId: manifest.storeId, number: nextFile });
    try {
      for (const value of mergeValues([this.#newValues(), ...sources])) writer.add(value);
      const count = writer.count;
      const entry = { number: nextFile, bytes: writer.finish(), count };
      return {
        newFiles: [{ temporary, final }],
        packs: [...kept, entry],
        nextFile: nextFile + 1,
        deadBytes: deadBytes + this.#unnamedBytes(),
      };
    } catch (error) {
      writer.abort();
      throw error;
    }
  }

  *#newValues(): ValueSource {
    for (const ref of [...this.#values.keys()].sort()) {
      const value = this.#values.get(ref);
      if (value === undefined) continue;
      const digest = refToBytes(ref);
      yield { digest, value: () => this.#compress(ref, digest, value) };
    }
  }
  #compress(ref: BlobRef, digest: Uint8Array, value: Value): StoredValue {
    const stored = compressValue(digest, value.kind, value.bytes, this.#compression);
    if (value.kind !== "page") this.#newBlobBytes.set(ref, stored.stored.length);
    return stored;
  }
}
