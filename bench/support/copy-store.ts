/** A copy of a store whose owner has it open and does nothing: what a crash of that owner would leave. */
import { cpSync } from "node:fs";
import { basename } from "node:path";

/** Spares are left out: a thread may still be at work on one, and a store does without. */
export function copyStore(source: string, target: string): void {
  cpSync(source, target, { recursive: true, filter: (path) => !basename(path).startsWith("spare") });
}
