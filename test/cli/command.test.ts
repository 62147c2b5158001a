/** What the command line understands, and that a mistake is one line and exit code 64. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { UsageError } from "../../src/cli/command.ts";
import { parseReplay } from "../../src/cli/replay/options.ts";
import { run, temporaryDirectory } from "./run-varve.ts";

test("without arguments it is the default run", () => {
  assert.deepEqual(parseReplay([]), {
    files: [],
    sessions: 64,
    commits: 20_480,
    seed: 1,
    sync: "always",
    directory: undefined,
    json: false,
    isDefaultRun: true,
  });
});

test("a file is played once unless a number of commits is given", () => {
  const once = parseReplay(["a.jsonl", "b.jsonl"]);
  assert.ok(once !== "help");
  assert.deepEqual([once.files, once.commits, once.isDefaultRun], [["a.jsonl", "b.jsonl"], undefined, false]);
  const some = parseReplay(["--commits", "0", "a.jsonl", "--sync=never", "--dir", "d", "--seed", "9"]);
  assert.ok(some !== "help");
  assert.deepEqual([some.commits, some.sync, some.directory, some.seed], [0, "never", "d", 9]);
});

for (const args of [
  ["--sessions", "0"],
  ["--sessions", "1.5"],
  ["--sessions", "10000"],
  ["--commits", "-1"],
  ["--commits", "many"],
  ["--seed", "4294967296"],
  ["--sync", "sometimes"],
  ["--dir", ""],
  ["--dir"],
  ["--json=yes"],
  ["--unknown"],
]) {
  test(`replay ${args.join(" ")} is refused`, () => {
    assert.throws(
      () => parseReplay(args),
      (error) => error instanceof UsageError && error.message.length > 0 && !error.message.includes("\n"),
    );
  });
}

for (const args of [[], ["reply"], ["replay", "--unknown"], ["replay", "--sessions", "0"], ["--unknown"]]) {
  test(`varve ${args.join(" ")} says so in one line and exits 64`, async (t) => {
    const { code, stdout, stderr } = await run(t, ...args);
    assert.equal(code, 64);
    assert.equal(stdout, "");
    assert.match(stderr, /^varve: .+\n$/);
  });
}

test("help and version go to standard output and exit 0", async (t) => {
  const [help, replayHelp, version] = await Promise.all([
    run(t, "--help"),
    run(t, "replay", "--help"),
    run(t, "--version"),
  ]);
  assert.deepEqual([help.code, replayHelp.code, version.code], [0, 0, 0]);
  assert.match(help.stdout, /replay/);
  for (const option of ["--sessions", "--commits", "--seed", "--sync", "--dir", "--json"]) {
    assert.ok(replayHelp.stdout.includes(option), option);
  }
  const manifest: { version?: string } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  );
  assert.equal(version.stdout, `${manifest.version}\n`);
});

test("an input that cannot be read is named and exits 66", async (t) => {
  const directory = await temporaryDirectory(t);
  const missing = await run(t, "replay", "/nowhere/at-all.jsonl", "--dir", directory);
  assert.equal(missing.code, 66);
  assert.match(missing.stderr, /^varve: .*\/nowhere\/at-all\.jsonl.*\n$/);
});
