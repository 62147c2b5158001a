/**
 * Files as plain buffers, for recoveries by the hundred thousand: a fork shares every byte until it writes,
 * and damage is one flipped bit in a buffer. It tells which bytes of its first files were read: work that
 * never read a byte does the same whatever stands there. No crashes, no locks; nothing here is durable.
 */
import { ioError } from "../../src/vfs/io-error.ts";
import { type FileStat, type OpenMode, readWhole, type Vfs, type VfsFile } from "../../src/vfs/vfs.ts";

const MAX_FILE_BYTES = 1 << 30;

interface Node {
  bytes: Uint8Array;
  /** The buffer is no other file system's. */
  own: boolean;
  /** End of the farthest read. */
  read: number;
  /** One for each byte of the first buffer that was read, if that is recorded. */
  readonly seen: Uint8Array | undefined;
}

export class ImageVfs implements Vfs {
  readonly kind = "memory";
  readonly #files = new Map<string, Node>();
  readonly #directories = new Set<string>();
  /** The files as they were put, under the names they had then. */
  readonly #first = new Map<string, Node>();
  readonly #records: boolean;

  constructor(options: { readonly records?: boolean } = {}) {
    this.#records = options.records ?? false;
  }

  /** The files below a directory of another file system. */
  static of(vfs: Vfs, directory: string): ImageVfs {
    const images = new ImageVfs();
    const take = (path: string): void => {
      images.makeDirectory(path);
      for (const name of vfs.list(path)) {
        const inside = `${path}/${name}`;
        if (vfs.stat(inside)?.kind === "directory") take(inside);
        else images.put(inside, readWhole(vfs, inside, MAX_FILE_BYTES) ?? new Uint8Array(0));
      }
    };
    take(directory);
    return images;
  }

  /** The same files; what either writes from now on, the other does not see. */
  fork(options: { readonly records?: boolean } = {}): ImageVfs {
    const fork = new ImageVfs(options);
    for (const path of this.#directories) fork.#directories.add(path);
    for (const [path, { bytes }] of this.#files) fork.put(path, bytes);
    return fork;
  }

  /** Paths of all files. */
  get paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  /** The buffer itself: a bit flipped in it is flipped in every fork made later. */
  bytes(path: string): Uint8Array {
    return this.#node("open", path).bytes;
  }

  /** How far the file was read here under any name: nobody saw what lies behind. */
  readUpTo(path: string): number {
    return this.#first.get(path)?.read ?? 0;
  }

  /** One for each byte of a first file that was read here under any name; only of a fork that records. */
  seen(path: string): Uint8Array {
    return this.#first.get(path)?.seen ?? new Uint8Array(0);
  }

  put(path: string, bytes: Uint8Array): void {
    const seen = this.#records ? new Uint8Array(bytes.byteLength) : undefined;
    const node = { bytes, own: false, read: 0, seen };
    this.#files.set(path, node);
    this.#first.set(path, node);
  }

  open(path: string, mode: OpenMode): VfsFile {
    if (this.#directories.has(path)) throw ioError("open", path, "EISDIR");
    if (mode === "create") {
      if (this.#files.has(path)) throw ioError("open", path, "EEXIST");
      this.#files.set(path, { bytes: new Uint8Array(0), own: true, read: 0, seen: undefined });
    }
    return new ImageFile(path, this.#node("open", path));
  }

  list(path: string): string[] {
    const prefix = `${path}/`;
    const names = new Set<string>();
    for (const one of [...this.#files.keys(), ...this.#directories]) {
      const [name] = one.startsWith(prefix) ? one.slice(prefix.length).split("/") : [];
      if (name !== undefined) names.add(name);
    }
    return [...names].sort();
  }

  stat(path: string): FileStat | undefined {
    const node = this.#files.get(path);
    if (node !== undefined) return statOf(node);
    return this.#directories.has(path) ? { ...STAT, size: 0, kind: "directory" } : undefined;
  }

  rename(source: string, target: string): void {
    this.#files.set(target, this.#node("rename", source));
    this.#files.delete(source);
  }

  remove(path: string): boolean {
    return this.#files.delete(path);
  }

  makeDirectory(path: string): void {
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1))
      this.#directories.add(path.slice(0, end));
  }
  syncDirectory(): void {}

  fileSystem(): { readonly name: string; readonly network: boolean } {
    return { name: "memory", network: false };
  }

  #node(operation: "open" | "rename", path: string): Node {
    const node = this.#files.get(path);
    if (node === undefined) throw ioError(operation, path, "ENOENT");
    return node;
  }
}

class ImageFile implements VfsFile {
  readonly path: string;
  readonly #node: Node;

  constructor(path: string, node: Node) {
    this.path = path;
    this.#node = node;
  }

  read(target: Uint8Array, position: number): number {
    const part = this.#node.bytes.subarray(position, position + target.byteLength);
    target.set(part);
    this.#node.read = Math.max(this.#node.read, position + part.byteLength);
    this.#node.seen?.fill(1, position, position + part.byteLength);
    return part.byteLength;
  }

  write(parts: readonly Uint8Array[], position: number): void {
    const end = parts.reduce((sum, part) => sum + part.byteLength, position);
    this.#resize(Math.max(end, this.#node.bytes.byteLength));
    let at = position;
    for (const part of parts) {
      this.#node.bytes.set(part, at);
      at += part.byteLength;
    }
  }

  truncate(size: number): void {
    this.#resize(size);
  }

  stat(): FileStat {
    return statOf(this.#node);
  }

  tryLock(): boolean {
    return true;
  }

  datasync(): void {}
  sync(): void {}
  close(): void {}

  /** A buffer of its own with that many bytes. */
  #resize(size: number): void {
    if (this.#node.own && this.#node.bytes.byteLength === size) return;
    const bytes = new Uint8Array(size);
    bytes.set(this.#node.bytes.subarray(0, size));
    this.#node.bytes = bytes;
    this.#node.own = true;
  }
}

const STAT = { kind: "file", dev: 0, ino: 0, links: 1 } as const;

function statOf({ bytes }: Node): FileStat {
  return { ...STAT, size: bytes.byteLength };
}
