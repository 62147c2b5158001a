/** A file system that tells of every read: of which file, where, and into what memory. */
import { forwardFile, forwardVfs } from "../../src/vfs/forward.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";

export type OnRead = (path: string, position: number, target: Uint8Array) => void;

export function watchReads(vfs: Vfs, onRead: OnRead): Vfs {
  return forwardVfs(vfs, {
    open: (path, mode) => {
      const file = vfs.open(path, mode);
      return forwardFile(file, {
        read: (target, position) => {
          onRead(path, position, target);
          return file.read(target, position);
        },
      });
    },
  });
}
