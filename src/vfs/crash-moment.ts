/**
 * The whole memory file system at one moment, say before one operation, with everything that a crash there may
 * lose: the base of crash enumeration. Taking one costs a step per file and no bytes; each crash of it is made
 * from explicit fates, one per part, so that it can be made again, printed, and reduced.
 *
 * 1. A moment never changes, whatever happens to the file system it was taken of.
 * 2. The same fates make the same file system.
 */
import { assert, defined } from "../assert.ts";
import { type CrashChooser, comesBefore, type PendingPart, type SectorFate } from "./memory-crash.ts";
import { FileNode } from "./memory-file.ts";
import type { FileMoment } from "./memory-moment.ts";
import { crashNames, type DirectoryNode, type MemoryNode, type NamesMoment } from "./memory-names.ts";

interface FileAtMoment {
  readonly moment: FileMoment;
  /** Where its parts stand among all. */
  readonly places: readonly number[];
}

/** Makes a file system of a tree: `MemoryVfs` itself, which imports this file. */
export type MakeVfs<Made> = (root: DirectoryNode) => Made;

export class CrashMoment<Made> {
  /** What a crash may lose, in the order of the operations. */
  readonly parts: readonly PendingPart[];
  readonly #names: NamesMoment;
  readonly #namePlaces: readonly number[];
  readonly #files = new Map<MemoryNode, FileAtMoment>();
  readonly #make: MakeVfs<Made>;

  constructor(names: NamesMoment, make: MakeVfs<Made>) {
    this.#names = names;
    this.#make = make;
    const parts: PendingPart[] = names.changes.map(({ part }) => part);
    const moments: [FileNode, FileMoment][] = [];
    for (const node of names.nodes) {
      if (node.kind !== "file") continue;
      const moment = node.moment();
      moments.push([node, moment]);
      parts.push(...moment.parts);
    }
    this.parts = parts.sort((a, b) => (comesBefore(a, b) ? -1 : 1));
    const placeOf = new Map(this.parts.map((part, place) => [part, place]));
    const places = (some: readonly PendingPart[]): number[] =>
      some.map((part) => defined(placeOf.get(part), "every part has a place"));
    this.#namePlaces = places(names.changes.map(({ part }) => part));
    for (const [node, moment] of moments) this.#files.set(node, { moment, places: places(moment.parts) });
  }

  /** The fates that a chooser decides, one for each of `parts`. */
  choose(chooser: CrashChooser): SectorFate[] {
    return this.parts.map((part) => {
      if (part.part === "sector") return chooser.sector(part);
      return part.part === "length" ? chooser.length(part) : chooser.name(part);
    });
  }

  /** The file system that a power cut at this moment leaves, by the fate of each of `parts`. */
  crash(fates: readonly SectorFate[]): Made {
    assert(fates.length === this.parts.length, "a crash decides about every part");
    const root = crashNames(
      this.#names,
      (index) => fates[this.#namePlaces[index] ?? -1] === "kept",
      (node) => this.#crashFile(node, fates),
    );
    return this.#make(root);
  }

  #crashFile(node: FileNode, fates: readonly SectorFate[]): FileNode {
    const { moment, places } = defined(this.#files.get(node), "every file has its moment");
    const { bytes, sum } = moment.crash((index) => fates[places[index] ?? -1] ?? "lost");
    return new FileNode(node.ino, bytes, { crashable: true, sum });
  }
}
