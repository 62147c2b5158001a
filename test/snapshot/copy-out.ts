/** Copies a store of a memory file system to a directory on disk. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MemoryVfs } from "../../src/vfs/memory.ts";
import { bytesOf } from "./fixture.ts";

export function copyOut(vfs: MemoryVfs, source: string, target: string): void {
  for (const name of vfs.list(source)) {
    const path = `${source}/${name}`;
    if (vfs.stat(path)?.kind === "directory") {
      mkdirSync(join(target, name));
      copyOut(vfs, path, join(target, name));
    } else {
      writeFileSync(join(target, name), bytesOf(vfs, path));
    }
  }
}
