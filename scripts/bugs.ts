/**
 * Planted bugs: proves that the suites that crash, break and race a store would see a real defect. For every
 * entry of `test/bugs.json` one change is made in a copy of `src/`, and the whole suite it names is run, which
 * does not know which bug is on, or whether any is. It must fail; without a bug it must pass. Where
 * `scripts/rules.ts` proves of one test that it holds one rule, this proves of a suite that it finds what it was
 * not told. It deliberately changes nothing in the working tree but `docs/planted-bugs.md` (with `--write`).
 *
 * `--only <text>` takes the bugs whose name or suite contains the text, and compares no table; `--missing`
 * those that the table does not tell of as they are. With `--write` the others keep their rows.
 * `--planted-only` leaves out the runs without a bug, where `npm test` makes them as well.
 * `--seconds <n> --seed <text>` begins bugs for so long, in an order of the seed, and says which it left out.
 */
import { readFileSync, writeFileSync } from "node:fs";
import {
  type Bug,
  type Catch,
  checkBugs,
  isUpToDate,
  loadBugs,
  TABLE,
  table,
  toldIn,
} from "./bugs/entries.ts";
import { refuseUnknown } from "./known-arguments.ts";
import { brokenMs, drawsCases, runTests, type TestRun, tail, UNBROKEN_MS } from "./planted/run-tests.ts";
import { inOrderOf, type Share, shareOf } from "./planted/share.ts";
import { inTurn, type Workshop, withWorkshops } from "./planted/workshop.ts";

/** Suites at a time: most keep a core busy. */
const AT_ONCE = 2;
/** Milliseconds that a suite takes without a bug, where that was not measured. */
const BELIEVED_MS = 60_000;
/** Its tests mount file systems and end child processes themselves: not to be ended in the middle. */
const RUN_TO_THE_END = "test/store/torture.test.ts";

interface Suite {
  readonly file: string;
  readonly tookMs: number;
}

interface Outcome {
  readonly problems: readonly string[];
  readonly caught: readonly Catch[];
}

/** The suites without a bug. What is wrong with one is a problem; its bugs are then not tried. */
async function runSound(
  workshops: readonly Workshop[],
  files: readonly string[],
): Promise<{ suites: Map<string, Suite>; problems: string[] }> {
  const suites = new Map<string, Suite>();
  const problems: string[] = [];
  await inTurn(workshops, files, async (workshop, file) => {
    const started = performance.now();
    const run = await runTests(workshop, { file, timeoutMs: UNBROKEN_MS, form: "source", until: "end" });
    const tookMs = performance.now() - started;
    console.log(`sound    ${seconds(tookMs)} s  ${file}`);
    if (run.failed.size > 0 || run.passed.size + run.skipped.size === 0)
      problems.push(`${file} fails without any bug\n${tail(run.output)}`);
    else suites.set(file, { file, tookMs });
  });
  return { suites, problems };
}

/** `npm test` says so. */
function believeSound(files: readonly string[]): { suites: Map<string, Suite>; problems: string[] } {
  const suite = (file: string): Suite => ({ file, tookMs: BELIEVED_MS });
  return { suites: new Map(files.map((file) => [file, suite(file)])), problems: [] };
}

async function plantAll(
  workshops: readonly Workshop[],
  bugs: readonly Bug[],
  { isSoundKnown, share }: { readonly isSoundKnown: boolean; readonly share: Share<Bug> | undefined },
): Promise<Outcome> {
  const files = [...new Set(bugs.map(({ suite }) => suite))];
  const { suites, problems } = isSoundKnown ? believeSound(files) : await runSound(workshops, files);
  const caught: Catch[] = [];
  // The long ones first, so that no workshop is left alone with one at the end.
  const took = ({ suite }: Bug): number => suites.get(suite)?.tookMs ?? 0;
  const queue =
    share === undefined
      ? bugs.toSorted((a, b) => took(b) - took(a))
      : inOrderOf(share.seed, bugs, ({ name }) => name);
  await inTurn(workshops, queue, async (workshop, bug) => {
    const suite = suites.get(bug.suite);
    if (suite === undefined || share?.mayBegin(bug) === false) return;
    const started = performance.now();
    const found = await catchIn(workshop, bug, suite);
    const after = seconds(performance.now() - started);
    if ("test" in found) {
      caught.push(found);
      console.log(`caught   ${after} s  ${bug.name}: "${found.test}"`);
    } else if (found.skipped.size > 0) {
      console.log(
        `skipped  ${after} s  ${bug.name}: this machine cannot do ${[...found.skipped].join(", ")}`,
      );
    } else {
      problems.push(`${bug.suite} does not catch "${bug.name}"`);
      console.log(`SURVIVED ${after} s  ${bug.name}\n${found.output}`);
    }
  });
  return { problems, caught };
}

