/** Directories of a test, removed when it ends. They deliberately lie in the system's temporary folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function makeTemporary(): string {
  return mkdtempSync(join(tmpdir(), "varve-test-"));
}

/** Directories that a thread still wrote to when their test ended; they go with the process. */
const left = new Set<string>();
process.once("exit", () => {
  for (const directory of left) rmSync(directory, { recursive: true, force: true });
});

/** Hooks run in the order they were set, so the store of a test may be closed only after this. */
export function removeTemporary(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
    left.add(directory);
  }
}

/** A directory that lives as long as the test `t`. */
export function temporaryDirectory(t: { after(fn: () => void): void }): string {
  const directory = makeTemporary();
  t.after(() => removeTemporary(directory));
  return directory;
}
