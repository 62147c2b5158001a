/**
 * The mutation run: changes pure modules in one place at a time, in compiled copies, and runs the quick tests
 * that are about the module. Reports per file how many mutants were killed, survived, or ran out of time, and
 * fails when one survives that `test/surviving-mutants.json` does not explain.
 * `--file <path>` (may be repeated) takes whole files, `--sample <count> --seed <number>` some mutants of all,
 * `--only <text>` (may be repeated) those whose change has the text; without them it is everything. `--lines`
 * prints the verdict on every mutant. `--write` records the figures of whole files.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordMutation, type Tally } from "./coverage/document.ts";
import { compileToTree } from "./javascript/tree.ts";
import { refuseUnknown } from "./known-arguments.ts";
import { type Mutant, mutantsOf, mutate } from "./mutate/mutants.ts";
import { SUBJECTS } from "./mutate/subjects.ts";
import { isExplained, loadSurvivors } from "./mutate/survivors.ts";
import { compiledPath } from "./planted/compile.ts";
import { runTests, type TestRun, tail, UNBROKEN_MS } from "./planted/run-tests.ts";
import { inTurn, type Workshop, withWorkshops } from "./planted/workshop.ts";

const AT_ONCE = 2;
/** A mutant may take so many times what the tests take, and so many milliseconds more. */
const SLOWER = 6;
const SLACK_MS = 5_000;

type Verdict = "killed" | "timed out" | "survived";

interface Module {
  readonly file: string;
  /** Path of the module that imports its tests. */
  readonly entry: string;
  readonly code: string;
  readonly mutants: readonly Mutant[];
}

function modules(): Module[] {
  const wanted = options("--file");
  const unknown = wanted.filter((file) => !SUBJECTS.some((subject) => subject.file === file));
  if (unknown.length > 0)
    throw new Error(`no tests are named for ${unknown.join(", ")}: scripts/mutate/subjects.ts`);
  return SUBJECTS.filter(({ file }) => wanted.length === 0 || wanted.includes(file)).map(({ file }) => {
    const compiled = compileToTree(readFileSync(file, "utf8"));
    const entry = `mutate-${file.replaceAll("/", "-").replace(/\.ts$/, ".js")}`;
    return { file, entry, code: compiled.code, mutants: mutantsOf(file, compiled) };
  });
}

function writeEntries(workshop: Workshop): void {
  for (const { file, tests } of SUBJECTS) {
    const entry = `mutate-${file.replaceAll("/", "-").replace(/\.ts$/, ".js")}`;
    // Not shrinking comes first: it is set before a test draws.
    const imports = ["scripts/planted/no-shrinking.mjs", ...new Set(tests.map(compiledPath))];
    writeFileSync(join(workshop.root, entry), imports.map((path) => `import "./${path}";\n`).join(""));
  }
}

/** Those that `--only` names; all without it. */
function named(all: readonly Mutant[]): readonly Mutant[] {
  const texts = options("--only");
  return texts.length === 0 ? all : all.filter(({ change }) => texts.some((text) => change.includes(text)));
}

/** Some of all mutants, the same for the same seed. */
function sample(all: readonly Mutant[]): readonly Mutant[] {
  const [count] = options("--sample");
  if (count === undefined) return all;
  let state = Number(options("--seed")[0] ?? 1) >>> 0;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return all
    .map((mutant) => ({ mutant, order: random() }))
    .sort((a, b) => a.order - b.order)
    .slice(0, Number(count))
    .map(({ mutant }) => mutant);
}

function run(workshop: Workshop, { entry }: Module, timeoutMs: number): Promise<TestRun> {
  return runTests(workshop, { file: entry, timeoutMs, form: "compiled", until: "first failure" });
}

async function judge(workshop: Workshop, module: Module, mutant: Mutant, sound: Sound): Promise<Verdict> {
  const path = join(workshop.root, compiledPath(module.file));
  writeFileSync(path, mutate(module.code, mutant));
  try {
    const { failed, hung, passed } = await run(workshop, module, SLACK_MS + SLOWER * sound.tookMs);
    if (failed.size > 0) return "killed";
    if (hung) return "timed out";
    // It did not load, or ended its process.
    return passed.size < sound.passed ? "killed" : "survived";
  } finally {
    writeFileSync(path, module.code);
  }
}

interface Sound {
  readonly tookMs: number;
  readonly passed: number;
}

async function main(): Promise<number> {
  refuseUnknown({ alone: ["lines", "write"], withValue: ["file", "sample", "seed", "only"] });
  const all = modules();
  const survivors = loadSurvivors();
  const problems: string[] = [];
  const tallies = new Map<string, Tally>();
  await withWorkshops(AT_ONCE, "compiled", async (workshops) => {
    for (const workshop of workshops) writeEntries(workshop);
    const sound = new Map<string, Sound>();
    await inTurn(workshops, all, async (workshop, module) => {
      const started = performance.now();
      const { failed, passed, hung, output } = await run(workshop, module, UNBROKEN_MS);
      if (failed.size > 0 || passed.size === 0 || hung)
        problems.push(`${module.file}: its tests fail without a mutant\n${tail(output)}`);
      else sound.set(module.file, { tookMs: performance.now() - started, passed: passed.size });
    });
    const byFile = new Map(all.map((module) => [module.file, module]));
    const mutants = sample(named(all.flatMap((module) => module.mutants)));
    await inTurn(workshops, mutants, async (workshop, mutant) => {
      const module = byFile.get(mutant.file);
      const how = sound.get(mutant.file);
      if (module === undefined || how === undefined) return;
      const verdict = await judge(workshop, module, mutant, how);
      count(tallies, mutant.file, verdict);
      const line = `${verdict.padEnd(9)} ${mutant.file}:${mutant.line}  ${mutant.change}`;
      if (process.argv.includes("--lines") || verdict !== "killed") console.log(line);
      if (verdict === "survived" && !isExplained(mutant, survivors)) problems.push(`not explained: ${line}`);
    });
  });
  for (const [file, { killed, timedOut, survived }] of tallies)
    console.log(`${file}: ${killed} killed, ${timedOut} timed out, ${survived} survived`);
  const isWhole = options("--sample").length === 0 && options("--only").length === 0;
  if (process.argv.includes("--write") && isWhole) recordMutation(tallies, survivors);
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
}

function count(tallies: Map<string, Tally>, file: string, verdict: Verdict): void {
  const tally = tallies.get(file) ?? { killed: 0, timedOut: 0, survived: 0 };
  if (verdict === "killed") tally.killed++;
  else if (verdict === "timed out") tally.timedOut++;
  else tally.survived++;
  tallies.set(file, tally);
}

function options(name: string): string[] {
  return process.argv.flatMap((argument, at) => (argument === name ? (process.argv[at + 1] ?? []) : []));
}

process.exitCode = await main();
