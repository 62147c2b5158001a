/**
 * Real crashes of real processes and real file systems, in short: the techniques of `varve torture`, each for
 * a few rounds. What a machine cannot do is skipped and says why. `npm run test:torture` is the long run.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import type { TechniqueName } from "../../src/cli/torture/options.ts";
import { runTorture, type TechniqueReport } from "../../src/cli/torture/run.ts";
import { buildLoadProcess } from "../support/built.ts";
import { makeTemporary, removeTemporary, temporaryDirectory } from "../support/temporary.ts";

/** Long enough for the rounds on any machine; the rounds end a run. */
const MOST_MS = 600_000;

const folder = makeTemporary();
const program = buildLoadProcess(folder);
after(() => removeTemporary(folder));

/** Runs one technique; answers its reports, or undefined when all of it had to be skipped. */
async function torture(
  t: TestContext,
  technique: TechniqueName,
  rounds: number,
): Promise<TechniqueReport[] | undefined> {
  const report = await runTorture({
    directory: join(temporaryDirectory(t), "torture"),
    milliseconds: MOST_MS,
    techniques: [technique],
    sessions: 6,
    seed: 1,
    signal: t.signal,
    mostRounds: () => rounds,
    program,
  });
  for (const { name, rounds: done, skipped, counts } of report.techniques)
    t.diagnostic(`${name}: ${skipped ?? `${done} rounds ${JSON.stringify(counts)}`}`);
  assert.equal(report.problem, undefined);
  const done = report.techniques.filter(({ skipped }) => skipped === undefined);
  if (done.length === 0) t.skip(report.techniques[0]?.skipped ?? "nothing could be done");
  for (const { name, verdict } of done) assert.equal(verdict, "survived", name);
  return done.length === 0 ? undefined : done;
}

test("a process killed at random moments under load loses nothing that it acknowledged", async (t) => {
  const [kill] = (await torture(t, "kill", 4)) ?? [];
  assert.ok(kill !== undefined);
  assert.equal(kill.counts.kills, 4);
  assert.ok((kill.counts.acknowledged ?? 0) > 0);
});

test("a process killed before any of its system calls loses nothing that it acknowledged", async (t) => {
  const [strace] = (await torture(t, "strace", 12)) ?? [];
  if (strace === undefined) return;
  const { kills = 0, inRecovery = 0, points = 0 } = strace.counts;
  assert.ok(kills >= 6, `only ${kills} of 12 points were reached`);
  assert.ok(inRecovery > 0 && points > 100);
});

test("a power cut of a real file system loses nothing that was acknowledged", async (t) => {
  const cut = (await torture(t, "power", 3)) ?? [];
  for (const { name, counts } of cut) {
    assert.equal(counts.cuts, 3, name);
    assert.ok((counts.acknowledged ?? 0) > 0, name);
  }
});

test("a disk that is really full refuses commits before anything is written, and loses nothing", async (t) => {
  const full = (await torture(t, "full", 1)) ?? [];
  for (const { name, counts } of full) {
    assert.equal(counts.fills, 1, name);
    assert.ok((counts.refusals ?? 0) > 0, name);
  }
});
