/**
 * What latency does a fixed rate see? Commits become due on a clock, whether or not earlier ones came back, over
 * 64 sessions, and each is timed from the moment it was due: an open loop without coordinated omission, where a
 * stall is paid by every commit that it kept waiting. A subject that cannot hold the rate shows it: its latency
 * is the backlog, its rate below the one asked for.
 */
import { bareLoop } from "./subjects/bare-loop.ts";
import { varve } from "./subjects/varve.ts";
import type { Bench, Row } from "./support/bench.ts";
import { measureCommitters } from "./support/committers.ts";
import { commitPeers } from "./support/peers-of-commits.ts";
import { pick, sized } from "./support/sizes.ts";

export const openLoopLatency: Bench = {
  name: "open-loop",
  question: "What latency does a fixed rate of commits see?",
  baseline: "the bare one-thread group-commit loop into a growing file, at the same rate",
  notMeasured:
    "Bursts: due times are even. The main thread turns without sleeping to be on time, so a host that has other work sees more. Commits of one session do not wait for each other's answer here.",
  async run(run) {
    const peers = await commitPeers(["sqliteFull", "lmdb", "level"]);
    const rows: Row[] = [];
    const verified: string[] = [];
    const plots: { kind: "percentiles"; title: string; at: string }[] = [];
    for (const perSecond of pick(run, [500, 2_000, 10_000, 30_000], [500])) {
      const at = `${perSecond.toLocaleString("en")} commits/s`;
      const measured = await measureCommitters(
        run,
        [{ open: bareLoop("growing"), isBaseline: true }, { open: varve(sized(run)) }, ...peers.entries],
        { at, x: perSecond, committers: 64, roundMillis: pick(run, 1000, 30), perSecond },
      );
      rows.push(...measured.rows);
      verified.push(measured.verified);
      plots.push({ kind: "percentiles", title: `Latency from the due time at ${at}`, at });
    }
    return { rows, verified, absent: peers.absent, plots };
  },
};
