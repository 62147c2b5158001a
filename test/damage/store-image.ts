/**
 * A small store that has one of everything a store directory can hold: format, lock, TAIL, segments that are
 * folded, sealed, active, spare and recycled, two manifests that differ, heads files and packs of both
 * generations and of one only, a quarantined tail. And, for damage that puts old bytes in place of new ones,
 * every earlier content of every file. It deliberately damages nothing.
 *
 * Sessions are of three ages: `old-…` lie in files that both generations name, `new-…` in files of the newest
 * one alone, `tail-…` have records in the log only. What each holds is its own, but for one shared tool state.
 */
import assert from "node:assert/strict";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import type { RuntimeCommit } from "../../src/session/types.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { readWhole } from "../../src/vfs/vfs.ts";
import {
  append,
  checkpoint,
  commit,
  ledgerEntry,
  messageNode,
  meta,
  noise,
  pluginSnapshot,
  toolState,
  turnState,
  usage,
} from "../support/builders.ts";

export const ROOT = "/store";
export const STORE_OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

const OLD = Array.from({ length: 7 }, (_, index) => `old-${index}`);
const MIDDLE = ["old-mid-0", "old-mid-1", "old-mid-2"];
export const DELETED = "old-deleted";
export const CHILD = "new-child";
/** Of the last ones, one lies in a heads file of the older generation alone and in one of the newest. */
const NEW = ["new-0", CHILD, "new-1", "new-2"];
const TAIL = ["tail-0", "tail-1"] as const;
export const SESSIONS: readonly string[] = [...OLD, ...MIDDLE, DELETED, ...NEW, ...TAIL];
/** Has a record in the log behind its head. */
export const MOVED = "old-3";

/** Turns of the event loop in which a store at rest has made its spares. */
const SETTLE_TURNS = 20;
const BEGUN_FRAME_BYTES = 40;
/** Above 8 KiB a frame has a table; and so much log leaves stale frames in the files that are used again. */
const LONG_BYTES = 9_000;
const MAX_FILE_BYTES = 1 << 30;

export interface ImageSize {
  /** Bytes of each session's execution state: what most of the store's live bytes are. */
  readonly executionBytes: number;
  /** Was the store closed, or killed with a tail. */
  readonly closed: boolean;
}

export interface StoreImage {
  readonly vfs: MemoryVfs;
  readonly files: readonly string[];
  /** Earlier contents of the files, oldest first, each different from the one before and from now. */
  readonly older: ReadonlyMap<string, readonly Uint8Array[]>;
}

export async function buildImage(size: ImageSize): Promise<StoreImage> {
  const history = new History();
  const first = new MemoryVfs();
  const before = await openStore(ROOT, { ...STORE_OPTIONS, vfs: first });
  for (const id of [...OLD, DELETED]) await grow(before, id, 1, size);
  await before.snapshot();
  history.take(first);
  for (const id of OLD.slice(0, 4)) await grow(before, id, 2, size);
  await before.session("old-0").tombstoneNodes(["side-1"]);
  await before.deleteSession(DELETED);
  await before.snapshot();
  await before.gc();
  history.take(first);
  for (const id of MIDDLE) await grow(before, id, 1, size);
  await before.snapshot();
  // So that the active segment is the one that TAIL tells of.
  await before.session(MOVED).saveSessionMeta(meta(MOVED, { cwd: "/moved" }));
  const vfs = tear(await kill(before, first));
  history.take(vfs);
  const store = await openStore(ROOT, { ...STORE_OPTIONS, vfs });
  assert.ok(store.recovery.tornBytes > 0, "there is a tail to quarantine");
  for (const id of NEW) {
    await grow(store, id, 1, size);
    await store.snapshot();
    history.take(vfs);
  }
  return await addTail(vfs, store, size, history);
}

/** Records behind the newest snapshot, in two segments: every opening starts one. */
async function addTail(vfs: MemoryVfs, store: Store, size: ImageSize, history: History): Promise<StoreImage> {
  await grow(store, TAIL[0], 1, size);
  const killed = await kill(store, vfs);
  history.take(killed);
  const again = await openStore(ROOT, { ...STORE_OPTIONS, vfs: killed });
  for (const id of [MOVED, TAIL[1]]) await grow(again, id, id === MOVED ? 3 : 1, size);
  history.take(killed);
  if (size.closed) await again.close();
  const left = size.closed ? killed.crashKeepingEverything() : await kill(again, killed);
  return { vfs: left, files: filesIn(left, ROOT), older: history.older(left) };
}

