/**
 * The long soak:
 *
 *   npm run test:soak -- --minutes 120 [--seed 7] [--dir DIR]
 *
 * One store lives through process after process: most are killed, every so often one works for long and closes. All
 * operations of the contract, big and small sessions, deletions, retries, views, under a limit of memory. The checker of
 * histories judges every answer; memory and disk must be flat. Prints its seed, a line every ten seconds, and a verdict
 * with the command that does the same again. Exit codes: 0 all held, 1 something did not.
 */
import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SoakRun } from "./run.ts";

const SAY_EVERY_MS = 10_000;
const DEFAULT_MINUTES = 10;
const MOST_MINUTES = 7 * 24 * 60;
/** Lives that are killed before each long one, and what that does. */
const DEATHS = 12;
const OPERATIONS = 40_000;
const PERIOD = 2_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: String(DEFAULT_MINUTES) },
      seed: { type: "string", default: String(randomInt(2 ** 31)) },
      dir: { type: "string" },
      operations: { type: "string", default: String(OPERATIONS) },
      deaths: { type: "string", default: String(DEATHS) },
    },
  });
  const minutes = count("minutes", values.minutes, MOST_MINUTES);
  const seed = count("seed", values.seed, 2 ** 31);
  const operations = count("operations", values.operations, 10_000_000);
  const deaths = count("deaths", values.deaths, 10_000);
  const directory =
    values.dir === undefined ? mkdtempSync(join(tmpdir(), "varve-soak-")) : resolve(values.dir);
  if (existsSync(directory) && readdirSync(directory).length > 0)
    throw new Error(`${directory} is not empty`);
  const again = `npm run test:soak -- --seed ${seed} --minutes ${minutes} --operations ${operations} --deaths ${deaths}`;
  console.log(`seed ${seed}, ${minutes} minutes, in ${directory}\n${again}`);
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 1000);
  const run = new SoakRun({
    ...{ directory, seed, operations, deaths, period: Math.min(PERIOD, Math.ceil(operations / 20)) },
    isOver: () => seconds() >= minutes * 60,
  });
  const timer = setInterval(() => console.log(`${seconds()} s: ${progress(run)}`), SAY_EVERY_MS);
  try {
    await run.run();
  } finally {
    clearInterval(timer);
  }
  console.log(`\n${seconds()} s: ${progress(run)}\n${run.tally}`);
  for (const { what, second, last, ratio, most } of run.flatness)
    console.log(
      `${what}: ${format(second)} in the second quarter, ${format(last)} in the last: ${ratio.toFixed(2)} (at most ${most})`,
    );
  const missing = run.tally.missing();
  if (missing.length > 0) console.log(`never happened: ${missing.join(", ")}`);
  for (const wrong of run.wrong) console.log(wrong);
  if (run.wrong.length > 0) {
    console.log(`\nNOT HELD. The store and its last events are in ${directory}; the same again:\n${again}`);
    return 1;
  }
  rmSync(directory, { recursive: true, force: true });
  console.log(`\nheld: ${run.lives} lives, every answer as the contract says, memory and disk flat`);
  return missing.length === 0 ? 0 : 1;
}

function progress({ lives, tally, measurements, wrong }: SoakRun): string {
  const last = measurements.at(-1);
  const counts = `life ${lives}, ${tally.of("killed")} killed, ${tally.of("commit")} commits, ${tally.of("delete")} deletions`;
  if (last === undefined) return counts;
  const { heapBytes, rssBytes, diskBytes, liveBytes, logBytes } = last;
  const sizes = `heap ${format(heapBytes)}, process ${format(rssBytes)}, disk ${format(diskBytes)} for ${format(liveBytes)} live, log ${format(logBytes)}`;
  return `${counts}; ${sizes}${wrong.length > 0 ? "; NOT HELD" : ""}`;
}

function format(value: number): string {
  return value >= 2 ** 20
    ? `${(value / 2 ** 20).toFixed(1)} MiB`
    : value >= 10_000
      ? `${Math.round(value / 1024)} KiB`
      : value.toFixed(2);
}

function count(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > most)
    throw new Error(`--${name} must be an integer from 0 to ${most}, not ${text}`);
  return value;
}

process.exitCode = await main();
