/**
 * The file system of the operating system, by synchronous calls of `node:fs`. It adds no cache, no retry and
 * no path handling of its own; nothing else in the project touches `node:fs` for files of a store.
 *
 * 1. Descriptors 0 to 2 are never kept: whatever prints to a closed standard stream would write into a file
 *    of the store.
 * 2. A write that takes fewer bytes than given is a failure (`ESHORT`), never continued.
 * 3. A failed sync is reported and never repeated: the kernel marks the pages clean, so a second one lies.
 * 4. After `close` every operation of the file is `EBADF`, whoever got its descriptor number next.
 */
import {
  closeSync,
  fdatasyncSync,
  constants as fsConstants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
  writevSync,
} from "node:fs";
import { fileSystemOf } from "./disk-file-systems.ts";
import { tryLockDescriptor } from "./disk-lock.ts";
import { errnoOf, ioError, SHORT_WRITE, type VfsOperation } from "./io-error.ts";
import type { FileStat, OpenMode, Vfs, VfsFile } from "./vfs.ts";

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fsConstants;
const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY,
  write: O_RDWR,
  create: O_RDWR | O_CREAT | O_EXCL,
};
/** Standard input, output and error. */
const LAST_STANDARD_DESCRIPTOR = 2;
const CLOSED = -1;

export function createDiskVfs(): Vfs {
  return {
    kind: "disk",
    open: (path, mode) => new DiskFile(path, openFile(path, mode)),
    makeDirectory: (path) => attempt("makeDirectory", path, () => void mkdirSync(path, { recursive: true })),
    list: (path) => attempt("list", path, () => readdirSync(path).sort()),
    stat: (path) => absentAs(undefined, () => attempt("stat", path, () => fileStat(statSync(path)))),
    rename: (source, target) => attempt("rename", source, () => renameSync(source, target)),
    remove: (path) => absentAs(false, () => attempt("remove", path, () => removed(path))),
    syncDirectory: (path) => attempt("syncDirectory", path, () => syncDirectory(path)),
    fileSystem: (path) => attempt("fileSystem", path, () => fileSystemOf(path)),
  };
}

/** The one disk; it has no state. */
export const diskVfs: Vfs = createDiskVfs();

class DiskFile implements VfsFile {
  readonly path: string;
  #fd: number;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  read(target: Uint8Array, position: number): number {
    return this.#call("read", (fd) => {
      let filled = 0;
      // One call may answer less than there is (a signal, 2 GiB); only 0 means the end.
      while (filled < target.byteLength) {
        const count = readSync(fd, target, filled, target.byteLength - filled, position + filled);
        if (count === 0) break;
        filled += count;
      }
      return filled;
    });
  }

  write(parts: readonly Uint8Array[], position: number): void {
    const wanted = parts.reduce((sum, part) => sum + part.byteLength, 0);
    const written = this.#call("write", (fd) => {
      const [first] = parts;
      if (first === undefined || wanted === 0) return 0;
      if (parts.length === 1) return writeSync(fd, first, 0, first.byteLength, position);
      return writevSync(fd, parts, position);
    });
    if (written !== wanted) throw ioError("write", this.path, SHORT_WRITE);
  }

  datasync(): void {
    this.#call("datasync", fdatasyncSync);
  }

  sync(): void {
    this.#call("sync", fsyncSync);
  }

  stat(): FileStat {
    return this.#call("stat", (fd) => fileStat(fstatSync(fd)));
  }

  truncate(size: number): void {
    this.#call("truncate", (fd) => ftruncateSync(fd, size));
  }

  tryLock(): boolean {
    return this.#call("lock", (fd) => tryLockDescriptor(fd, this.path));
  }

  close(): void {
    if (this.#fd === CLOSED) return;
    const fd = this.#fd;
    // Also when it fails: the descriptor is gone then, and its number may be another file's.
    this.#fd = CLOSED;
    attempt("close", this.path, () => closeSync(fd));
  }

  #call<Result>(operation: VfsOperation, action: (fd: number) => Result): Result {
    if (this.#fd === CLOSED) throw ioError(operation, this.path, "EBADF");
    return attempt(operation, this.path, () => action(this.#fd));
  }
}

function openFile(path: string, mode: OpenMode): number {
  return attempt("open", path, () => {
    const fd = openAboveStandard(path, FLAGS[mode]);
    if (mode !== "read" || !fstatSync(fd).isDirectory()) return fd;
    closeSync(fd);
    throw ioError("open", path, "EISDIR");
  });
}

function openAboveStandard(path: string, flags: number): number {
  const low: number[] = [];
  try {
    let fd = openSync(path, flags);
    while (fd <= LAST_STANDARD_DESCRIPTOR) {
      low.push(fd);
      // The file exists now: a second exclusive creation would fail.
      fd = openSync(path, flags & ~(O_CREAT | O_EXCL));
    }
    return fd;
  } finally {
    for (const fd of low) closeSync(fd);
  }
}

/** Windows cannot sync a directory and writes names through its own journal: there it does nothing. */
function syncDirectory(path: string): void {
  if (process.platform === "win32") return;
  const fd = openAboveStandard(path, O_RDONLY | fsConstants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function removed(path: string): true {
  unlinkSync(path);
  return true;
}

function fileStat(stats: Stats): FileStat {
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other";
  return { size: stats.size, kind, dev: stats.dev, ino: stats.ino, links: stats.nlink };
}

function attempt<Result>(operation: VfsOperation, path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw ioError(operation, path, errno, error);
  }
}

/** `answer` where the action says there is no such file. */
function absentAs<Result, Answer>(answer: Answer, action: () => Result): Result | Answer {
  try {
    return action();
  } catch (error) {
    if (error instanceof Error && "errno" in error && error.errno === "ENOENT") return answer;
    throw error;
  }
}
