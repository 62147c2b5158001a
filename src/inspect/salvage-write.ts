/**
 * Writes what was saved into a new store: one heads file, packs, an empty log behind the old LSNs, and, last
 * of all, the manifest that makes it a store. Until then the new directory is none, and a crash leaves nothing
 * that could be taken for one.
 *
 * 1. Ids, revisions, ledgers, receipts, tombstones, the order of listings and deletions are as they were.
 * 2. Blobs that no saved head names are left behind, as a gc would.
 */
import { ownDirectory } from "../actors/directory.ts";
import { sha256 } from "../checksum.ts";
import { compareCodePoints, decodeValue, encodeCanonical } from "../codec.ts";
import { storeError } from "../errors.ts";
import { type BlobRef, type Lsn, refFromBytes } from "../ids.ts";
import { GC_SLICE_BYTES, MIN_SEGMENT_BYTES } from "../limits.ts";
import { defaultModeTurnOptions, emptyTokenUsage } from "../session/defaults.ts";
import type { BlobKind } from "../session/record.ts";
import { type HeadState, isLive, NO_PICKER } from "../session/state.ts";
import type { SessionCheckpoint } from "../session/types.ts";
import {
  encodeHead,
  type NodeItem,
  nodeItem,
  nodeItemSize,
  oldestCopyOf,
  receiptItem,
  receiptItemSize,
  type StoredHead,
} from "../snapshot/head.ts";
import { HeadsFileWriter } from "../snapshot/heads-file-writer.ts";
import { type FileEntry, headsPath, type Manifest } from "../snapshot/manifest.ts";
import { EMPTY_OUTLINE, extendOutline } from "../snapshot/outline.ts";
import { PackBuilder } from "../snapshot/pack-builder.ts";
import { appendItems, type PageStore } from "../snapshot/pages.ts";
import { publish } from "../snapshot/publish.ts";
import type { SalvagedSession } from "../snapshot/salvage-session.ts";
import type { NewFile } from "../snapshot/tasks.ts";
import { SnapshotView } from "../snapshot/view.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { createLogBehind } from "../wal/log.ts";
import type { Salvage, SavedSession } from "./salvage.ts";

export interface Written {
  readonly sessions: number;
  readonly deleted: number;
  /** The new store's next record has the LSN behind this one. */
  readonly lastLsn: Lsn;
  readonly bytes: number;
}

/** `target` must be absent or empty; `onSession` is told of every session, also of those that are lost. */
export function writeSalvage(
  vfs: Vfs,
  target: string,
  salvage: Salvage,
  onSession: (session: SavedSession) => void,
): Written {
  const ownership = ownDirectory(vfs, target);
  try {
    const { storeId } = ownership;
    for (const folder of ["heads", "blobs"]) vfs.makeDirectory(`${target}/${folder}`);
    const lastLsn = Math.max(
      salvage.log.lastLsn,
      salvage.lastHeadLsn,
      ...salvage.manifests.map(({ log }) => log.lsn),
    );
    const log = createLogBehind(
      {
        vfs,
        directory: `${target}/wal`,
        storeId,
        segmentBytes: MIN_SEGMENT_BYTES,
        sync: "always",
        syncIntervalMs: 0,
        mode: "inline",
      },
      lastLsn,
    );
    const base: Manifest = { number: 1, storeId, log, heads: [], packs: [], deadBytes: 0, nextFile: 1 };
    const files = new NewFiles(vfs, target, base);
    const counts = { sessions: 0, deleted: 0 };
    try {
      for (const id of [...salvage.sessionIds()].sort(compareCodePoints)) {
        const session = salvage.session(id);
        onSession(session);
        if (session.kind === "deleted") counts.deleted++;
        if (session.kind === "saved") counts.sessions++;
        files.add(session, salvage);
      }
    } catch (error) {
      files.abort();
      throw error;
    }
    const { manifest, newFiles } = files.finish();
    const published = publish(vfs, { root: target, manifest, newFiles });
    if (!published.ok) {
      const { path, errno, message } = published;
      throw storeError("STORE_IO", { operation: "publish", path, errno }, message);
    }
    const bytes = [...manifest.heads, ...manifest.packs].reduce((sum, file) => sum + file.bytes, 0);
    return { ...counts, lastLsn, bytes };
  } finally {
    ownership.release();
  }
}

/** The heads file and packs of the new store, written as sessions come. */
class NewFiles {
  readonly #vfs: Vfs;
  readonly #base: Manifest;
  readonly #empty: SnapshotView;
  readonly #heads: HeadsFileWriter;
  readonly #headsFile: NewFile;
  readonly #newFiles: NewFile[] = [];
  readonly #packs: FileEntry[] = [];
  /** Blobs that lie in a pack already: sessions share them. */
  readonly #written = new Set<BlobRef>();
  #builder: PackBuilder;
  #builderBytes = 0;
  #nextFile: number;

  constructor(vfs: Vfs, root: string, base: Manifest) {
    this.#vfs = vfs;
    this.#base = base;
    this.#empty = SnapshotView.open(vfs, root, base);
    const number = base.nextFile;
    this.#nextFile = number + 1;
    const final = headsPath(root, number);
    this.#headsFile = { temporary: `${final}.tmp`, final };
    this.#heads = new HeadsFileWriter(vfs, this.#headsFile.temporary, { storeId: base.storeId, number });
    this.#builder = this.#newBuilder();
  }

