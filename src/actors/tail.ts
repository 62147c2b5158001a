/**
 * The tail: what lies in the log beyond the newest published snapshot, as positions. From it and the
 * snapshot any session can be loaded again, so a session with unfolded records may leave memory.
 *
 * 1. A record is entered when it is durable, in LSN order; a blob when its frame has an LSN, because a later
 *    commit may name it as soon as its frame precedes that commit's.
 * 2. The tail is a list of generations. `cut` starts a new one before a roll; `drop` forgets, in one step,
 *    those that a published snapshot covers, at a cost that does not grow with what is in them.
 */
import { assert } from "../assert.ts";
import type { BlobRef, Lsn } from "../ids.ts";
import type { BlobKind, SessionRecord } from "../session/record.ts";

/** Positions of one session's records in one generation. */
export interface SessionTail {
  /** Triples (LSN, segment, offset), flat. */
  readonly positions: number[];
  /** LSN of the last commit among them; 0 = none. */
  lastCommitLsn: Lsn;
}

export interface BlobTail {
  readonly kind: BlobKind;
  /** Bytes of the whole value. */
  readonly size: number;
  /** Pairs (segment, offset) of its parts in order, flat; complete once the blob is durable. */
  readonly positions: number[];
}

interface Generation {
  /** Records up to this LSN belong here; Infinity for the newest. */
  lastLsn: Lsn;
  readonly sessions: Map<string, SessionTail>;
  readonly blobs: Map<BlobRef, BlobTail>;
  bytes: number;
  records: number;
}

/** Bytes that a position costs in memory: three doubles. */
const POSITION_BYTES = 24;

export class Tail {
  #generations: Generation[] = [newGeneration()];

  /** Bytes of payload in the tail. */
  get bytes(): number {
    return this.#generations.reduce((sum, generation) => sum + generation.bytes, 0);
  }

  /** Bytes of them up to an LSN where a generation was cut. */
  bytesUpTo(lsn: Lsn): number {
    return this.#generations.reduce((sum, { lastLsn, bytes }) => (lastLsn <= lsn ? sum + bytes : sum), 0);
  }

  /** Bytes of them since the last cut. */
  get newestBytes(): number {
    return (this.#generations.at(-1) as Generation).bytes;
  }

  get isEmpty(): boolean {
    return this.#generations.every((g) => g.sessions.size === 0 && g.blobs.size === 0);
  }

  /** Bytes of memory the positions hold, estimated. */
  get memoryBytes(): number {
    return this.#generations.reduce((sum, { records }) => sum + records, 0) * POSITION_BYTES;
  }

  addRecord(
    record: Pick<SessionRecord, "kind" | "sessionId">,
    lsn: Lsn,
    segment: number,
    offset: number,
    bytes: number,
  ): void {
    const generation = this.#generationOf(lsn);
    const session = generation.sessions.get(record.sessionId);
    const lastCommitLsn = record.kind === "commit" ? lsn : 0;
    if (session === undefined) {
      // Most have one record here, and an array that is pushed to takes room for seventeen numbers at once.
      generation.sessions.set(record.sessionId, { positions: [lsn, segment, offset], lastCommitLsn });
    } else {
      session.positions.push(lsn, segment, offset);
      if (lastCommitLsn > 0) session.lastCommitLsn = lastCommitLsn;
    }
    generation.bytes += bytes;
    generation.records++;
  }

  /** Enters a blob whose first part has `lsn`; its positions follow. */
  addBlob(ref: BlobRef, kind: BlobKind, size: number, lsn: Lsn): BlobTail {
    const blob: BlobTail = { kind, size, positions: [] };
    const generation = this.#generationOf(lsn);
    generation.blobs.set(ref, blob);
    generation.bytes += size;
    return blob;
  }

  /** Forgets a blob whose parts did not all reach the log before a crash. */
  removeBlob(ref: BlobRef): void {
    for (const generation of this.#generations) generation.blobs.delete(ref);
  }

  blob(ref: BlobRef): BlobTail | undefined {
    for (let i = this.#generations.length - 1; i >= 0; i--) {
      const blob = this.#generations[i]?.blobs.get(ref);
      if (blob !== undefined) return blob;
    }
    return undefined;
  }

  /** The session's records in LSN order: calls back with each position. */
  forEachRecord(sessionId: string, visit: (lsn: Lsn, segment: number, offset: number) => void): void {
    for (const generation of this.#generations) {
      const positions = generation.sessions.get(sessionId)?.positions ?? [];
      for (let i = 0; i + 2 < positions.length; i += 3) {
        visit(positions[i] as number, positions[i + 1] as number, positions[i + 2] as number);
      }
    }
  }

  /** Records of the session. */
  countRecords(sessionId: string): number {
    let numbers = 0;
    for (const { sessions } of this.#generations) numbers += sessions.get(sessionId)?.positions.length ?? 0;
    return numbers / 3;
  }

  has(sessionId: string): boolean {
    return this.#generations.some((generation) => generation.sessions.has(sessionId));
  }

  /** Sessions with records here, each with the LSN of its last commit here (0 = none). */
  sessions(): Map<string, Lsn> {
    const merged = new Map<string, Lsn>();
    for (const generation of this.#generations) {
      for (const [sessionId, { lastCommitLsn }] of generation.sessions) {
        merged.set(sessionId, Math.max(lastCommitLsn, merged.get(sessionId) ?? 0));
      }
    }
    return merged;
  }

  /** Records beyond `lsn` go into a new generation. */
  cut(lsn: Lsn): void {
    const newest = this.#generations.at(-1);
    assert(
      newest !== undefined && newest.lastLsn === Number.POSITIVE_INFINITY,
      "the newest generation is open",
    );
    newest.lastLsn = lsn;
    this.#generations.push(newGeneration());
  }

  /** Forgets every record up to `lsn`, which must be where a generation was cut. */
  drop(lsn: Lsn): void {
    // The newest one ends at no LSN, so it always stays.
    this.#generations = this.#generations.filter((generation) => generation.lastLsn > lsn);
  }

  #generationOf(lsn: Lsn): Generation {
    const generation = this.#generations.find((candidate) => lsn <= candidate.lastLsn);
    assert(generation !== undefined, `LSN ${lsn} has a generation`);
    return generation;
  }
}

function newGeneration(): Generation {
  return { lastLsn: Number.POSITIVE_INFINITY, sessions: new Map(), blobs: new Map(), bytes: 0, records: 0 };
}
