/** A file system that knows which files are open through it, so that a test can prove that none stays so. */
import type { OpenMode, VfsFile } from "../../src/vfs/vfs.ts";
import { ForwardingVfs, forwardFile } from "./forwarding-vfs.ts";

export class CountingVfs extends ForwardingVfs {
  readonly #open = new Set<VfsFile>();

  /** Paths of the files that are open, sorted; by the names they were opened under. */
  get openPaths(): string[] {
    return [...this.#open].map((file) => file.path).sort();
  }

  override open(path: string, mode: OpenMode): VfsFile {
    const file = super.open(path, mode);
    const counted = forwardFile(file, {
      close: () => {
        this.#open.delete(counted);
        file.close();
      },
    });
    this.#open.add(counted);
    return counted;
  }
}
