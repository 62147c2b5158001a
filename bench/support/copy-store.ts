/** A copy of a store whose owner has it open and does nothing: what a crash of that owner would leave. */
import { closeSync, cpSync, fsyncSync, openSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";

/** Spares are left out: a thread may still be at work on one, and a store does without. */
export function copyStore(source: string, target: string): void {
  cpSync(source, target, { recursive: true, filter: (path) => !basename(path).startsWith("spare") });
  // Else the first sync of who opens it would wait for the copy.
  for (const entry of readdirSync(target, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = openSync(join(entry.parentPath, entry.name), "r+");
    fsyncSync(file);
    closeSync(file);
  }
}
