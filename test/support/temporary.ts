/** Directories of a test, removed when it or its process ends. They deliberately lie in the system's temporary folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function makeTemporary(): string {
  return mkdtempSync(join(tmpdir(), "varve-test-"));
}

/** Directories that go with the process. */
const left = new Set<string>();
process.once("exit", () => {
  for (const directory of left) rmSync(directory, { recursive: true, force: true });
});

/** Removes it now, or with the process if a thread still writes there. */
export function removeTemporary(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
    left.add(directory);
  }
}

/**
 * A directory for the test `t`. Hooks of a test run in the order they were set, so one set here would remove
 * the directory before the test's store is closed; it goes with the process instead.
 */
export function temporaryDirectory(_t: { after(fn: () => void): void }): string {
  const directory = makeTemporary();
  left.add(directory);
  return directory;
}
