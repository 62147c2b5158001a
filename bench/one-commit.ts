/**
 * How fast is one commit? One committer that sends its next commit when the last was acknowledged: what a single
 * agent waits for. Every subject builds the same commit of 1 KB, keeps its chain by compare-and-set where it
 * can, and answers when the commit is as durable as is printed beside it.
 */
import { bareLoop } from "./subjects/bare-loop.ts";
import { jsonl } from "./subjects/jsonl.ts";
import { rawWrite } from "./subjects/raw-write.ts";
import { ringPrototype } from "./subjects/ring-prototype.ts";
import { varve } from "./subjects/varve.ts";
import type { Bench } from "./support/bench.ts";
import { type Entry, measureCommitters } from "./support/committers.ts";
import { commitPeers } from "./support/peers-of-commits.ts";
import { sized, zeros } from "./support/sizes.ts";

export const oneCommit: Bench = {
  name: "one-commit",
  question: "How fast is one commit?",
  baseline: "a synchronous write and fdatasync of as many bytes into a preallocated file",
  notMeasured:
    "Commits that wait for each other (group-commit), large ones (commit-size), snapshots and gc (tail), and what your disk does after hours of load. Subjects take turns of a second, so none meets the garbage collection of its disk alone.",
  async run(run) {
    const peers = await commitPeers(["sqliteFull", "sqliteNormal", "lmdb", "level"]);
    const entries: Entry[] = [
      { open: rawWrite("preallocated", { bytes: zeros(run) / 8 }), isBaseline: true },
      { open: rawWrite("growing") },
      { open: varve(sized(run)) },
      { open: ringPrototype({ bytes: zeros(run) / 8 }) },
      { open: bareLoop("preallocated", { bytes: zeros(run) / 8 }) },
      ...peers.entries,
      { open: jsonl("fdatasync") },
      { open: jsonl("none") },
    ];
    const point = { at: "1 committer", x: 1, committers: 1, roundMillis: run.size === "small" ? 20 : 1000 };
    const { rows, verified } = await measureCommitters(run, entries, point);
    return {
      rows,
      verified: [verified],
      absent: peers.absent,
      plots: [
        { kind: "percentiles", title: "Latency of one commit by percentile", at: point.at },
        { kind: "dots", title: "Median latency of one commit", metric: "p50" },
      ],
    };
  },
};
