/**
 * The fold: previous snapshot and sealed segments in, new heads file and pack out. Recovery run early, on a
 * worker: it applies the same records with the same `apply`.
 *
 * 1. Every blob in the segments is kept, also one that no head names any more: only gc deletes blobs.
 * 2. Sessions are written in the order of their ids, whatever the order of their records.
 * 3. A record that does not follow from the head ends the fold with CORRUPT, and nothing is published.
 * 4. Of a session's records only the bytes are held, up to a bound, and the places; they are decoded when it is folded, and its
 *    head is written at once. What a fold has in memory are then new pages and blobs, and the decoded records of one session.
 * 5. A damaged heads file that new heads were to be merged with is left as it is, and the fold is done again without:
 *    damage to one session must not end the snapshots of the others.
 */

import { sha256 } from "../checksum.ts";
import { copyOf } from "../codec.ts";
import { isStoreError } from "../errors.ts";
import { type BlobRef, refFromBytes } from "../ids.ts";
import { MAX_COMPONENT_BYTES } from "../limits.ts";
import { type BlobKind, type BlobRecord, decodeRecord } from "../session/record.ts";
import { routeRecord } from "../session/record-route.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { type LogReader, openLogReader, scanLog } from "../wal/log.ts";
import { corruptFile, understand } from "./block-file.ts";
import { foldSession, type PlacedRecord } from "./fold-session.ts";
import { encodeHead, type StoredHead } from "./head.ts";
import { compareIds, type HeadBytes } from "./heads-file.ts";
import { KeptRecords } from "./kept-records.ts";
import { removeLeftovers } from "./leftovers.ts";
import { type MergedHeads, mergeableHeads, writeMergedHeads } from "./merge-heads.ts";
import { PackBuilder, type PackedFiles } from "./pack-builder.ts";
import type { FoldInput, FoldOutput } from "./tasks.ts";
import { SnapshotView } from "./view.ts";

interface Collected {
  /** Of each session the places of its records: five numbers each (LSN, segment, offset, bytes, where kept), flat. */
  readonly sessions: Map<string, number[]>;
  readonly kept: KeptRecords;
  bytes: number;
}

/** What both attempts of a fold read. */
interface FoldSource {
  readonly input: FoldInput;
  readonly log: LogReader;
  readonly view: SnapshotView;
}

export function fold(vfs: Vfs, input: FoldInput): FoldOutput {
  const { root, manifest } = input;
  const log = openLogReader(vfs, walOf(root), manifest.storeId);
  const view = SnapshotView.open(vfs, root, manifest);
  try {
    return foldAndMerge(vfs, { input, log, view });
  } finally {
    view.release();
    log.close();
  }
}

function foldAndMerge(vfs: Vfs, source: FoldSource): FoldOutput {
  try {
    return foldOnto(vfs, source, "merge");
  } catch (error) {
    if (!isStoreError(error, "CORRUPT")) throw error;
    return foldOnto(vfs, source, "apart");
  }
}

/** With the new heads merged with older files, or apart from them. */
function foldOnto(vfs: Vfs, source: FoldSource, how: "merge" | "apart"): FoldOutput {
  const { input, view } = source;
  const { manifest, until } = input;
  const builder = new PackBuilder(vfs, view, input.compression);
  const collected = collect(vfs, input, builder);
  const { sessions, bytes } = collected;
  const merged = how === "merge" ? mergeableHeads(view, sessions.size) : new Set<number>();
  const heads = foldedHeads(source, collected, builder);
  const written =
    sessions.size === 0
      ? { newFiles: [], heads: manifest.heads, nextFile: manifest.nextFile }
      : writeMergedHeads(vfs, view, heads, merged, manifest.nextFile);
  const packed = writePack(vfs, input, builder, written);
  return {
    edit: {
      newFiles: [...packed.newFiles, ...written.newFiles],
      heads: written.heads,
      packs: packed.packs,
      log: until,
      deadBytes: manifest.deadBytes + packed.deadBytes,
      nextFile: packed.nextFile,
    },
    sessions: sessions.size,
    foldedBytes: bytes,
    lastLsn: until.lsn,
  };
}

/** The new head of each session, made when it is taken. */
function* foldedHeads(
  { input, log, view }: FoldSource,
  { sessions, kept }: Collected,
  builder: PackBuilder,
): Generator<HeadBytes> {
  const { root, receiptsKept } = input;
  for (const sessionId of [...sessions.keys()].sort(compareIds)) {
    const places = sessions.get(sessionId) ?? [];
    const before = view.headInOrder(sessionId);
    const options = { sessionId, receiptsKept, store: builder.pagesOf(sessionId) };
    const records = { [Symbol.iterator]: () => recordsAt({ log, kept, root }, builder, sessionId, places) };
    // Where a record does not follow, its place was named; what is left are pages that make no sense.
    const head = understand(`${root}/blobs`, 0, () => foldSession(before, records, options), sessionId);
    countDropped(builder, before, head);
    yield { sessionId, lastCommitLsn: head.lastCommitLsn, bytes: encodeHead(head) };
  }
}

/** A failure here costs the heads as well: a job that fails leaves nothing on a disk that may be full. */
function writePack(
  vfs: Vfs,
  { packsLeftAlone }: FoldInput,
  builder: PackBuilder,
  written: MergedHeads,
): PackedFiles {
  try {
    return builder.finish(written.nextFile, packsLeftAlone);
  } catch (error) {
    removeLeftovers(
      vfs,
      written.newFiles.map((file) => file.temporary),
    );
    throw error;
  }
}