  add(session: SavedSession, { values }: Salvage): void {
    if (session.kind === "lost") return;
    const store = this.#builder.pagesOf(session.sessionId);
    const head =
      session.kind === "deleted"
        ? deletionMarker(session)
        : headOf(
            session.saved,
            store,
            this.#checkpoint(session.saved, (ref) => values.read(ref)),
          );
    const bytes = encodeHead(head);
    this.#heads.add({ sessionId: session.sessionId, lastCommitLsn: head.lastCommitLsn, bytes });
    if (session.kind === "saved") this.#builderBytes += session.saved.state.nodes.bytes;
    if (this.#builderBytes >= GC_SLICE_BYTES) this.#endPack();
  }

  finish(): { readonly manifest: Manifest; readonly newFiles: readonly NewFile[] } {
    this.#endPack();
    const { count } = this.#heads;
    const entry = { number: this.#base.nextFile, bytes: this.#heads.finish(), count };
    const newFiles = [this.#headsFile, ...this.#newFiles];
    const manifest = { ...this.#base, heads: [entry], packs: this.#packs, nextFile: this.#nextFile };
    return { manifest, newFiles };
  }

  abort(): void {
    this.#heads.abort();
  }

  /** Puts a head's blobs into the pack; answers the head, without what is nowhere. */
  #checkpoint(saved: SalvagedSession, read: (ref: BlobRef) => Uint8Array | undefined): HeadState | undefined {
    const { head } = saved.state;
    if (head === undefined) return undefined;
    const missing = new Set(saved.missingBlobs);
    const kept = (ref: BlobRef | undefined): BlobRef | undefined =>
      ref === undefined || missing.has(ref) ? undefined : ref;
    const refs = {
      toolState: kept(head.refs.toolState),
      pluginSnapshot: kept(head.refs.pluginSnapshot),
      executionState: kept(head.refs.executionState),
    };
    const old = missing.has(head.checkpointRef)
      ? undefined
      : (head.manifest?.bytes ?? read(head.checkpointRef));
    const manifest = missing.size === 0 && old !== undefined ? old : manifestOf(old, refs);
    const checkpointRef = refFromBytes(sha256(manifest));
    this.#addBlob(checkpointRef, "manifest", manifest);
    for (const kind of ["toolState", "pluginSnapshot", "executionState"] as const) {
      const ref = refs[kind];
      const value = ref === undefined || this.#written.has(ref) ? undefined : read(ref);
      if (ref !== undefined && value !== undefined) this.#addBlob(ref, kind, value);
    }
    return { ...head, checkpointRef, refs };
  }

  #addBlob(ref: BlobRef, kind: BlobKind, bytes: Uint8Array): void {
    if (this.#written.has(ref)) return;
    this.#written.add(ref);
    this.#builder.addBlob(ref, kind, bytes);
    this.#builderBytes += bytes.length;
  }

  #endPack(): void {
    const { newFiles, packs, nextFile } = this.#builder.finish(this.#nextFile, []);
    this.#newFiles.push(...newFiles);
    this.#packs.push(...packs);
    this.#nextFile = nextFile;
    this.#builder = this.#newBuilder();
    this.#builderBytes = 0;
  }

  #newBuilder(): PackBuilder {
    return new PackBuilder(this.#vfs, this.#empty, "balanced");
  }
}

/** The checkpoint manifest without the components that are nowhere; turn state of the defaults if it was lost. */
function manifestOf(old: Uint8Array | undefined, refs: HeadState["refs"]): Uint8Array {
  const turnState = {
    turnIndex: 0,
    tokenUsage: emptyTokenUsage(),
    modeTurnOptions: defaultModeTurnOptions(),
  };
  // Its hash was verified: it is what a commit once encoded.
  const checkpoint = old === undefined ? { turnState } : (decodeValue(old) as SessionCheckpoint);
  const { toolState, pluginSnapshot, executionState } = refs;
  const stripped: Partial<SessionCheckpoint> = {
    ...checkpoint,
    toolStateRef: toolState,
    pluginSnapshotRef: pluginSnapshot,
    executionStateRef: executionState,
  } as Partial<SessionCheckpoint>;
  if (pluginSnapshot === undefined) delete stripped.pluginSnapshotRevision;
  return encodeCanonical(stripped);
}

function headOf(
  { state, receipts, lostSlots }: SalvagedSession,
  store: PageStore,
  head: HeadState | undefined,
): StoredHead {
  const items: NodeItem[] = [];
  let hiddenCount = 0;
  for (let slot = 0; slot < state.length; slot++) {
    const entry = state.nodes.entries[slot];
    if (entry === undefined || lostSlots.has(entry.id)) continue;
    const isHidden = !isLive(state, slot);
    if (isHidden) hiddenCount++;
    items.push(nodeItem(entry, isHidden));
  }
  const { sessionId, meta, picker, ledger, lastCommitLsn, lastLsn } = state;
  return {
    sessionId,
    deleted: false,
    head: head && { ...head, nodeCount: items.length - hiddenCount },
    meta,
    picker,
    ledger,
    lastCommitLsn,
    lastLsn,
    hiddenCount,
    nodes: appendItems([], items, nodeItemSize, store),
    receipts: appendItems([], receipts.map(receiptItem), receiptItemSize, store),
    removals: [],
    // What was lost left no trace: a copy of what is saved here must be read anew.
    oldestCopy: oldestCopyOf(head),
    outline: extendOutline(EMPTY_OUTLINE, items),
    // The next fold makes it.
    index: undefined,
  };
}

function deletionMarker(session: Extract<SavedSession, { kind: "deleted" }>): StoredHead {
  const { sessionId, lastLsn, lastCommitLsn } = session;
  return {
    sessionId,
    deleted: true,
    head: undefined,
    meta: undefined,
    picker: NO_PICKER,
    ledger: [],
    lastCommitLsn,
    lastLsn,
    hiddenCount: 0,
    nodes: [],
    receipts: [],
    removals: [],
    oldestCopy: 0,
    outline: undefined,
    index: undefined,
  };
}
