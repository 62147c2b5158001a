/**
 * The exclusive lock of an open file: an open file description lock on Linux, a BSD lock on macOS, a byte
 * range on Windows, all by `fs-native-extensions`. POSIX record locks are deliberately not used: any other
 * open and close of the file in the process would drop them, and a second open in it would get them.
 *
 * 1. The lock belongs to the open file: every other open of it is refused, in this process or another.
 * 2. It ends with the file (or the process), and with nothing else.
 */
import { createRequire } from "node:module";
import { errnoOf, ioError } from "./io-error.ts";

interface NativeLocks {
  tryLock(fd: number, offset: number, length: number): boolean;
}

/** A range lock on Windows forbids others to read the range, so it lies beyond any byte of a file. */
const WINDOWS_LOCK_OFFSET = 2 ** 48;

let native: NativeLocks | undefined;

/** Locks the file open as `fd`; false if another open file has the lock. */
export function tryLockDescriptor(fd: number, path: string, load: () => NativeLocks = loadNative): boolean {
  const [offset, length] = process.platform === "win32" ? [WINDOWS_LOCK_OFFSET, 1] : [0, 0];
  const locks = loaded(path, load);
  try {
    return locks.tryLock(fd, offset, length);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw ioError("lock", path, errno, error);
  }
}

function loaded(path: string, load: () => NativeLocks): NativeLocks {
  try {
    native = load === loadNative ? (native ?? load()) : load();
    return native;
  } catch (error) {
    const platform = `${process.platform}-${process.arch}`;
    const failure = ioError("lock", path, "ENOSYS", error);
    failure.message = `${path} cannot be locked: the native module fs-native-extensions does not load on ${platform}; install its prebuilt binary for this platform`;
    throw failure;
  }
}

// Loaded at the first lock, not at import: a process that only reads needs no native code. It is CommonJS.
function loadNative(): NativeLocks {
  return createRequire(import.meta.url)("fs-native-extensions") as NativeLocks;
}
