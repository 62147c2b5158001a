/**
 * The rules table: proves that each rule of the store is held by a test. For every entry of
 * `test/rules/*.json` one line of `src/` is broken on purpose in a copy, and the one test that holds the
 * rule must fail; unbroken, it must pass. It deliberately changes nothing in the working tree but
 * `docs/rules.md` (with `--write`); without `--write` a stale table fails, and so does a break nobody meets.
 * `--list` only writes the table, proving nothing.
 * `--only <text>` takes the entries whose rule, section or test contains the text, and compares no table.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  checkEntries,
  isUpToDate,
  listedTable,
  loadRules,
  provenTable,
  type Rule,
  TABLE,
} from "./rules/entries.ts";
import { Workshop } from "./rules/workshop.ts";

/** Tests at a time: many wait for a disk or a child, so one more than two cores. */
const AT_ONCE = 3;
/** Milliseconds that a file's tests may take unbroken, on a busy machine. */
const UNBROKEN_MS = 600_000;
/**
 * A break may also make a test hang; that is met too. How long it may take then: this many times what the
 * file's tests took unbroken, and at least so many milliseconds.
 */
const BROKEN_FACTOR = 5;
const BROKEN_MS = 30_000;
/** Milliseconds behind the runner's own time-out after which it is ended by force, worker threads and all. */
const GRACE_MS = 10_000;

interface TestRun {
  /** Names of tests that passed, failed, and said that this machine cannot do them. */
  readonly passed: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
  readonly skipped: ReadonlySet<string>;
  readonly output: string;
}

/** Whether a test file, or a test module it imports, draws its cases with fast-check. */
function drawsCases(file: string, seen = new Set<string>()): boolean {
  if (seen.has(file) || !existsSync(file)) return false;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  if (text.includes('from "fast-check"')) return true;
  const imports = [...text.matchAll(/from "(\.[^"]+)"/g)].map(([, target = ""]) =>
    join(dirname(file), target),
  );
  return imports.some((target) => target.startsWith("test") && drawsCases(target, seen));
}

/**
 * Runs the named tests of one file and answers how each ended, by node's TAP report. Counterexamples are not
 * shrunk: that one was found is enough.
 */
async function runTests(
  root: string,
  file: string,
  names: readonly string[],
  timeoutMs: number,
): Promise<TestRun> {
  const patterns = names.map((name) => `--test-name-pattern=${escapePattern(name)}`);
  const child = spawn(
    process.execPath,
    [
      "--import",
      "tsx",
      ...(drawsCases(file) ? ["--import", "./scripts/rules/no-shrinking.mjs"] : []),
      "--test",
      "--test-reporter=tap",
      `--test-timeout=${timeoutMs}`,
      ...patterns,
      file,
    ],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"], detached: true, env: environment() },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  // The whole group: the test file is a child of the runner.
  const timer = setTimeout(
    () => child.pid !== undefined && process.kill(-child.pid, "SIGKILL"),
    timeoutMs + GRACE_MS,
  );
  await new Promise((settle) => child.on("close", settle));
  clearTimeout(timer);
  return { ...readTap(output), output };
}

/** A test run inside a test run would report to its parent instead of to us. */
function environment(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _parent, ...rest } = process.env;
  return rest;
}

