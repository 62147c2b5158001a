/**
 * The whole log as an index for salvage: which records of which session lie where, which blobs, which LSNs
 * are missing. Reads every segment file once; payloads are read again when they are needed.
 *
 * 1. Of two frames of one LSN the one in the later segment counts: it is the newer, or a copy.
 * 2. Behind the first missing LSN that nothing proves durable, nothing counts: it was never acknowledged, and
 *    recovery would cut it.
 */
import type { BlobRef, Lsn } from "../ids.ts";
import { decodeRecord, type LogRecord, type SessionRecord } from "../session/record.ts";
import type { LsnGap, SalvageRecord } from "../snapshot/salvage-session.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { type Frame, FrameType, payloadOf } from "../wal/frame.ts";
import { newestTail, readTail } from "../wal/tail.ts";
import { type Hole, type KnownSalts, type WalkedSegment, walkLog } from "../wal/walk.ts";

export interface LogProblemPlace {
  readonly file: string;
  readonly offset: number;
  readonly message: string;
}

interface Placed {
  readonly lsn: Lsn;
  readonly path: string;
  readonly offset: number;
  readonly payloadAt: number;
  readonly payloadBytes: number;
}

interface SessionIndex {
  readonly records: Placed[];
  /** Highest revision of a commit among them. */
  revision: number;
  /** LSN of its deletion. */
  deletion: Lsn | undefined;
}

export class SalvagedLog {
  readonly #vfs: Vfs;
  readonly #sessions = new Map<string, SessionIndex>();
  readonly #blobs = new Map<BlobRef, Placed[]>();
  /** Commits by the checkpoint manifest they carry. */
  readonly #manifests = new Map<BlobRef, Placed>();
  /** LSNs of acknowledged records that cannot be read, ascending. */
  readonly gaps: readonly LsnGap[];
  readonly problems: LogProblemPlace[] = [];
  /** Highest LSN that was ever given, as far as can be told. */
  readonly lastLsn: Lsn;
  readonly records: number;

  constructor(vfs: Vfs, root: string, storeId: Uint8Array, salts: KnownSalts) {
    this.#vfs = vfs;
    const tail = newestTail(readTail(vfs, `${root}/wal/TAIL`, storeId));
    const reading = new Reading(tail?.lsn ?? 0);
    const place = { vfs, directory: `${root}/wal`, storeId };
    const known = new Map([...salts, ...(tail === undefined ? [] : [[tail.segment, tail.salt] as const])]);
    for (const segment of walkLog(place, known)) reading.add(segment);
    const { kept, gaps } = reading.settle();
    for (const { placed, facts } of kept) this.#enter(placed, facts);
    this.gaps = gaps;
    this.records = kept.length;
    this.lastLsn = Math.max(reading.durable, kept.at(-1)?.placed.lsn ?? 0);
    this.problems.push(...reading.problems);
  }

