/**
 * The simulation in short: a fixed range of seeds holds every promise, does enough of everything to prove
 * something, and gives the same trace twice. `npm run test:simulation -- --seeds 10000` is the long run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Coverage, missing } from "./coverage.ts";
import { simulate } from "./simulate.ts";

const SEEDS = 320;
/** Seeds that are run a second time; among them some with faults, crashes and several hosts. */
const TWICE = [1, 2, 3, 5, 8, 13, 21, 34];

test("a range of seeds holds every promise and leaves nothing out", async (t) => {
  const coverage = new Coverage();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const report = await simulate(seed);
    assert.deepEqual(report.broken, [], `replay: npm run test:simulation -- --seed ${seed}`);
    coverage.merge(report.coverage.toRecord());
  }
  assert.deepEqual(missing(coverage, SEEDS), []);
  t.diagnostic(JSON.stringify(coverage.toRecord()));
});

test("the same seed gives the same trace, twice", async () => {
  for (const seed of TWICE) {
    const first = await simulate(seed);
    const second = await simulate(seed);
    assert.equal(second.digest, first.digest, `seed ${seed}`);
    assert.equal(second.lines, first.lines, `seed ${seed}`);
    assert.ok(first.lines > 50, `seed ${seed} does next to nothing`);
  }
});

test("another seed gives another trace", async () => {
  const digests = new Set<string>();
  for (const seed of TWICE) digests.add((await simulate(seed)).digest);
  assert.equal(digests.size, TWICE.length);
});
