/**
 * What a replay has to say at the end, as plain data. `--json` prints it as it is; `report-text.ts` makes it
 * readable. Durations are milliseconds, sizes bytes.
 */
import type { StoreEvent, StoreStats, SyncPolicy } from "../../contract.ts";
import type { ComparedCounts } from "./found.ts";
import type { Histogram, HistogramRow } from "./histogram.ts";
import type { PlayCounts } from "./play.ts";
import type { InputProblem } from "./transcript.ts";

export type Outcome = "verified" | "failed" | "interrupted";

export interface LatencyReport {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly histogram: readonly HistogramRow[];
}

export interface SnapshotReport {
  readonly count: number;
  readonly automatic: number;
  readonly failed: number;
  readonly foldedBytes: number;
  readonly longestMs: number;
}

export interface GcSummary {
  readonly count: number;
  readonly automatic: number;
  readonly failed: number;
  readonly deletedBlobs: number;
  readonly freedBytes: number;
  readonly longestMs: number;
}

export interface StoreReport {
  readonly log: StoreStats["log"] & { readonly commitsPerSync: number };
  readonly storage: Pick<
    StoreStats["snapshot"],
    "headsFiles" | "headsBytes" | "packs" | "packBytes" | "deadBytes"
  >;
  readonly snapshots: SnapshotReport;
  readonly gc: GcSummary;
}

export interface ReopenReport {
  readonly cleanClose: boolean;
  readonly replayedRecords: number;
  readonly replayedBytes: number;
  readonly tornBytes: number;
  readonly durationMs: number;
}

export interface ReplayReport {
  outcome: Outcome;
  readonly directory: string;
  readonly temporary: boolean;
  readonly sync: SyncPolicy;
  readonly input: readonly string[];
  readonly sessions: number;
  readonly inputProblems: readonly InputProblem[];
  /** What was there before; absent for a fresh store. */
  resumed?: { sessions: number; commits: number; foreignSessions: number; recovery: ReopenReport };
  played?: PlayCounts & { durationMs: number; commitsPerSecond: number };
  latencyMs?: LatencyReport;
  store?: StoreReport;
  /** Each time the store was opened to be verified. */
  reopened?: ReopenReport;
  compared?: ComparedCounts;
  /** What a default run must show but did not happen. */
  readonly missing: string[];
  /** What is wrong; empty in a verified run. */
  readonly problems: string[];
}

export function latencyReport(latency: Histogram): LatencyReport {
  const at = (share: number) => latency.percentileMicros(share) / 1_000;
  return {
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    max: latency.maxMicros / 1_000,
    histogram: latency.rows(),
  };
}

/** Figures of one opening of the store: its own counters, and the durations its events told. */
export function storeReport(stats: StoreStats, events: readonly StoreEvent[]): StoreReport {
  const { count, automatic, failed, headsFiles, headsBytes, packs, packBytes, deadBytes } = stats.snapshot;
  const { log, gc } = stats;
  const snapshots = events.filter((event) => event.type === "snapshot");
  const gcs = events.filter((event) => event.type === "gc");
  return {
    log: { ...log, commitsPerSync: log.syncs === 0 ? 0 : stats.commits / log.syncs },
    storage: { headsFiles, headsBytes, packs, packBytes, deadBytes },
    snapshots: {
      count,
      automatic,
      failed,
      foldedBytes: snapshots.reduce((sum, event) => sum + event.foldedBytes, 0),
      longestMs: Math.max(0, ...snapshots.map((event) => event.durationMs)),
    },
    gc: {
      count: gc.count,
      automatic: gc.automatic,
      failed: gc.failed,
      deletedBlobs: gc.deletedBlobs,
      freedBytes: gc.freedBytes,
      longestMs: Math.max(0, ...gcs.map((event) => event.durationMs)),
    },
  };
}