  get sessions(): Iterable<string> {
    const lost = this.gaps.flatMap(({ was }) => was?.session ?? []);
    return new Set([...this.#sessions.keys(), ...lost]);
  }

  recordsOf(sessionId: string): SalvageRecord[] {
    const { records } = this.#sessions.get(sessionId) ?? { records: [] };
    return records.map((placed) => ({ lsn: placed.lsn, read: () => this.#sessionRecord(placed) }));
  }

  /** Highest revision that a commit in the log has, or had before it was damaged. */
  revisionOf(sessionId: string): number {
    const lost = this.gaps.map(({ was }) => (was?.session === sessionId ? (was.revision ?? 0) : 0));
    return Math.max(this.#sessions.get(sessionId)?.revision ?? 0, ...lost);
  }

  deletionOf(sessionId: string): Lsn | undefined {
    return this.#sessions.get(sessionId)?.deletion;
  }

  /** The bytes of a blob that travelled in the log, unverified; undefined if it is not there whole. */
  blob(ref: BlobRef): Uint8Array | undefined {
    const carrier = this.#manifests.get(ref);
    if (carrier !== undefined) {
      const record = this.#read(carrier);
      if (record.kind === "commit") return record.manifest;
    }
    const parts = this.#blobs.get(ref);
    if (parts === undefined) return undefined;
    let bytes: Buffer | undefined;
    for (const placed of parts) {
      const record = this.#read(placed);
      if (record.kind !== "blob") continue;
      bytes ??= Buffer.alloc(record.size);
      if (record.at + record.data.length <= bytes.length) bytes.set(record.data, record.at);
    }
    return bytes;
  }

  #enter(placed: Placed, facts: Facts): void {
    if (facts.kind === "blob") {
      const parts = this.#blobs.get(facts.ref);
      if (parts === undefined) this.#blobs.set(facts.ref, [placed]);
      else parts.push(placed);
      return;
    }
    const index = this.#sessions.get(facts.sessionId) ?? { records: [], revision: 0, deletion: undefined };
    index.records.push(placed);
    index.revision = Math.max(index.revision, facts.revision);
    if (facts.isDeletion) index.deletion = placed.lsn;
    this.#sessions.set(facts.sessionId, index);
    if (facts.manifestRef !== undefined) this.#manifests.set(facts.manifestRef, placed);
  }

  #sessionRecord(placed: Placed): SessionRecord {
    const record = this.#read(placed);
    if (record.kind === "blob") throw new Error("is a blob");
    return record;
  }

  #read({ path, payloadAt, payloadBytes }: Placed): LogRecord {
    const file = this.#vfs.open(path, "read");
    try {
      const payload = Buffer.alloc(payloadBytes);
      file.read(payload, payloadAt);
      return decodeRecord(payload);
    } finally {
      file.close();
    }
  }
}

/** What the index needs of a record. */
type Facts =
  | { readonly kind: "blob"; readonly ref: BlobRef }
  | {
      readonly kind: "session";
      readonly sessionId: string;
      readonly revision: number;
      readonly manifestRef: BlobRef | undefined;
      readonly isDeletion: boolean;
    };

interface Read {
  readonly placed: Placed;
  readonly facts: Facts;
}

/** Collects frames of all segments, then says which count. */
class Reading {
  readonly #reads = new Map<Lsn, Read>();
  readonly #holes: { readonly path: string; readonly hole: Hole }[] = [];
  /** The record after this LSN is the first one the log still has. */
  #from: Lsn | undefined;
  /** Highest LSN proven durable. */
  durable: Lsn;
  readonly problems: LogProblemPlace[] = [];

  constructor(tailLsn: Lsn) {
    this.durable = tailLsn;
  }

  add(segment: WalkedSegment): void {
    const { path, problem, frames, holes, durable, link } = segment;
    const inUse = frames.length > 0 || holes.length > 0;
    if (problem !== undefined && inUse) this.problems.push({ file: path, offset: 0, message: problem });
    if (!inUse) return;
    const first = frames[0];
    if (this.#from === undefined && first !== undefined)
      this.#from = link?.lsn ?? (first.type === FrameType.data ? first.lsn - 1 : first.lsn);
    this.durable = Math.max(this.durable, durable);
    for (const frame of frames) if (frame.type === FrameType.data) this.#addFrame(segment, frame);
    for (const hole of holes) this.#holes.push({ path, hole });
  }

  #addFrame({ path, image }: WalkedSegment, frame: Frame): void {
    const { lsn, offset, payloadAt, payloadBytes } = frame;
    try {
      const facts = factsOf(decodeRecord(payloadOf(image, frame)));
      this.#reads.set(lsn, { placed: { lsn, path, offset, payloadAt, payloadBytes }, facts });
    } catch (error) {
      this.#reads.delete(lsn);
      const message = `the record of LSN ${lsn} cannot be read: ${(error as Error).message}`;
      this.problems.push({ file: path, offset, message });
    }
  }

  /** A gap of one record may be a hole of which one flipped bit tells what it was. */
  #gap(first: Lsn, last: Lsn): LsnGap {
    const found = this.#holes.find(({ hole }) => hole.before === first - 1 && hole.mended !== undefined);
    const was = first === last ? hintOf(found?.hole.mended) : undefined;
    return { first, last, ...(was === undefined ? {} : { was }) };
  }

  settle(): { readonly kept: readonly Read[]; readonly gaps: readonly LsnGap[] } {
    const from = this.#from ?? 0;
    const kept: Read[] = [];
    const gaps: LsnGap[] = from > 0 ? [{ first: 1, last: from }] : [];
    let expected = from + 1;
    for (const lsn of [...this.#reads.keys()].sort((a, b) => a - b)) {
      const read = this.#reads.get(lsn);
      if (read === undefined || lsn < expected) continue;
      if (lsn > expected) {
        if (expected > this.durable) break;
        gaps.push(this.#gap(expected, lsn - 1));
      }
      kept.push(read);
      expected = lsn + 1;
    }
    if (expected <= this.durable) gaps.push(this.#gap(expected, this.durable));
    for (const { path, hole } of this.#holes) {
      // What was begun and never proven durable is a torn tail, and no loss.
      if ((hole.before ?? 0) < this.durable) this.problems.push(problemOf(path, hole));
    }
    return { kept, gaps };
  }
}

function hintOf(payload: Uint8Array | undefined): LsnGap["was"] {
  if (payload === undefined) return undefined;
  try {
    const record = decodeRecord(payload);
    if (record.kind === "blob") return { record: `part of blob ${record.ref.slice(0, 12)}` };
    if (record.kind !== "commit") return { record: record.kind, session: record.sessionId };
    const { sessionId: session, revision } = record;
    return { record: `commit of revision ${revision}`, session, revision };
  } catch {
    return undefined;
  }
}

function problemOf(file: string, { offset, flippedBit, before, behind }: Hole): LogProblemPlace {
  const first = (before ?? 0) + 1;
  const last = behind === undefined ? undefined : behind - 1;
  const lsns = last === undefined || last <= first ? `LSN ${first}` : `LSN ${first} to ${last}`;
  const bit =
    flippedBit === undefined ? "" : `; one flipped bit: byte ${flippedBit.offset}, bit ${flippedBit.bit}`;
  return { file, offset, message: `no valid frame of ${lsns} stands there${bit}` };
}

function factsOf(record: LogRecord): Facts {
  if (record.kind === "blob") return { kind: "blob", ref: record.ref };
  const { sessionId } = record;
  const [revision, manifestRef] =
    record.kind === "commit" ? [record.revision, record.checkpointRef] : [0, undefined];
  return { kind: "session", sessionId, revision, manifestRef, isDeletion: record.kind === "delete" };
}
