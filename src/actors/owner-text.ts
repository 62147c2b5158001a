/**
 * The file `lock`: who owns the store, as text for other owners' messages. It protects nothing; the lock is
 * held on the file `format`.
 */
import { hostname } from "node:os";
import { isStoreError, type StoreError, storeError } from "../errors.ts";
import { readWhole, type Vfs } from "../vfs/vfs.ts";

export function writeOwner(vfs: Vfs, root: string): void {
  const path = `${root}/lock`;
  const text = JSON.stringify({ pid: process.pid, host: hostname(), start: new Date().toISOString() });
  try {
    const file = vfs.stat(path) === undefined ? vfs.open(path, "create") : vfs.open(path, "write");
    try {
      file.truncate(0);
      file.write([Buffer.from(`${text}\n`)], 0);
    } finally {
      file.close();
    }
  } catch (error) {
    // Information for other owners' messages; a full disk must not keep a store from opening.
    if (!isStoreError(error, "STORE_IO")) throw error;
  }
}

export function lockedError(vfs: Vfs, root: string): StoreError {
  let pid: number | undefined;
  let host: string | undefined;
  try {
    const owner: unknown = JSON.parse(Buffer.from(readWhole(vfs, `${root}/lock`, 4096) ?? []).toString());
    if (typeof owner === "object" && owner !== null) {
      const fields = owner as { pid?: unknown; host?: unknown };
      if (typeof fields.pid === "number") pid = fields.pid;
      if (typeof fields.host === "string") host = fields.host;
    }
  } catch {
    // The text is for the message only; the lock itself is what counts.
  }
  const by = pid === undefined ? "another owner" : `process ${pid}${host === undefined ? "" : ` on ${host}`}`;
  return storeError(
    "STORE_LOCKED",
    { owner: { pid, host } },
    `${root} is open in ${by}; close it there or wait with lockWaitMs`,
  );
}
