/**
 * `npm run bench` (compiled first) and `varve bench`: runs benches one by one, each in a process of its own so that none inherits
 * another's heap, compiled code or open files, and reports them. What is printed on standard output is the
 * report, progress goes to standard error.
 */
import { fork } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BENCH_HELP } from "../src/cli/commands/bench.ts";
import { BENCHES } from "./benches.ts";
import { page } from "./report/page.ts";
import { writeTables } from "./report/tables.ts";
import { machineLine, terminal } from "./report/text.ts";
import { type BenchArguments, parseBenchArguments } from "./support/arguments.ts";
import type { Bench, BenchResult, Run } from "./support/bench.ts";
import { workDirectory } from "./support/directory.ts";
import { machineFacts } from "./support/machine.ts";
import { runOne } from "./support/run-one.ts";
import { type Expected, expectedFrom, watch } from "./support/watch.ts";

export const BENCH_USAGE = 64;
const CHILD = "--child";

export interface BenchStreams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** Answers the exit code: 0 good, 1 a bench failed or --check found a worse ratio, 64 bad arguments. */
export async function runBenchCommand(args: readonly string[], streams: BenchStreams): Promise<number> {
  if (args[0] === CHILD) return runChild(args.slice(1), streams);
  if (args.includes("--help")) {
    streams.out(BENCH_HELP);
    return 0;
  }
  let options: BenchArguments;
  let benches: readonly Bench[];
  try {
    options = parseBenchArguments(args);
    benches = select(options);
    // Before half an hour of measuring, not after it.
    if (options.check && readExpected(expectedFile(options)) === undefined) {
      throw new Error(`there are no expected ratios in ${expectedFile(options)}`);
    }
  } catch (error) {
    streams.err(`bench: ${error instanceof Error ? error.message : String(error)}; --help tells more\n`);
    return BENCH_USAGE;
  }
  if (options.list) {
    for (const { name, question } of BENCHES) streams.out(`${name.padEnd(20)} ${question}\n`);
    return 0;
  }
  return runAll(benches, options, streams);
}

function select({ names, noRun }: BenchArguments): readonly Bench[] {
  for (const name of names) {
    if (!BENCHES.some((bench) => bench.name === name)) {
      throw new Error(`no bench is called ${JSON.stringify(name)}; --list names them`);
    }
  }
  if (noRun) return [];
  return BENCHES.filter(({ name }) => names.length === 0 || names.includes(name));
}

async function runAll(
  benches: readonly Bench[],
  options: BenchArguments,
  { out, err }: BenchStreams,
): Promise<number> {
  const earlier =
    options.with === undefined ? undefined : (JSON.parse(readFileSync(options.with, "utf8")) as Run);
  const directory = workDirectory(options.dir);
  const removeAndEnd = (): never => {
    directory.remove();
    process.exit(130);
  };
  process.once("SIGINT", removeAndEnd).once("SIGTERM", removeAndEnd);
  const results: BenchResult[] = [];
  let failed = 0;
  const machine =
    benches.length === 0 && earlier !== undefined ? earlier.machine : machineFacts(directory.path);
  const isOld = benches.length === 0 && earlier !== undefined;
  const startedAt = isOld ? earlier.startedAt : new Date().toISOString();
  const size = isOld ? earlier.size : options.size;
  const run = (): Run => ({ startedAt, size, machine, results: joined(results, earlier) });
  try {
    out(`${machineLine(machine)}\n`);
    for (const doubt of machine.doubts) out(`DO NOT TRUST: ${doubt}\n`);
    for (const bench of benches) {
      const result = await inChild(bench, options, directory.path, err);
      if (result === undefined) failed += 1;
      else {
        results.push(result);
        // After each, so that an interrupted run has not measured for nothing.
        writeJson(run(), options);
        out(`${terminal(result)}\n`);
      }
    }
  } finally {
    process.off("SIGINT", removeAndEnd).off("SIGTERM", removeAndEnd);
    directory.remove();
  }
  if (benches.length > 0) out(`\nresults: ${jsonFile(run(), options)}\n`);
  writeReport(run(), options, out);
  const worse = compare(run(), options, out);
  return failed > 0 || (options.check && worse) ? 1 : 0;
}

