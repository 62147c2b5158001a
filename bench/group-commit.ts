/**
 * How does group commit scale from 1 to 4,096 committers? Each is a session of its own with one commit in
 * flight, so a batch can hold at most as many commits as there are committers. Beside the least that a group
 * commit on one thread can do, the prototype of a log on its own thread, and the peers.
 */
import { bareLoop } from "./subjects/bare-loop.ts";
import { ringPrototype } from "./subjects/ring-prototype.ts";
import { varve } from "./subjects/varve.ts";
import type { Bench, Row } from "./support/bench.ts";
import { measureCommitters } from "./support/committers.ts";
import { commitPeers } from "./support/peers-of-commits.ts";
import { pick, sized, zeros } from "./support/sizes.ts";

export const groupCommit: Bench = {
  name: "group-commit",
  question: "How does group commit scale from 1 to 4,096 committers?",
  baseline: "a bare one-thread group-commit loop (pack, CRC, one write, one fdatasync) into a growing file",
  notMeasured:
    "Sessions with long histories (history-length), many commits in flight from one session, automatic snapshots and gc (tail). All sessions are in memory; the first use of one is not timed apart.",
  async run(run) {
    const peers = await commitPeers(["sqliteFull", "lmdb", "level"]);
    const rows: Row[] = [];
    const verified: string[] = [];
    for (const committers of pick(run, [1, 4, 16, 64, 256, 1024, 4096], [1, 64])) {
      const point = {
        at: committers === 1 ? "1 committer" : `${committers.toLocaleString("en")} committers`,
        x: committers,
        committers,
        roundMillis: pick(run, 700, 20),
      };
      const measured = await measureCommitters(
        run,
        [
          { open: bareLoop("growing"), isBaseline: true },
          { open: bareLoop("preallocated", { bytes: zeros(run) / 2 }) },
          { open: varve(sized(run)) },
          { open: ringPrototype({ bytes: zeros(run) / 2 }) },
          ...peers.entries,
        ],
        point,
      );
      rows.push(...measured.rows);
      verified.push(measured.verified);
    }
    const axes = { xLabel: "committers", xScale: "log", yScale: "log" } as const;
    return {
      rows,
      verified,
      absent: peers.absent,
      plots: [
        { kind: "lines", title: "Durable commits per second over committers", metric: "rate", ...axes },
        { kind: "lines", title: "Median latency over committers", metric: "p50", ...axes },
      ],
    };
  },
};
