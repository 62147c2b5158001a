/** `varve replay` over what an earlier run left: finished, stopped, or killed in the middle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { CHECK, fixturePath, record, replay, run, SMALL, start, temporaryDirectory } from "./run-varve.ts";

test("a second run over the same directory goes on where the first one ended", async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await record(...SMALL, "--dir", directory);
  assert.equal(first.resumed, undefined);
  const second = await replay(t, ...SMALL, "--dir", directory);
  assert.equal(second.code, 0, second.stdout);
  assert.equal(second.report.resumed?.commits, 400);
  assert.equal(second.report.resumed?.recovery.cleanClose, true);
  assert.equal(second.report.played?.commits, 400);
  assert.ok((second.report.compared?.nodes ?? 0) > (first.compared?.nodes ?? 0));
});

test("fewer sessions go on, and those of the larger run are still verified", async (t) => {
  const directory = await temporaryDirectory(t);
  await record(...SMALL, "--dir", directory);
  const report = await record("--sessions", "2", "--commits", "20", "--dir", directory);
  assert.equal(report.outcome, "verified");
  assert.equal(report.played?.commits, 20);
  assert.equal(report.compared?.sessions, 8);
});

test("sessions of other programs in the same store are left alone", async (t) => {
  const directory = await temporaryDirectory(t);
  const meta = { sessionId: "mine", sessionName: "mine", createdAt: "", model: "m" };
  const store = await openStore(directory);
  await store.session("mine").saveSessionMeta(meta);
  await store.close();
  const report = await record(...SMALL, "--dir", directory);
  assert.equal(report.outcome, "verified");
  assert.equal(report.resumed?.foreignSessions, 1);
  const again = await openStore(directory);
  t.after(() => again.close());
  assert.deepEqual(await again.session("mine").loadSessionMeta(), meta);
});

test("a transcript is played once by each session, and once more by the next run", async (t) => {
  const directory = await temporaryDirectory(t);
  const args = [fixturePath("linear.jsonl"), "--sessions", "3", "--dir", directory];
  const first = await record(...args);
  const second = await record(...args);
  assert.deepEqual([first.problems, second.problems], [[], []]);
  assert.equal(second.resumed?.commits, first.played?.commits);
  assert.ok((second.played?.commits ?? 0) > 0);
});

test("another seed over the same directory is named, and nothing is written", async (t) => {
  const directory = await temporaryDirectory(t);
  await record(...SMALL, "--dir", directory);
  const other = await run(t, "replay", ...SMALL, "--seed", "2", "--dir", directory);
  assert.equal(other.code, 1);
  assert.match(other.stdout, /recorded from "generator seed 1 .*this run plays "generator seed 2 /);
  assert.equal((await record(...CHECK, "--dir", directory)).outcome, "verified");
});

/** The highest revision of any session, seen from beside the owner. */
async function highestRevision(directory: string): Promise<number> {
  const viewer = await openStoreReadOnly(directory);
  try {
    let highest = 0;
    for await (const info of viewer.listSessions()) highest = Math.max(highest, info.headRevision ?? 0);
    return highest;
  } finally {
    await viewer.close();
  }
}

/** Resolves once a session of the run over `directory` has got beyond `revision`. */
async function waitForCommits(directory: string, revision: number): Promise<void> {
  while ((await highestRevision(directory)) <= revision) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("a run killed in the middle leaves what the next run verifies and goes on from", async (t) => {
  const directory = await temporaryDirectory(t);
  await record(...SMALL, "--dir", directory);
  for (let round = 0; round < 2; round++) {
    const before = await highestRevision(directory);
    const victim = start(t, "replay", "--sessions", "8", "--commits", "1000000", "--dir", directory);
    await waitForCommits(directory, before + 5);
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
    assert.ok((report.resumed?.commits ?? 0) > before + 5);
  }
});

test("Ctrl-C closes the store and exits 130", async (t) => {
  const directory = await temporaryDirectory(t);
  await record(...SMALL, "--dir", directory);
  const before = await highestRevision(directory);
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
  await waitForCommits(directory, before + 5);
  child.kill("SIGINT");
  const { code, stdout } = await finished;
  assert.equal(code, 130, stdout);
  assert.match(stdout, /^stopped {4}closed cleanly, not verified; run again with the same --dir to go on$/m);
  const report = await record(...CHECK, "--dir", directory);
  assert.equal(report.outcome, "verified");
  assert.equal(report.resumed?.recovery.cleanClose, true);
});
