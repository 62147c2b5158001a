/** Closes what owes nobody anything. A close that fails has closed: no operating system wants it tried again. */
import type { VfsFile } from "./vfs.ts";

/** For a file that was only read, or is given up: nothing is lost with it, and the caller's work goes on. */
export function closeQuietly(file: VfsFile): void {
  try {
    file.close();
  } catch {
    // The handle is gone all the same.
  }
}
