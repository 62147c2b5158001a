/**
 * Heads files in layers: a fold's new heads are merged with the newest files as long as those are not more
 * than twice as large, so sizes grow geometrically and a head is rewritten a logarithmic number of times.
 * Deletion markers are kept for ever: an id is used once.
 */
import type { Vfs } from "../vfs/vfs.ts";
import { compareIds, type HeadBytes, HeadsFileWriter } from "./heads-file.ts";
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

/** Writes `heads`, which must be sorted by id, on top of the view's files. */
export function writeMergedHeads(
  vfs: Vfs,
  view: SnapshotView,
  heads: readonly HeadBytes[],
  nextFile: number,
): MergedHeads {
  const files = [...view.manifest.heads];
  if (heads.length === 0) return { newFiles: [], heads: files, nextFile };
  let count = heads.length;
  const merged = new Set<number>();
  for (
    let newest = files.at(-1);
    newest !== undefined && newest.count <= MERGE_RATIO * count;
    newest = files.at(-1)
  ) {
    count += newest.count;
    merged.add(newest.number);
    files.pop();
  }
  return writeFile(vfs, view, [heads.values(), ...scansOf(view, merged)], files, nextFile);
}

/** One heads file instead of all: shadowed heads and their bytes are gone. */
export function mergeHeads(vfs: Vfs, { root, manifest }: MergeHeadsInput): Edit {
  const view = SnapshotView.open(vfs, root, manifest);
  try {
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
