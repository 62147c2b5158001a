/**
 * Mark and sweep. `mark` finds what the current heads reach; `sweep` rewrites some packs without the rest.
 * Both only propose: the main thread decides at publication what is really condemned.
 *
 * 1. Anything that cannot be read (a head, a page, a checkpoint manifest) ends the mark with CORRUPT: what
 *    cannot be read cannot be called dead.
 * 2. A value that lies in several packs is live in all of them.
 * 3. Every pack with a dead entry is rewritten, so dead bytes leave the disk.
 */
import { decodeValue } from "../codec.ts";
import { storeError } from "../errors.ts";
import { type BlobRef, refFromBytes, refToBytes } from "../ids.ts";
import { GC_SLICE_BYTES } from "../limits.ts";
import type { HeadState } from "../session/state.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { corruptFile, understand } from "./block-file.ts";
import { pagedIn, type StoredHead } from "./head.ts";
import type { HeadBytes, HeadsFileReader } from "./heads-file.ts";
import { type FileEntry, packPath } from "./manifest.ts";
import { mergeById } from "./merge-heads.ts";
import { mergeValues, packSource } from "./merge-packs.ts";
import { type PackReader, PackWriter } from "./pack.ts";
import { pagesOf } from "./pages.ts";
import type { MarkInput, Marks, NewFile, SweepInput, SweepOutput } from "./tasks.ts";
import { SnapshotView } from "./view.ts";

export const DIGEST_BYTES = 32;

export function mark(vfs: Vfs, { root, manifest }: MarkInput): Marks {
  const view = SnapshotView.open(vfs, root, manifest);
  try {
    view.refuseUnreadable();
    const bits = new MarkBits(view.packs);
    let rootCount = 0;
    for (const stored of currentHeads(view)) {
      if (stored.deleted) continue;
      if (stored.head !== undefined) {
        rootCount++;
        markCheckpoint(view, bits, stored.sessionId, stored.head);
      }
      understand(`${root}/blobs`, 0, () => markPages(view, bits, stored), stored.sessionId);
    }
    return {
      rootCount,
      retainedBlobCount: bits.markedBlobs,
      live: bits.live,
      slices: sliceUp(manifest.packs, (pack) => bits.hasDead(pack.number)),
    };
  } finally {
    view.release();
  }
}

/** The head of every session, from the newest file that has it. */
function* currentHeads(view: SnapshotView): Generator<StoredHead> {
  for (const { file, sessionId, bytes } of mergeById(view.headsFiles.map(scanOf))) {
    yield file.decode(sessionId, bytes);
  }
}

function* scanOf(file: HeadsFileReader): Generator<HeadBytes & { readonly file: HeadsFileReader }> {
  for (const head of file.scan()) yield { ...head, file };
}

function markCheckpoint(
  view: SnapshotView,
  bits: MarkBits,
  sessionId: string,
  { checkpointRef, refs }: HeadState,
): void {
  const manifest = view.readNamed(checkpointRef, sessionId);
  try {
    decodeValue(manifest);
  } catch (error) {
    throw corruptFile(
      `${view.root}/blobs`,
      0,
      `the checkpoint manifest ${checkpointRef} of session "${sessionId}" cannot be decoded: ${(error as Error).message}`,
      sessionId,
    );
  }
  for (const ref of [checkpointRef, refs.toolState, refs.pluginSnapshot, refs.executionState]) {
    if (ref !== undefined && !bits.mark(ref)) throw missing(view, ref, sessionId);
  }
}

function markPages(view: SnapshotView, bits: MarkBits, stored: StoredHead): void {
  const { sessionId } = stored;
  const store = { read: (ref: BlobRef) => view.readNamed(ref, sessionId) };
  for (const page of pagesOf(pagedIn(stored), store)) {
    if (!bits.mark(page.ref)) throw missing(view, page.ref, sessionId);
  }
}