/** A bug that no test met, with the tests that this machine cannot do: it may hide behind them. */
interface Missed {
  readonly output: string;
  readonly skipped: ReadonlySet<string>;
}

/** The first test of the suite that fails, or what the suite said instead. */
async function catchIn(workshop: Workshop, bug: Bug, { file, tookMs }: Suite): Promise<Catch | Missed> {
  const mend = workshop.plant(bug.break);
  try {
    const until = file === RUN_TO_THE_END ? "end" : "first failure";
    // Some suites draw random histories: a bug gets a second chance to be caught.
    const chances = drawsCases(file) ? 2 : 1;
    for (let chance = 1; ; chance++) {
      const run = await runTests(workshop, { file, timeoutMs: brokenMs(tookMs), form: "source", until });
      const test = firstFailed(run);
      if (test !== undefined) return { bug, test };
      if (chance === chances) return { output: tail(run.output), skipped: run.skipped };
    }
  } finally {
    mend();
  }
}

/** A bug that keeps the suite from loading, which then fails under its own name, proves nothing about it. */
function firstFailed({ failed }: TestRun): string | undefined {
  return [...failed].find((name) => !name.endsWith(".test.ts"));
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1).padStart(6);
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at === -1 ? undefined : process.argv[at + 1];
}

function report(problems: readonly string[]): number {
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
}

/** A share in which nothing was caught has proved nothing. */
function tellShare({ seed, left }: Share<Bug>, caught: number, count: number): number {
  console.log(`${caught} of ${count} bugs caught, in the order of seed ${seed}`);
  if (left.length > 0) {
    console.log(`not tried, left to other seeds and to \`npm run bugs\`: ${left.length}`);
    for (const { name } of left) console.log(`  ${name}`);
  }
  return caught > 0 ? 0 : report(["no bug was caught in the time that was given"]);
}

async function main(): Promise<number> {
  refuseUnknown({ alone: ["missing", "planted-only", "write"], withValue: ["only", "seconds", "seed"] });
  const all = loadBugs();
  const only = option("--only");
  const before = readFileSync(TABLE, "utf8");
  const isMissing = process.argv.includes("--missing");
  const bugs = all.filter(
    (bug) =>
      (only === undefined || `${bug.name} ${bug.suite}`.includes(only)) &&
      !(isMissing && toldIn(before, bug)),
  );
  if (bugs.length === 0) return report(["no bug is asked for: see --only and --missing"]);
  const wrong = checkBugs(bugs);
  if (wrong.length > 0) return report(wrong);
  const isSoundKnown = process.argv.includes("--planted-only");
  const limit = option("--seconds");
  const share = limit === undefined ? undefined : shareOf<Bug>(Number(limit), option("--seed") ?? "1");
  const { problems, caught } = await withWorkshops(AT_ONCE, "source", (workshops) =>
    plantAll(workshops, bugs, { isSoundKnown, share }),
  );
  if (problems.length > 0) return report(problems);
  if (share !== undefined) return tellShare(share, caught.length, bugs.length);
  console.log(`${caught.length} of ${bugs.length} bugs caught`);
  if (process.argv.includes("--write")) {
    const written = table(all, caught, before);
    if (!isUpToDate(written, all))
      return report([`a table needs every bug caught once; ${TABLE} stays as it was`]);
    writeFileSync(TABLE, written);
    return 0;
  }
  if (bugs.length < all.length) return 0;
  return isUpToDate(before, all) ? 0 : report([`${TABLE} is stale: npm run bugs -- --write`]);
}

process.exitCode = await main();
