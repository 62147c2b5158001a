/**
 * How large may a commit be? One committer, messages from 1 KB to 8 MiB (a commit may write 16 MiB), each beside
 * the raw write and sync of as many bytes.
 */
import { rawWrite } from "./subjects/raw-write.ts";
import { varve } from "./subjects/varve.ts";
import type { Bench, Row } from "./support/bench.ts";
import { measureCommitters } from "./support/committers.ts";
import { pick, sized } from "./support/sizes.ts";

const KIB = 1024;

export const commitSize: Bench = {
  name: "commit-size",
  question: "How large may a commit be?",
  baseline: "a synchronous write and fdatasync of as many packed bytes into a preallocated file",
  notMeasured:
    "Commits refused for their size (above 16 MiB, `maxCommitBytes`), values of the checkpoint (up to 256 MiB, sent as frames of 1 MiB), what a large commit does to small ones beside it.",
  async run(run) {
    const rows: Row[] = [];
    const verified: string[] = [];
    for (const kib of pick(run, [1, 16, 64, 256, 1024, 8192], [1, 64])) {
      const chars = kib === 1 ? undefined : kib * KIB;
      const shape = chars === undefined ? {} : { chars };
      const measured = await measureCommitters(
        run,
        [
          { open: rawWrite("preallocated", { ...shape, bytes: pick(run, 128, 8) << 20 }), isBaseline: true },
          { open: varve(sized(run), shape) },
        ],
        {
          at: kib < KIB ? `${kib} KiB` : `${kib / KIB} MiB`,
          x: kib,
          committers: 1,
          roundMillis: pick(run, 700, 20),
        },
      );
      rows.push(
        ...measured.rows.map((row) => {
          const { rate } = row.figures;
          if (rate === undefined) return row;
          const scale = (value: number): number => (value * kib) / KIB;
          const mibPerSecond = {
            ...rate,
            median: scale(rate.median),
            low: scale(rate.low),
            high: scale(rate.high),
            rounds: rate.rounds.map(scale),
          };
          return { ...row, figures: { ...row.figures, mibPerSecond } };
        }),
      );
      verified.push(measured.verified);
    }
    const axes = { xLabel: "KiB of one commit", xScale: "log", yScale: "log" } as const;
    return {
      rows,
      verified,
      absent: [],
      plots: [
        { kind: "lines", title: "Median latency over the size of a commit", metric: "p50", ...axes },
        { kind: "lines", title: "Bytes made durable per second", metric: "mibPerSecond", ...axes },
      ],
    };
  },
};
