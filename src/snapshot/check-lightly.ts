/**
 * What of a snapshot can be told without reading every value: its files open, every head and every index can
 * be read, and what heads name is somewhere. `check.ts` reads and hashes everything.
 */
import type { VerifyProblem } from "../contract.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { corruptFile } from "./block-file.ts";
import { Problems } from "./check.ts";
import { pagedIn, type StoredHead } from "./head.ts";
import { HeadsFileReader } from "./heads-file.ts";
import { headsPath, packPath } from "./manifest.ts";
import { PackReader } from "./pack.ts";
import type { CheckInput } from "./tasks.ts";
import { SnapshotView } from "./view.ts";

export function checkLightly(vfs: Vfs, { root, manifest }: CheckInput): VerifyProblem[] {
  const problems = new Problems();
  const { storeId } = manifest;
  for (const { number, bytes } of manifest.packs) {
    problems.guard(packPath(root, number), undefined, () => {
      const pack = new PackReader(vfs, packPath(root, number), { storeId, number }, bytes);
      try {
        for (const _entry of pack.entries());
      } finally {
        pack.close();
      }
    });
  }
  for (const { number, bytes } of manifest.heads) {
    problems.guard(headsPath(root, number), undefined, () => {
      const file = new HeadsFileReader(vfs, headsPath(root, number), { storeId, number }, bytes);
      try {
        for (const block of file.scanBlocks()) {
          problems.guard(file.path, undefined, () => {
            if (!Array.isArray(block)) throw block;
            for (const { sessionId, bytes: head } of block) file.decode(sessionId, head);
          });
        }
        for (const _key of file.list(undefined));
      } finally {
        file.close();
      }
    });
  }
  if (problems.found.length === 0) checkNamed(vfs, { root, manifest }, problems);
  return problems.found;
}

function checkNamed(vfs: Vfs, { root, manifest }: CheckInput, problems: Problems): void {
  const view = SnapshotView.open(vfs, root, manifest);
  try {
    for (const { sessionId } of view.list()) {
      problems.guard(`${root}/blobs`, sessionId, () => {
        const stored = view.head(sessionId);
        if (stored === undefined || stored.deleted) return;
        for (const ref of refsOf(stored)) {
          if (view.blobInfo(ref) !== undefined) continue;
          throw corruptFile(
            `${root}/blobs`,
            0,
            `value ${ref} of session "${sessionId}" is in no pack`,
            sessionId,
          );
        }
      });
    }
  } finally {
    view.release();
  }
}

function refsOf(stored: StoredHead) {
  const { head } = stored;
  const { toolState, pluginSnapshot, executionState } = head?.refs ?? {};
  const pages = pagedIn(stored).map(({ ref }) => ref);
  return [head?.checkpointRef, toolState, pluginSnapshot, executionState, ...pages].filter(
    (ref) => ref !== undefined,
  );
}
