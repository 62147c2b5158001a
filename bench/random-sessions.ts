/**
 * What does a process take that commits over many sessions in random order? 256 commits of 1 KB under way at a time, in
 * an order in which no session comes twice in a pass, with a memory budget that a fraction of the sessions fits into:
 * each commit then begins with a load. The rate and the most memory of the whole process, each in a process of its own.
 */
import { rmSync } from "node:fs";
import { extname, join } from "node:path";
import { apart } from "./support/apart.ts";
import type { Bench } from "./support/bench.ts";
import type { RandomCommits, RandomCommitted } from "./support/random-committer.ts";
import { type Case, interleave } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY } from "./support/subject.ts";

const BUDGET_BYTES = 256 * 2 ** 20;

export const randomSessions: Bench = {
  name: "random-sessions",
  question: "What does a process take that commits over many sessions in random order?",
  baseline: "the same number of commits over the fewest sessions, which all stay in memory",
  notMeasured:
    "Sessions of more than a few nodes. The host's own memory: of the figure some 100 MiB are this process without a store, more when it runs from source. Cold disks.",
  async run(run) {
    const commits = pick(run, 400_000, 400);
    const entry = new URL(`./support/random-committer${extname(import.meta.url)}`, import.meta.url);
    let snapshots = 0;
    const cases = pick(run, [1_000, 200_000], [20, 200]).map(
      (sessions, index): Case => ({
        subject: "varve",
        at: `${sessions.toLocaleString("en")} sessions`,
        x: sessions,
        durability: DURABILITY.power,
        isBaseline: index === 0,
        measure: async () => {
          const directory = join(run.directory, `random-${sessions}`);
          const options = { ...sized(run), gc: false, maxResidentBytes: BUDGET_BYTES } as const;
          const input: RandomCommits = { directory, sessions, commits, options };
          const done = await apart<RandomCommitted>(entry, input);
          rmSync(directory, { recursive: true });
          run.say(`${sessions} sessions: ${Math.round(done.rate)}/s, ${Math.round(done.peakMib)} MiB`);
          snapshots += done.snapshots;
          return { figures: { rate: done.rate, rssMib: done.peakMib } };
        },
      }),
    );
    const rows = await interleave(run, cases, { warmUp: 0 });
    return {
      rows,
      verified: ["a hundred sessions of each store read back with every commit they were given"],
      absent: [],
      plots: [{ kind: "dots", title: "Memory of the process", metric: "rssMib" }],
      notes: [
        `\`maxResidentBytes\` of ${BUDGET_BYTES / 2 ** 20} MiB, ${commits.toLocaleString("en")} commits a turn, ${snapshots} snapshots while they ran.`,
      ],
    };
  },
};
