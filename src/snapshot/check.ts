/**
 * Reads a whole snapshot and says what is wrong: every block of every file, every value against its digest,
 * every page and blob that a head names, its outline and index, the manifest itself, and the log from where the snapshot ends, with
 * what its records make of the heads. Writes nothing and repairs nothing.
 */
import type { VerifyProblem } from "../contract.ts";
import { isStoreError } from "../errors.ts";
import type { NodeEntry, TableEntry } from "../session/node-entry.ts";
import type { StoredIds } from "../session/stored-ids.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { verifyLog } from "../wal/log.ts";
import { checkTail } from "./check-tail.ts";
import { damageOf } from "./file-slots.ts";
import { entryFromItem, pagedIn, type StoredHead } from "./head.ts";
import { HeadsFileReader } from "./heads-file.ts";
import { indexedIds } from "./id-index.ts";
import { headsPath, manifestPath, packPath, readManifest } from "./manifest.ts";
import { outlinedNodes } from "./outline.ts";
import { PackReader } from "./pack.ts";
import { countItems, pagesOf, readItems } from "./pages.ts";
import type { CheckInput } from "./tasks.ts";
import { SnapshotView } from "./view.ts";

export function checkSnapshot(vfs: Vfs, { root, manifest }: CheckInput): VerifyProblem[] {
  const problems = new Problems();
  const { storeId } = manifest;
  for (const { number, bytes } of manifest.packs) {
    problems.guard(packPath(root, number), undefined, () => {
      const pack = new PackReader(vfs, packPath(root, number), { storeId, number }, bytes);
      try {
        for (const entry of pack.entries()) problems.guard(pack.path, undefined, () => pack.read(entry));
      } finally {
        pack.close();
      }
    });
  }
  for (const { number, bytes } of manifest.heads) {
    problems.guard(headsPath(root, number), undefined, () => {
      const file = new HeadsFileReader(vfs, headsPath(root, number), { storeId, number }, bytes);
      try {
        for (const head of file.scan()) file.decode(head.sessionId, head.bytes);
        for (const _key of file.list(undefined));
      } finally {
        file.close();
      }
    });
  }
  problems.guard(manifestPath(root, manifest.number), undefined, () => {
    readManifest(vfs, root, manifest.number, storeId);
  });
  const ofLog = verifyLog(vfs, `${root}/wal`, storeId, manifest.log);
  problems.found.push(...ofLog);
  checkHeads(vfs, { root, manifest }, problems, ofLog.length === 0);
  return problems.found;
}

/**
 * Each head's blobs and pages are there and as many as it says, and a whole log's records follow from the
 * heads. Damage found above is told again, by session.
 */
function checkHeads(vfs: Vfs, { root, manifest }: CheckInput, problems: Problems, isLogWhole: boolean): void {
  const view = openUnlessReported(vfs, { root, manifest }, problems);
  if (view === undefined) return;
  try {
    problems.guard(`${root}/heads`, undefined, () => {
      for (const key of view.list()) {
        problems.guard(`${root}/blobs`, key.sessionId, () => {
          const stored = view.head(key.sessionId);
          if (stored !== undefined && !stored.deleted) checkHead(view, stored);
        });
      }
    });
    if (isLogWhole) {
      problems.guard(`${root}/wal`, undefined, () => problems.found.push(...checkTail(vfs, view)));
    }
  } finally {
    view.release();
  }
}

/** Damaged files are reported and the view is without them; what cannot be read now must be reported too. */
function openUnlessReported(
  vfs: Vfs,
  { root, manifest }: CheckInput,
  problems: Problems,
): SnapshotView | undefined {
  try {
    return SnapshotView.open(vfs, root, manifest);
  } catch (error) {
    if (problems.found.length === 0) throw error;
    return undefined;
  }
}

/** Throws what is wrong with a head: that it is not of its pages, or what cannot be read. */
export function checkHead(view: SnapshotView, stored: StoredHead): void {
  const { sessionId, head, nodes } = stored;
  const store = { read: (ref: Parameters<SnapshotView["readNamed"]>[0]) => view.readNamed(ref, sessionId) };
  for (const _page of pagesOf(pagedIn(stored), store));
  const outlined = outlinedNodes(stored);
  const indexed = indexedIds(stored, store);
  let items = 0;
  for (const item of readItems(nodes, store)) {
    if (outlined !== undefined) checkOutlined(outlined.entries[items], entryFromItem(item));
    if (indexed !== undefined) checkIndexed(indexed, items, entryFromItem(item));
    items++;
  }
  const expected = (head?.nodeCount ?? 0) + stored.hiddenCount;
  if (items !== countItems(nodes) || items !== expected) {
    throw new Error(`session "${sessionId}" has ${items} nodes in its pages, its head says ${expected}`);
  }
  if (head === undefined) return;
  const { toolState, pluginSnapshot, executionState } = head.refs;
  for (const ref of [head.checkpointRef, toolState, pluginSnapshot, executionState]) {
    if (ref !== undefined) view.readNamed(ref, sessionId);
  }
}

/** What the head says of a node is what its page says. */
function checkOutlined(outlined: TableEntry | undefined, { body, ...stored }: NodeEntry): void {
  const { id, parent, flags, revision, hiddenAt } = stored;
  const isSame =
    outlined?.id === id &&
    outlined.parent === parent &&
    outlined.flags === flags &&
    outlined.revision === revision &&
    outlined.hiddenAt === hiddenAt &&
    outlined.bodyBytes === body.length;
  if (!isSame) throw new Error(`node "${id}" is another in the outline of its head`);
}

/** The index has the node in its place, and its parent somewhere. */
function checkIndexed(indexed: StoredIds, slot: number, { id, parent }: NodeEntry): void {
  if (!indexed.isAt(id, slot)) throw new Error(`node "${id}" is another in the index of its session`);
  if (parent !== undefined && indexed.find(parent) === undefined)
    throw new Error(`node "${id}" has a parent that the index of its session does not know`);
}

/** Collects what checks throw, as problems. */
export class Problems {
  readonly found: VerifyProblem[] = [];

  guard(file: string, sessionId: string | undefined, work: () => void): void {
    try {
      work();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const session = sessionId === undefined ? {} : { sessionId };
      const damage = damageOf(error);
      if (damage !== undefined) {
        const offset = damage.offset === undefined ? {} : { offset: damage.offset };
        this.found.push({
          file: damage.file,
          ...offset,
          ...session,
          code: damage.code,
          message: damage.message,
        });
      } else {
        this.found.push({ file, ...session, code: isStoreError(error) ? error.code : "CORRUPT", message });
      }
    }
  }
}
