/**
 * The suites that draw random work, and with `--soak <minutes>` (`--seed <n>`) the soak in their place, with limits so small that what is meant for long sessions happens to nearly all: ids in an index of
 * many pages, entries that leave memory, no outline. They know nothing of it and must pass. The story: random sessions
 * have some ten nodes, so what begins at 256 KiB was met by the tests that were written for it alone. It deliberately
 * changes nothing in the working tree, and proves nothing of suites that count bytes or pages: those rest on the limits.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { refuseUnknown } from "./known-arguments.ts";
import { type Break, checkBreak } from "./planted/break.ts";
import { runTests, tail, UNBROKEN_MS } from "./planted/run-tests.ts";
import { inTurn, withWorkshops } from "./planted/workshop.ts";

const LIMITS = "src/limits.ts";
const SMALL: readonly Break[] = [
  small(LIMITS, "MIN_INDEXED_BYTES", "256 * KIB", "1"),
  small(LIMITS, "MAX_INDEX_BYTES_IN_HEAD", "512", "24"),
  small(LIMITS, "INDEX_ITEM_BYTES", "4 * KIB", "16"),
  small(LIMITS, "MAX_OUTLINE_BYTES", "512", "40"),
  small(LIMITS, "ENTRIES_KEPT", "32", "2"),
  // A table looks at all of its entries up to so many: fewer than are kept.
  small("src/session/slot-index.ts", "FEW", "8", "1"),
  small("src/snapshot/id-index.ts", "MIN_STORED", "16", "2"),
];

const SUITES: readonly string[] = [
  "test/actors/resident.test.ts",
  "test/conformance/memory.test.ts",
  "test/simulation/simulation.test.ts",
  "test/soak/soak.test.ts",
  "test/store/newest-nodes.test.ts",
  ...readdirSync("test/races")
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/races/${name}`),
];
/** Suites at a time. */
const AT_ONCE = 2;

function small(file: string, name: string, value: string, smaller: string): Break {
  return { file, find: `const ${name} = ${value};`, replace: `const ${name} = ${smaller};` };
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at === -1 ? undefined : process.argv[at + 1];
}

/** In a workshop, so that the processes it starts have the limits too. */
async function soak(minutes: string): Promise<number> {
  const seed = option("--seed");
  return await withWorkshops(1, "source", async ([workshop]) => {
    if (workshop === undefined) return 1;
    for (const planted of SMALL) workshop.plant(planted);
    const asked = ["--minutes", minutes, ...(seed === undefined ? [] : ["--seed", seed])];
    const argv = ["--import", "tsx", "test/soak/main.ts", ...asked];
    return spawnSync(process.execPath, argv, { cwd: workshop.root, stdio: "inherit" }).status ?? 1;
  });
}

async function main(): Promise<number> {
  refuseUnknown({ alone: [], withValue: ["seed", "soak"] });
  const problems = SMALL.flatMap((planted) => checkBreak(planted.find, planted));
  if (problems.length > 0) return report(problems);
  const minutes = option("--soak");
  if (minutes !== undefined) return await soak(minutes);
  await withWorkshops(AT_ONCE, "compiled", async (workshops) => {
    for (const workshop of workshops) for (const planted of SMALL) workshop.plant(planted);
    await inTurn(workshops, SUITES, async (workshop, file) => {
      const run = await runTests(workshop, { file, timeoutMs: UNBROKEN_MS, form: "compiled", until: "end" });
      if (run.failed.size > 0 || run.passed.size === 0) problems.push(`${file}\n${tail(run.output)}`);
      else console.log(`passed ${String(run.passed.size).padStart(4)}  ${file}`);
    });
  });
  return report(problems);
}

function report(problems: readonly string[]): number {
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = await main();
