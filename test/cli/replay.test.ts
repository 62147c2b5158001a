/** `varve replay` from outside: whole runs, runs over what is there, and what it says when something is wrong. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import {
  alterByteOf,
  alterMiddleOfLargest,
  fixturePath,
  replay,
  run,
  start,
  temporaryDirectory,
} from "./run-varve.ts";

const SMALL = ["--sessions", "8", "--commits", "400"];
const CHECK = ["--sessions", "8", "--commits", "0"];

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

test("a second run over the same directory goes on where the first one ended", async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await replay(t, ...SMALL, "--dir", directory);
  assert.equal(first.code, 0, first.stdout);
  assert.equal(first.report.resumed, undefined);
  const second = await replay(t, ...SMALL, "--dir", directory);
  assert.equal(second.code, 0, second.stdout);
  assert.equal(second.report.resumed?.commits, 400);
  assert.equal(second.report.resumed?.recovery.cleanClose, true);
  assert.equal(second.report.played?.commits, 400);
  assert.ok((second.report.compared?.nodes ?? 0) > (first.report.compared?.nodes ?? 0));
});

test("fewer sessions go on, and those of the larger run are still verified", async (t) => {
  const directory = await temporaryDirectory(t);
  await replay(t, ...SMALL, "--dir", directory);
  const { code, report } = await replay(t, "--sessions", "2", "--commits", "20", "--dir", directory);
  assert.equal(code, 0);
  assert.equal(report.played?.commits, 20);
  assert.equal(report.compared?.sessions, 8);
});

test("sessions of other programs in the same store are left alone", async (t) => {
  const directory = await temporaryDirectory(t);
  const meta = { sessionId: "mine", sessionName: "mine", createdAt: "", model: "m" };
  const store = await openStore(directory);
  await store.session("mine").saveSessionMeta(meta);
  await store.close();
  const { code, report } = await replay(t, ...SMALL, "--dir", directory);
  assert.equal(code, 0);
  assert.equal(report.resumed?.foreignSessions, 1);
  const again = await openStore(directory);
  t.after(() => again.close());
  assert.deepEqual(await again.session("mine").loadSessionMeta(), meta);
});

test("transcripts of both forms are played, and a bad line is named and stops nothing", async (t) => {
  const files = ["linear.jsonl", "tree.jsonl", "bad-lines.jsonl"].map(fixturePath);
  const { code, stdout } = await run(t, "replay", ...files, "--sessions", "6", "--commits", "240");
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^input {6}.*bad-lines\.jsonl:3 is not JSON/m);
  assert.match(stdout, /^input {6}.*bad-lines\.jsonl:6 names an unknown parent "nowhere"/m);
  assert.match(stdout, /^compared {3}6 sessions: /m);
});

test("a transcript is played once by each session, and once more by the next run", async (t) => {
  const directory = await temporaryDirectory(t);
  const args = [fixturePath("linear.jsonl"), "--sessions", "3", "--dir", directory];
  const first = await replay(t, ...args);
  assert.equal(first.code, 0, first.stdout);
  const second = await replay(t, ...args);
  assert.equal(second.code, 0, second.stdout);
  assert.equal(second.report.resumed?.commits, first.report.played?.commits);
  assert.ok((second.report.played?.commits ?? 0) > 0);
});

test("another seed over the same directory is named, and nothing is written", async (t) => {
  const directory = await temporaryDirectory(t);
  await replay(t, ...SMALL, "--dir", directory);
  const other = await run(t, "replay", ...SMALL, "--seed", "2", "--dir", directory);
  assert.equal(other.code, 1);
  assert.match(other.stdout, /recorded from "generator seed 1 .*this run plays "generator seed 2 /);
  assert.equal((await replay(t, ...CHECK, "--dir", directory)).code, 0);
});

/** Resolves once the run over `directory` has acknowledged some commits. */
async function waitForCommits(directory: string): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    try {
      await using viewer = await openStoreReadOnly(directory);
      for await (const info of viewer.listSessions()) if ((info.headRevision ?? 0) >= 5) return;
    } catch {
      // Not a store yet, or a moment the owner has moved past: the next look finds out.
    }
  }
}

