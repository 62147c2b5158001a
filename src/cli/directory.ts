/** The store a command is about, as a path of the store's own form. */
import { resolve as resolvePath } from "node:path";

/** Absolute, with "/" as separator. */
export function storePath(directory: string): string {
  return resolvePath(directory).replaceAll("\\", "/");
}
