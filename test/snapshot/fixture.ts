/**
 * A snapshot's surroundings in memory: a store directory, its log, and verbs that append records, fold,
 * publish, collect and damage. It deliberately uses no store and no actor, so that what a test sees is the
 * folder under test alone.
 */
import assert from "node:assert/strict";
import { sha256 } from "../../src/checksum.ts";
import { encodeCanonical } from "../../src/codec.ts";
import { isStoreError, type StoreError } from "../../src/errors.ts";
import { type BlobRef, refFromBytes } from "../../src/ids.ts";
import { apply } from "../../src/session/apply.ts";
import {
  type BlobKind,
  type CommitRecord,
  encodeRecord,
  type GraphFact,
  type LogRecord,
  type NodeFact,
  type SessionRecord,
} from "../../src/session/record.ts";
import { emptySession, isLive, type SessionState } from "../../src/session/state.ts";
import { fold } from "../../src/snapshot/fold.ts";
import type { Manifest } from "../../src/snapshot/manifest.ts";
import { manifestPath } from "../../src/snapshot/manifest.ts";
import { publish, writeManifest } from "../../src/snapshot/publish.ts";
import type { Edit, FoldOutput } from "../../src/snapshot/tasks.ts";
import { SnapshotView } from "../../src/snapshot/view.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { readWhole, type Vfs } from "../../src/vfs/vfs.ts";
import { createLog, type Log, type LogConfig, type LogStart, openLog } from "../../src/wal/log.ts";

export const ROOT = "/store";
export const STORE_ID = Uint8Array.from({ length: 16 }, (_, index) => 0xb0 + index);
const MANY = 64 * 1024 * 1024;

/** The directories of a store, durable. */
export function makeDirectories(vfs: Vfs): void {
  vfs.makeDirectory(`${ROOT}/heads`);
  vfs.makeDirectory(`${ROOT}/blobs`);
  vfs.syncDirectory("/");
  vfs.syncDirectory(ROOT);
}

export function bytesOf(vfs: Vfs, path: string): Buffer {
  const bytes = readWhole(vfs, path, MANY);
  assert.ok(bytes !== undefined, `${path} exists`);
  return Buffer.from(bytes);
}

/** Puts these bytes under the path, whatever was there. */
export function put(vfs: Vfs, path: string, bytes: Uint8Array): void {
  vfs.remove(path);
  const file = vfs.open(path, "create");
  file.write([bytes], 0);
  file.close();
}

export function flipBit(vfs: Vfs, path: string, offset: number, bit = 0): void {
  const bytes = bytesOf(vfs, path);
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  put(vfs, path, bytes);
}

/** Every bit flipped and every length cut, one at a time. */
export function* damages(bytes: Uint8Array): Generator<{ readonly title: string; readonly bytes: Buffer }> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = Buffer.from(bytes);
    damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
    yield { title: `bit ${bit & 7} of byte ${bit >>> 3}`, bytes: damaged };
  }
  for (let length = 0; length < bytes.length; length++) {
    yield { title: `cut to ${length} bytes`, bytes: Buffer.from(bytes.subarray(0, length)) };
  }
}

/** The CORRUPT that `work` throws; undefined if it throws nothing. Anything else is a failed test. */
export function corruptionOf(work: () => void): Extract<StoreError, { code: "CORRUPT" }> | undefined {
  try {
    work();
  } catch (error) {
    if (!isStoreError(error, "CORRUPT")) throw error;
    return error;
  }
  return undefined;
}

export function value(content: unknown): { ref: BlobRef; digest: Uint8Array; bytes: Uint8Array } {
  const bytes = encodeCanonical(content);
  const digest = sha256(bytes);
  return { ref: refFromBytes(digest), digest, bytes };
}

export function node(id: string, parent?: string, body = `body of ${id}`): NodeFact {
  return { id, parent, flags: 0, body: Buffer.from(body) };
}

let turns = 0;
/** A commit record; what is not given is the least that a record needs. */
export function commitRecord(
  sessionId: string,
  revision: number,
  fields: Partial<Omit<CommitRecord, "graph">> & { readonly graph?: GraphFact; readonly turn?: number } = {},
): CommitRecord {
  const { turn, ...given } = fields;
  const manifest = value({ turnState: turn ?? turns++ });
  return {
    kind: "commit",
    sessionId,
    revision,
    config: { providerId: "p", configuredModel: "m", contextWindow: 8, executionMode: "standard" },
    leafNodeId: undefined,
    checkpointRef: manifest.ref,
    manifest: manifest.bytes,
    toolStateRef: undefined,
    pluginSnapshotRef: undefined,
    executionStateRef: undefined,
    graph: { kind: "unchanged" },
    usage: [],
    picker: undefined,
    operation: undefined,
    ...given,
  };
}

export function append(...nodes: NodeFact[]): GraphFact {
  return { kind: "append", nodes };
}

export function blobRecord(content: unknown, blobKind: BlobKind): LogRecord & { kind: "blob" } {
  const { ref, bytes } = value(content);
  return { kind: "blob", ref, blobKind, size: bytes.length, at: 0, data: bytes };
}

