/**
 * Every bench works: a small run of each gives rows of the right shape, and what a bench reads back afterwards
 * holds (a bench throws otherwise). Nothing here looks at a time. Beside them the parts that figures rest on:
 * medians, ratios, loops, the regression watch, reports.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BENCHES } from "../bench/benches.ts";
import { page } from "../bench/report/page.ts";
import { fillTables } from "../bench/report/tables.ts";
import { terminal } from "../bench/report/text.ts";
import { parseBenchArguments } from "../bench/support/arguments.ts";
import { type BenchResult, METRICS, type Run } from "../bench/support/bench.ts";
import { closedLoop, openLoop } from "../bench/support/loops.ts";
import { machineFacts } from "../bench/support/machine.ts";
import { judge } from "../bench/support/requirements.ts";
import { interleave, type Sample } from "../bench/support/rounds.ts";
import { runOne } from "../bench/support/run-one.ts";
import type { Subject } from "../bench/support/subject.ts";
import { expectedFrom, watch } from "../bench/support/watch.ts";
import { run as runVarve } from "./cli/run-varve.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const results: BenchResult[] = [];

for (const bench of BENCHES) {
  test(`a small run of ${bench.name} measures and reads back what it wrote`, async (t) => {
    const directory = temporaryDirectory(t);
    const result = await runOne(bench, { size: "small", rounds: 1, directory, say: () => {} });
    results.push(result);
    checkShape(result);
    assert.deepEqual(readdirSync(directory), [], "what it wrote is gone");
    assert.doesNotThrow(() => JSON.parse(JSON.stringify(result)));
  });
}

function checkShape(result: BenchResult): void {
  assert.ok(result.rows.length > 0 || result.absent.length > 0, "rows");
  if (result.rows.length > 0) assert.ok(result.verified.length > 0, "nothing was read back");
  assert.ok(result.notMeasured.length > 40, "it says what it does not measure");
  for (const row of result.rows) {
    assert.ok(row.durability.length > 0, `${row.subject} says what a power loss takes`);
    const figures = Object.entries(row.figures);
    assert.ok(figures.length > 0, `${row.subject} at ${row.at} has figures`);
    for (const [metric, { median, low, high, rounds }] of figures) {
      assert.ok(metric in METRICS, metric);
      assert.ok(Number.isFinite(median) && low <= median && median <= high, `${row.subject} ${metric}`);
      assert.equal(rounds.length, 1);
    }
  }
  for (const plot of result.plots) {
    if (plot.kind === "percentiles")
      assert.ok(
        result.rows.some(({ at }) => at === plot.at),
        plot.title,
      );
    else
      assert.ok(
        result.rows.some(({ figures }) => figures[plot.metric] !== undefined),
        plot.title,
      );
  }
}

test("every file of bench/ that asks a question is in the registry", () => {
  const files = readdirSync("bench").filter((name) => name.endsWith(".ts"));
  const questions = files.filter((name) =>
    /^export const \w+: Bench = \{/m.test(readFileSync(join("bench", name), "utf8")),
  );
  assert.deepEqual(
    questions.map((name) => name.replace(/\.ts$/, "")).sort(),
    BENCHES.map(({ name }) => name).sort(),
  );
});

test("a report holds every bench, its question and what it does not measure, and nothing from elsewhere", () => {
  const run: Run = { startedAt: "2026-01-01T00:00:00Z", size: "small", machine: machineFacts("."), results };
  const html = page(run);
  for (const { question } of results) assert.ok(html.includes(escaped(question)), question);
  assert.doesNotMatch(html, /<(script|link|img)[^>]+(src|href)=|@import|url\(/);
  for (const result of results) assert.ok(terminal(result).includes(result.notMeasured));
});

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

test("a table that leaves its run takes the reasons against it along", () => {
  const one = {
    ...(results[0] as BenchResult),
    name: "one-commit",
    doubts: ["others used 40 % of the machine meanwhile"],
  };
  const machine = {
    ...machineFacts("."),
    doubts: ["the load average was 9.0 on 2 processors when it began"],
  };
  const run: Run = { startedAt: "2026-01-01T00:00:00Z", size: "full", machine, results: [one] };
  const filled = fillTables(run, "<!-- bench: one-commit -->\n<!-- /bench -->\n");
  assert.match(filled, /Do not trust:\*\* the load average was 9\.0/);
  assert.match(filled, /Do not trust:\*\* others used 40 %/);
});

test("tables go between the marks of their bench, and other text stays", () => {
  const run: Run = { startedAt: "2026-01-01T00:00:00Z", size: "small", machine: machineFacts("."), results };
  const text =
    "before\n<!-- bench: one-commit -->\nold\n<!-- /bench -->\nbetween\n<!-- bench: unknown -->\nkept\n<!-- /bench -->\nafter\n";
  const filled = fillTables(run, text);
  assert.match(filled, /^before\n<!-- bench: one-commit -->\n\| .*\n(\|.*\n)+/);
  assert.match(
    filled,
    /\n<!-- \/bench -->\nbetween\n<!-- bench: unknown -->\nkept\n<!-- \/bench -->\nafter\n$/,
  );
  assert.doesNotMatch(filled, /old/);
});

/** Answers after a given time; counts how many are on their way at once. */
function fake(millis: number, busy?: { most: number }): Subject {
  let now = 0;
  return {
    name: "fake",
    durability: "none",
    commit: async () => {
      now += 1;
      if (busy !== undefined) busy.most = Math.max(busy.most, now);
      await new Promise((resolve) => setTimeout(resolve, millis));
      now -= 1;
    },
    close: () => {},
    verify: () => {},
  };
}

