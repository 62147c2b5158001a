/** Removal of files that a failed job leaves and nothing names. Never in the way of the failure's own report. */
import type { Vfs } from "../vfs/vfs.ts";

export function removeLeftovers(vfs: Vfs, paths: readonly string[]): void {
  for (const path of paths) {
    try {
      vfs.remove(path);
    } catch {
      // What stays is named by no manifest and removed after the next publication.
    }
  }
}
