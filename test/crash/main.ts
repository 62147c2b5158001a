/**
 * `npm run test:crash`: the long crash enumeration over the whole store, one workload a seed, on as many
 * processes as there are cores. Prints seeds and progress; a failure is reduced to one command that makes it
 * again, and ends with exit code 1. `--reproduce` makes one state again and tells what is wrong with it.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { explainState } from "../../src/testing/crash/explain.ts";
import { type CrashReport, emptyReport } from "../../src/testing/crash/explore.ts";
import { tryState } from "../../src/testing/crash/look.ts";
import { reduceFailure } from "../../src/testing/crash/reduce.ts";
import { summarise } from "../../src/testing/crash/summary.ts";
import { type CrashState, decodeState, encodeState } from "../../src/testing/crash/token.ts";
import { type CrashOptions, parseCrashOptions } from "./options.ts";
import { StoreSubject } from "./store-subject.ts";

/** One seed for a worker to explore, at most so many states of it. */
export interface Task {
  readonly seed: number;
  readonly states: number;
  readonly depth: 1 | 2;
}

/** What a worker tells, while it explores a seed and at the end of it; a failure as a token. */
export interface TaskReport {
  readonly figures: Figures;
  readonly failing: string | undefined;
  readonly isLast: boolean;
}

export type Figures = Omit<CrashReport, "failure">;

const PROGRESS_MS = 5000;
const subjectOf = (seed: number): StoreSubject => new StoreSubject(seed);

async function main(): Promise<number> {
  const options = parseCrashOptions(process.argv.slice(2));
  if (options.reproduce !== undefined) return await reproduce(decodeState(options.reproduce));
  console.log(
    `${options.states} states, depth ${options.depth}, seeds from ${options.seed}, ${options.processes} processes`,
  );
  const started = performance.now();
  const run = new Run(options);
  const timer = setInterval(() => console.log(`  ${run.tell()}`), PROGRESS_MS);
  await Promise.all(Array.from({ length: options.processes }, () => run.work()));
  clearInterval(timer);
  const seconds = (performance.now() - started) / 1000;
  console.log(`${run.tell()}; ${Math.round(run.total.states / seconds)} states/s`);
  if (run.failing === undefined) {
    console.log("every promise kept");
    return 0;
  }
  console.log(`FAILED ${run.failing}; reducing …`);
  return await reproduce(await reduceFailure(subjectOf, decodeState(run.failing)));
}

/** Hands out seeds to child processes until there are states enough, or one failed. */
class Run {
  failing: string | undefined;
  readonly #options: CrashOptions;
  readonly #reports = new Map<number, Figures>();
  #nextSeed: number;

  constructor(options: CrashOptions) {
    this.#options = options;
    this.#nextSeed = options.seed;
  }

  get total(): CrashReport {
    const total = emptyReport();
    for (const figures of this.#reports.values()) {
      for (const key of FIGURES) total[key] += figures[key];
    }
    return total;
  }

  tell(): string {
    return `seeds ${this.#options.seed} to ${this.#nextSeed - 1}: ${summarise(this.total)}`;
  }

  async work(): Promise<void> {
    const child = fork(fileURLToPath(new URL("./worker.ts", import.meta.url)), {
      execArgv: ["--import", "tsx"],
    });
    try {
      while (this.failing === undefined && this.total.states < this.#options.states) {
        const { depth, states } = this.#options;
        const seed = this.#nextSeed++;
        const task: Task = { seed, states: states - this.total.states, depth };
        await ask(child, task, ({ figures, failing }) => {
          this.#reports.set(seed, figures);
          this.failing ??= failing;
        });
      }
    } finally {
      child.disconnect();
    }
  }
}

const FIGURES = ["states", "secondStates", "goneOn", "duplicates", "workloads", "moments"] as const;

function ask(child: ChildProcess, task: Task, onReport: (report: TaskReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void =>
      reject(new Error(`the worker of seed ${task.seed} ended with ${code}`));
    const onMessage = (message: unknown): void => {
      const report = message as TaskReport;
      onReport(report);
      if (!report.isLast) return;
      child.off("exit", onExit).off("message", onMessage);
      resolve();
    };
    child.on("exit", onExit).on("message", onMessage);
    child.send(task);
  });
}

async function reproduce(state: CrashState): Promise<number> {
  const error = await tryState(subjectOf, state);
  for (const line of await explainState(subjectOf, state)) console.log(line);
  if (error === undefined) {
    console.log("every promise kept");
    return 0;
  }
  console.log(error);
  console.log(`\nreproduce: npm run test:crash -- --reproduce ${encodeState(state)}`);
  return 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error instanceof TypeError ? error.message : error);
    process.exitCode = 64;
  },
);