/** What a killed process leaves. The store is closed afterwards, on files that nobody looks at any more. */
async function kill(store: Store, vfs: MemoryVfs): Promise<MemoryVfs> {
  // Spares are made in later turns of the event loop.
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
  const left = vfs.crashKeepingEverything();
  await store.close();
  return left;
}

/** A frame that was begun behind the last one, as a killed process may leave it. */
function tear(vfs: MemoryVfs): MemoryVfs {
  const { segment, end } = lastTail(vfs);
  put(vfs, segmentPath(segment), Buffer.alloc(BEGUN_FRAME_BYTES, 0x5a), end);
  return vfs;
}

/** Revisions up to `revision`, from the one the session is at. */
async function grow(store: Store, id: string, revision: number, size: ImageSize): Promise<void> {
  const session = store.session(id);
  const head = await session.loadSession();
  if (head === undefined) {
    await session.saveSessionMeta(
      meta(id, id === CHILD ? { parentSessionId: "old-1" } : { cwd: `/of/${id}` }),
    );
  }
  for (let next = (head?.headRevision ?? 0) + 1; next <= revision; next++) {
    await session.commitRuntimeState(commitOf(id, next, size));
  }
}

function commitOf(id: string, revision: number, { executionBytes }: ImageSize): RuntimeCommit {
  const node = messageNode(
    `n${revision}`,
    revision === 1 ? undefined : `n${revision - 1}`,
    `${id} at ${revision}`,
  );
  return commit({
    sessionId: id,
    expectedHeadRevision: revision - 1,
    operationId: `op-${revision}`,
    graph: append([node, messageNode(`side-${revision}`, node.nodeId, "aside")], node.nodeId),
    checkpoint: checkpoint({
      turnState: turnState({ turnIndex: revision }),
      // Shared by all sessions, and large enough to be stored compressed.
      toolState: toolState(revision, "the same in every session ".repeat(200)),
      pluginSnapshot: pluginSnapshot(`${id} ${revision}`),
      executionState: noise(
        id.startsWith("new-") ? Math.max(executionBytes, LONG_BYTES) : executionBytes,
        seedOf(id) + revision,
      ),
    }),
    usageDeltas: [ledgerEntry("turn", "m", usage(revision, 1))],
  });
}

function seedOf(id: string): number {
  return SESSIONS.indexOf(id) * 100;
}

/** Earlier contents by path. */
class History {
  readonly #versions = new Map<string, Uint8Array[]>();

  take(vfs: Vfs): void {
    for (const path of filesIn(vfs, ROOT)) {
      const bytes = contentOf(vfs, path);
      const versions = this.#versions.get(path) ?? [];
      this.#versions.set(path, versions);
      const last = versions.at(-1);
      if (last === undefined || Buffer.compare(last, bytes) !== 0) versions.push(bytes);
    }
  }

  /** Those that differ from what stands there now; a file that is gone now may come back as well. */
  older(vfs: Vfs): Map<string, readonly Uint8Array[]> {
    const older = new Map<string, readonly Uint8Array[]>();
    for (const [path, versions] of this.#versions) {
      const now = vfs.stat(path) === undefined ? undefined : contentOf(vfs, path);
      const others = versions.filter((bytes) => now === undefined || Buffer.compare(bytes, now) !== 0);
      if (others.length > 0) older.set(path, others);
    }
    return older;
  }
}

/** Where the newest slot of TAIL says that the log ends. */
export function lastTail(vfs: Vfs): { readonly segment: number; readonly end: number } {
  const bytes = Buffer.from(contentOf(vfs, `${ROOT}/wal/TAIL`));
  const slots = [0, 4096].map((at) => ({
    lsn: Number(bytes.readBigUInt64LE(at + 32)),
    segment: Number(bytes.readBigUInt64LE(at + 16)),
    end: Number(bytes.readBigUInt64LE(at + 40)),
  }));
  const [first, second] = slots;
  assert.ok(first !== undefined && second !== undefined);
  return first.lsn > second.lsn ? first : second;
}

export function segmentPath(number: number): string {
  return `${ROOT}/wal/${number.toString(16).padStart(16, "0")}.wal`;
}

export function filesIn(vfs: Vfs, directory: string): string[] {
  return vfs.list(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    return vfs.stat(path)?.kind === "directory" ? filesIn(vfs, path) : [path];
  });
}

export function contentOf(vfs: Vfs, path: string): Uint8Array {
  const bytes = readWhole(vfs, path, MAX_FILE_BYTES);
  assert.ok(bytes, `${path} is there`);
  return bytes;
}

/** Overwrites bytes of a file that is there. */
export function put(vfs: Vfs, path: string, bytes: Uint8Array, position: number): void {
  const file = vfs.open(path, "write");
  file.write([bytes], position);
  file.close();
}