/** Reads the sealed segments: of records the places by session, blobs whole into the pack. */
function collect(vfs: Vfs, { root, manifest, until }: FoldInput, builder: PackBuilder): Collected {
  const collected: Collected = { sessions: new Map(), kept: new KeptRecords(), bytes: 0 };
  const parts = new PartialBlobs();
  let file = "";
  let number = -1;
  scanLog(vfs, walOf(root), manifest.storeId, manifest.log, until, (lsn, segment, offset, payload) => {
    if (segment !== number) {
      number = segment;
      file = segmentFile(root, segment);
    }
    const route = decodedAt(file, offset, () => routeRecord(payload));
    collected.bytes += payload.length;
    if (route.kind === "blob") {
      const record = decodedAt(file, offset, () => decodeRecord(payload));
      if (record.kind !== "blob") throw corruptFile(file, offset, "a record is of two kinds");
      const whole = understand(file, offset, () => parts.add(record));
      if (whole !== undefined) addBlob(builder, { file, offset }, record.ref, record.blobKind, whole);
      return;
    }
    const places = collected.sessions.get(route.sessionId);
    const keptAt = collected.kept.keep(payload);
    if (places !== undefined) places.push(lsn, segment, offset, payload.length, keptAt);
    else collected.sessions.set(route.sessionId, [lsn, segment, offset, payload.length, keptAt]);
  });
  return collected;
}

/** The records at these places, one by one, so that what was decoded dies young; their manifests go into the pack. */
function* recordsAt(
  { log, kept, root }: { readonly log: LogReader; readonly kept: KeptRecords; readonly root: string },
  builder: PackBuilder,
  sessionId: string,
  places: readonly number[],
): Generator<PlacedRecord> {
  let file = "";
  let segment = -1;
  for (let i = 0; i + 4 < places.length; i += 5) {
    const lsn = places[i] as number;
    if (segment !== places[i + 1]) {
      segment = places[i + 1] as number;
      file = segmentFile(root, segment);
    }
    const offset = places[i + 2] as number;
    const bytes = places[i + 3] as number;
    const payload = kept.at(places[i + 4] as number, bytes) ?? log.read(segment, offset, bytes);
    const record = decodedAt(file, offset, () => decodeRecord(payload, "views"));
    if (record.kind === "blob" || record.sessionId !== sessionId)
      throw corruptFile(file, offset, `LSN ${lsn} is not of this session any more`, sessionId);
    const placed = { lsn, record, file, offset };
    addManifest(builder, placed);
    yield placed;
  }
}

function decodedAt<Value>(file: string, offset: number, decode: () => Value): Value {
  try {
    return decode();
  } catch (error) {
    throw corruptFile(file, offset, `a record cannot be decoded: ${(error as Error).message}`);
  }
}

function walOf(root: string): string {
  return `${root}/wal`;
}
function segmentFile(root: string, segment: number): string {
  return `${walOf(root)}/${segment.toString(16).padStart(16, "0")}.wal`;
}

/** Also of a record that the head has already, or that a later one superseded. */
function addManifest(builder: PackBuilder, placed: PlacedRecord): void {
  const { record } = placed;
  if (record.kind !== "commit" || builder.has(record.checkpointRef)) return;
  // The manifest is a view of its record, which the pack must not keep in memory.
  addBlob(builder, placed, record.checkpointRef, "manifest", copyOf(record.manifest));
}

function addBlob(
  builder: PackBuilder,
  { file, offset }: { readonly file: string; readonly offset: number },
  ref: BlobRef,
  kind: BlobKind,
  bytes: Uint8Array,
): void {
  if (builder.has(ref)) return;
  if (refFromBytes(sha256(bytes)) !== ref) throw corruptFile(file, offset, `blob ${ref} fails its hash`);
  builder.addBlob(ref, kind, bytes);
}

/** Blobs that travel in several frames. One that a crash cut short never becomes whole and is left out. */
class PartialBlobs {
  readonly #parts = new Map<BlobRef, { readonly bytes: Buffer; got: number }>();

  add({ ref, size, at, data }: BlobRecord): Uint8Array | undefined {
    if (at === 0 && data.length === size) return data;
    if (size > MAX_COMPONENT_BYTES || at < 0 || at + data.length > size)
      throw new Error(`bytes ${at} to ${at + data.length} of a blob of ${size} bytes`);
    let partial = this.#parts.get(ref);
    if (at === 0 || partial === undefined) {
      partial = { bytes: Buffer.alloc(size), got: 0 };
      this.#parts.set(ref, partial);
    }
    partial.bytes.set(data, at);
    partial.got += data.length;
    if (partial.got < size) return undefined;
    this.#parts.delete(ref);
    return partial.bytes;
  }
}

/** What the head named before and names no more is probably dead; gc finds out. */
function countDropped(builder: PackBuilder, before: StoredHead | undefined, after: StoredHead): void {
  builder.name(refsOf(after));
  builder.drop(refsOf(before));
}

function refsOf(head: StoredHead | undefined): BlobRef[] {
  const state = head?.head;
  if (state === undefined || head?.deleted === true) return [];
  const { toolState, pluginSnapshot, executionState } = state.refs;
  return [state.checkpointRef, toolState, pluginSnapshot, executionState].filter((ref) => ref !== undefined);
}
