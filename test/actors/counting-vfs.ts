/** A file system that knows which files are open through it, so that a test can prove that none stays so. */
import type { FileStat, OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";

export class CountingVfs implements Vfs {
  readonly kind: Vfs["kind"];
  readonly #inner: Vfs;
  readonly #open = new Set<VfsFile>();

  constructor(inner: Vfs) {
    this.#inner = inner;
    this.kind = inner.kind;
  }

  /** Paths of the files that are open, sorted; by the names they were opened under. */
  get openPaths(): string[] {
    return [...this.#open].map((file) => file.path).sort();
  }

  open(path: string, mode: OpenMode): VfsFile {
    const file = this.#inner.open(path, mode);
    const counted: VfsFile = {
      path: file.path,
      read: (target, position) => file.read(target, position),
      write: (parts, position) => file.write(parts, position),
      datasync: () => file.datasync(),
      sync: () => file.sync(),
      stat: () => file.stat(),
      truncate: (size) => file.truncate(size),
      tryLock: () => file.tryLock(),
      close: () => {
        this.#open.delete(counted);
        file.close();
      },
    };
    this.#open.add(counted);
    return counted;
  }

  makeDirectory(path: string): void {
    this.#inner.makeDirectory(path);
  }
  list(path: string): string[] {
    return this.#inner.list(path);
  }
  stat(path: string): FileStat | undefined {
    return this.#inner.stat(path);
  }
  rename(source: string, target: string): void {
    this.#inner.rename(source, target);
  }
  remove(path: string): boolean {
    return this.#inner.remove(path);
  }
  syncDirectory(path: string): void {
    this.#inner.syncDirectory(path);
  }
  fileSystem(path: string): { readonly name: string; readonly network: boolean } {
    return this.#inner.fileSystem(path);
  }
}
