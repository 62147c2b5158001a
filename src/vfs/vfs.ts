/**
 * The file system as the store sees it: small, synchronous, and replaceable. The disk (`disk.ts`) and a
 * crashable memory twin (`memory.ts`) implement it; nothing above may import `node:fs`.
 *
 * Everything is synchronous on purpose: threads of the store call it directly, so nothing of the store ever
 * waits behind libuv's pool. Paths are absolute, with "/" as separator. Every failure is a
 * `STORE_IO { operation, path, errno }`; "absent" is an answer only where the signature says so.
 */

export interface FileStat {
  readonly size: number;
  readonly kind: "file" | "directory" | "other";
  /** Identity of the file on its file system. */
  readonly dev: number;
  readonly ino: number;
  /** Names this file has; 0 after it was unlinked. */
  readonly links: number;
}

/** "read": must exist. "write": must exist, read and write. "create": must not exist, read and write. */
export type OpenMode = "read" | "write" | "create";

export interface VfsFile {
  readonly path: string;
  /** Fills `target` from `position` as far as the file reaches; answers the bytes read. */
  read(target: Uint8Array, position: number): number;
  /** Writes all parts, one behind the other, from `position`. A short write is a failure. */
  write(parts: readonly Uint8Array[], position: number): void;
  /** Data and the metadata needed to read it are on stable storage when this returns. Never retry it. */
  datasync(): void;
  /** As `datasync`, with all metadata. */
  sync(): void;
  stat(): FileStat;
  /** Sets the length. */
  truncate(size: number): void;
  /** Takes the exclusive lock of this file without waiting; false if another open file has it. */
  tryLock(): boolean;
  close(): void;
}

export interface Vfs {
  readonly kind: "disk" | "memory";
  open(path: string, mode: OpenMode): VfsFile;
  /** Creates the directory and its parents; an existing one is fine. */
  makeDirectory(path: string): void;
  /** Names in a directory, sorted. */
  list(path: string): string[];
  stat(path: string): FileStat | undefined;
  rename(source: string, target: string): void;
  /** Removes a file; false if there was none. */
  remove(path: string): boolean;
  /** The names in this directory are on stable storage when this returns. */
  syncDirectory(path: string): void;
  /** Type of the file system of `path`, e.g. "ext4"; `network` if locks and syncs there cannot be trusted. */
  fileSystem(path: string): { readonly name: string; readonly network: boolean };
}

export { isMissingFile } from "./io-error.ts";
/** Reads a whole file. `limit` bounds the allocation; a larger file is `STORE_IO` with errno EFBIG. */
export { openIfThere, readWhole, writeNew } from "./whole.ts";
