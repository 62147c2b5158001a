/**
 * The usual bench of commits: some subjects, so many committers, closed or open loop, in interleaved rounds,
 * read back at the end. Each subject has a directory of its own, is opened once and lives through all rounds of
 * a point.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { BenchRun, Row } from "./bench.ts";
import { closedLoop, openLoop } from "./loops.ts";
import { type Case, interleave, type Sample } from "./rounds.ts";
import type { OpenSubject, Subject } from "./subject.ts";

export interface Point {
  readonly at: string;
  readonly x: number;
  readonly committers: number;
  readonly roundMillis: number;
  /** Commits per second in an open loop; closed when absent. */
  readonly perSecond?: number;
}

export interface Entry {
  readonly open: OpenSubject;
  readonly isBaseline?: boolean;
  /** What runs beside the load in this case, and is stopped after it. */
  readonly beside?: (subject: Subject) => { stop(): Promise<void> | void };
  /** Name in the table where two entries share a subject. */
  readonly as?: string;
  /** Where the entry stands in the question, if the point alone does not say it. */
  readonly at?: string;
  readonly x?: number;
}

let opened = 0;

export async function measureCommitters(
  run: BenchRun,
  entries: readonly Entry[],
  point: Point,
): Promise<{ rows: Row[]; verified: string }> {
  const subjects: { subject: Subject; entry: Entry; steps: number[]; directory: string }[] = [];
  try {
    for (const entry of entries) {
      opened += 1;
      const directory = join(run.directory, `subject-${opened}`);
      mkdirSync(directory);
      const steps = new Array<number>(point.committers).fill(0);
      subjects.push({ subject: await entry.open(directory), entry, steps, directory });
    }
    run.say(`${point.at}: ${subjects.map(({ subject, entry }) => entry.as ?? subject.name).join(", ")}`);
    const cases = subjects.map(({ subject, entry, steps }): Case => {
      return {
        subject: entry.as ?? subject.name,
        durability: subject.durability,
        at: entry.at ?? point.at,
        x: entry.x ?? point.x,
        isBaseline: entry.isBaseline === true,
        measure: () => measureOnce(subject, entry, point, steps),
      };
    });
    const rows = await interleave(run, cases);
    let commits = 0;
    for (const { subject, steps } of subjects) {
      await subject.close();
      await subject.verify(steps);
      commits += steps.reduce((sum, step) => sum + step, 0);
    }
    return {
      rows,
      verified: `${point.at}: ${commits} acknowledged commits, chains read back after reopening`,
    };
  } finally {
    for (const { directory } of subjects) rmSync(directory, { recursive: true, force: true });
  }
}

async function measureOnce(subject: Subject, entry: Entry, point: Point, steps: number[]): Promise<Sample> {
  const beside = entry.beside?.(subject);
  const syncsBefore = subject.syncs?.() ?? 0;
  const load =
    point.perSecond === undefined
      ? await closedLoop(subject, steps, point.roundMillis)
      : await openLoop(subject, steps, { perSecond: point.perSecond, millis: point.roundMillis });
  const syncs = (subject.syncs?.() ?? 0) - syncsBefore;
  await beside?.stop();
  await subject.settle?.();
  const { latency, acknowledged, perSecond } = load;
  return {
    latency,
    figures: {
      rate: perSecond,
      ...latency.figures(),
      ...(syncs > 0 ? { perSync: acknowledged / syncs } : {}),
    },
  };
}