function readTap(output: string): { passed: Set<string>; failed: Set<string>; skipped: Set<string> } {
  const passed = new Set<string>();
  const skipped = new Set<string>();
  const failed = new Set<string>();
  for (const match of output.matchAll(/^\s*(not ok|ok) \d+ - (.*?)(?: # (SKIP|TODO|CANCELLED).*)?$/gm)) {
    const [, verdict, name = "", directive] = match;
    const ended = directive === "SKIP" ? skipped : verdict === "ok" ? passed : failed;
    ended.add(name.replace(/\\([\\#])/g, "$1"));
  }
  return { passed, failed, skipped };
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/** What whole files did without a break. */
interface Unbroken {
  readonly problems: readonly string[];
  /** Entries whose test is there and passes. */
  readonly provable: readonly Rule[];
  /** Milliseconds that the named tests of each file took. */
  readonly tookMs: ReadonlyMap<string, number>;
}

async function runUnbroken(workshops: readonly Workshop[], rules: readonly Rule[]): Promise<Unbroken> {
  const byFile = new Map<string, Rule[]>();
  for (const rule of rules) byFile.set(rule.test.file, [...(byFile.get(rule.test.file) ?? []), rule]);
  const problems: string[] = [];
  const provable: Rule[] = [];
  const tookMs = new Map<string, number>();
  await inTurn(workshops, [...byFile], async (workshop, [file, entries]) => {
    const started = performance.now();
    const names = new Set(entries.map(({ test }) => test.name));
    const run = await runTests(workshop.root, file, [...names], UNBROKEN_MS);
    tookMs.set(file, performance.now() - started);
    console.log(`unbroken ${secondsSince(started)} s  ${file}`);
    for (const name of names) {
      if (run.failed.has(name))
        problems.push(`${file}: "${name}" fails without any break\n${tail(run.output)}`);
      else if (run.skipped.has(name)) console.log(`skipped: ${file}: this machine cannot do "${name}"`);
      else if (!run.passed.has(name)) problems.push(`${file}: has no test "${name}"\n${tail(run.output)}`);
      else provable.push(...entries.filter(({ test }) => test.name === name));
    }
  });
  return { problems, provable, tookMs };
}

/** Entries whose break no test met. */
async function findSurvivors(
  workshops: readonly Workshop[],
  { provable, tookMs }: Unbroken,
): Promise<Rule[]> {
  const survivors: Rule[] = [];
  // The long ones first, so that no workshop is left alone with one at the end.
  const took = ({ test }: Rule): number => tookMs.get(test.file) ?? 0;
  const queue = provable.toSorted((a, b) => took(b) - took(a));
  await inTurn(workshops, queue, async (workshop, rule) => {
    const started = performance.now();
    const run = await meet(workshop, rule, Math.ceil(BROKEN_MS + BROKEN_FACTOR * took(rule)));
    const seconds = secondsSince(started);
    if (run === "met") console.log(`met      ${seconds} s  ${rule.section}: ${rule.rule}`);
    else {
      survivors.push(rule);
      console.log(`SURVIVED ${seconds} s  ${rule.section}: ${rule.rule}\n${tail(run.output)}`);
    }
  });
  return survivors;
}

function secondsSince(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1).padStart(6);
}

/** The run that did not meet the break, or that one did. */
async function meet(workshop: Workshop, rule: Rule, timeoutMs: number): Promise<"met" | TestRun> {
  const { file, name } = rule.test;
  const mend = workshop.plant(rule.break);
  try {
    // Some tests draw random histories: a break gets a second chance to be met.
    const chances = drawsCases(file) ? 2 : 1;
    for (let chance = 1; ; chance++) {
      const run = await runTests(workshop.root, file, [name], timeoutMs);
      // A break that keeps the file from loading or ends its process proves nothing about the test, unless the
      // run was ended for hanging.
      if (run.failed.has(name) || (!run.passed.has(name) && hung(run))) return "met";
      if (chance === chances || !run.passed.has(name)) return run;
    }
  } finally {
    mend();
  }
}

/** Nothing was reported at all, or the file ran out of time: the break made it hang. */
function hung({ output }: TestRun): boolean {
  return !/^\s*(not )?ok /m.test(output) || output.includes("failureType: 'testTimeoutFailure'");
}

function tail(output: string): string {
  return output.split("\n").slice(-40).join("\n");
}

/** Every item once, each workshop taking the next. */
async function inTurn<Item>(
  workshops: readonly Workshop[],
  items: readonly Item[],
  work: (workshop: Workshop, item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const takers = workshops.map(async (workshop) => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(workshop, item);
  });
  await Promise.all(takers);
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at === -1 ? undefined : process.argv[at + 1];
}

/** What is wrong: tests that do not hold without a break, or breaks that no test met. */
async function prove(rules: readonly Rule[]): Promise<string[]> {
  const first = new Workshop(".");
  const workshops = [first];
  while (workshops.length < AT_ONCE) workshops.push(new Workshop(first.root));
  try {
    const unbroken = await runUnbroken(workshops, rules);
    const survivors = await findSurvivors(workshops, unbroken);
    return [...unbroken.problems, ...survivors.map(({ rule }) => `no test met the break of "${rule}"`)];
  } finally {
    for (const workshop of workshops) workshop.remove();
  }
}

async function main(): Promise<number> {
  const all = loadRules();
  const only = option("--only");
  const rules =
    only === undefined
      ? all
      : all.filter((rule) => JSON.stringify([rule.rule, rule.section, rule.test]).includes(only));
  if (rules.length === 0) return report(["no rule to prove"]);
  const problems = checkEntries(rules);
  if (problems.length > 0) return report(problems);
  if (process.argv.includes("--list")) {
    writeFileSync(TABLE, listedTable(all, readFileSync(TABLE, "utf8")));
    return 0;
  }
  const failures = await prove(rules);
  if (failures.length > 0) return report(failures);
  console.log(`${rules.length} rules, every break met`);
  if (only !== undefined) return 0;
  if (process.argv.includes("--write")) {
    writeFileSync(TABLE, provenTable(all));
    return 0;
  }
  return isUpToDate(readFileSync(TABLE, "utf8"), all)
    ? 0
    : report([`${TABLE} is stale: npm run rules -- --list`]);
}

function report(problems: readonly string[]): number {
  for (const problem of problems) console.error(problem);
  return 1;
}

process.exitCode = await main();
