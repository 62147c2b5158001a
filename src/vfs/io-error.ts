/**
 * Failures of the file system as `STORE_IO`, the same words from every implementation. It translates only
 * what the operating system says (an errno); a mistake of ours in calling it stays the error it is.
 */
import type { StoreErrorOf } from "../errors.ts";
import { isStoreError, storeError } from "../errors.ts";

/** What the store asks of a file system; `STORE_IO.operation` is one of these. */
export type VfsOperation =
  | "open"
  | "read"
  | "write"
  | "datasync"
  | "sync"
  | "truncate"
  | "lock"
  | "close"
  | "stat"
  | "makeDirectory"
  | "list"
  | "rename"
  | "remove"
  | "syncDirectory"
  | "fileSystem";

/** errno of a write that took fewer bytes than it was given; no operating system has this name. */
export const SHORT_WRITE = "ESHORT";

const MEANINGS: Readonly<Record<string, string>> = {
  EBADF: "the file is closed, or not open for this",
  EEXIST: "it exists already",
  EISDIR: "it is a directory",
  EIO: "the device failed",
  EMFILE: "too many open files",
  ENOENT: "there is no such file or directory",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is not a directory",
  EROFS: "the file system is read-only",
  [SHORT_WRITE]: "only part of the bytes was written",
};

export function ioError(
  operation: VfsOperation,
  path: string,
  errno: string,
  cause?: unknown,
): StoreErrorOf<"STORE_IO"> {
  const meaning = MEANINGS[errno];
  const message = `${operation} of ${path} failed: ${meaning === undefined ? errno : `${meaning} (${errno})`}`;
  return storeError("STORE_IO", { operation, path, errno }, message, cause);
}

/** Whether an error says that a file is not there, or not any more. */
export function isMissingFile(error: unknown): error is StoreErrorOf<"STORE_IO"> {
  return isStoreError(error, "STORE_IO") && error.errno === "ENOENT";
}

/** errno of what `node:fs` threw; undefined if the operating system did not say it. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined;
}
