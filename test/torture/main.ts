/**
 * `npm run test:torture`: the long run of `varve torture`. Builds the package, crashes it as often as the
 * documents claim, and then shows for each planted bug that its technique catches it. Prints a table; with
 * `--out FILE` also writes everything as JSON. `--only sound` or `--only planted` runs one half, `--share S`
 * (0 to 1) that part of the rounds, `--technique NAME` one technique, `--directory DIR` another disk.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { TECHNIQUES, type TechniqueName } from "../../src/cli/torture/options.ts";
import { reportText } from "../../src/cli/torture/report-text.ts";
import { runTorture, type TortureReport } from "../../src/cli/torture/run.ts";
import { buildLoadProcess } from "../support/built.ts";
import { makeTemporary, removeTemporary } from "../support/temporary.ts";
import { PLANTED, type Planted } from "./planted.ts";

/** Rounds of the long run, by technique. */
const ROUNDS: Readonly<Record<TechniqueName, number>> = { kill: 300, strace: 500, power: 200, full: 10 };
const MOST_HOURS = 6;
const MOST_MS = MOST_HOURS * 3_600_000;
/**
 * So few that none leaves memory: a store with a bug must look right to itself until it crashes, or its own
 * reads find the bug before the technique does.
 */
const PLANTED_SESSIONS = 2;
/** Milliseconds between two lines that tell how it goes. */
const TELL_EVERY_MS = 30_000;

interface Caught extends Pick<Planted, "bug" | "technique" | "rounds"> {
  readonly where: string;
  /** The round that caught it; absent: nothing did. */
  readonly round?: number;
  readonly message?: string;
  readonly skipped?: string;
}

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    only: { type: "string" },
    share: { type: "string", default: "1" },
    technique: { type: "string" },
    directory: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});
const folder = makeTemporary();
const share = Number(values.share);

interface Run {
  readonly techniques: readonly TechniqueName[];
  readonly rounds: number;
  readonly program: string;
  readonly sessions: number;
  readonly run?: typeof runTorture;
}

async function torture({ techniques, rounds, program, sessions, run = runTorture }: Run) {
  let told = 0;
  return await run({
    directory: values.directory === undefined ? undefined : join(values.directory, "varve-torture"),
    milliseconds: MOST_MS,
    techniques,
    sessions,
    seed: Number(values.seed),
    signal: new AbortController().signal,
    mostRounds: () => rounds,
    program,
    onProgress: (report) => {
      if (Date.now() - told < TELL_EVERY_MS) return;
      told = Date.now();
      console.log(report.techniques.map(({ name, rounds: done }) => `${name} ${done}`).join("  "));
    },
  });
}

async function runSound(techniques: readonly TechniqueName[]): Promise<TortureReport[]> {
  const program = buildLoadProcess(join(folder, "sound"));
  const reports: TortureReport[] = [];
  for (const technique of techniques) {
    const report = await torture({
      techniques: [technique],
      rounds: Math.ceil(ROUNDS[technique] * share),
      program,
      sessions: 8,
    });
    console.log(reportText(report));
    reports.push(report);
  }
  return reports;
}

async function runPlanted(techniques: readonly TechniqueName[]): Promise<Caught[]> {
  const caught: Caught[] = [];
  for (const [index, planted] of PLANTED.entries()) {
    if (!techniques.includes(planted.technique)) continue;
    const program = buildLoadProcess(join(folder, `planted-${index}`), planted.break);
    const run = await runnerOf(planted, program);
    const report = await torture({
      run,
      techniques: [planted.technique],
      rounds: planted.rounds,
      program,
      sessions: PLANTED_SESSIONS,
    });
    for (const one of outcomesOf(planted, report)) {
      caught.push(one);
      console.log(
        `${one.skipped ?? (one.round === undefined ? "NOT CAUGHT" : `caught in round ${one.round}`)}: ${planted.bug} (${one.where})`,
      );
      if (one.message !== undefined) console.log(`  ${one.message.slice(0, 300)}`);
    }
  }
  return caught;
}

/** A full disk is met in the process that tortures, so there the bug must be in that one. */
async function runnerOf({ technique }: Planted, program: string): Promise<typeof runTorture> {
  if (technique !== "full") return runTorture;
  const built = (await import(join(dirname(program), "run.js"))) as { runTorture: typeof runTorture };
  return built.runTorture;
}

function outcomesOf({ bug, technique, rounds }: Planted, { problem, techniques }: TortureReport): Caught[] {
  const told = { bug, technique, rounds };
  if (problem !== undefined)
    return [{ ...told, where: problem.technique, round: problem.round, message: problem.message }];
  return techniques.map(({ name, skipped }) => ({
    ...told,
    where: name,
    ...(skipped === undefined ? {} : { skipped }),
  }));
}

const techniques = TECHNIQUES.filter((name) => values.technique === undefined || name === values.technique);
try {
  const sound = values.only === "planted" ? [] : await runSound(techniques);
  const planted = values.only === "sound" ? [] : await runPlanted(techniques);
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify({ sound, planted }, null, 2)}\n`);
  const isFine =
    sound.every(({ techniques }) =>
      techniques.every(({ verdict }) => verdict === "survived" || verdict === "skipped"),
    ) && planted.every(({ round, skipped }) => round !== undefined || skipped !== undefined);
  process.exitCode = isFine ? 0 : 1;
} finally {
  removeTemporary(folder);
}
