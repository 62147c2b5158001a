/**
 * What does a host that fills libuv's pool do to commits? 64 committers while eight pbkdf2 calls run without
 * pause. The store's log has a thread of its own; whatever writes through the pool waits behind the hashes.
 */
import { bareLoop } from "./subjects/bare-loop.ts";
import { varve } from "./subjects/varve.ts";
import type { Bench } from "./support/bench.ts";
import { fillPool } from "./support/beside.ts";
import { type Entry, measureCommitters } from "./support/committers.ts";
import { commitPeers } from "./support/peers-of-commits.ts";
import { pick, sized } from "./support/sizes.ts";

export const busyPool: Bench = {
  name: "busy-pool",
  question: "What does a host that fills libuv's pool do to commits?",
  baseline: "the store itself with an idle pool",
  notMeasured:
    "A host that keeps the main thread busy, where everything waits. With few processors the hashes also take CPU from the log's thread, and that is in these figures.",
  async run(run) {
    const peers = await commitPeers(["lmdb", "level"]);
    const pairs = [{ open: varve(sized(run)) }, { open: bareLoop("growing") }, ...peers.entries];
    const entries = pairs.flatMap((entry, index): Entry[] => [
      { ...entry, isBaseline: index === 0, at: "idle pool", x: 0 },
      { ...entry, beside: fillPool, at: "full pool", x: 1 },
    ]);
    const point = { at: "64 committers", x: 64, committers: 64, roundMillis: pick(run, 1000, 30) };
    const { rows, verified } = await measureCommitters(run, entries, point);
    return {
      rows,
      verified: [verified],
      absent: peers.absent,
      plots: [{ kind: "dots", title: "Median latency with an idle and a full pool", metric: "p50" }],
    };
  },
};
