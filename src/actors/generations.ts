/**
 * Which manifest a store goes on from. The newest one counts; if it, or a file it names, is damaged, the
 * older generation is used with its longer log, and that is reported.
 *
 * 1. Nothing is removed here: what is left over is only known after the tail was replayed.
 */
import { isStoreError, type StoreError, storeError } from "../errors.ts";
import { type Manifest, manifestNumber, manifestPath, readManifest } from "../snapshot/manifest.ts";
import { writeManifest } from "../snapshot/publish.ts";
import { SnapshotView } from "../snapshot/view.ts";
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

/** The generation to open. CORRUPT when no manifest and its files can be read. */
export function chooseGeneration(vfs: Vfs, root: string, storeId: Uint8Array): Generations {
  const numbers = listManifests(vfs, root);
  const warnings: string[] = [];
  let first: StoreError | undefined;
  let chosen: { manifest: Manifest; view: SnapshotView } | undefined;
  for (const number of numbers) {
    try {
      const manifest = readManifest(vfs, root, number, storeId);
      if (chosen !== undefined)
        return { ...chosen, previous: manifest, highestNumber: numbers[0] ?? 0, warnings };
      chosen = { manifest, view: SnapshotView.open(vfs, root, manifest) };
    } catch (error) {
      const damage = damageOf(error);
      if (damage === undefined) {
        chosen?.view.release();
        throw error;
      }
      first ??= damage;
      warnings.push(damage.message);
    }
  }
  if (chosen !== undefined)
    return { ...chosen, previous: undefined, highestNumber: numbers[0] ?? 0, warnings };
  throw first ?? storeError("CORRUPT", { file: `${root}/manifest-000001` }, `${root} has no manifest`);
}

/** Damage that the older generation may not share; undefined for what is not for us to work around. */
function damageOf(error: unknown): StoreError | undefined {
  if (isStoreError(error, "CORRUPT")) return error;
  if (!isStoreError(error, "STORE_IO") || error.errno !== "ENOENT") return undefined;
  const { path } = error;
  return storeError("CORRUPT", { file: path }, `${path} is missing; restore it from a copy`, error);
}
