/**
 * Repair: what can be saved of a store becomes a new store in another directory, and what cannot is named. The
 * store itself is never written to, and is owned for as long as it is read.
 *
 * 1. Nothing is lost without being in the report: sessions, revisions, nodes, receipts, blobs, and the LSNs of
 *    records of which nobody can tell whose they were.
 * 2. A new store counts as repaired only after it was verified like any other.
 */

import { compareCodePoints } from "../codec.ts";
import { isStoreError, type StoreError, storeError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import { blobsOf, type LsnGap } from "../snapshot/salvage-session.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { ownerOf } from "./owner.ts";
import { lostNodesOf, Salvage, type SavedSession } from "./salvage.ts";
import { writeSalvage } from "./salvage-write.ts";
import { verifyStore } from "./verify.ts";

/** How one session differs from what it was. */
export interface SessionLoss {
  readonly sessionId: string;
  /** Absent: the session is lost. */
  readonly keptRevision?: number;
  /** Highest revision that anything tells of; 0 = nothing does. */
  readonly newestRevision: number;
  /** Both included. */
  readonly lostRevisions?: { readonly first: number; readonly last: number };
  readonly lostNodes: number;
  readonly lostReceipts: number;
  readonly lostBlobs: readonly { readonly ref: string; readonly component: string }[];
  /** It goes on behind a gap: a tombstone, vacuum, meta or deletion of it in the gap is not known. */
  readonly isBehindGap: boolean;
  readonly because?: string;
}

export interface RepairReport {
  readonly source: string;
  /** Absent for a dry run. */
  readonly target?: string;
  readonly isDryRun: boolean;
  /** Sessions that are kept, whole or not, and ids that stay deleted. */
  readonly sessions: number;
  readonly deleted: number;
  readonly losses: readonly SessionLoss[];
  /** LSNs whose records are lost; whose they were is not known. */
  readonly lostLsns: readonly LsnGap[];
  /** Places that could not be read, whether or not that cost anything. */
  readonly problems: readonly { readonly file: string; readonly offset?: number; readonly message: string }[];
  readonly lastLsn?: Lsn;
  readonly bytes?: number;
}

export interface RepairInput {
  readonly source: string;
  /** Absent: say what would be done. */
  readonly target: string | undefined;
}

/** STORE_LOCKED when the store is owned, INVALID_ARGUMENT for a target that is not empty. */
export function repairStore(vfs: Vfs, { source, target }: RepairInput): RepairReport {
  if (target !== undefined) refuseTarget(vfs, source, target);
  const unlock = lockSource(vfs, source);
  try {
    const salvage = new Salvage(vfs, source);
    try {
      return repairFrom(vfs, salvage, { source, target });
    } finally {
      salvage.close();
    }
  } finally {
    unlock();
  }
}

/** What a repair would keep, read without the store's lock: beside a live owner it is of no moment. */
export function planRepair(vfs: Vfs, source: string): RepairReport {
  const salvage = new Salvage(vfs, source);
  try {
    return repairFrom(vfs, salvage, { source, target: undefined });
  } finally {
    salvage.close();
  }
}

function repairFrom(vfs: Vfs, salvage: Salvage, { source, target }: RepairInput): RepairReport {
  const losses: SessionLoss[] = [];
  let sessions = 0;
  let deleted = 0;
  const onSession = (session: SavedSession): void => {
    if (session.kind === "saved") sessions++;
    if (session.kind === "deleted") deleted++;
    const loss = lossOf(session);
    if (loss !== undefined) losses.push(loss);
  };
  const written = target === undefined ? undefined : writeSalvage(vfs, target, salvage, onSession);
  if (written === undefined)
    for (const id of [...salvage.sessionIds()].sort(compareCodePoints)) onSession(salvage.session(id));
  if (target !== undefined) refuseUnsound(vfs, target);
  return {
    source,
    ...(target === undefined ? {} : { target }),
    isDryRun: target === undefined,
    sessions,
    deleted,
    losses,
    lostLsns: salvage.lostGaps,
    problems: [
      ...salvage.problems,
      ...salvage.values.problems.map(({ message }) => ({ file: source, message })),
    ],
    ...(written === undefined ? {} : { lastLsn: written.lastLsn, bytes: written.bytes }),
  };
}

/** Whether anything that was acknowledged is not in the new store. */
export function isLossless({ losses, lostLsns }: RepairReport): boolean {
  return losses.length === 0 && lostLsns.length === 0;
}

function lossOf(session: SavedSession): SessionLoss | undefined {
  if (session.kind === "deleted") return undefined;
  const { sessionId, newestRevision } = session;
  if (session.kind === "lost") {
    const because = session.because;
    const none = { lostNodes: 0, lostReceipts: 0, lostBlobs: [], isBehindGap: false };
    return { sessionId, newestRevision, ...none, because };
  }
  const { saved } = session;
  const keptRevision = saved.state.head?.revision ?? 0;
  const lostNodes = lostNodesOf(saved);
  const lostBlobs = saved.missingBlobs.map((ref) => ({ ref, component: componentOf(session, ref) }));
  const isOlder = keptRevision < newestRevision;
  const isWhole = !isOlder && lostNodes + saved.lostReceipts + lostBlobs.length === 0;
  if (isWhole && !saved.isBehindGap && saved.stoppedBy === undefined) return undefined;
  return {
    sessionId,
    keptRevision,
    newestRevision: Math.max(keptRevision, newestRevision),
    ...(isOlder ? { lostRevisions: { first: keptRevision + 1, last: newestRevision } } : {}),
    lostNodes,
    lostReceipts: saved.lostReceipts,
    lostBlobs,
    isBehindGap: saved.isBehindGap,
    ...(saved.stoppedBy === undefined ? {} : { because: saved.stoppedBy }),
  };
}

function componentOf({ saved }: Extract<SavedSession, { kind: "saved" }>, ref: string): string {
  const [checkpoint, ...components] = blobsOf(saved.state);
  if (ref === checkpoint || components.length === 0) return "checkpoint manifest";
  const { toolState, pluginSnapshot } = saved.state.head?.refs ?? {};
  return ref === toolState ? "tool state" : ref === pluginSnapshot ? "plugin snapshot" : "execution state";
}

/** Holds the store's lock while it is read; a store whose `format` is gone can have no owner. */
function lockSource(vfs: Vfs, root: string): () => void {
  const path = `${root}/format`;
  if (vfs.stat(path) === undefined) return () => {};
  try {
    const file = vfs.open(path, "write");
    if (file.tryLock()) return () => file.close();
    file.close();
  } catch (error) {
    // A medium that cannot be written to: nobody can own a store there for writing.
    if (
      isStoreError(error, "STORE_IO") &&
      ["EROFS", "EACCES", "EPERM"].includes(error.errno) &&
      ownerOf(vfs, root).state !== "open"
    )
      return () => {};
    throw error;
  }
  throw lockedError(vfs, root);
}

function lockedError(vfs: Vfs, root: string): StoreError {
  const { pid, host } = ownerOf(vfs, root);
  const by =
    pid === undefined ? "another process" : `process ${pid}${host === undefined ? "" : ` on ${host}`}`;
  return storeError(
    "STORE_LOCKED",
    { owner: { pid, host } },
    `${root} is open in ${by}; close it there first`,
  );
}

function refuseTarget(vfs: Vfs, source: string, target: string): void {
  const refuse = (problem: string): never => {
    throw storeError("INVALID_ARGUMENT", { argument: "into" }, `${target} ${problem}`);
  };
  if (target === source || target.startsWith(`${source}/`))
    refuse("lies in the store itself; name another directory");
  const stat = vfs.stat(target);
  if (stat !== undefined && stat.kind !== "directory") refuse("is not a directory");
  if (stat !== undefined && vfs.list(target).length > 0) refuse("is not empty; name a new directory");
}

function refuseUnsound(vfs: Vfs, target: string): void {
  const { findings } = verifyStore(vfs, target, { deep: true });
  const [first] = findings;
  if (first === undefined) return;
  const message = `the new store is not sound, do not use it: ${first.message}`;
  throw storeError("INTERNAL", {}, message);
}
