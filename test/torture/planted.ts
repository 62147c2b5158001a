/**
 * Bugs that the techniques of `varve torture` must catch: each changes one place of the engine in a copy of it,
 * and the techniques do not know which is planted. A technique that catches nothing proves nothing.
 */
import type { TechniqueName } from "../../src/cli/torture/options.ts";
import type { Break } from "../support/built.ts";

export interface Planted {
  readonly bug: string;
  readonly technique: TechniqueName;
  readonly break: Break;
  /** Rounds within which it must be caught, on each file system where there are several. */
  readonly rounds: number;
}

const ANSWER = 'answer({ kind: "batch", frames, segment: writer.segment, offset, room: writer.room });';
const SYNC = `if (sync === "always") this.#sync();
    else if (sync === "interval") this.#syncAt ??= this.#parts.now() + this.#parts.syncIntervalMs;
    `;

export const PLANTED: readonly Planted[] = [
  {
    // Only what has no blobs: those are read from the log, and the store would meet its own bug.
    bug: "metas and tombstones are answered when they are queued, before they are written",
    technique: "kill",
    break: {
      file: "src/actors/log-writer.ts",
      find: "this.#settlements.push(write);",
      replace: `if (blobs.length === 0) queueMicrotask(() => write.settle(undefined));
      else this.#settlements.push(write);`,
    },
    rounds: 100,
  },
  {
    bug: "the lock is never taken",
    technique: "kill",
    break: {
      file: "src/actors/directory.ts",
      find: "if (!file.tryLock()) throw lockedError(vfs, root);",
      replace: "",
    },
    rounds: 40,
  },
  {
    bug: "segments that a snapshot folded are retired before the snapshot is published",
    technique: "strace",
    break: {
      file: "src/actors/publisher.ts",
      find: 'outcome = await this.#pool.run("publish", { root, manifest, newFiles });',
      replace: `this.#parts.log.retire(manifest.log.segment, { scrub: false });
      outcome = await this.#pool.run("publish", { root, manifest, newFiles });`,
    },
    rounds: 100,
  },
  {
    bug: "the log is never synced",
    technique: "power",
    break: {
      file: "src/wal/writer.ts",
      find: "this.#watch.begins();\n      this.#file.datasync();",
      replace: "this.#watch.begins();",
    },
    rounds: 10,
  },
  {
    bug: "a commit is answered after its write, before its sync",
    technique: "power",
    break: {
      file: "src/wal/drain.ts",
      find: `${SYNC}${ANSWER}`,
      replace: `${ANSWER}\n    ${SYNC.trimEnd()}`,
    },
    rounds: 100,
  },
  {
    bug: "a segment that finds no room ends the log",
    technique: "full",
    break: {
      file: "src/wal/supply.ts",
      find: 'if (isStoreError(error, "STORE_IO") && error.path === this.#place.directory) throw error;',
      replace: "throw error;",
    },
    rounds: 2,
  },
];
