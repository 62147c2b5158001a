/**
 * The figures that the store is held to, each as a ratio inside one interleaved run, beside the limit: the
 * prototype of a log on its own thread, without sessions, in the same rounds. `sync: "always"`, commits of 1 KB
 * built inside the timed part.
 */
import { bareLoop } from "./subjects/bare-loop.ts";
import { rawWrite } from "./subjects/raw-write.ts";
import { ringPrototype } from "./subjects/ring-prototype.ts";
import { varve } from "./subjects/varve.ts";
import { varveWithHistory } from "./subjects/varve-history.ts";
import type { Bench, BenchRun, Requirement, Row } from "./support/bench.ts";
import { fillPool, maintain } from "./support/beside.ts";
import { type Entry, measureCommitters } from "./support/committers.ts";
import { commitPeers, type PeerName } from "./support/peers-of-commits.ts";
import { type Demand, judge } from "./support/requirements.ts";
import { pick, sized, zeros } from "./support/sizes.ts";
import { storeOf } from "./tail.ts";

const RAW = "raw write, growing file";
const RAW_PREALLOCATED = "raw write, preallocated file";
const LOOP = "bare loop, growing file";
const LOOP_PREALLOCATED = "bare loop, preallocated file";
const VARVE = "varve";
const PROTOTYPE = "ring prototype";

/** As filed; `most` bounds a latency from above, `least` a rate from below. */
const DEMANDS: readonly Demand[] = [
  { at: "1 committer", metric: "p50", of: VARVE, beside: RAW, most: 1.05 },
  { at: "1 committer", metric: "p99", of: VARVE, beside: RAW, most: 1.5 },
  { at: "1 committer", metric: "p50", of: VARVE, beside: RAW_PREALLOCATED, most: 1.05 },
  { at: "1 committer", metric: "p99", of: VARVE, beside: RAW_PREALLOCATED, most: 1.5 },
  { at: "1 committer", metric: "p50", of: VARVE, beside: "SQLite FULL", most: 1.1 },
  { at: "64 committers", metric: "rate", of: VARVE, beside: LOOP, least: 1 },
  { at: "64 committers", metric: "rate", of: VARVE, beside: LOOP_PREALLOCATED, least: 1 },
  { at: "64 committers", metric: "rate", of: VARVE, beside: "lmdb, flushed", least: 2.2 },
  { at: "64 committers", metric: "rate", of: VARVE, beside: "SQLite FULL", least: 15 },
  { at: "1,024 committers", metric: "rate", of: VARVE, beside: LOOP, least: 0.9 },
  { at: "1,024 committers", metric: "rate", of: VARVE, beside: LOOP_PREALLOCATED, least: 0.9 },
  { at: "1,024 committers", metric: "rate", of: VARVE, beside: "lmdb, flushed", least: 1.8 },
  { at: "1,024 committers", metric: "rate", of: VARVE, beside: "SQLite FULL", least: 25 },
  {
    at: "64 committers, full pool",
    metric: "p50",
    of: "varve, full pool",
    beside: "varve, idle pool",
    most: 1.5,
    prototype: ["ring prototype, full pool", "ring prototype, idle pool"],
  },
  {
    at: "64 committers, maintenance",
    metric: "p99",
    of: "varve, snapshots and gc",
    beside: "varve, nothing beside",
    most: 1.5,
  },
  {
    at: "1 committer, long session",
    metric: "p50",
    of: "varve, 100,000 nodes",
    beside: "varve, 100 nodes",
    most: 1.1,
  },
];

export const figures: Bench = {
  name: "figures",
  question: "Does the commit path reach the figures it is held to?",
  baseline: "per row, as named",
  notMeasured:
    "Everything the other benches are for. Figures marked with the preallocated file are harder than required: nobody who appends to a file has its zeros written beforehand.",
  async run(run) {
    const rows: Row[] = [];
    const verified: string[] = [];
    const absent = new Set<string>();
    const group = async (
      point: { at: string; committers: number; millis: number },
      entries: readonly Entry[],
      names: readonly PeerName[] = [],
    ): Promise<void> => {
      const peers = await commitPeers(names);
      for (const line of peers.absent) absent.add(line);
      const measured = await measureCommitters(run, [...entries, ...peers.entries], {
        ...point,
        x: point.committers,
        roundMillis: pick(run, point.millis, 20),
      });
      rows.push(...measured.rows);
      verified.push(measured.verified);
    };
    await group(
      { at: "1 committer", committers: 1, millis: 1500 },
      [
        { open: rawWrite("growing"), isBaseline: true },
        { open: rawWrite("preallocated", { bytes: zeros(run) / 8 }) },
        { open: varve(sized(run)) },
        { open: ringPrototype({ bytes: zeros(run) / 8 }) },
      ],
      ["sqliteFull"],
    );
    for (const committers of pick(run, [64, 1024], [64])) {
      await group(
        { at: `${committers.toLocaleString("en")} committers`, committers, millis: 1000 },
        [
          { open: bareLoop("growing"), isBaseline: true },
          { open: bareLoop("preallocated", { bytes: zeros(run) }) },
          { open: varve(sized(run)) },
          { open: ringPrototype({ bytes: zeros(run) }) },
        ],
        ["lmdb", "sqliteFull"],
      );
    }
    await group({ at: "64 committers, full pool", committers: 64, millis: 1000 }, [
      { open: varve(sized(run)), as: "varve, idle pool", isBaseline: true },
      { open: varve(sized(run)), as: "varve, full pool", beside: fillPool },
      { open: ringPrototype({ bytes: zeros(run) }), as: "ring prototype, idle pool" },
      { open: ringPrototype({ bytes: zeros(run) }), as: "ring prototype, full pool", beside: fillPool },
    ]);
    await group({ at: "64 committers, maintenance", committers: 64, millis: 2500 }, [
      { open: varve(sized(run)), as: "varve, nothing beside", isBaseline: true },
      {
        open: varve(sized(run)),
        as: "varve, snapshots and gc",
        beside: (subject) => maintain(storeOf(subject), "snapshots and gc"),
      },
    ]);
    const long = pick(run, 100_000, 1_000);
    await group({ at: "1 committer, long session", committers: 1, millis: 1500 }, [
      { open: varveWithHistory(run, { nodes: 100 }), as: "varve, 100 nodes", isBaseline: true },
      { open: varveWithHistory(run, { nodes: long }), as: "varve, 100,000 nodes" },
    ]);
    return { rows, verified, absent: [...absent], plots: [], requirements: judgeAll(run, rows) };
  },
};

function judgeAll(run: BenchRun, rows: readonly Row[]): Requirement[] {
  const asked = DEMANDS.filter(({ at }) => run.size === "full" || !at.startsWith("1,024"));
  return asked.map((demand) => judge(demand, rows, PROTOTYPE));
}
