/** `varve torture` as a command: what it accepts, which directories it takes, what it leaves and answers. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CommandError, UsageError } from "../../src/cli/command.ts";
import { parseTorture } from "../../src/cli/torture/options.ts";
import { reportText } from "../../src/cli/torture/report-text.ts";
import { runTorture, type TortureReport } from "../../src/cli/torture/run.ts";
import { Workplace } from "../../src/cli/torture/workplace.ts";
import { openStore } from "../../src/index.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { run, runWith } from "./run-varve.ts";

test("without arguments torture takes a minute, every technique, eight sessions and a new seed", () => {
  const { seed, ...options } = parseTorture([]);
  assert.ok(Number.isSafeInteger(seed));
  assert.deepEqual(options, {
    directory: undefined,
    milliseconds: 60_000,
    techniques: ["kill", "strace", "power", "full"],
    sessions: 8,
    json: false,
  });
});

test("torture takes a directory, a time in either unit, and some of the techniques", () => {
  const told = parseTorture(["dir", "--minutes", "2", "--techniques", "power,kill,kill", "--seed", "9"]);
  assert.deepEqual(
    [told.directory, told.milliseconds, told.techniques, told.seed],
    ["dir", 120_000, ["power", "kill"], 9],
  );
  assert.equal(parseTorture(["--seconds", "3"]).milliseconds, 3_000);
});

for (const args of [
  ["--seconds", "0"],
  ["--seconds", "1.5"],
  ["--minutes", "-1"],
  ["--seconds", "1", "--minutes", "1"],
  ["--techniques", "water"],
  ["--techniques", ""],
  ["--sessions", "0"],
  ["--sessions", "257"],
  ["--seed", "x"],
  ["one", "two"],
  [""],
  ["--unknown"],
]) {
  test(`torture ${args.map((arg) => JSON.stringify(arg)).join(" ")} is refused`, () => {
    assert.throws(
      () => parseTorture(args),
      (error) => error instanceof UsageError && !error.message.includes("\n"),
    );
  });
}

test("a directory that holds anything else is refused in one line, and nothing in it is touched", async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "letters"), "dear");
  const { code, stdout, stderr } = await run(t, "torture", directory);
  assert.deepEqual([code, stdout], [64, ""]);
  assert.match(stderr, /^varve: .*"letters", which varve torture did not make.*\n$/);
  assert.deepEqual(readdirSync(directory), ["letters"]);
});

test("a directory of ours to which something was added is refused", (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "varve-torture"), "");
  writeFileSync(join(directory, "letters"), "dear");
  assert.throws(() => Workplace.take(directory), UsageError);
});

test("a store is refused, open or closed", async (t) => {
  const directory = temporaryDirectory(t);
  await (await openStore(directory)).close();
  assert.throws(() => Workplace.take(directory), UsageError);
});

test("what an earlier run left is removed, its evidence is not, and an owned store is never touched", async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "varve-torture"), "");
  mkdirSync(join(directory, "evidence-kill-1"));
  const store = await openStore(join(directory, "kill"));
  assert.throws(
    () => Workplace.take(directory),
    (error) => error instanceof CommandError && error.exitCode === 75 && /owned/.test(error.message),
  );
  await store.close();
  Workplace.take(directory).leave();
  assert.deepEqual(readdirSync(directory), ["evidence-kill-1"]);
});

test("a directory is tortured by one run at a time", (t) => {
  const directory = temporaryDirectory(t);
  const first = Workplace.take(directory);
  assert.throws(
    () => Workplace.take(directory),
    (error) => error instanceof CommandError && error.exitCode === 75,
  );
  first.leave();
  Workplace.take(directory).leave();
});

test("a run that survives says so as JSON, exits 0, and leaves nothing", async (t) => {
  const directory = join(temporaryDirectory(t), "new");
  const args = ["--techniques", "kill", "--seconds", "2", "--sessions", "3", "--seed", "5", "--json"];
  const { code, stdout, stderr } = await run(t, "torture", directory, ...args);
  const report = JSON.parse(stdout) as TortureReport;
  assert.equal(stderr, "");
  assert.deepEqual(
    [code, report.outcome, report.seed, report.sessions, report.directory, report.problem],
    [0, "survived", 5, 3, directory, undefined],
  );
  const [kill] = report.techniques;
  assert.ok(kill !== undefined && kill.rounds > 0 && kill.counts.kills === kill.rounds);
  assert.equal(kill.verdict, "survived");
  assert.equal(existsSync(directory), false);
});

/*
 * Once a run in which only `kill` had a round said "survived" and exited 0, whatever else had been asked for:
 * a technique whose tool was missing, or that had no time left, was not told from one that held.
 */
test("a technique that cannot be done here is skipped, and the run is partial and exits 2", async (t) => {
  const empty = temporaryDirectory(t);
  const { code, stdout } = await runWith(t, { PATH: empty }, [
    "torture",
    ...["--techniques", "kill,strace", "--seconds", "4", "--sessions", "2", "--seed", "5"],
  ]);
  assert.equal(code, 2, stdout);
  assert.match(stdout, /^kill +[1-9]\d* +survived +/m);
  assert.match(stdout, /^strace +0 +skipped +it takes (strace, which is not installed|Linux)$/m);
  assert.match(stdout, /^PARTLY TESTED: what ran held, but not everything ran; without strace \(/m);
  assert.doesNotMatch(stdout, /^SURVIVED/m);
});

test("when nothing could be done the run is untested and exits 2", async (t) => {
  const empty = temporaryDirectory(t);
  const args = ["torture", "--techniques", "strace", "--seconds", "2", "--json"];
  const { code, stdout } = await runWith(t, { PATH: empty }, args);
  const { outcome, techniques } = JSON.parse(stdout) as TortureReport;
  assert.deepEqual([code, outcome], [2, "untested"]);
  assert.deepEqual(
    techniques.map(({ verdict, rounds }) => [verdict, rounds]),
    [["skipped", 0]],
  );
});

test("a technique that had no time for a round is not run and says so, and the run is not survived", async (t) => {
  const report = await runTorture({
    directory: join(temporaryDirectory(t), "torture"),
    // Over before the first technique has been prepared.
    milliseconds: 0,
    techniques: ["kill"],
    sessions: 1,
    seed: 5,
    signal: t.signal,
  });
  assert.equal(report.outcome, "untested");
  const [kill] = report.techniques;
  assert.deepEqual(
    [kill?.verdict, kill?.rounds, kill?.notRun],
    ["not run", 0, "the time was over before its first round"],
  );
  assert.match(reportText(report), /^kill +0 +not run +the time was over before its first round$/m);
});
