/**
 * A file system in memory with the contract of the disk, which can crash. It backs the memory-only store,
 * where nothing is tracked, and the tests, where `crash` answers what a power cut at this moment could leave:
 * contents survive by the sync of their file, names by the sync of their directory, and what was not synced
 * is up to a chooser (see `memory-crash.ts`). It does not model permissions, links, free space or time.
 *
 * 1. What was synced and not overwritten or renamed since is in every crash.
 * 2. A crash answers a new file system and leaves this one as it was; locks and open files are not in it.
 * 3. An operation that fails changes nothing and is not announced.
 */
import { assert } from "../assert.ts";
import { CrashMoment } from "./crash-moment.ts";
import { ioError, type VfsOperation } from "./io-error.ts";
import { MemoryBytes } from "./memory-bytes.ts";
import {
  type CrashChooser,
  chooseRandomly,
  enumerateCrashes,
  keepEverything,
  keepNothing,
  type PendingName,
  type PendingPart,
} from "./memory-crash.ts";
import { FileNode } from "./memory-file.ts";
import { type Announce, fileStat, MEMORY_DEVICE, MemoryFile } from "./memory-handle.ts";
import { applyChange, DirectoryNode, type MemoryNode, NameJournal, type Place } from "./memory-names.ts";
import { hashText } from "./memory-sum.ts";
import type { FileStat, OpenMode, Vfs, VfsFile } from "./vfs.ts";

/** A mutating operation about to happen. Creating a file is an "open". */
export interface MemoryOperation {
  /** Ordinal of the operation, from 0. */
  readonly at: number;
  readonly operation: VfsOperation;
  readonly path: string;
  /** Bytes of a write. */
  readonly bytes?: number;
}