test("a closed loop has one commit on its way for each committer and counts every one", async () => {
  const busy = { most: 0 };
  const steps = [0, 0, 0];
  const load = await closedLoop(fake(2, busy), steps, 20);
  assert.equal(busy.most, 3);
  assert.equal(
    load.acknowledged,
    steps.reduce((sum, step) => sum + step, 0),
  );
  assert.equal(load.latency.count, load.acknowledged);
});

test("an open loop times a commit from when it was due, so a stall is paid by all that waited", async () => {
  let first = true;
  const subject = fake(0);
  const stalling: Subject = {
    ...subject,
    commit: () => {
      if (!first) return undefined;
      first = false;
      // Blocks the thread: nothing can be sent meanwhile, and everything due waits.
      const end = performance.now() + 50;
      while (performance.now() < end);
      return undefined;
    },
  };
  const load = await openLoop(stalling, [0], { perSecond: 1000, millis: 100 });
  assert.equal(load.acknowledged, 100);
  // Those due in the first 40 ms waited at least 10: none of them is left out or timed from its sending.
  assert.ok(load.latency.micros(60) >= 10_000, `${load.latency.micros(60)} µs`);
});

test("ratios are taken inside a round, and figures are medians over rounds", async () => {
  const base = [10, 20, 30];
  const other = [20, 20, 90];
  const rows = await interleave(
    run3(),
    [
      { ...point("base"), isBaseline: true, measure: async () => sample(base.shift()) },
      { ...point("other"), measure: async () => sample(other.shift()) },
    ],
    { warmUp: 0 },
  );
  const [, row] = rows;
  // Ratios 2, 1 and 3; between the medians it would be 1.
  assert.equal(row?.figures.p50?.ratio, 2);
  assert.equal(row?.figures.p50?.median, 20);
  assert.match(row?.doubt ?? "", /350 %/);
});

test("every subject has a turn in every round, in an order that moves on", async () => {
  const order: string[] = [];
  const measure = (name: string) => async (): Promise<Sample> => {
    order.push(name);
    return sample(1);
  };
  await interleave(
    run3(),
    ["a", "b", "c"].map((name) => ({ ...point(name), measure: measure(name) })),
    { warmUp: 0 },
  );
  assert.equal(order.join(""), "abcbcacab");
});