function missing(view: SnapshotView, ref: BlobRef, sessionId: string) {
  const file = `${view.root}/blobs`;
  return storeError(
    "CORRUPT",
    { file, sessionId },
    `value ${ref} of session "${sessionId}" is in no pack; gc deletes nothing while something is missing`,
  );
}

/** One bit for every entry of every pack. */
class MarkBits {
  readonly live = new Map<number, Uint8Array>();
  readonly #packs: readonly PackReader[];
  readonly #counts = new Map<number, number>();
  markedBlobs = 0;

  constructor(packs: readonly PackReader[]) {
    this.#packs = packs;
    for (const pack of packs) {
      this.live.set(pack.number, new Uint8Array(new SharedArrayBuffer(Math.ceil(pack.count / 8))));
      this.#counts.set(pack.number, 0);
    }
  }

  /** False if no pack has it. */
  mark(ref: BlobRef): boolean {
    const digest = refToBytes(ref);
    let found = false;
    for (const pack of this.#packs) {
      const entry = pack.find(digest);
      if (entry === undefined) continue;
      const isNew = this.#set(pack.number, entry.index);
      if (isNew && !found && entry.kind !== "page") this.markedBlobs++;
      found = true;
    }
    return found;
  }

  hasDead(number: number): boolean {
    const pack = this.#packs.find((candidate) => candidate.number === number);
    return pack !== undefined && (this.#counts.get(number) ?? 0) < pack.count;
  }

  #set(number: number, index: number): boolean {
    const bits = this.live.get(number);
    const byte = bits?.[index >>> 3];
    if (bits === undefined || byte === undefined) return false;
    const bit = 1 << (index & 7);
    if ((byte & bit) !== 0) return false;
    bits[index >>> 3] = byte | bit;
    this.#counts.set(number, (this.#counts.get(number) ?? 0) + 1);
    return true;
  }
}

