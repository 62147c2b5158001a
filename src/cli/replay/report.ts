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

/** What happened in the background, from opening to closed. */
export interface JobReport {
  readonly count: number;
  /** Not asked for by a call. */
  readonly automatic: number;
  readonly failed: number;
  readonly longestMs: number;
}
export type SnapshotReport = JobReport & { readonly foldedBytes: number };
export type GcSummary = JobReport & { readonly deletedBlobs: number; readonly freedBytes: number };

export type LogReport = StoreStats["log"] & { readonly commitsPerSync: number };
export type StorageReport = Pick<
  StoreStats["snapshot"],
  "headsFiles" | "headsBytes" | "packs" | "packBytes" | "deadBytes"
>;

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
  /** Counted until the store was told to close. */
  log?: LogReport;
  snapshots?: SnapshotReport;
  gc?: GcSummary;
  reopened?: ReopenReport;
  /** As found by the reopening. */
  storage?: StorageReport;
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

export function logReport({ commits, log }: StoreStats): LogReport {
  return { ...log, commitsPerSync: log.syncs === 0 ? 0 : commits / log.syncs };
}

export function storageReport({ snapshot }: StoreStats): StorageReport {
  const { headsFiles, headsBytes, packs, packBytes, deadBytes } = snapshot;
  return { headsFiles, headsBytes, packs, packBytes, deadBytes };
}

export function snapshotReport(events: readonly StoreEvent[]): SnapshotReport {
  const done = events.filter((event) => event.type === "snapshot");
  const failed = events.filter((event) => event.type === "snapshotFailed").length;
  const foldedBytes = done.reduce((sum, event) => sum + event.foldedBytes, 0);
  return { ...jobReport(done, failed), foldedBytes };
}

export function gcSummary(events: readonly StoreEvent[]): GcSummary {
  const done = events.filter((event) => event.type === "gc");
  const failed = events.filter((event) => event.type === "gcFailed").length;
  const deletedBlobs = done.reduce((sum, event) => sum + event.report.deletedBlobCount, 0);
  const freedBytes = done.reduce((sum, event) => sum + event.freedBytes, 0);
  return { ...jobReport(done, failed), deletedBlobs, freedBytes };
}

function jobReport(
  done: readonly { readonly reason: string; readonly durationMs: number }[],
  failed: number,
): JobReport {
  const automatic = done.filter((event) => event.reason !== "call").length;
  const longestMs = Math.max(0, ...done.map((event) => event.durationMs));
  return { count: done.length, automatic, failed, longestMs };
}
