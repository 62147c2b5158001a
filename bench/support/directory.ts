/**
 * Where benches write: a new directory below the one that was named, so that it is the disk that one means to
 * measure; removed when the run ends or is interrupted.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

export function workDirectory(parent: string): { path: string; remove(): void } {
  mkdirSync(parent, { recursive: true });
  const path = mkdtempSync(join(parent, "varve-bench-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}
