/**
 * The files of a machine as one of its processes sees them. Every operation takes simulated time, is written
 * into the trace, may fail, and may be the last thing the process does.
 *
 * 1. A process that has died does nothing any more: every operation throws before it has an effect.
 * 2. The trace tells what was written by its checksum, so equal traces mean equal bytes. `lock` holds the id
 *    of the real process and is told by its name only.
 * 3. A full disk refuses to create and to lengthen, and takes what overwrites, as file systems that overwrite
 *    in place do.
 */
import { crc32 } from "../../checksum.ts";
import { ioError, type VfsOperation } from "../../vfs/io-error.ts";
import type { FileStat, OpenMode, Vfs, VfsFile } from "../../vfs/vfs.ts";

/** What a process asks before each of its operations. */
export interface FileEnvironment {
  /** Throws if the process is dead or dies here. `bytes` of a write or read. */
  before(operation: VfsOperation, path: string, bytes: number): void;
  readonly isFull: () => boolean;
  readonly trace: (line: string) => void;
}

export class ProcessFiles implements Vfs {
  readonly kind: Vfs["kind"];
  readonly #inner: Vfs;
  readonly #environment: FileEnvironment;
  readonly #open = new Set<ProcessFile>();

  constructor(inner: Vfs, environment: FileEnvironment) {
    this.kind = inner.kind;
    this.#inner = inner;
    this.#environment = environment;
  }

  /** What the operating system does for a process that is gone: its locks are free, its files stay as they are. */
  abandon(): void {
    for (const file of this.#open) file.abandon();
    this.#open.clear();
  }

  get openFiles(): number {
    return this.#open.size;
  }

  open(path: string, mode: OpenMode): VfsFile {
    const inner = this.#run("open", path, mode, () => {
      if (mode === "create" && this.#environment.isFull()) throw ioError("open", path, "ENOSPC");
      return this.#inner.open(path, mode);
    });
    const file = new ProcessFile(inner, this.#environment, () => this.#open.delete(file));
    this.#open.add(file);
    return file;
  }

  makeDirectory(path: string): void {
    this.#run("makeDirectory", path, "", () => {
      if (this.#environment.isFull() && this.#inner.stat(path) === undefined)
        throw ioError("makeDirectory", path, "ENOSPC");
      this.#inner.makeDirectory(path);
    });
  }

  list(path: string): string[] {
    return this.#run("list", path, "", () => this.#inner.list(path));
  }

  stat(path: string): FileStat | undefined {
    return this.#run("stat", path, "", () => this.#inner.stat(path));
  }

  rename(source: string, target: string): void {
    this.#run("rename", source, target, () => this.#inner.rename(source, target));
  }

  remove(path: string): boolean {
    return this.#run("remove", path, "", () => this.#inner.remove(path));
  }

  syncDirectory(path: string): void {
    this.#run("syncDirectory", path, "", () => this.#inner.syncDirectory(path));
  }

  fileSystem(path: string): { readonly name: string; readonly network: boolean } {
    return this.#run("fileSystem", path, "", () => this.#inner.fileSystem(path));
  }

  #run<Result>(operation: VfsOperation, path: string, detail: string, action: () => Result): Result {
    this.#environment.before(operation, path, 0);
    return traced(this.#environment, `${operation} ${path} ${detail}`, action);
  }
}

class ProcessFile implements VfsFile {
  readonly path: string;
  readonly #inner: VfsFile;
  readonly #environment: FileEnvironment;
  readonly #onClose: () => void;

  constructor(inner: VfsFile, environment: FileEnvironment, onClose: () => void) {
    this.path = inner.path;
    this.#inner = inner;
    this.#environment = environment;
    this.#onClose = onClose;
  }

  abandon(): void {
    try {
      this.#inner.close();
    } catch {
      // A close that fails closes; the process it would fail for is gone.
    }
  }

  read(target: Uint8Array, position: number): number {
    return this.#run("read", `${position}+${target.byteLength}`, target.byteLength, () =>
      this.#inner.read(target, position),
    );
  }

  write(parts: readonly Uint8Array[], position: number): void {
    const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
    const isOwner = this.path.endsWith("/lock");
    const checksum = parts.reduce((sum, part) => crc32(part, sum), 0);
    const detail = isOwner ? "" : `${position}+${bytes} ${checksum.toString(16)}`;
    this.#run("write", detail, bytes, () => {
      if (this.#environment.isFull() && position + bytes > this.#inner.stat().size)
        throw ioError("write", this.path, "ENOSPC");
      this.#inner.write(parts, position);
    });
  }

  datasync(): void {
    this.#run("datasync", "", 0, () => this.#inner.datasync());
  }

  sync(): void {
    this.#run("sync", "", 0, () => this.#inner.sync());
  }

  stat(): FileStat {
    return this.#run("stat", "", 0, () => this.#inner.stat());
  }

  truncate(size: number): void {
    this.#run("truncate", String(size), 0, () => this.#inner.truncate(size));
  }

  tryLock(): boolean {
    return this.#run("lock", "", 0, () => this.#inner.tryLock());
  }

  close(): void {
    this.#run("close", "", 0, () => {
      this.#onClose();
      this.#inner.close();
    });
  }

  #run<Result>(operation: VfsOperation, detail: string, bytes: number, action: () => Result): Result {
    this.#environment.before(operation, this.path, bytes);
    return traced(this.#environment, `${operation} ${this.path} ${detail}`, action);
  }
}

function traced<Result>({ trace }: FileEnvironment, line: string, action: () => Result): Result {
  let result: Result;
  try {
    result = action();
  } catch (error) {
    trace(`${line} failed: ${error instanceof Error ? error.message : String(error)}`);
    throw error;
  }
  trace(line);
  return result;
}
