/**
 * Files as plain buffers, for recoveries by the hundred thousand: a fork shares every byte until it writes,
 * and damage is one flipped bit in a buffer. No crashes, no locks, no directories; nothing here is durable.
 */
import { ioError } from "../../src/vfs/io-error.ts";
import type { FileStat, OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";
import { readFile } from "./fixture.ts";

interface Node {
  bytes: Uint8Array;
  /** The buffer is no other file system's. */
  own: boolean;
  /** End of the farthest read. */
  read: number;
}

export class ImageVfs implements Vfs {
  readonly kind = "memory";
  readonly #files = new Map<string, Node>();
  /** The files as they were put, under the names they had then. */
  readonly #first = new Map<string, Node>();

  /** The files of one directory of another file system. */
  static of(vfs: Vfs, directory: string): ImageVfs {
    const images = new ImageVfs();
    for (const name of vfs.list(directory)) {
      images.put(`${directory}/${name}`, readFile(vfs, `${directory}/${name}`));
    }
    return images;
  }

  /** The same files; what either writes from now on, the other does not see. */
  fork(): ImageVfs {
    const fork = new ImageVfs();
    for (const [path, { bytes }] of this.#files) fork.put(path, bytes);
    return fork;
  }

  /** The buffer itself: a bit flipped in it is flipped in every fork made later. */
  bytes(path: string): Uint8Array {
    return this.#node("open", path).bytes;
  }

  /** How far the file was read here under any name: nobody saw what lies behind. */
  readUpTo(path: string): number {
    return this.#first.get(path)?.read ?? 0;
  }

  put(path: string, bytes: Uint8Array): void {
    const node = { bytes, own: false, read: 0 };
    this.#files.set(path, node);
    this.#first.set(path, node);
  }

  open(path: string, mode: OpenMode): VfsFile {
    if (mode === "create") this.#files.set(path, { bytes: new Uint8Array(0), own: true, read: 0 });
    return new ImageFile(path, this.#node("open", path));
  }

  list(path: string): string[] {
    const prefix = `${path}/`;
    const inside = [...this.#files.keys()].filter((one) => one.startsWith(prefix));
    return inside.map((one) => one.slice(prefix.length)).sort();
  }

  stat(path: string): FileStat | undefined {
    const node = this.#files.get(path);
    return node === undefined ? undefined : statOf(node);
  }

  rename(source: string, target: string): void {
    this.#files.set(target, this.#node("rename", source));
    this.#files.delete(source);
  }

  remove(path: string): boolean {
    return this.#files.delete(path);
  }

  makeDirectory(): void {}
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

function statOf({ bytes }: Node): FileStat {
  return { size: bytes.byteLength, kind: "file", dev: 0, ino: 0, links: 1 };
}
