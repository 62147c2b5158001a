/**
 * How much is written per byte committed? A fixed number of commits of 1 KB, then what puts the store in order (a
 * snapshot, a checkpoint), then closing. Counted is what all threads of the process gave to write calls (`wchar` of
 * /proc/self/io), zeros of segments included, and what lies on disk at the end, each per byte of packed commit.
 * Not `write_bytes` of the same file: it counts the whole folio of the page cache that a write touches, which is
 * as large as the write that made it, so 1 KB into a preallocated file counts as up to 1 MiB.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bareLoop } from "./subjects/bare-loop.ts";
import { jsonl } from "./subjects/jsonl.ts";
import { varve } from "./subjects/varve.ts";
import type { Bench, BenchRun, Row } from "./support/bench.ts";
import { bytesBelow, NOT_COUNTED, writtenBytes } from "./support/disk.ts";
import { frameOf } from "./support/frames.ts";
import { commitPeers } from "./support/peers-of-commits.ts";
import { type Case, interleave, type Sample } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import type { OpenSubject, Subject } from "./support/subject.ts";
import { storeOf } from "./tail.ts";

interface Written {
  readonly open: OpenSubject;
  readonly as?: string;
  readonly isBaseline?: boolean;
  readonly tidy?: (subject: Subject) => Promise<void>;
}

export const writeAmplification: Bench = {
  name: "write-amplification",
  question: "How much is written per byte committed?",
  baseline: "the bare group-commit loop into a growing file",
  notMeasured:
    "What becomes of the bytes below: whole blocks, the file system's journal, the disk itself; and memory maps, which SQLite's index of its WAL is. The zeros of the store's first segments (some 16 MiB each) are in its figures and weigh on few commits. Long-lived stores, where merges and gc write values again: `maintenance-writes`.",
  async run(run) {
    if (writtenBytes() === undefined) return NOT_COUNTED;
    const peers = await commitPeers(["sqliteFull", "lmdb", "level"]);
    const subjects: Written[] = [
      { open: bareLoop("growing"), as: "bare loop, growing file", isBaseline: true },
      { open: varve(sized(run)), as: "varve, log alone" },
      {
        open: varve(sized(run)),
        as: "varve, with a snapshot at the end",
        tidy: (subject) => storeOf(subject).snapshot(),
      },
      ...peers.entries.map(({ open }) => ({ open })),
      { open: jsonl("fdatasync"), as: "JSONL, fdatasync" },
    ];
    const rows: Row[] = [];
    const verified: string[] = [];
    for (const committers of [1, 64]) {
      const each = Math.round(pick(run, committers === 1 ? 5_000 : 40_000, committers) / committers);
      run.say(`${committers} committers`);
      const cases = await Promise.all(
        subjects.map(async (written): Promise<Case> => {
          const known = await describe(run, written.open);
          return {
            subject: written.as ?? known.name,
            durability: known.durability,
            at: committers === 1 ? "1 committer" : `${committers} committers`,
            x: committers,
            isBaseline: written.isBaseline === true,
            measure: () => measure(run, written, committers, each),
          };
        }),
      );
      rows.push(...(await interleave(run, cases, { warmUp: 0 })));
      verified.push(`${committers} committers, ${each} commits each: chains read back after reopening`);
    }
    return {
      rows,
      verified,
      absent: peers.absent,
      plots: [{ kind: "dots", title: "Bytes written per byte committed", metric: "writtenPerByte" }],
    };
  },
};

let opened = 0;

async function opening<Value>(
  run: BenchRun,
  open: OpenSubject,
  use: (subject: Subject, directory: string) => Promise<Value> | Value,
): Promise<Value> {
  opened += 1;
  const directory = join(run.directory, `subject-${opened}`);
  mkdirSync(directory);
  try {
    return await use(await open(directory), directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Its name and promise, from a subject opened for nothing else. */
function describe(run: BenchRun, open: OpenSubject): Promise<Pick<Subject, "name" | "durability">> {
  return opening(run, open, async (subject) => {
    await subject.close();
    return subject;
  });
}

async function measure(run: BenchRun, written: Written, committers: number, each: number): Promise<Sample> {
  return opening(run, written.open, async (subject, directory) => {
    const before = writtenBytes() ?? 0;
    let packed = 0;
    await Promise.all(
      Array.from({ length: committers }, async (_, committer) => {
        for (let step = 0; step < each; step += 1) {
          packed += frameOf(committer, step).length;
          await subject.commit(committer, step);
        }
      }),
    );
    await written.tidy?.(subject);
    const stored = bytesBelow(directory);
    if (subject.settle !== undefined) await subject.settle();
    await subject.close();
    const writtenPerByte = ((writtenBytes() ?? 0) - before) / packed;
    await subject.verify(new Array<number>(committers).fill(each));
    return { figures: { writtenPerByte, storedPerByte: stored / packed } };
  });
}