test("a run killed in the middle leaves what the next run verifies and goes on from", async (t) => {
  const directory = await temporaryDirectory(t);
  for (let round = 0; round < 2; round++) {
    const victim = start(t, "replay", "--sessions", "8", "--commits", "1000000", "--dir", directory);
    await waitForCommits(directory);
    victim.child.kill("SIGKILL");
    await victim.finished;
    const { code, report, stdout } = await replay(
      t,
      "--sessions",
      "8",
      "--commits",
      "80",
      "--dir",
      directory,
    );
    assert.equal(code, 0, stdout);
    assert.equal(report.resumed?.recovery.cleanClose, false);
    assert.ok((report.resumed?.commits ?? 0) > 0);
  }
});

test("Ctrl-C closes the store and exits 130", async (t) => {
  const directory = await temporaryDirectory(t);
  const { child, finished } = start(
    t,
    "replay",
    "--sessions",
    "8",
    "--commits",
    "1000000",
    "--dir",
    directory,
  );
  await waitForCommits(directory);
  child.kill("SIGINT");
  const { code, stdout } = await finished;
  assert.equal(code, 130, stdout);
  assert.match(stdout, /^stopped {4}closed cleanly, not verified; run again with the same --dir to go on$/m);
  const { code: next, report } = await replay(t, ...CHECK, "--dir", directory);
  assert.equal(next, 0);
  assert.equal(report.resumed?.recovery.cleanClose, true);
});

test("one altered byte of the log is named with its file and exits 1", async (t) => {
  const directory = await temporaryDirectory(t);
  await replay(t, ...SMALL, "--dir", directory);
  const file = await alterByteOf(directory, "wal", "replay-0003/7");
  const { code, stdout } = await run(t, "replay", ...CHECK, "--dir", directory);
  assert.equal(code, 1, stdout);
  assert.ok(stdout.includes(file), `${file} is named in:\n${stdout}`);
  assert.match(stdout, /^problem {4}.*CORRUPT/m);
});

test("one altered byte of a pack is named with its file and exits 1", async (t) => {
  const directory = await temporaryDirectory(t);
  await replay(t, ...SMALL, "--dir", directory);
  const store = await openStore(directory);
  await store.snapshot();
  await store.close();
  const file = await alterMiddleOfLargest(directory, "blobs");
  const { code, stdout } = await run(t, "replay", ...CHECK, "--dir", directory);
  assert.equal(code, 1, stdout);
  assert.ok(stdout.includes(file), `${file} is named in:\n${stdout}`);
});

test("one altered node is named with its session and exits 1", async (t) => {
  const directory = await temporaryDirectory(t);
  await replay(t, ...SMALL, "--dir", directory);
  const store = await openStore(directory);
  const session = store.session("replay-0003");
  const read = await session.loadSession();
  assert.ok(read !== undefined);
  const nodes = read.graph.nodes.map((node, index) =>
    index === 4 ? { ...node, timestamp: "altered" } : node,
  );
  const { config, checkpoint, sessionId } = read;
  const graph = { kind: "replaceFull" as const, graph: { ...read.graph, nodes } };
  await session.commitRuntimeState({ sessionId, config, graph, checkpoint, usageDeltas: [] });
  await store.close();
  const { code, stdout } = await run(t, "replay", ...CHECK, "--dir", directory);
  assert.equal(code, 1, stdout);
  const altered = read.graph.nodes[4]?.nodeId ?? "";
  assert.ok(stdout.includes(`replay-0003: node ${altered}: timestamp is "altered" but `), stdout);
});

test("a directory that is no store is refused without being touched", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, "letter.txt"), "dear reader");
  const { code, stdout } = await run(t, "replay", ...SMALL, "--dir", directory);
  assert.equal(code, 1);
  assert.match(stdout, /^problem {4}NOT_A_STORE /m);
});
