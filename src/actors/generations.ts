/**
 * Which manifest a store goes on from. The newest one counts; if it, or a file it names, is damaged, the
 * older generation is used with its longer log, and that is reported. Where both miss a file, the one that
 * misses fewer is used without it: damage to one file must not make every session unreadable.
 *
 * 1. Nothing is removed here: what is left over is only known after the tail was replayed.
 */
import { type StoreError, storeError } from "../errors.ts";
import { damageOf } from "../snapshot/file-slots.ts";
import { type Manifest, manifestNumber, manifestPath, readManifest } from "../snapshot/manifest.ts";
import { writeManifest } from "../snapshot/publish.ts";
import { SnapshotView } from "../snapshot/view.ts";
import { runThrough, type Steps } from "../steps.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { LogStart } from "../wal/log.ts";

export interface Generations {
  readonly manifest: Manifest;
  readonly view: SnapshotView;
  /** The next older valid manifest, whose files are kept. */
  readonly previous: Manifest | undefined;
  /** Highest number of any manifest in the directory, valid or not: the next one is above it. */
  readonly highestNumber: number;
  readonly warnings: readonly string[];
}

/** Makes the directories of a new store and publishes its first, empty manifest; all of it synced. */
export function createFirstGeneration(vfs: Vfs, root: string, storeId: Uint8Array, log: LogStart): void {
  vfs.makeDirectory(`${root}/heads`);
  vfs.makeDirectory(`${root}/blobs`);
  vfs.syncDirectory(`${root}/heads`);
  vfs.syncDirectory(`${root}/blobs`);
  vfs.syncDirectory(root);
  const path = manifestPath(root, 1);
  writeManifest(vfs, `${path}.tmp`, {
    number: 1,
    storeId,
    log,
    heads: [],
    packs: [],
    deadBytes: 0,
    nextFile: 1,
  });
  vfs.rename(`${path}.tmp`, path);
  vfs.syncDirectory(root);
}

/** Numbers of the manifests in a store's directory, newest first. */
export function listManifests(vfs: Vfs, root: string): number[] {
  return vfs
    .list(root)
    .map(manifestNumber)
    .filter((number) => number !== undefined)
    .sort((a, b) => b - a);
}

/** The generation to open. CORRUPT when no manifest can be read. */
export function chooseGeneration(vfs: Vfs, root: string, storeId: Uint8Array): Generations {
  return runThrough(chooseGenerationInSteps(vfs, root, storeId));
}

/** As `chooseGeneration`, a file a step. */
export function* chooseGenerationInSteps(vfs: Vfs, root: string, storeId: Uint8Array): Steps<Generations> {
  const numbers = listManifests(vfs, root);
  const { manifests, damage } = readGenerations(vfs, root, storeId, numbers);
  const [newest, older] = manifests;
  if (newest === undefined)
    throw damage[0] ?? storeError("CORRUPT", { file: `${root}/manifest-000001` }, `${root} has no manifest`);
  const highestNumber = numbers[0] ?? 0;
  const chosen = (view: SnapshotView, previous: Manifest | undefined): Generations => {
    const warnings = [...damage, ...view.unreadable.map((file) => file.damage)].map(({ message }) => message);
    return { manifest: view.manifest, view, previous, highestNumber, warnings };
  };
  const view = yield* SnapshotView.openInSteps(vfs, root, newest);
  if (view.unreadable.length === 0 || older === undefined) return chosen(view, older);
  try {
    const other = yield* SnapshotView.openInSteps(vfs, root, older);
    if (other.unreadable.length >= view.unreadable.length) {
      other.release();
      return chosen(view, older);
    }
    damage.push(...view.unreadable.map((file) => file.damage));
    view.release();
    return chosen(other, undefined);
  } catch (error) {
    view.release();
    throw error;
  }
}

/** The two newest manifests that can be read, and what is wrong with those in front of them. */
function readGenerations(
  vfs: Vfs,
  root: string,
  storeId: Uint8Array,
  numbers: readonly number[],
): { manifests: Manifest[]; damage: StoreError[] } {
  const manifests: Manifest[] = [];
  const damage: StoreError[] = [];
  for (const number of numbers) {
    try {
      manifests.push(readManifest(vfs, root, number, storeId));
    } catch (error) {
      const found = damageOf(error);
      if (found === undefined) throw error;
      damage.push(found);
    }
    if (manifests.length === 2) break;
  }
  return { manifests, damage };
}

/** The view of a manifest just published; what was unreadable before may stay so. */
export function* openPublished(
  vfs: Vfs,
  root: string,
  manifest: Manifest,
  old: SnapshotView,
): Steps<SnapshotView> {
  const view = yield* SnapshotView.openInSteps(vfs, root, manifest, old);
  const known = new Set(old.unreadable.map(({ number }) => number));
  const isNew = view.unreadable.find(({ number }) => !known.has(number));
  if (isNew === undefined) return view;
  view.release();
  throw isNew.damage;
}