/** This run's results, and earlier ones of benches that did not run; in the usual order. */
function joined(results: readonly BenchResult[], earlier: Run | undefined): BenchResult[] {
  return BENCHES.flatMap(({ name }) => {
    const named = (result: BenchResult): boolean => result.name === name;
    const found = results.find(named);
    if (found !== undefined) return [found];
    const old = earlier?.results.find(named);
    if (old === undefined || results.length === 0) return old === undefined ? [] : [old];
    return [
      { ...old, doubts: [...old.doubts, `measured in another run, ${earlier?.startedAt.slice(0, 10)}`] },
    ];
  });
}

function jsonFile({ startedAt }: Run, { json }: BenchArguments): string {
  return json ?? join("bench-results", `${startedAt.replaceAll(/[:.]/g, "-")}.json`);
}

function writeJson(run: Run, options: BenchArguments): void {
  const file = jsonFile(run, options);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(run, null, 1)}\n`);
}

function writeReport(run: Run, { report }: BenchArguments, out: (text: string) => void): void {
  if (report === undefined) return;
  mkdirSync(dirname(report), { recursive: true });
  writeFileSync(report, page(run));
  out(`report: ${report}\n`);
  const markdown = `${report.slice(0, -extname(report).length)}.md`;
  for (const file of writeTables(run, [markdown, "README.md"])) out(`tables: ${file}\n`);
}

/** True when a ratio is worse than expected. */
function compare(run: Run, options: BenchArguments, out: (text: string) => void): boolean {
  const isAsked = options.expected !== undefined || options.check || options.writeExpected;
  if (!isAsked) return false;
  const file = expectedFile(options);
  const expected = readExpected(file);
  if (options.writeExpected) {
    writeFileSync(file, `${JSON.stringify(expectedFrom(run.results, expected), null, 2)}\n`);
    out(`expected ratios: ${file}\n`);
    return false;
  }
  if (expected === undefined) throw new Error(`there are no expected ratios in ${file}`);
  const watched = watch(run.results, expected);
  out(`\nratios to the baseline of this run, against ${file} (tolerance ${expected.tolerance * 100} %)\n`);
  for (const { key, expected: before, found, verdict } of watched) {
    out(`  ${verdict.padEnd(11)}  expected ${before.toFixed(2)}, found ${found.toFixed(2)}  ${key}\n`);
  }
  return watched.some(({ verdict }) => verdict === "worse");
}

/** Beside the benches in the repository, compiled or not; the installed package has none. */
const EXPECTED = fileURLToPath(
  new URL(`${import.meta.url.endsWith(".ts") ? "." : "../../bench"}/expected-ratios.json`, import.meta.url),
);

function expectedFile({ expected }: BenchArguments): string {
  return expected ?? EXPECTED;
}

function readExpected(file: string): Expected | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Expected;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The bench in a process of its own; undefined when it failed, which is said. */
function inChild(
  bench: Bench,
  { size, rounds }: BenchArguments,
  directory: string,
  err: (text: string) => void,
): Promise<BenchResult | undefined> {
  return new Promise((resolve) => {
    const entry = fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url));
    const child = fork(entry, [CHILD, bench.name, size, String(rounds), directory], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    let result: BenchResult | undefined;
    child.on("message", (message) => {
      result = message as BenchResult;
    });
    child.on("close", (code, signal) => {
      if (result === undefined) err(`bench: ${bench.name} ended with ${signal ?? code}\n`);
      resolve(result);
    });
  });
}

async function runChild(args: readonly string[], { err }: BenchStreams): Promise<number> {
  const [name, size, rounds, directory = ""] = args;
  const bench = BENCHES.find((one) => one.name === name);
  if (bench === undefined || process.send === undefined)
    throw new Error("a bench's process is started by the command");
  const result = await runOne(bench, {
    size: size === "small" ? "small" : "full",
    rounds: Number(rounds),
    directory,
    say: (line) => err(`  ${bench.name}: ${line}\n`),
  });
  const { send } = process;
  await new Promise<void>((resolve) => send.call(process, result, () => resolve()));
  process.disconnect();
  return 0;
}
