/** Which files of a store may go: those that neither of its two generations names. Deciding is pure. */
import type { Vfs } from "../vfs/vfs.ts";
import { headsPath, type Manifest, manifestNumber, manifestPath, packPath } from "./manifest.ts";

export interface Listing {
  /** Names in the root, in heads/ and in blobs/. */
  readonly root: readonly string[];
  readonly heads: readonly string[];
  readonly blobs: readonly string[];
}

export function listStore(vfs: Vfs, root: string): Listing {
  return { root: vfs.list(root), heads: vfs.list(`${root}/heads`), blobs: vfs.list(`${root}/blobs`) };
}

/** Paths to remove. Only names of ours are ever named; anything else in the directories is left alone. */
export function removable(root: string, generations: readonly Manifest[], listing: Listing): string[] {
  const kept = new Set(
    generations.flatMap((manifest) => [
      manifestPath(root, manifest.number),
      ...manifest.heads.map((file) => headsPath(root, file.number)),
      ...manifest.packs.map((file) => packPath(root, file.number)),
    ]),
  );
  const candidates = [
    ...listing.root
      .filter((name) => manifestNumber(name.replace(/\.tmp$/, "")) !== undefined)
      .map((name) => `${root}/${name}`),
    ...listing.heads
      .filter((name) => /^\d{6,}\.heads(\.tmp)?$/.test(name))
      .map((name) => `${root}/heads/${name}`),
    ...listing.blobs
      .filter((name) => /^\d{6,}\.pack(\.tmp)?$/.test(name))
      .map((name) => `${root}/blobs/${name}`),
  ];
  return candidates.filter((path) => !kept.has(path));
}
