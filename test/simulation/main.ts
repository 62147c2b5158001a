/**
 * Runs the simulation for long, or one seed with its trace:
 *
 *   npm run test:simulation -- --seeds 10000 [--from 1] [--progress simulation-progress.json]
 *   npm run test:simulation -- --seed 4711
 *
 * A long run uses every core, says how far it is, and can be stopped: the same command goes on where it was,
 * as long as the commit is the same. One seed in a hundred is run twice, and both traces must be equal. At the
 * end stands what happened how often, and every seed that broke a promise with the command that replays it.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Coverage, missing } from "./coverage.ts";
import { simulate } from "./simulate.ts";

/** One seed in so many is run twice. */
const TWICE_EVERY = 100;
/** Seeds between two lines about how far it is. */
const SAY_EVERY = 100;

interface Outcome {
  readonly seed: number;
  readonly broken: readonly string[];
  readonly coverage: Readonly<Record<string, number>>;
}

interface Progress {
  readonly commit: string;
  readonly from: number;
  /** Every seed below it is done. */
  next: number;
  readonly failed: { readonly seed: number; readonly broken: readonly string[] }[];
  coverage: Record<string, number>;
  seconds: number;
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at === -1 ? undefined : process.argv[at + 1];
}

async function runSeed(seed: number): Promise<Outcome> {
  const report = await simulate(seed);
  const broken = [...report.broken];
  if (seed % TWICE_EVERY === 0) {
    const again = await simulate(seed);
    if (again.digest !== report.digest)
      broken.push(`the trace differs from run to run: ${report.digest}, then ${again.digest}`);
  }
  return { seed, broken, coverage: report.coverage.toRecord() };
}

async function replay(seed: number): Promise<number> {
  const report = await simulate(seed, (line) => console.log(line));
  console.log(`\nseed ${seed} at ${commitOf()}: trace ${report.digest}, ${report.lines} lines`);
  console.log(JSON.stringify(report.settings, (_key, value) => (value === undefined ? null : value), 2));
  for (const broken of report.broken) console.log(broken);
  console.log(report.broken.length === 0 ? "every promise held" : `${report.broken.length} broken promises`);
  return report.broken.length === 0 ? 0 : 1;
}

function commitOf(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    return "an unknown commit";
  }
}

function loadProgress(file: string, from: number): Progress {
  const commit = commitOf();
  if (existsSync(file)) {
    const found = JSON.parse(readFileSync(file, "utf8")) as Progress;
    if (found.commit === commit && found.from === from) return found;
  }
  return { commit, from, next: from, failed: [], coverage: {}, seconds: 0 };
}

async function runMany(count: number, from: number, file: string): Promise<number> {
  const progress = loadProgress(file, from);
  const coverage = new Coverage();
  coverage.merge(progress.coverage);
  const end = from + count;
  const started = performance.now() - progress.seconds * 1000;
  const done = new Map<number, Outcome>();
  let handed = progress.next;
  console.log(`seeds ${progress.next} to ${end - 1} at ${progress.commit}`);
  const take = (outcome: Outcome): void => {
    done.set(outcome.seed, outcome);
    for (let next = done.get(progress.next); next !== undefined; next = done.get(progress.next)) {
      done.delete(progress.next);
      progress.next++;
      coverage.merge(next.coverage);
      if (next.broken.length > 0) {
        progress.failed.push({ seed: next.seed, broken: next.broken });
        console.log(describeFailure(next, progress.commit));
      }
      if (progress.next % SAY_EVERY !== 0 && progress.next !== end) continue;
      progress.coverage = coverage.toRecord();
      progress.seconds = (performance.now() - started) / 1000;
      writeFileSync(file, JSON.stringify(progress));
      const each = (progress.seconds * 1000) / (progress.next - from);
      console.log(
        `${progress.next - from} seeds, ${progress.failed.length} failed, ${each.toFixed(0)} ms a seed`,
      );
    }
  };
  await Promise.all(
    Array.from({ length: availableParallelism() }, () =>
      work(() => (handed < end ? handed++ : undefined), take),
    ),
  );
  return report(progress, coverage, progress.next - from);
}

/** One child process that takes seed after seed. */
function work(nextSeed: () => number | undefined, take: (outcome: Outcome) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = fork(fileURLToPath(import.meta.url), ["--worker"], {
      execArgv: ["--enable-source-maps", "--import", "tsx"],
    });
    const hand = (): void => {
      const seed = nextSeed();
      if (seed === undefined) child.disconnect();
      else child.send(seed);
    };
    child.on("message", (outcome: Outcome) => {
      take(outcome);
      hand();
    });
    child.on("error", reject);
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
    hand();
  });
}

function serve(): void {
  process.on("message", (seed: number) => {
    runSeed(seed).then(
      (outcome) => process.send?.(outcome),
      (error: unknown) => {
        console.error(`seed ${seed}:`, error);
        process.exitCode = 1;
        process.disconnect();
      },
    );
  });
}

function describeFailure({ seed, broken }: Pick<Outcome, "seed" | "broken">, commit: string): string {
  return `seed ${seed} at ${commit}: npm run test:simulation -- --seed ${seed}\n  ${broken.join("\n  ")}`;
}

function report(progress: Progress, coverage: Coverage, seeds: number): number {
  console.log(`\n${seeds} seeds in ${progress.seconds.toFixed(0)} s at ${progress.commit}\n`);
  for (const [feature, count] of Object.entries(coverage.toRecord()))
    console.log(`${String(count).padStart(10)}  ${feature}`);
  const lacking = missing(coverage, seeds);
  for (const line of lacking) console.log(`too rare: ${line}`);
  for (const failure of progress.failed) console.log(describeFailure(failure, progress.commit));
  console.log(progress.failed.length === 0 ? "every promise held" : `${progress.failed.length} seeds failed`);
  return progress.failed.length === 0 && lacking.length === 0 ? 0 : 1;
}

async function main(): Promise<number | undefined> {
  if (process.argv.includes("--worker")) {
    serve();
    return undefined;
  }
  const seed = option("--seed");
  if (seed !== undefined) return replay(Number(seed));
  const from = Number(option("--from") ?? 1);
  const count = Number(option("--seeds") ?? 1000);
  return runMany(count, from, option("--progress") ?? "simulation-progress.json");
}

process.exitCode = await main();
