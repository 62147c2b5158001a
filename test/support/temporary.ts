/** Directories of a test, removed when it ends. They deliberately lie in the system's temporary folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function makeTemporary(): string {
  return mkdtempSync(join(tmpdir(), "varve-test-"));
}

export function removeTemporary(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/** A directory that lives as long as the test `t`. */
export function temporaryDirectory(t: { after(fn: () => void): void }): string {
  const directory = makeTemporary();
  t.after(() => removeTemporary(directory));
  return directory;
}
