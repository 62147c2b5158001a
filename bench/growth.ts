/**
 * What do 800 steps of one session cost? Each step adds one message of 1 KB and makes the state durable as far as
 * is printed: time per step and bytes on disk as the session grows. A store that writes the change stays flat;
 * one that writes the whole state each time grows with the square.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { jsonl } from "./subjects/jsonl.ts";
import { loadSqlite, sqlite } from "./subjects/sqlite.ts";
import { loadSqliteSaver, sqliteSaver } from "./subjects/sqlite-saver.ts";
import { varve } from "./subjects/varve.ts";
import type { Bench, BenchRun, Metric, Row } from "./support/bench.ts";
import { bytesBelow } from "./support/disk.ts";
import { Latency } from "./support/latency.ts";
import { interleave } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import type { OpenSubject } from "./support/subject.ts";

/** Points of the plot. */
const WINDOWS = 8;

export const growth: Bench = {
  name: "growth",
  question: "What do 800 steps of one session cost?",
  baseline: "a JSONL file of one line per step with fdatasync",
  notMeasured:
    "Loading. LangGraph's own work around its saver, and its pending writes. The store's files are counted with their preallocated segments (16 MiB each), which is why it begins higher.",
  async run(run) {
    const saver = await loadSqliteSaver();
    const database = await loadSqlite();
    const subjects: { open: OpenSubject; isBaseline?: boolean }[] = [
      { open: jsonl("fdatasync"), isBaseline: true },
      { open: varve(sized(run)) },
    ];
    const absent: string[] = [];
    if ("absent" in database) absent.push(database.absent);
    else subjects.push({ open: sqlite(database.module, "FULL") });
    if ("absent" in saver) absent.push(saver.absent);
    else subjects.push({ open: sqliteSaver(saver.module) });
    const steps = pick(run, 800, 40);
    const grown = await interleaveGrowth(run, subjects, steps);
    const axes = { xLabel: "steps", xScale: "linear", yScale: "log" } as const;
    return {
      rows: grown,
      verified: [`${steps} steps of each subject read back after reopening, in every round`],
      absent,
      plots: [
        { kind: "lines", title: "Median time of a step as the session grows", metric: "p50", ...axes },
        { kind: "lines", title: "Bytes on disk as the session grows", metric: "diskMib", ...axes },
      ],
    };
  },
};

/** All windows of a subject are measured in one go; the rows are then cut out of it. */
async function interleaveGrowth(
  run: BenchRun,
  subjects: readonly { open: OpenSubject; isBaseline?: boolean }[],
  steps: number,
): Promise<Row[]> {
  const window = Math.ceil(steps / WINDOWS);
  const perWindow = new Map<string, Partial<Record<Metric, number>>[]>();
  let opened = 0;
  const grow = async (open: OpenSubject): Promise<{ name: string; durability: string }> => {
    opened += 1;
    const directory = join(run.directory, `subject-${opened}`);
    mkdirSync(directory);
    const subject = await open(directory);
    run.say(subject.name);
    const figures: Partial<Record<Metric, number>>[] = [];
    for (let from = 0; from < steps; from += window) {
      const latency = new Latency();
      for (let step = from; step < Math.min(steps, from + window); step += 1) {
        const started = performance.now();
        await subject.commit(0, step);
        latency.record(performance.now() - started);
      }
      figures.push({ ...latency.figures(), diskMib: bytesBelow(directory) / 2 ** 20 });
    }
    await subject.close();
    await subject.verify([steps]);
    rmSync(directory, { recursive: true });
    perWindow.set(subject.name, figures);
    return subject;
  };
  const known = [];
  for (const { open, isBaseline } of subjects) known.push({ open, isBaseline, ...(await grow(open)) });
  const rows: Row[] = [];
  const rounds = known.map(() => [] as Partial<Record<Metric, number>>[][]);
  for (let round = 0; round < run.rounds; round += 1) {
    for (const [index, subject] of known.entries()) {
      await grow(subject.open);
      rounds[index]?.push(perWindow.get(subject.name) ?? []);
    }
  }
  for (let at = 0; at < WINDOWS; at += 1) {
    const x = Math.min(steps, (at + 1) * window);
    // Measured already: the rounds are handed over one by one.
    const taken = known.map(() => 0);
    rows.push(
      ...(await interleave(
        run,
        known.map(({ name, durability, isBaseline }, index) => ({
          subject: name,
          durability,
          at: `step ${x}`,
          x,
          isBaseline: isBaseline === true,
          measure: async () => {
            const round = taken[index] ?? 0;
            taken[index] = round + 1;
            return { figures: rounds[index]?.[round]?.[at] ?? {} };
          },
        })),
        { warmUp: 0 },
      )),
    );
  }
  return rows;
}
