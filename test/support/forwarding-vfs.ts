/** A file system that passes everything on to another one. What a test wants to see or to change it overrides. */
import type { FileStat, OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";

export { forwardFile } from "../../src/vfs/forward.ts";

export class ForwardingVfs implements Vfs {
  readonly kind: Vfs["kind"];
  readonly #inner: Vfs;

  constructor(inner: Vfs) {
    this.#inner = inner;
    this.kind = inner.kind;
  }

  open(path: string, mode: OpenMode): VfsFile {
    return this.#inner.open(path, mode);
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
