/**
 * What the main thread and a worker share about one task: whether it is to stop, and how much of its files it has read.
 * A task that is told to stop fails at its next read or write with ABORTED, and as after every failure removes what it
 * made. It deliberately does not stop removals and renames: a publication, once begun, ends.
 *
 * 1. Neither side sends a message or waits for the other.
 */
import { type StoreError, storeError } from "../errors.ts";
import { KIB } from "../limits.ts";
import { forwardFile, forwardVfs } from "../vfs/forward.ts";
import type { Vfs, VfsFile } from "../vfs/vfs.ts";

const STOP = 0;
/** KiB, so that two TiB fit. */
const READ = 1;
const WORDS = 2;

export type ControlWords = Int32Array<SharedArrayBuffer>;

/** The main thread's side. */
export class TaskControl {
  readonly words: ControlWords = new Int32Array(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT));

  stop(): void {
    Atomics.store(this.words, STOP, 1);
  }

  get readBytes(): number {
    return Atomics.load(this.words, READ) * KIB;
  }
}

export function stoppedError(): StoreError {
  return storeError("ABORTED", {}, "the work was stopped before it was done; nothing of it was published");
}

/** The file system for a task that may be stopped. */
export function controlledVfs(vfs: Vfs, words: ControlWords): Vfs {
  let unreported = 0;
  const check = (): void => {
    if (Atomics.load(words, STOP) !== 0) throw stoppedError();
  };
  const count = (bytes: number): void => {
    unreported += bytes;
    Atomics.add(words, READ, Math.floor(unreported / KIB));
    unreported %= KIB;
  };
  return forwardVfs(vfs, {
    open: (path, mode) => controlledFile(vfs.open(path, mode), check, count),
  });
}

function controlledFile(file: VfsFile, check: () => void, count: (bytes: number) => void): VfsFile {
  return forwardFile(file, {
    read: (target, position) => {
      check();
      const read = file.read(target, position);
      count(read);
      return read;
    },
    write: (parts, position) => {
      check();
      file.write(parts, position);
    },
  });
}