function run3() {
  return { size: "full", directory: ".", rounds: 3, say: () => {} } as const;
}
function point(subject: string) {
  return { subject, durability: "none", at: "x", x: 1 };
}
function sample(p50 = 0): Sample {
  return { figures: { p50 } };
}

test("a requirement is missed, or missed by the prototype too, or not measured", async (t) => {
  t.diagnostic("ratios by hand: 3, 2 and 1.5 to the baseline");
  const values: Record<string, number> = { base: 10, varve: 30, good: 15, prototype: 20 };
  const rows = await interleave(
    run3(),
    Object.entries(values).map(([name, value]) => ({ ...point(name), measure: async () => sample(value) })),
    { warmUp: 0 },
  );
  const verdict = (of: string, most: number, beside = "base") =>
    judge({ at: "x", metric: "p50", of, beside, most }, rows, "prototype").verdict;
  assert.equal(verdict("good", 1.5), "met");
  assert.equal(verdict("varve", 2.5), "missed");
  assert.equal(verdict("varve", 1.9), "missed, and by the prototype too");
  assert.equal(verdict("varve", 1.9, "absent"), "not measured");
});

test("the watch calls a ratio worse only beyond the tolerance and in the bad direction", async () => {
  const rows = await interleave(
    run3(),
    [
      { ...point("base"), isBaseline: true, measure: async () => ({ figures: { p50: 10, rate: 10 } }) },
      { ...point("varve"), measure: async () => ({ figures: { p50: 12, rate: 12 } }) },
    ],
    { warmUp: 0 },
  );
  const result = { ...(results[0] as BenchResult), name: "one", rows };
  const { ratios } = expectedFrom([result], undefined);
  assert.deepEqual(ratios, { "one / x / varve / p50": 1.2, "one / x / varve / rate": 1.2 });
  const verdicts = (p50: number, rate: number) =>
    watch([result], {
      tolerance: 0.25,
      ratios: { "one / x / varve / p50": p50, "one / x / varve / rate": rate, "gone / x / varve / p50": 1 },
    }).map(({ verdict }) => verdict);
  assert.deepEqual(verdicts(1.2, 1.2), ["as expected", "as expected"]);
  assert.deepEqual(verdicts(0.9, 1.6), ["worse", "worse"]);
  assert.deepEqual(verdicts(1.6, 0.9), ["better", "better"]);
});

test("varve bench names every bench, and refuses one that is none", async (t) => {
  const { code, stdout } = await runVarve(t, "bench", "--list");
  assert.equal(code, 0);
  assert.deepEqual(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]),
    BENCHES.map(({ name }) => name),
  );
  const refused = await runVarve(t, "bench", "fast");
  assert.equal(refused.code, 64);
  assert.match(refused.stderr, /"fast"/);
  const unexpected = await runVarve(t, "bench", "--check", "--expected", "no-such-file.json");
  assert.equal(unexpected.code, 64);
  assert.match(unexpected.stderr, /no-such-file\.json/);
});

test("arguments that mean nothing are refused", () => {
  assert.throws(() => parseBenchArguments(["--rounds", "0"]), /--rounds/);
  assert.throws(() => parseBenchArguments(["--no-run"]), /--with/);
  assert.throws(() => parseBenchArguments(["--fast"]), /--fast/);
  assert.equal(parseBenchArguments(["figures", "--small"]).rounds, 1);
});

test("the packages that a bench measures beside are no dependency of the package", () => {
  const read = (file: string) =>
    JSON.parse(readFileSync(file, "utf8")) as Record<string, Record<string, string>>;
  const peers = Object.keys(read("bench/package.json").devDependencies ?? {});
  const own = read("package.json");
  assert.ok(peers.includes("better-sqlite3") && peers.includes("lmdb"));
  for (const kind of ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]) {
    for (const name of Object.keys(own[kind] ?? {})) assert.ok(!peers.includes(name), name);
  }
});
