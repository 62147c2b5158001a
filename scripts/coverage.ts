/**
 * Branch coverage of the parts that must not lose a commit: runs the tests of those parts from compiled copies
 * (as `npm run rules` does), adds up what V8 counted in every process and thread, and fails when a branch was
 * not executed and `test/coverage-exceptions.json` does not say why, or says so of one that was.
 * `--write` records the figures of a run without a problem in `docs/coverage.md`; `--tests <text>` runs only test
 * files whose path contains the text, and judges nothing.
 *
 * 1. Everything runs as one form of code: compiled, threads and children too. Under a loader a thread runs other
 *    code of the same name than its process, and counts of the two would be mixed up.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { armsOf } from "./coverage/arms.ts";
import { addReport, type CoverageReport, type Measured } from "./coverage/counts.ts";
import { type FolderFigures, recordBranches } from "./coverage/document.ts";
import { EXCEPTIONS, type Gap, loadExceptions, stale, unexplained } from "./coverage/exceptions.ts";
import { onlyCompiled } from "./coverage/only-compiled.ts";
import { compileToTree } from "./javascript/tree.ts";
import { refuseUnknown } from "./known-arguments.ts";
import { compiledPath } from "./planted/compile.ts";
import { runTests, tail, UNBROKEN_MS } from "./planted/run-tests.ts";
import { inTurn, type Workshop, withWorkshops } from "./planted/workshop.ts";

/** What is measured. */
const SUBJECTS = [
  /^src\/(wal|snapshot)\/[^/]+\.ts$/,
  /^src\/actors\/(open|collector|snapshotter|publisher|generations|tail|directory|source|view-of-moment|used-blobs)\.ts$/,
  /^src\/vfs\/disk[a-z-]*\.ts$/,
];
/** By what: not by real crashes, whose processes are killed and report nothing. */
const TESTS =
  /^test\/(wal|snapshot|actors|vfs|store|crash|races|session|inspect|conformance)\/(?!torture\.)[^/]+\.test\.ts$/;
const AT_ONCE = 2;

function filesBelow(folder: string, wanted: (path: string) => boolean): string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)).replaceAll("\\", "/"))
    .filter(wanted)
    .sort();
}

function subjects(workshop: Workshop): Map<string, Measured> {
  const found = new Map<string, Measured>();
  for (const file of filesBelow("src", (path) => SUBJECTS.some((subject) => subject.test(path)))) {
    const arms = armsOf(compileToTree(readFileSync(file, "utf8")));
    const url = pathToFileURL(join(workshop.root, compiledPath(file))).href;
    found.set(file, { url, arms, counts: arms.map(() => 0) });
  }
  return found;
}

/** Runs the tests and adds up their counts; answers what went wrong. */
async function measure(
  workshop: Workshop,
  tests: readonly string[],
  byUrl: ReadonlyMap<string, Measured>,
): Promise<string[]> {
  const problems: string[] = [];
  await inTurn(Array(AT_ONCE).fill(workshop), tests, async (shared, file) => {
    const started = performance.now();
    const reports = join(shared.temporary, `coverage-${tests.indexOf(file)}`);
    mkdirSync(reports);
    const run = await runTests(shared, {
      file,
      timeoutMs: UNBROKEN_MS,
      form: "compiled",
      until: "end",
      environment: { NODE_V8_COVERAGE: reports },
    });
    for (const name of readdirSync(reports)) {
      addReport(byUrl, JSON.parse(readFileSync(join(reports, name), "utf8")) as CoverageReport);
    }
    console.log(
      `${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${file}: ${run.passed.size} passed, reports of ${readdirSync(reports).length} processes and threads`,
    );
    rmSync(reports, { recursive: true });
    if (run.failed.size > 0 || run.passed.size === 0 || run.hung)
      problems.push(`${file}: ${[...run.failed].join("; ")}\n${tail(run.output)}`);
  });
  return problems;
}

function gapsOf(measured: ReadonlyMap<string, Measured>): Gap[] {
  return [...measured].flatMap(([file, { arms, counts }]) => {
    const lines = readFileSync(file, "utf8").split("\n");
    return arms.flatMap(({ kind, line }, index) =>
      counts[index] === 0 ? [{ file, line, text: lines[line - 1]?.trim() ?? "", branch: kind }] : [],
    );
  });
}

function figuresOf(measured: ReadonlyMap<string, Measured>): FolderFigures[] {
  const folders = new Map<string, FolderFigures>();
  for (const [file, { counts }] of measured) {
    const folder = file.split("/").slice(0, 2).join("/");
    const { branches, executed } = folders.get(folder) ?? { branches: 0, executed: 0 };
    const ran = counts.filter((count) => count > 0).length;
    folders.set(folder, { folder, branches: branches + counts.length, executed: executed + ran });
  }
  return [...folders.values()];
}

async function main(): Promise<number> {
  refuseUnknown({ alone: ["write"], withValue: ["tests"] });
  const at = process.argv.indexOf("--tests");
  const only = at === -1 ? undefined : process.argv[at + 1];
  const tests = filesBelow("test", (path) => TESTS.test(path) && path.includes(only ?? ""));
  return await withWorkshops(1, "compiled", async ([workshop]) => {
    if (workshop === undefined) return report(["no workshop"]);
    onlyCompiled(workshop.root);
    const measured = subjects(workshop);
    const byUrl = new Map([...measured.values()].map((one) => [one.url, one]));
    const problems = await measure(workshop, tests, byUrl);
    const gaps = gapsOf(measured);
    const exceptions = loadExceptions();
    for (const gap of unexplained(gaps, exceptions))
      problems.push(`not executed: ${gap.file}:${gap.line} ${gap.branch}: ${gap.text}`);
    for (const entry of stale(gaps, exceptions))
      problems.push(`${EXCEPTIONS}: executed, or gone: ${entry.file} ${entry.branch}: ${entry.line}`);
    const figures = figuresOf(measured);
    for (const { folder, branches, executed } of figures)
      console.log(`${folder}: ${executed} of ${branches} branches executed`);
    if (only !== undefined) {
      for (const problem of problems) console.log(problem);
      return 0;
    }
    if (process.argv.includes("--write") && problems.length === 0) recordBranches(figures, exceptions);
    return report(problems);
  });
}

function report(problems: readonly string[]): number {
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = await main();
