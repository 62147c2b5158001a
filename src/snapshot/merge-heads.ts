/**
 * Heads files in layers: a fold's new heads are merged with the newest files as long as those are not more
 * than twice as large, so sizes grow geometrically and a head is rewritten a logarithmic number of times.
 * Deletion markers are kept for ever: an id is used once.
 */
import type { Vfs } from "../vfs/vfs.ts";
import { compareIds, type HeadBytes } from "./heads-file.ts";
import { HeadsFileWriter } from "./heads-file-writer.ts";
import { type FileEntry, headsPath } from "./manifest.ts";
import type { Edit, MergeHeadsInput, NewFile } from "./tasks.ts";
import { SnapshotView } from "./view.ts";

/** A file up to this many times the size of what is merged so far joins the merge. */
const MERGE_RATIO = 2;

export interface MergedHeads {
  readonly newFiles: readonly NewFile[];
  readonly heads: readonly FileEntry[];
  readonly nextFile: number;
}

/** Writes `heads`, sorted by id and each made when it is taken, on top of the view's files, merged with those of `merged`. */
export function writeMergedHeads(
  vfs: Vfs,
  view: SnapshotView,
  heads: Iterator<HeadBytes>,
  merged: ReadonlySet<number>,
  nextFile: number,
): MergedHeads {
  const below = view.manifest.heads.filter((file) => !merged.has(file.number));
  return writeFile(vfs, view, [heads, ...scansOf(view, merged)], below, nextFile);
}

/** Numbers of the newest files that so many new heads are merged with. */
export function mergeableHeads(view: SnapshotView, newHeads: number): Set<number> {
  const unreadable = new Set(view.unreadable.map((file) => file.number));
  const merged = new Set<number>();
  let count = newHeads;
  for (const file of view.manifest.heads.toReversed()) {
    if (file.count > MERGE_RATIO * count || unreadable.has(file.number)) break;
    count += file.count;
    merged.add(file.number);
  }
  return merged;
}

/** One heads file instead of all: shadowed heads and their bytes are gone. */
export function mergeHeads(vfs: Vfs, { root, manifest }: MergeHeadsInput): Edit {
  const view = SnapshotView.open(vfs, root, manifest);
  try {
    view.refuseUnreadable();
    const all = new Set(manifest.heads.map((file) => file.number));
    const { newFiles, heads, nextFile } = writeFile(vfs, view, scansOf(view, all), [], manifest.nextFile);
    const { packs, log, deadBytes } = manifest;
    return { newFiles, heads, packs, log, deadBytes, nextFile };
  } finally {
    view.release();
  }
}

/** Newest first, so that a newer head wins. */
function scansOf(view: SnapshotView, numbers: ReadonlySet<number>): Iterator<HeadBytes>[] {
  return view.headsFiles.filter((file) => numbers.has(file.number)).map((file) => file.scan());
}

function writeFile(
  vfs: Vfs,
  view: SnapshotView,
  sources: readonly Iterator<HeadBytes>[],
  below: readonly FileEntry[],
  number: number,
): MergedHeads {
  const final = headsPath(view.root, number);
  const temporary = `${final}.tmp`;
  const writer = new HeadsFileWriter(vfs, temporary, { storeId: view.manifest.storeId, number });
  try {
    for (const head of mergeById(sources)) writer.add(head);
    const count = writer.count;
    const entry = { number, bytes: writer.finish(), count };
    return { newFiles: [{ temporary, final }], heads: [...below, entry], nextFile: number + 1 };
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/** Every id once, from the first source that has it. */
export function* mergeById<Head extends HeadBytes>(sources: readonly Iterator<Head>[]): Generator<Head> {
  const fronts = sources.map((source) => source.next());
  for (;;) {
    let least: Head | undefined;
    for (const front of fronts) {
      if (
        front.done !== true &&
        (least === undefined || compareIds(front.value.sessionId, least.sessionId) < 0)
      ) {
        least = front.value;
      }
    }
    if (least === undefined) return;
    yield least;
    for (let i = 0; i < fronts.length; i++) {
      const front = fronts[i];
      const source = sources[i];
      if (front === undefined || source === undefined || front.done === true) continue;
      if (front.value.sessionId === least.sessionId) fronts[i] = source.next();
    }
  }
}