export function isMarked(bits: Uint8Array | undefined, index: number): boolean {
  return bits !== undefined && ((bits[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0;
}

/** Groups of packs of at most GC_SLICE_BYTES, at least one each. */
function sliceUp(packs: readonly FileEntry[], hasDead: (pack: FileEntry) => boolean): number[][] {
  const slices: number[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const pack of packs.filter(hasDead)) {
    if (bytes + pack.bytes > GC_SLICE_BYTES) {
      slices.push([]);
      bytes = 0;
    }
    slices.at(-1)?.push(pack.number);
    bytes += pack.bytes;
  }
  return slices;
}

/** Rewrites packs without their dead entries. Packs that a fold merged meanwhile are left to the next gc. */
export function sweep(vfs: Vfs, { root, manifest, packs, live: marked, used }: SweepInput): SweepOutput {
  const view = SnapshotView.open(vfs, root, manifest);
  try {
    view.refuseUnreadable();
    const swept = view.packs.filter((pack) => packs.includes(pack.number));
    const live = withUsed(swept, marked, used);
    const dead = deadEntries(swept, live);
    // A value that lies elsewhere too is deleted with its last copy, or came back while the gc ran.
    const elsewhere = view.packs.filter((pack) => !swept.includes(pack));
    const isGone = (digest: Uint8Array): boolean =>
      !elsewhere.some((pack) => pack.find(digest) !== undefined);
    const kept = manifest.packs.filter((pack) => !swept.some(({ number }) => number === pack.number));
    const rewritten = writeLive(vfs, view, swept, live);
    const before = manifest.packs
      .filter((pack) => !kept.includes(pack))
      .reduce((sum, pack) => sum + pack.bytes, 0);
    const after = rewritten?.entry.bytes ?? 0;
    return {
      edit: {
        newFiles: rewritten === undefined ? [] : [rewritten.file],
        heads: manifest.heads,
        packs: rewritten === undefined ? kept : [...kept, rewritten.entry],
        log: manifest.log,
        deadBytes: manifest.deadBytes,
        nextFile: manifest.nextFile + (rewritten === undefined ? 0 : 1),
      },
      dead: sharedBytes(dead.map(({ digest }) => digest)),
      deletedBlobCount: dead.filter(({ digest, isBlob }) => isBlob && isGone(digest)).length,
      freedBytes: before - after,
    };
  } finally {
    view.release();
  }
}

/** The marks of these packs, with what was used since. A value that lies in several packs stays in all. */
function withUsed(
  packs: readonly PackReader[],
  live: SweepInput["live"],
  used: Uint8Array,
): SweepInput["live"] {
  const marks = new Map(packs.map(({ number }) => [number, Uint8Array.from(live.get(number) ?? [])]));
  for (let at = 0; at < used.length; at += DIGEST_BYTES) {
    for (const pack of packs) {
      const entry = pack.find(used.subarray(at, at + DIGEST_BYTES));
      const bits = marks.get(pack.number);
      if (entry === undefined || bits === undefined) continue;
      bits[entry.index >>> 3] = (bits[entry.index >>> 3] ?? 0) | (1 << (entry.index & 7));
    }
  }
  return marks;
}

/** In memory that threads share: the answer may be of tens of megabytes, and copying it would hold the main thread. */
function sharedBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(parts.length * DIGEST_BYTES));
  for (const [i, part] of parts.entries()) bytes.set(part, i * DIGEST_BYTES);
  return bytes;
}

interface DeadEntry {
  readonly digest: Uint8Array;
  /** A blob of the contract, not a page. */
  readonly isBlob: boolean;
}

/** Unmarked values of these packs, each once, in the order of digests. */
function deadEntries(packs: readonly PackReader[], live: SweepInput["live"]): DeadEntry[] {
  const found = new Map<string, DeadEntry>();
  for (const pack of packs) {
    for (const { digest, kind, index } of pack.entries()) {
      if (isMarked(live.get(pack.number), index)) continue;
      found.set(refFromBytes(digest), { digest, isBlob: kind !== "page" });
    }
  }
  return [...found.values()].sort((a, b) => Buffer.compare(a.digest, b.digest));
}

function writeLive(vfs: Vfs, view: SnapshotView, packs: readonly PackReader[], live: SweepInput["live"]) {
  const number = view.manifest.nextFile;
  const final = packPath(view.root, number);
  const file: NewFile = { temporary: `${final}.tmp`, final };
  const writer = new PackWriter(vfs, file.temporary, { storeId: view.manifest.storeId, number });
  try {
    const sources = packs.map((pack) => packSource(pack, (index) => isMarked(live.get(pack.number), index)));
    for (const value of mergeValues(sources)) writer.add(value);
    if (writer.count === 0) {
      writer.abort();
      return undefined;
    }
    const count = writer.count;
    return { file, entry: { number, bytes: writer.finish(), count } };
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/**
 * Whether an ascending list of digests holds one of them: the main thread's look at a slice. Tens of thousands
 * of blobs may have been used while a gc ran, so the search allocates nothing until the first bytes agree.
 */
export function hasDigest(digests: Uint8Array, wanted: Uint8Array): boolean {
  const prefix = prefixAt(wanted, 0);
  let low = 0;
  let high = digests.length / DIGEST_BYTES - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const at = middle * DIGEST_BYTES;
    const found = prefixAt(digests, at);
    const order =
      found === prefix ? Buffer.compare(digests.subarray(at, at + DIGEST_BYTES), wanted) : found - prefix;
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}

/** The first four bytes of a digest as a number: orders as the digests do, as far as it goes. */
function prefixAt(digests: Uint8Array, at: number): number {
  const high = (digests[at] ?? 0) * 0x100 + (digests[at + 1] ?? 0);
  return high * 0x10000 + (digests[at + 2] ?? 0) * 0x100 + (digests[at + 3] ?? 0);
}