export class MemoryVfs implements Vfs {
  readonly kind = "memory";
  /** Called before each mutating operation, syncs included; if it throws, the operation does not happen. */
  onOperation: ((operation: MemoryOperation) => void) | undefined;
  readonly #crashable: boolean;
  #names = new NameJournal();
  #root = new DirectoryNode(1);
  #lastIno = 1;
  #operations = 0;
  readonly #announce: Announce = (operation, path, bytes) => {
    const at = this.#operations++;
    this.onOperation?.({ at, operation, path, ...(bytes === undefined ? {} : { bytes }) });
    return at;
  };

  constructor(options: { readonly crashable?: boolean } = {}) {
    this.#crashable = options.crashable ?? true;
  }

  open(path: string, mode: OpenMode): VfsFile {
    const place = this.#place("open", path);
    const found = place.directory.entries.get(place.name);
    if (mode === "create") {
      if (found !== undefined || place.name === "") throw ioError("open", path, "EEXIST");
      return this.#handle(path, this.#create(path, place), mode);
    }
    if (place.name === "" || found?.kind === "directory") throw ioError("open", path, "EISDIR");
    if (found === undefined) throw ioError("open", path, "ENOENT");
    return this.#handle(path, found, mode);
  }

  makeDirectory(path: string): void {
    const names = namesOf(path);
    let directory = this.#root;
    names.forEach((name, index) => {
      const found = directory.entries.get(name);
      if (found?.kind === "file") {
        throw ioError("makeDirectory", path, index === names.length - 1 ? "EEXIST" : "ENOTDIR");
      }
      const reached = `/${names.slice(0, index + 1).join("/")}`;
      directory = found ?? this.#createDirectory(reached, { directory, name });
    });
  }

  list(path: string): string[] {
    return [...this.#directory("list", path).entries.keys()].sort();
  }

  stat(path: string): FileStat | undefined {
    const node = this.#find(path);
    if (node === "ENOTDIR") throw ioError("stat", path, "ENOTDIR");
    if (node === "ENOENT") return undefined;
    if (node.kind === "file") return fileStat(node);
    return { size: 0, kind: "directory", dev: MEMORY_DEVICE, ino: node.ino, links: 1 };
  }

  rename(source: string, target: string): void {
    const from = this.#place("rename", source);
    const to = this.#place("rename", target, source);
    const node = from.directory.entries.get(from.name);
    if (node === undefined) throw ioError("rename", source, "ENOENT");
    const replaced = to.directory.entries.get(to.name);
    if (replaced === node) return;
    const refusal = renameRefusal(node, replaced, namesOf(source), namesOf(target));
    if (refusal !== undefined) throw ioError("rename", source, refusal);
    this.#change({ change: "rename", path: source, target }, "rename", node, [from, to]);
    if (replaced?.kind === "file") replaced.links = 0;
  }

  remove(path: string): boolean {
    const node = this.#find(path);
    if (node === "ENOTDIR") throw ioError("remove", path, "ENOTDIR");
    if (node === "ENOENT") return false;
    if (node.kind === "directory") throw ioError("remove", path, "EISDIR");
    this.#change({ change: "remove", path }, "remove", node, [this.#place("remove", path)]);
    node.links = 0;
    return true;
  }

  syncDirectory(path: string): void {
    const directory = this.#directory("syncDirectory", path);
    this.#announce("syncDirectory", path);
    this.#names.sync(directory);
  }

  fileSystem(path: string): { readonly name: string; readonly network: boolean } {
    const node = this.#find(path);
    if (typeof node === "string") throw ioError("fileSystem", path, node);
    return { name: "memory", network: false };
  }

  /** From now on no sync of this directory settles anything: what a failed sync does. */
  distrustDirectorySyncs(path: string): void {
    this.#directory("syncDirectory", path).syncsTrusted = false;
  }

  /** What a crash now could lose, in the order of the operations. */
  pending(): readonly PendingPart[] {
    return this.#crashable ? this.moment().parts : [];
  }

  /** Everything as it is now, to be crashed in any number of ways while this file system goes on. */
  moment(): CrashMoment<MemoryVfs> {
    assert(this.#crashable, "this memory file system was made without a crash model");
    const lastIno = this.#lastIno;
    return new CrashMoment(this.#names.moment(this.#root), (root) => {
      const crashed = new MemoryVfs();
      crashed.#root = root;
      crashed.#lastIno = lastIno;
      return crashed;
    });
  }

  /** The file system as a power cut now leaves it, where `chooser` decides about each pending part. */
  crash(chooser: CrashChooser): MemoryVfs {
    const moment = this.moment();
    return moment.crash(moment.choose(chooser));
  }

  /**
   * A number of 53 bits that equal names with equal contents have in common, and different ones practically
   * never: to count states that differ. What was not synced counts as it is.
   */
  fingerprint(): number {
    return fingerprintOf(this.#root);
  }

  crashKeepingNothing(): MemoryVfs {
    return this.crash(keepNothing);
  }

  /** Also what a killed process leaves: the operating system still has everything. */
  crashKeepingEverything(): MemoryVfs {
    return this.crash(keepEverything);
  }

  /** The same seed gives the same crash. */
  crashRandomly(seed: number): MemoryVfs {
    return this.crash(chooseRandomly(seed));
  }

  /** The crashes of `enumerateCrashes`, each made when it is reached. */
  *crashes(): Generator<{ readonly title: string; readonly vfs: MemoryVfs }> {
    for (const { title, chooser } of enumerateCrashes(this.pending())) {
      yield { title, vfs: this.crash(chooser) };
    }
  }

  #create(path: string, place: Place): FileNode {
    const node = new FileNode(++this.#lastIno, new MemoryBytes(), { crashable: this.#crashable });
    this.#change({ change: "create", path }, "open", node, [place]);
    return node;
  }

  #createDirectory(path: string, place: Place): DirectoryNode {
    const node = new DirectoryNode(++this.#lastIno);
    this.#change({ change: "makeDirectory", path }, "makeDirectory", node, [place]);
    return node;
  }

  #change(
    name: Omit<PendingName, "part" | "at">,
    operation: VfsOperation,
    node: MemoryNode,
    places: readonly [Place, ...Place[]],
  ): void {
    const at = this.#announce(operation, name.path);
    const change = { part: { part: "name", at, ...name } as const, node, places };
    applyChange(change, ({ entries }) => entries);
    if (this.#crashable) this.#names.record(change);
  }

  #handle(path: string, node: FileNode, mode: OpenMode): MemoryFile {
    return new MemoryFile(path, node, mode, this.#announce);
  }

  #find(path: string): MemoryNode | "ENOENT" | "ENOTDIR" {
    let node: MemoryNode = this.#root;
    for (const name of namesOf(path)) {
      if (node.kind === "file") return "ENOTDIR";
      const child: MemoryNode | undefined = node.entries.get(name);
      if (child === undefined) return "ENOENT";
      node = child;
    }
    return node;
  }

  #directory(operation: VfsOperation, path: string, blamed = path): DirectoryNode {
    const node = this.#find(path);
    if (typeof node === "string") throw ioError(operation, blamed, node);
    if (node.kind === "file") throw ioError(operation, blamed, "ENOTDIR");
    return node;
  }

  /** Where the name is or would be; its directory exists. The root has no name. */
  #place(operation: VfsOperation, path: string, blamed = path): Place {
    const names = namesOf(path);
    const name = names.pop() ?? "";
    return { directory: this.#directory(operation, `/${names.join("/")}`, blamed), name };
  }
}

function renameRefusal(
  node: MemoryNode,
  replaced: MemoryNode | undefined,
  source: readonly string[],
  target: readonly string[],
): string | undefined {
  if (node.kind === "file") return replaced?.kind === "directory" ? "EISDIR" : undefined;
  if (source.every((name, index) => target[index] === name)) return "EINVAL";
  if (replaced?.kind === "file") return "ENOTDIR";
  return replaced !== undefined && replaced.entries.size > 0 ? "ENOTEMPTY" : undefined;
}

function fingerprintOf(root: DirectoryNode): number {
  const lines: string[] = [];
  const add = (directory: DirectoryNode, path: string): void => {
    for (const [name, node] of directory.entries) {
      const reached = `${path}/${name}`;
      if (node.kind === "file") {
        const { low, high } = node.moment().sum;
        lines.push(`${reached} ${node.size} ${low} ${high}`);
      } else {
        lines.push(reached);
        add(node, reached);
      }
    }
  };
  add(root, "");
  return hashText(lines.sort().join("\n"));
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}
