/** A file system, or a file, that passes everything on to another but for what is replaced. It deliberately changes nothing itself. */
import type { Vfs, VfsFile } from "./vfs.ts";

/** The same file system, with some of its operations replaced. */
export function forwardVfs(vfs: Vfs, changed: Partial<Vfs>): Vfs {
  return {
    kind: vfs.kind,
    open: (path, mode) => vfs.open(path, mode),
    makeDirectory: (path) => vfs.makeDirectory(path),
    list: (path) => vfs.list(path),
    stat: (path) => vfs.stat(path),
    rename: (source, target) => vfs.rename(source, target),
    remove: (path) => vfs.remove(path),
    syncDirectory: (path) => vfs.syncDirectory(path),
    fileSystem: (path) => vfs.fileSystem(path),
    ...changed,
  };
}

/** The same file, with some of its operations replaced. */
export function forwardFile(file: VfsFile, changed: Partial<VfsFile>): VfsFile {
  return {
    path: file.path,
    read: (target, position) => file.read(target, position),
    write: (parts, position) => file.write(parts, position),
    datasync: () => file.datasync(),
    sync: () => file.sync(),
    stat: () => file.stat(),
    truncate: (size) => file.truncate(size),
    tryLock: () => file.tryLock(),
    close: () => file.close(),
    ...changed,
  };
}
