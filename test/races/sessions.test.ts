/**
 * Races of calls on sessions, in any order of turns (docs of the pieces: session-race.ts). Every property is
 * small, so that a counterexample shrinks to a few calls.
 */
import { test } from "node:test";
import fc from "fast-check";
import type { StoreOptions } from "../../src/contract.ts";
import { type Call, callsOf } from "./call.ts";
import { CALLS } from "./commands.ts";
import { anyOrder, runs } from "./scheduled.ts";
import { Race } from "./session-race.ts";

interface Law {
  readonly name: string;
  readonly calls: fc.Arbitrary<Call<Race>>[];
  readonly options?: StoreOptions;
  readonly count: number;
}

const { commits, retries, twice, tombstones, vacuums, metas, deletions, reads } = CALLS;
const { snapshots, gcs, passing, minutes, stalls } = CALLS;

const LAWS: readonly Law[] = [
  {
    name: "two handles of one session act in call order, whoever calls and whatever is in flight",
    calls: [commits, commits, reads, metas, tombstones, vacuums],
    count: 60,
  },
  {
    name: "a retry while the first is in flight answers the same, once it is durable, and changes nothing",
    calls: [twice, retries, commits, reads],
    count: 60,
  },
  {
    name: "a deletion wins against every later commit and retry, and loses none of the earlier ones",
    calls: [commits, retries, twice, deletions, reads, snapshots],
    count: 60,
  },
  {
    name: "a snapshot covers what was acknowledged before, and commits on meanwhile lose nothing",
    calls: [commits, commits, reads, snapshots, tombstones],
    count: 60,
  },
  {
    name: "a session that leaves memory between any two calls goes on where it was",
    calls: [commits, reads, retries, tombstones, vacuums, snapshots, passing],
    options: { maxResidentBytes: 1024 },
    count: 60,
  },
  {
    name: "an idle session that leaves memory while a call arrives answers it",
    calls: [commits, commits, reads, minutes, stalls],
    count: 60,
  },
  {
    name: "automatic snapshots at any moment are seen by nobody",
    calls: [commits, commits, reads, twice, deletions, passing],
    options: { snapshot: { logBytes: 4096, intervalMs: 60_000 } },
    count: 60,
  },
  {
    name: "collections at any moment take nothing that a session shows",
    calls: [commits, commits, reads, retries, gcs, snapshots],
    count: 60,
  },
];

for (const { name, calls, options, count } of LAWS) {
  test(name, async () => {
    await fc.assert(
      fc.asyncProperty(anyOrder(), callsOf(calls), async (scheduler, made) => {
        const race = await new Race(scheduler, options).start();
        await fc.scheduledModelRun(scheduler, () => ({ model: {}, real: race }), made);
        await race.finish();
      }),
      runs(count),
    );
  });
}
