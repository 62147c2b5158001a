/**
 * Directories of the memory file system, and the changes of names that no directory sync has settled. A
 * directory has its entries now and its synced entries; a crash starts from the latter and applies the
 * changes its chooser keeps.
 *
 * 1. Applying all unsettled changes to the synced entries gives the entries now.
 * 2. A change settles with the sync of any directory it touches (a rename touches two), and takes along the
 *    earlier changes there: names are journalled in order.
 * 3. The content of a file is no business of a name: a kept name may lead to a file without its bytes.
 */
import type { PendingName } from "./memory-crash.ts";
import type { FileNode } from "./memory-file.ts";

export type MemoryNode = FileNode | DirectoryNode;
type Entries = Map<string, MemoryNode>;

export class DirectoryNode {
  readonly kind = "directory";
  readonly ino: number;
  readonly entries: Entries = new Map();
  readonly synced: Entries = new Map();
  /** False after a failed sync: a later one settles nothing. */
  syncsTrusted = true;

  constructor(ino: number) {
    this.ino = ino;
  }
}

/** A name in a directory. */
export interface Place {
  readonly directory: DirectoryNode;
  readonly name: string;
}

/** `places`: where the name is, and for a rename then where it goes. */
export interface NameChange {
  readonly part: PendingName;
  readonly node: MemoryNode;
  readonly places: readonly [Place, ...Place[]];
}

/**
 * Applies a change to the entries that `entriesOf` answers for each directory. A move takes every name away
 * that the node has in `homes`: if an earlier move of it was lost, it is not where this one starts.
 */
export function applyChange(
  { part, node, places }: NameChange,
  entriesOf: (directory: DirectoryNode) => Entries,
  homes: Iterable<DirectoryNode> = places.map(({ directory }) => directory),
): void {
  const [source, target] = places;
  if (part.change === "create" || part.change === "makeDirectory") {
    entriesOf(source.directory).set(source.name, node);
    return;
  }
  if (part.change === "remove" || target === undefined) {
    const entries = entriesOf(source.directory);
    if (entries.get(source.name) === node) entries.delete(source.name);
    return;
  }
  for (const directory of homes) {
    const entries = entriesOf(directory);
    for (const [name, other] of entries) if (other === node) entries.delete(name);
  }
  entriesOf(target.directory).set(target.name, node);
}

/** The changes that are not settled yet. */
export class NameJournal {
  #changes: NameChange[] = [];

  record(change: NameChange): void {
    // Anew, because a moment holds the changes as they were.
    this.#changes = [...this.#changes, change];
  }

  sync(directory: DirectoryNode): void {
    const settled = this.#settledBy(directory);
    for (const change of settled) applyChange(change, ({ synced }) => synced);
    const gone = new Set(settled);
    this.#changes = this.#changes.filter((change) => !gone.has(change));
  }

  parts(): PendingName[] {
    return this.#changes.map(({ part }) => part);
  }

  /** All that a crash could leave below `root`, also what only an unsettled change still names. */
  reachable(root: DirectoryNode): Set<MemoryNode> {
    // A set hands out what is added while it is walked.
    const found = new Set<MemoryNode>([root, ...this.#changes.map(({ node }) => node)]);
    for (const node of found) {
      if (node.kind === "file") continue;
      for (const child of node.synced.values()) found.add(child);
      for (const child of node.entries.values()) found.add(child);
    }
    return found;
  }

  /** Unsettled changes, and the synced names of all directories below `root`, apart from what comes later. */
  moment(root: DirectoryNode): NamesMoment {
    const synced = new Map<DirectoryNode, ReadonlyMap<string, MemoryNode>>();
    const nodes = this.reachable(root);
    for (const node of nodes) if (node.kind === "directory") synced.set(node, new Map(node.synced));
    return { root, changes: this.#changes, synced, nodes };
  }

  /** In order. Walks back, since a rename pulls in the earlier changes of its other directory. */
  #settledBy(directory: DirectoryNode): NameChange[] {
    const directories = new Set([directory]);
    const settled: NameChange[] = [];
    for (const change of this.#changes.toReversed()) {
      const touched = change.places.map((place) => place.directory);
      if (!touched.some((one) => directories.has(one)) || !touched.every((one) => one.syncsTrusted)) continue;
      for (const one of touched) directories.add(one);
      settled.push(change);
    }
    return settled.reverse();
  }
}

/** The names of a file system at one moment. Never changed. */
export interface NamesMoment {
  readonly root: DirectoryNode;
  readonly changes: readonly NameChange[];
  readonly synced: ReadonlyMap<DirectoryNode, ReadonlyMap<string, MemoryNode>>;
  /** All that a crash could leave, also what only an unsettled change still names. */
  readonly nodes: ReadonlySet<MemoryNode>;
}

/** The tree as a crash leaves it, where `kept` decides about the n-th change and `fileOf` about contents. */
export function crashNames(
  { root, changes, synced }: NamesMoment,
  kept: (index: number) => boolean,
  fileOf: (node: FileNode) => FileNode,
): DirectoryNode {
  const entries = new Map<DirectoryNode, Entries>();
  const entriesOf = (directory: DirectoryNode): Entries => {
    const known = entries.get(directory) ?? new Map(synced.get(directory));
    entries.set(directory, known);
    return known;
  };
  const homes = new Map<MemoryNode, Set<DirectoryNode>>();
  changes.forEach((change, index) => {
    const known = homes.get(change.node) ?? new Set();
    homes.set(change.node, known);
    for (const { directory } of change.places) known.add(directory);
    if (kept(index)) applyChange(change, entriesOf, known);
  });
  return rebuild(root, entriesOf, fileOf);
}

/** Each node has one name, so this is a tree: see `applyChange`. */
function rebuild(
  directory: DirectoryNode,
  entriesOf: (directory: DirectoryNode) => Entries,
  fileOf: (node: FileNode) => FileNode,
): DirectoryNode {
  const crashed = new DirectoryNode(directory.ino);
  for (const [name, node] of entriesOf(directory)) {
    const child = node.kind === "file" ? fileOf(node) : rebuild(node, entriesOf, fileOf);
    crashed.entries.set(name, child);
    crashed.synced.set(name, child);
  }
  return crashed;
}
