/** Whole small files: read at once, or written and synced under a new name. And files that may not be there. */
import { storeError } from "../errors.ts";
import { isMissingFile } from "./io-error.ts";
import type { Vfs, VfsFile } from "./vfs.ts";

/**
 * The file, for reading; undefined if there is none. To look first and then open would fail where the owner of a
 * store removes the file in between.
 */
export function openIfThere(vfs: Vfs, path: string): VfsFile | undefined {
  try {
    return vfs.open(path, "read");
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}

/** All bytes of a file; undefined if there is none. A file above `limit` bytes is refused. */
export function readWhole(vfs: Vfs, path: string, limit: number): Uint8Array | undefined {
  const file = openIfThere(vfs, path);
  if (file === undefined) return undefined;
  try {
    const { size } = file.stat();
    if (size > limit) {
      throw storeError(
        "STORE_IO",
        { operation: "read", path, errno: "EFBIG" },
        `${path} has ${size} bytes, more than ${limit}`,
      );
    }
    const bytes = Buffer.allocUnsafeSlow(size);
    const read = file.read(bytes, 0);
    return bytes.subarray(0, read);
  } finally {
    file.close();
  }
}

/** Creates `path`, which must not exist, with these bytes and syncs it (not its directory). */
export function writeNew(vfs: Vfs, path: string, bytes: Uint8Array): void {
  const file = vfs.open(path, "create");
  try {
    file.write([bytes], 0);
    file.sync();
  } finally {
    file.close();
  }
}