/** What two states must agree in. Only what a caller can observe: not how tables are shared. */
export function observable(state: SessionState): object {
  return {
    sessionId: state.sessionId,
    deleted: state.deleted,
    head: state.head && { ...state.head, manifest: undefined },
    meta: state.meta,
    picker: state.picker,
    ledger: state.ledger,
    hiddenCount: state.hiddenCount,
    lastLsn: state.lastLsn,
    lastCommitLsn: state.lastCommitLsn,
    missingParents: [...state.nodes.missingParents].sort(),
    nodes: state.nodes.entries.slice(0, state.length).map((entry, slot) => ({
      id: entry.id,
      parent: entry.parent,
      flags: entry.flags,
      body: Buffer.from(entry.body).toString("hex"),
      isLive: isLive(state, slot),
    })),
  };
}

export interface SnapshotFixtureOptions {
  readonly vfs?: MemoryVfs;
  readonly receiptsKept?: number;
}

/** A log and its snapshots. Published manifests are numbered from 1. */
export class SnapshotFixture {
  readonly vfs: MemoryVfs;
  readonly receiptsKept: number;
  manifest: Manifest;
  /** The same records applied directly, by session. */
  readonly states = new Map<string, SessionState>();
  readonly #log: Log;

  private constructor(vfs: MemoryVfs, receiptsKept: number, log: Log, manifest: Manifest) {
    this.vfs = vfs;
    this.receiptsKept = receiptsKept;
    this.manifest = manifest;
    this.#log = log;
  }

  static async create(options: SnapshotFixtureOptions = {}): Promise<SnapshotFixture> {
    const vfs = options.vfs ?? new MemoryVfs({ crashable: false });
    makeDirectories(vfs);
    const config: LogConfig = {
      vfs,
      directory: `${ROOT}/wal`,
      storeId: STORE_ID,
      segmentBytes: 64 * 1024,
      sync: "always",
      syncIntervalMs: 100,
      mode: "inline",
      ringBytes: 64 * 1024,
    };
    const start = createLog(config);
    const manifest: Manifest = {
      number: 1,
      storeId: STORE_ID,
      log: start,
      heads: [],
      packs: [],
      deadBytes: 0,
      nextFile: 1,
    };
    writeManifest(vfs, manifestPath(ROOT, 1), manifest);
    vfs.syncDirectory(ROOT);
    const listener = {
      durable: () => {},
      batchEnd: () => {},
      slowSync: () => {},
      failed: (error: StoreError) => assert.fail(error),
    };
    const { log } = await openLog(config, start, () => {}, listener);
    return new SnapshotFixture(vfs, options.receiptsKept ?? 1000, log, manifest);
  }

  get lastLsn(): number {
    return this.#log.lastLsn;
  }

  /** Appends to the log without applying. */
  appendRaw(record: LogRecord): number {
    return this.appendBytes(encodeRecord(record));
  }

  /** Appends what may be no record at all; its frame is right. */
  appendBytes(payload: Uint8Array): number {
    return this.#log.append(payload);
  }

  /** Appends records and applies them, as a live store does. */
  append(...records: LogRecord[]): void {
    for (const record of records) {
      const lsn = this.appendRaw(record);
      if (record.kind !== "blob")
        this.states.set(record.sessionId, apply(this.state(record.sessionId), record, lsn));
    }
  }

  state(sessionId: string): SessionState {
    return this.states.get(sessionId) ?? emptySession(sessionId, this.receiptsKept);
  }

  /** The next commit of a session. */
  commit(sessionId: string, fields: Parameters<typeof commitRecord>[2] = {}): SessionRecord {
    const record = commitRecord(sessionId, (this.state(sessionId).head?.revision ?? 0) + 1, fields);
    this.append(record);
    return record;
  }

  /** Seals the log: everything before the answer can be folded. */
  roll(): Promise<LogStart> {
    return this.#log.roll();
  }

  async fold(packsLeftAlone: readonly number[] = []): Promise<FoldOutput> {
    const until = await this.roll();
    return fold(this.vfs, {
      root: ROOT,
      manifest: this.manifest,
      until,
      receiptsKept: this.receiptsKept,
      compression: "balanced",
      packsLeftAlone,
    });
  }

  /** The manifest that an edit makes of the current one. */
  next(edit: Edit): Manifest {
    const { heads, packs, log, deadBytes, nextFile } = edit;
    return { ...this.manifest, number: this.manifest.number + 1, heads, packs, log, deadBytes, nextFile };
  }

  publish(edit: Edit): void {
    const manifest = this.next(edit);
    assert.deepEqual(publish(this.vfs, { root: ROOT, manifest, newFiles: edit.newFiles }), { ok: true });
    this.manifest = manifest;
  }

  async snapshot(packsLeftAlone: readonly number[] = []): Promise<FoldOutput> {
    const folded = await this.fold(packsLeftAlone);
    this.publish(folded.edit);
    return folded;
  }

  /** What `read` answers of a view of the current manifest. */
  read<Value>(read: (view: SnapshotView) => Value, vfs: Vfs = this.vfs): Value {
    const view = SnapshotView.open(vfs, ROOT, this.manifest);
    try {
      return read(view);
    } finally {
      view.release();
    }
  }

  load(sessionId: string): SessionState | undefined {
    return this.read((view) => {
      // Read now, while the view is open.
      const removals = view.removals(sessionId);
      const state = view.loadState(sessionId, {
        receiptsKept: this.receiptsKept,
        olderReceipts: () => view.receipts(sessionId),
        olderRemovals: () => removals,
      });
      // Receipts are read lazily: have it done while the view is open.
      state?.receipts.find("no such operation");
      return state;
    });
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}
