/**
 * One JSONL file per session, as most agent tools keep their transcripts: a line appended per commit, either
 * left to the kernel or with `fdatasync`. No compare-and-set, no atomic change of several lines, no recovery of
 * a torn last line.
 */
import { appendFileSync, closeSync, fdatasyncSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { commitOf, sessionOf } from "../support/commits.ts";
import { DURABILITY, expectEqual, type OpenSubject, sampleOf } from "../support/subject.ts";

/** Bytes read at a time: a file that nobody syncs outgrows what one string can hold. */
const CHUNK_BYTES = 1 << 20;
const NEWLINE = 10;

function countLines(path: string): number {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const file = openSync(path, "r");
  let lines = 0;
  try {
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      for (let at = 0; at < read; at++) if (chunk[at] === NEWLINE) lines++;
    }
  } finally {
    closeSync(file);
  }
  return lines;
}

export function jsonl(sync: "fdatasync" | "none"): OpenSubject {
  return (directory) => {
    const pathOf = (committer: number): string => join(directory, `${sessionOf(committer)}.jsonl`);
    const handles = new Map<number, Promise<FileHandle>>();
    const seen = new Set<number>();
    const line = (committer: number, step: number): string =>
      `${JSON.stringify(commitOf(sessionOf(committer), step))}\n`;
    const synced = async (committer: number, step: number): Promise<void> => {
      let opening = handles.get(committer);
      if (opening === undefined) {
        opening = open(pathOf(committer), "a");
        handles.set(committer, opening);
      }
      const handle = await opening;
      await handle.appendFile(line(committer, step));
      await handle.datasync();
    };
    return {
      name: sync === "none" ? "JSONL, no sync" : "JSONL, fdatasync",
      durability: sync === "none" ? DURABILITY.kernel : DURABILITY.power,
      commit: (committer, step) => {
        if (sync === "fdatasync") return synced(committer, step);
        seen.add(committer);
        return appendFileSync(pathOf(committer), line(committer, step));
      },
      settle: () => {
        for (const committer of seen) {
          const file = openSync(pathOf(committer), "r+");
          fdatasyncSync(file);
          closeSync(file);
        }
      },
      close: async () => {
        for (const handle of handles.values()) await (await handle).close();
      },
      verify: (steps) => {
        for (const committer of sampleOf(steps)) {
          expectEqual(`lines of ${sessionOf(committer)}`, countLines(pathOf(committer)), steps[committer]);
        }
      },
    };
  };
}
