/**
 * What do snapshots and gc write for each byte committed? 64 sessions commit 1 KB at a time, first without being counted,
 * until segments are recycled and there is something to merge, then counted: what all threads of the process gave to write
 * calls (`wchar` of /proc/self/io), for each byte of packed commit. The text hardly compresses.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openStore, type RuntimeCommit, type Store, type StoreOptions } from "../src/index.ts";
import type { Bench, BenchRun } from "./support/bench.ts";
import { commitOf, nodeOf, sessionOf } from "./support/commits.ts";
import { NOT_COUNTED, writtenBytes } from "./support/disk.ts";
import { packedBytes } from "./support/frames.ts";
import { noiseText } from "./support/noise.ts";
import { patiently } from "./support/patiently.ts";
import { type Case, interleave, type Sample } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY, expectEqual } from "./support/subject.ts";

const SESSIONS = 64;
const TEXT_CHARS = 780;

interface Mix {
  readonly options: StoreOptions;
  /** Each commit has an execution state of its own: the one before is dead, and gc has work. */
  readonly withValues: boolean;
}

export const maintenanceWrites: Bench = {
  name: "maintenance-writes",
  question: "What do snapshots and gc write per byte committed?",
  baseline: "the log alone",
  notMeasured:
    "What becomes of the bytes below: whole blocks, the file system's journal, the disk itself. The first minutes of a store, when segments are filled with zeros. Many more sessions, where each fold's heads weigh more. Very long lives: node pages are merged a logarithmic number of times.",
  async run(run) {
    if (writtenBytes() === undefined) return NOT_COUNTED;
    const logBytes = pick(run, 8, 1) * 2 ** 20;
    const mixes: Readonly<Record<string, Mix>> = {
      "log alone": { options: { snapshot: false, gc: false }, withValues: false },
      "snapshots and gc": { options: { snapshot: { logBytes } }, withValues: false },
      "snapshots and gc, a value a commit": { options: { snapshot: { logBytes } }, withValues: true },
    };
    const steps = pick(run, 1_000, 40);
    const cases = Object.entries(mixes).map(
      ([subject, mix], index): Case => ({
        subject,
        at: `${SESSIONS} sessions`,
        x: SESSIONS,
        durability: DURABILITY.power,
        isBaseline: index === 0,
        measure: () => measure(run, steps, mix),
      }),
    );
    return {
      rows: await interleave(run, cases, { warmUp: 0 }),
      verified: [`${SESSIONS} sessions of ${2 * steps} commits read back after reopening, in every round`],
      absent: [],
      plots: [{ kind: "dots", title: "Bytes written per byte committed", metric: "writtenPerByte" }],
      notes: [
        `Snapshots at every ${logBytes / 2 ** 20} MiB of log; the first half of the commits is not counted.`,
      ],
    };
  },
};

async function measure(run: BenchRun, steps: number, { options, withValues }: Mix): Promise<Sample> {
  const directory = join(run.directory, "maintenance");
  mkdirSync(directory);
  try {
    const all = { ...sized(run), ...options };
    const store = await openStore(directory, all);
    await commitAll(store, 0, steps, withValues);
    const before = writtenBytes() ?? 0;
    const packed = await commitAll(store, steps, 2 * steps, withValues);
    // What was begun belongs to it.
    if (options.snapshot !== false) await store.snapshot();
    const written = (writtenBytes() ?? 0) - before;
    await store.close();
    await readBack(directory, 2 * steps);
    return { figures: { writtenPerByte: written / packed } };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Answers the bytes of the packed commits. */
async function commitAll(store: Store, from: number, to: number, withValues: boolean): Promise<number> {
  let packed = 0;
  await Promise.all(
    Array.from({ length: SESSIONS }, async (_, number) => {
      const session = store.session(sessionOf(number));
      for (let step = from; step < to; step += 1) {
        const commit = noisyCommit(number, step, withValues);
        packed += packedBytes(commit);
        await patiently(() => session.commitRuntimeState(commit));
      }
    }),
  );
  return packed;
}

function noisyCommit(number: number, step: number, withValue: boolean): RuntimeCommit {
  const commit = commitOf(sessionOf(number), step);
  const text = noiseText(TEXT_CHARS, number * 1_000_003 + step);
  const checkpoint = withValue
    ? { ...commit.checkpoint, executionState: Buffer.from(text.slice(0, TEXT_CHARS / 2)) }
    : commit.checkpoint;
  const half = withValue ? text.slice(TEXT_CHARS / 2) : text;
  const graph: RuntimeCommit["graph"] = {
    kind: "append",
    nodes: [nodeOf(step, half.length, half)],
    leafNodeId: `m${step}`,
  };
  return { ...commit, checkpoint, graph };
}

async function readBack(directory: string, steps: number): Promise<void> {
  const store = await openStore(directory, { snapshot: false, gc: false });
  try {
    for (let number = 0; number < SESSIONS; number += 1) {
      const read = await store.session(sessionOf(number)).loadSession();
      expectEqual(`nodes of ${sessionOf(number)}`, read?.graph.nodes.length, steps);
    }
  } finally {
    await store.close();
  }
}
