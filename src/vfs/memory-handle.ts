/**
 * An open file of the memory file system: the checks an operating system makes, then the file. It outlives
 * the file's names: removing or renaming an open file changes nothing for it.
 */
import { ioError, type VfsOperation } from "./io-error.ts";
import type { FileNode } from "./memory-file.ts";
import type { FileStat, OpenMode, VfsFile } from "./vfs.ts";

/** Device number of every memory file system. */
export const MEMORY_DEVICE = 0;

/** Announces a mutating operation and answers its place in the order of all. */
export type Announce = (operation: VfsOperation, path: string, bytes?: number) => number;

export class MemoryFile implements VfsFile {
  readonly path: string;
  readonly #node: FileNode;
  readonly #mode: OpenMode;
  readonly #announce: Announce;
  #open = true;

  constructor(path: string, node: FileNode, mode: OpenMode, announce: Announce) {
    this.path = path;
    this.#node = node;
    this.#mode = mode;
    this.#announce = announce;
  }

  read(target: Uint8Array, position: number): number {
    this.#check("read");
    return this.#node.read(target, position);
  }

  write(parts: readonly Uint8Array[], position: number): void {
    this.#check("write");
    if (this.#mode === "read") throw ioError("write", this.path, "EBADF");
    const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
    this.#node.write(parts, position, { at: this.#announce("write", this.path, bytes), path: this.path });
  }

  datasync(): void {
    this.#check("datasync");
    this.#announce("datasync", this.path);
    this.#node.sync();
  }

  sync(): void {
    this.#check("sync");
    this.#announce("sync", this.path);
    this.#node.sync();
  }

  stat(): FileStat {
    this.#check("stat");
    return fileStat(this.#node);
  }

  truncate(size: number): void {
    this.#check("truncate");
    if (this.#mode === "read") throw ioError("truncate", this.path, "EINVAL");
    this.#node.truncate(size, { at: this.#announce("truncate", this.path), path: this.path });
  }

  tryLock(): boolean {
    this.#check("lock");
    if (this.#mode === "read") throw ioError("lock", this.path, "EBADF");
    this.#node.lockedBy ??= this;
    return this.#node.lockedBy === this;
  }

  close(): void {
    this.#open = false;
    if (this.#node.lockedBy === this) this.#node.lockedBy = undefined;
  }

  /** From now on no sync of this file, by whatever handle, makes anything durable. */
  distrustSyncs(): void {
    this.#node.distrustSyncs();
  }

  #check(operation: VfsOperation): void {
    if (!this.#open) throw ioError(operation, this.path, "EBADF");
  }
}

export function fileStat({ size, ino, links }: FileNode): FileStat {
  return { size, kind: "file", dev: MEMORY_DEVICE, ino, links };
}
