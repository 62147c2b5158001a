/** Whole runs of `varve replay` from outside: what they print and how they exit. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fixturePath, replay, run, SMALL, temporaryDirectory } from "./run-varve.ts";

test("a small run verifies, tells it in words, and removes its temporary directory", async (t) => {
  const { code, stdout, stderr } = await run(t, "replay", ...SMALL);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^played {5}400 commits /m);
  assert.match(stdout, /^latency {4}p50 .* p90 .* p99 .* p99\.9 .* max /m);
  assert.match(stdout, /\d+ fsyncs?, [\d.]+ commits per fsync/);
  assert.match(stdout, /^compared {3}8 sessions: \d+ nodes, 8 leaves$/m);
  assert.match(stdout, /^verified {3}everything is there as it was sent$/m);
  assert.ok(!stdout.includes("\u001b"), "no escape sequences outside a terminal");
  assert.equal(stderr, "");
  const directory = /^store {6}(.+) \(temporary\)$/m.exec(stdout)?.[1] ?? "";
  assert.ok(directory !== "" && !existsSync(directory));
});

test("the JSON report holds every figure", async (t) => {
  const { code, report } = await replay(t, ...SMALL, "--sync", "never");
  assert.equal(code, 0);
  assert.equal(report.outcome, "verified");
  assert.equal(report.sync, "never");
  assert.deepEqual(report.problems, []);
  assert.equal(report.played?.commits, 400);
  assert.equal(report.played?.retried, report.played?.replayed);
  assert.ok((report.played?.retried ?? 0) > 0);
  const hits = report.latencyMs?.histogram.reduce((sum, row) => sum + row.count, 0);
  assert.equal(hits, 400);
  assert.ok((report.log?.frames ?? 0) >= 400);
  assert.equal(report.compared?.sessions, 8);
  assert.ok((report.compared?.checkpointValues ?? 0) > 0);
  assert.equal(report.reopened?.cleanClose, true);
});

test("transcripts of both forms are played, and a bad line is named and stops nothing", async (t) => {
  const files = ["linear.jsonl", "tree.jsonl", "bad-lines.jsonl"].map(fixturePath);
  const { code, stdout } = await run(t, "replay", ...files, "--sessions", "6", "--commits", "240");
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^input {6}.*bad-lines\.jsonl:3 is not JSON/m);
  assert.match(stdout, /^input {6}.*bad-lines\.jsonl:6 names an unknown parent "nowhere"/m);
  assert.match(stdout, /^compared {3}6 sessions: /m);
});

test("a directory that is no store is refused without being touched", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, "letter.txt"), "dear reader");
  const { code, stdout } = await run(t, "replay", ...SMALL, "--dir", directory);
  assert.equal(code, 1);
  assert.match(stdout, /^problem {4}NOT_A_STORE /m);
});
