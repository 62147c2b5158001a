/**
 * What does history cost? One committer on a session that already holds 100 to 100,000 nodes, in a store
 * that holds 10,000 other sessions, and where memory is too small for the nodes' ids and edges: a commit's cost should follow the
 * change, not the past.
 */
import { varveWithHistory } from "./subjects/varve-history.ts";
import type { Bench } from "./support/bench.ts";
import { type Entry, measureCommitters } from "./support/committers.ts";
import { pick } from "./support/sizes.ts";

const MIB = 1 << 20;
/** Sessions that take commits in turn where memory is too small for them. */
const IN_TURN = 4;

export const historyLength: Bench = {
  name: "history-length",
  question: "What does the length of history cost a commit?",
  baseline: "the same commit on a session of 100 nodes",
  notMeasured:
    "The first use of a long session (endless-session, loads), replacements of a graph, and folds, which run on a worker.",
  async run(run) {
    const entries = pick(run, [100, 1_000, 10_000, 100_000], [100, 1_000]).map((nodes): Entry => {
      return {
        open: varveWithHistory(run, { nodes }),
        isBaseline: nodes === 100,
        as: "varve",
        at: `${nodes.toLocaleString("en")} nodes`,
        x: nodes,
      };
    });
    const otherSessions = pick(run, 10_000, 100);
    entries.push({
      open: varveWithHistory(run, { nodes: 100, otherSessions }),
      as: "varve, many sessions",
      at: `100 nodes, ${otherSessions.toLocaleString("en")} other sessions`,
      x: 100,
    });
    const [nodes, mib] = pick(run, [25_000, 8], [2_000, 0.5]);
    entries.push({
      open: varveWithHistory(run, { nodes, inTurn: IN_TURN, maxResidentBytes: mib * MIB }),
      as: "varve, little memory",
      at: `${IN_TURN} sessions of ${nodes.toLocaleString("en")} nodes in turn, maxResidentBytes ${mib} MiB`,
      x: nodes,
    });
    const point = { at: "1 committer", x: 1, committers: 1, roundMillis: pick(run, 1000, 20) };
    const { rows, verified } = await measureCommitters(run, entries, point);
    return {
      rows,
      verified: [verified],
      absent: [],
      plots: [
        {
          kind: "lines",
          title: "Median latency of a commit over the nodes its session holds",
          metric: "p50",
          xLabel: "nodes in the session",
          xScale: "log",
          yScale: "linear",
        },
      ],
    };
  },
};
