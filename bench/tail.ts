/**
 * What do snapshots and gc do to the tail? Commits at a fixed rate (open loop, timed from when they were due)
 * over 64 sessions, with nothing beside them, with snapshots without pause, with snapshots and gc without
 * pause. Every commit replaces a checkpoint value, so that gc always has something to do.
 */
import { type VarveSubject, varve } from "./subjects/varve.ts";
import type { Bench, Row } from "./support/bench.ts";
import { maintain } from "./support/beside.ts";
import { type Entry, measureCommitters } from "./support/committers.ts";
import { commitPeers } from "./support/peers-of-commits.ts";
import { pick, sized } from "./support/sizes.ts";
import type { Subject } from "./support/subject.ts";

export const tail: Bench = {
  name: "tail",
  question: "What do snapshots and gc do to the tail?",
  baseline: "the same load with nothing beside it",
  notMeasured:
    "Automatic triggers: here maintenance never pauses, which is far more than a store does on its own. Large stores, where one gc runs for minutes. SQLite's rows are with its automatic checkpoints, which it cannot be without.",
  async run(run) {
    const peers = await commitPeers(["sqliteFull"]);
    const rows: Row[] = [];
    const verified: string[] = [];
    const plots: { kind: "percentiles"; title: string; at: string }[] = [];
    for (const perSecond of pick(run, [1_000, 10_000], [500])) {
      const at = `${perSecond.toLocaleString("en")} commits/s`;
      const entries: Entry[] = [
        { open: varve(sized(run)), as: "varve, nothing beside", isBaseline: true },
        {
          open: varve(sized(run)),
          as: "varve, snapshots",
          beside: (subject) => maintain(storeOf(subject), "snapshots"),
        },
        {
          open: varve(sized(run)),
          as: "varve, snapshots and gc",
          beside: (subject) => maintain(storeOf(subject), "snapshots and gc"),
        },
        ...(perSecond <= 1_000 ? peers.entries : []),
      ];
      const measured = await measureCommitters(run, entries, {
        at,
        x: perSecond,
        committers: 64,
        roundMillis: pick(run, 2000, 50),
        perSecond,
      });
      rows.push(...measured.rows);
      verified.push(measured.verified);
      plots.push({ kind: "percentiles", title: `The tail at ${at}`, at });
    }
    return { rows, verified, absent: peers.absent, plots };
  },
};

export function storeOf(subject: Subject): VarveSubject["store"] {
  if (!("store" in subject)) throw new Error(`${subject.name} has no store`);
  return (subject as VarveSubject).store;
}
