/**
 * The short version of `npm run test:crash`: a few workloads over the whole store, each crashed before every one
 * of its operations in every essential way and a sample of the others, and again inside the recovery. Nothing
 * acknowledged may be lost, nothing unsent may appear, no state may be refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { exploreCrashes } from "../../src/testing/crash/explore.ts";
import { summarise } from "../../src/testing/crash/summary.ts";
import { encodeState } from "../../src/testing/crash/token.ts";
import { StoreSubject } from "./store-subject.ts";

/** Workloads whose steps differ; each on its own, so that a planted break is met by the quickest. */
for (const seed of [1, 2, 3, 4, 5]) {
  test(`every promise survives the crashes of workload ${seed}`, async (t) => {
    const report = await exploreCrashes((one) => new StoreSubject(one), {
      seed,
      states: 2500,
      workloads: 1,
      share: 0.02,
      mixes: 4,
      secondShare: 0.008,
      goOnShare: 0.02,
    });
    t.diagnostic(summarise(report));
    if (report.failure !== undefined) {
      const { state, story, error } = report.failure;
      throw new Error(
        `${story.join("\n")}\nreproduce: npm run test:crash -- --reproduce ${encodeState(state)}`,
        { cause: error },
      );
    }
    assert.ok(report.states > 500, String(report.states));
    assert.ok(report.secondStates > 50, String(report.secondStates));
  });
}
