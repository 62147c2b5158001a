/**
 * The publication: the one moment in which files become part of the store.
 *
 * 1. Order: new files get their names, their directories are synced, the manifest is written and synced under
 *    a temporary name, renamed, and the root is synced. Only then is it published.
 * 2. Until the rename of the manifest a failure costs this job alone, and its files are removed. From there
 *    on nobody knows which manifest a crash would leave: the store must be poisoned.
 * 3. A failed sync of a directory poisons wherever it comes: the next publication would have to sync that
 *    directory again, and its success would prove nothing about names that the failed one dropped.
 */
import { isStoreError } from "../errors.ts";
import { type Vfs, writeNew } from "../vfs/vfs.ts";
import { removeLeftovers } from "./leftovers.ts";
import { encodeManifest, type Manifest, manifestPath } from "./manifest.ts";
import type { PublishInput, PublishOutput } from "./tasks.ts";

export function publish(vfs: Vfs, { root, manifest, newFiles }: PublishInput): PublishOutput {
  const final = manifestPath(root, manifest.number);
  const temporary = `${final}.tmp`;
  try {
    for (const file of newFiles) vfs.rename(file.temporary, file.final);
    if (newFiles.length > 0) {
      vfs.syncDirectory(`${root}/heads`);
      vfs.syncDirectory(`${root}/blobs`);
    }
    writeManifest(vfs, temporary, manifest);
  } catch (error) {
    removeLeftovers(vfs, [temporary, ...newFiles.flatMap((file) => [file.temporary, file.final])]);
    return failure(error, isFailedDirectorySync(error), temporary);
  }
  try {
    vfs.rename(temporary, final);
    vfs.syncDirectory(root);
    return { ok: true };
  } catch (error) {
    return failure(error, true, final);
  }
}

/** Publishes the first manifest of a new store, or throws. */
export function writeManifest(vfs: Vfs, path: string, manifest: Manifest): void {
  vfs.remove(path);
  writeNew(vfs, path, encodeManifest(manifest));
}

function isFailedDirectorySync(error: unknown): boolean {
  return isStoreError(error, "STORE_IO") && error.operation === "syncDirectory";
}

function failure(error: unknown, poison: boolean, path: string): PublishOutput {
  const message = error instanceof Error ? error.message : String(error);
  const io = isStoreError(error, "STORE_IO") ? error : undefined;
  return { ok: false, poison, message, errno: io?.errno ?? "UNKNOWN", path: io?.path ?? path };
}
