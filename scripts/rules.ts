/**
 * The rules table: proves that each rule of the store is held by a test. For every entry of
 * `test/rules/*.json` one line of `src/` is broken on purpose in a copy, and the one test that holds the
 * rule must fail; unbroken, it must pass. It deliberately changes nothing in the working tree but
 * `docs/rules.md` (with `--write`); without `--write` a stale table fails, and so does a break nobody meets.
 * `--list` only writes the table, proving nothing.
 * `--only <text>` takes the entries whose rule, section or test contains the text, and compares no table.
 * `--seconds <n> --seed <text>` plants breaks for so long, in an order of the seed, and says how many it left out. It makes no
 * unbroken run, where `npm test` makes them as well.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { refuseUnknown } from "./known-arguments.ts";
import { brokenMs, drawsCases, runTests, type TestRun, tail, UNBROKEN_MS } from "./planted/run-tests.ts";
import { inOrderOf, type Share, shareOf } from "./planted/share.ts";
import { inTurn, type Workshop, withWorkshops } from "./planted/workshop.ts";
import {
  checkEntries,
  isUpToDate,
  listedTable,
  loadRules,
  provenTable,
  type Rule,
  TABLE,
} from "./rules/entries.ts";

const STALE = `${TABLE} is stale: npm run rules -- --list`;
/** Tests at a time: many wait for a disk or a child, so one more than two cores. */
const AT_ONCE = 3;

/** Milliseconds that a file's named tests take without a break, where that was not measured. */
const BELIEVED_MS = 10_000;

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
    const run = await runTests(workshop, {
      file,
      names: [...names],
      timeoutMs: UNBROKEN_MS,
      form: "compiled",
      until: "end",
    });
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
  share?: Share<Rule>,
): Promise<Rule[]> {
  const survivors: Rule[] = [];
  const took = ({ test }: Rule): number => tookMs.get(test.file) ?? BELIEVED_MS;
  // The long ones first, so that no workshop is left alone with one at the end.
  const queue =
    share === undefined
      ? provable.toSorted((a, b) => took(b) - took(a))
      : inOrderOf(share.seed, provable, ({ rule }) => rule);
  await inTurn(workshops, queue, async (workshop, rule) => {
    if (share?.mayBegin(rule) === false) return;
    const started = performance.now();
    const run = await meet(workshop, rule, brokenMs(took(rule)));
    const seconds = secondsSince(started);
    if (run === "met") console.log(`met      ${seconds} s  ${rule.section}: ${rule.rule}`);
    else if (run.skipped.has(rule.test.name))
      console.log(`skipped  ${seconds} s  this machine cannot do "${rule.test.name}"`);
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
      const run = await runTests(workshop, {
        file,
        names: [name],
        timeoutMs,
        form: "compiled",
        until: "end",
      });
      // A break that keeps the file from loading or ends its process proves nothing about the test; one that
      // makes it hang does.
      if (run.failed.has(name) || (!run.passed.has(name) && run.hung)) return "met";
      if (chance === chances || !run.passed.has(name)) return run;
    }
  } finally {
    mend();
  }
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at === -1 ? undefined : process.argv[at + 1];
}

/** What is wrong: tests that do not hold without a break, or breaks that no test met. */
async function prove(rules: readonly Rule[], share?: Share<Rule>): Promise<string[]> {
  return await withWorkshops(AT_ONCE, "compiled", async (workshops) => {
    const unbroken =
      share === undefined
        ? await runUnbroken(workshops, rules)
        : { problems: [], provable: rules, tookMs: new Map<string, number>() };
    const survivors = await findSurvivors(workshops, unbroken, share);
    return [...unbroken.problems, ...survivors.map(({ rule }) => `no test met the break of "${rule}"`)];
  });
}

async function main(): Promise<number> {
  refuseUnknown({ alone: ["list", "write"], withValue: ["only", "seconds", "seed"] });
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
  const limit = option("--seconds");
  const share = limit === undefined ? undefined : shareOf<Rule>(Number(limit), option("--seed") ?? "1");
  const failures = await prove(rules, share);
  if (failures.length > 0) return report(failures);
  const left = share?.left.length ?? 0;
  if (left > 0)
    console.log(`in the order of seed ${share?.seed}: ${left} left to other seeds and to \`npm run rules\``);
  console.log(`${rules.length - left} rules, every break met`);
  if (left === rules.length) return report(["no break was planted in the time that was given"]);
  if (only !== undefined) return 0;
  if (process.argv.includes("--write") && left === 0) {
    writeFileSync(TABLE, provenTable(all));
    return 0;
  }
  return isUpToDate(readFileSync(TABLE, "utf8"), all) ? 0 : report([STALE]);
}

function report(problems: readonly string[]): number {
  for (const problem of problems) console.error(problem);
  return 1;
}

process.exitCode = await main();
