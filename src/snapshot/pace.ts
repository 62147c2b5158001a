/**
 * How fast workers write new files. A worker that writes as fast as it can fills the disk's queue, and a commit's
 * sync then waits behind megabytes; so after each synced slice it waits until the slice's time is over. The more
 * log there is to fold, the shorter that time, because a snapshot that falls behind refuses commits in the end.
 * It deliberately does not pace reading, removing or the publication: those are short, or not waited for.
 *
 * 1. The main thread says the pace, a worker looks at it for every slice; neither sends a message.
 * 2. A wait ends at once when the pace changes, so a close is not held up.
 * 3. Time that a worker spent computing or waiting for the disk counts, and is not saved up for a burst.
 */
import { LOG_BACKLOG_FACTOR, MAINTENANCE_BYTES_PER_MS } from "../limits.ts";
import { forwardFile, forwardVfs } from "../vfs/forward.ts";
import type { Vfs, VfsFile } from "../vfs/vfs.ts";

/** No waiting. */
const UNPACED = 0;
/** Parts of the log's trigger in which the pace grows: it changes now and then, not with every commit. */
const STEPS_PER_TRIGGER = 8;

/** Bytes a millisecond when so much log is unfolded; 0: as fast as it can, from half of what refuses commits on. */
export function paceFor(unfoldedBytes: number, logBytes: number): number {
  const backlog = unfoldedBytes / logBytes;
  if (backlog >= LOG_BACKLOG_FACTOR / 2) return UNPACED;
  return Math.round(
    MAINTENANCE_BYTES_PER_MS * (1 + Math.floor(backlog * STEPS_PER_TRIGGER) / STEPS_PER_TRIGGER),
  );
}

/** The main thread's side. */
export class Pace {
  /** Shared with the workers: one word, bytes a millisecond. */
  readonly words = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

  constructor() {
    this.#set(MAINTENANCE_BYTES_PER_MS);
  }

  /** So much log is unfolded; snapshots are due at `logBytes`. */
  follow(unfoldedBytes: number, logBytes: number): void {
    this.#set(paceFor(unfoldedBytes, logBytes));
  }

  /** Somebody waits for the end: no more waiting. */
  hurry(): void {
    this.#set(UNPACED);
  }

  #set(bytesPerMs: number): void {
    if (Atomics.exchange(this.words, 0, bytesPerMs) !== bytesPerMs) Atomics.notify(this.words, 0);
  }
}

/** What a worker waits with. */
export interface Waiting {
  readonly now: () => number;
  /** Sleeps for so long, or until the word is no longer `expected`. */
  readonly sleep: (words: Int32Array<SharedArrayBuffer>, expected: number, ms: number) => void;
}

const THREAD_WAITING: Waiting = {
  now: () => performance.now(),
  sleep: (words, expected, ms) => void Atomics.wait(words, 0, expected, ms),
};

/** The file system for a worker's task: whoever creates a file and syncs slices of it keeps to the pace. */
export function pacedVfs(vfs: Vfs, words: Int32Array<SharedArrayBuffer>, waiting = THREAD_WAITING): Vfs {
  let free = waiting.now();
  const pause = (bytes: number): void => {
    const bytesPerMs = Atomics.load(words, 0);
    const now = waiting.now();
    const until = bytesPerMs === UNPACED ? now : free + bytes / bytesPerMs;
    if (until > now) waiting.sleep(words, bytesPerMs, until - now);
    free = waiting.now();
  };
  return forwardVfs(vfs, {
    open: (path, mode) => (mode === "create" ? pacedFile(vfs.open(path, mode), pause) : vfs.open(path, mode)),
  });
}

function pacedFile(file: VfsFile, pause: (bytes: number) => void): VfsFile {
  let unsynced = 0;
  return forwardFile(file, {
    write: (parts, position) => {
      file.write(parts, position);
      for (const part of parts) unsynced += part.byteLength;
    },
    datasync: () => {
      file.datasync();
      pause(unsynced);
      unsynced = 0;
    },
  });
}
