/**
 * What does each sync policy cost, and what does it give away? The store with "always", "interval" and "never",
 * one committer and 64, beside the raw write with its sync and JSONL without one.
 */
import { jsonl } from "./subjects/jsonl.ts";
import { rawWrite } from "./subjects/raw-write.ts";
import { varve } from "./subjects/varve.ts";
import type { Bench, Row } from "./support/bench.ts";
import { measureCommitters } from "./support/committers.ts";
import { commitPeers } from "./support/peers-of-commits.ts";
import { pick, sized, zeros } from "./support/sizes.ts";

export const syncPolicy: Bench = {
  name: "sync-policy",
  question: "What does each sync policy cost?",
  baseline: 'the store itself with sync: "always"',
  notMeasured:
    "What a power loss really takes: docs/durability.md says how that is tested. Writes that a policy leaves to the kernel reach the disk between rounds or later, so sustained rates are lower than these.",
  async run(run) {
    const peers = await commitPeers(["sqliteNormal"]);
    const rows: Row[] = [];
    const verified: string[] = [];
    for (const committers of [1, 64]) {
      const measured = await measureCommitters(
        run,
        [
          { open: varve({ ...sized(run), sync: "always" }, { name: 'varve, "always"' }), isBaseline: true },
          { open: varve({ ...sized(run), sync: "interval" }, { name: 'varve, "interval" 100 ms' }) },
          { open: varve({ ...sized(run), sync: "never" }, { name: 'varve, "never"' }) },
          { open: rawWrite("preallocated", { bytes: zeros(run) / 8 }) },
          ...peers.entries,
          { open: jsonl("none") },
        ],
        {
          at: committers === 1 ? "1 committer" : `${committers} committers`,
          x: committers,
          committers,
          roundMillis: pick(run, 700, 20),
        },
      );
      rows.push(...measured.rows);
      verified.push(measured.verified);
    }
    return {
      rows,
      verified,
      absent: peers.absent,
      plots: [{ kind: "dots", title: "Median latency by sync policy", metric: "p50" }],
    };
  },
};
