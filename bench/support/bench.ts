/**
 * What a bench is and what it answers: one question, measured in interleaved rounds beside a baseline, as plain
 * data that a table, a file or a report can show. Types only. Invariants:
 *  1. Every row names what a power loss may take from that subject: figures of different promises never stand
 *     side by side unsaid.
 *  2. A ratio is taken inside one round and then the median of rounds, never between medians of two runs.
 */
import type { MachineFacts } from "./machine.ts";

export interface Bench {
  /** As on the command line; the name of its file. */
  readonly name: string;
  readonly question: string;
  /** What the other rows are beside. */
  readonly baseline: string;
  readonly notMeasured: string;
  run(run: BenchRun): Promise<Measured>;
}

export interface BenchRun {
  /** "small" shows in about a second that the bench works; its figures mean nothing. */
  readonly size: "full" | "small";
  /** An empty directory of this bench on the disk that is measured. */
  readonly directory: string;
  readonly rounds: number;
  /** One line of progress. */
  readonly say: (line: string) => void;
}

export interface Measured {
  readonly rows: readonly Row[];
  /** What was read back and found right, in words. */
  readonly verified: readonly string[];
  /** Peers that could not be loaded, one line each. */
  readonly absent: readonly string[];
  readonly plots: readonly PlotSpec[];
  /** Further lines under the table. */
  readonly notes?: readonly string[];
  /** Only the table of requirements has these. */
  readonly requirements?: readonly Requirement[];
}

export interface BenchResult extends Measured {
  readonly name: string;
  readonly question: string;
  readonly baseline: string;
  readonly notMeasured: string;
  readonly seconds: number;
  readonly rounds: number;
  /** Why the figures of this bench should not be trusted; empty when there is no reason known. */
  readonly doubts: readonly string[];
}

export interface Run {
  readonly startedAt: string;
  readonly size: "full" | "small";
  readonly machine: MachineFacts;
  readonly results: readonly BenchResult[];
}

/** One subject at one point of the question. */
export interface Row {
  readonly subject: string;
  readonly durability: string;
  /** The point, in words: "64 committers". */
  readonly at: string;
  /** The same as a number, for plots. */
  readonly x: number;
  readonly isBaseline: boolean;
  readonly figures: Readonly<Partial<Record<Metric, Figure>>>;
  /** Latency over all rounds: share in percent, microseconds. */
  readonly percentiles?: readonly (readonly [percent: number, micros: number])[];
  /** Why this row should not be trusted. */
  readonly doubt?: string;
}

export interface Figure {
  readonly median: number;
  /** Second lowest and second highest of the rounds where there are five, else lowest and highest. */
  readonly low: number;
  readonly high: number;
  readonly rounds: readonly number[];
  /** To the baseline at the same point: median over rounds of the ratio inside the round. */
  readonly ratio?: number;
}

export interface Requirement {
  readonly what: string;
  readonly beside: string;
  /** As text: "p50 ≤ 1.05×". */
  readonly required: string;
  readonly measured: string;
  /** The bare prototype without sessions in the same run. */
  readonly prototype: string;
  readonly verdict: "met" | "missed" | "missed, and by the prototype too" | "not measured";
}

/** Every figure a row may hold, with its unit and which way is better. */
export const METRICS = {
  rate: { label: "commits/s", unit: "per second", better: "higher" },
  p50: { label: "p50 µs", unit: "µs", better: "lower" },
  p90: { label: "p90 µs", unit: "µs", better: "lower" },
  p99: { label: "p99 µs", unit: "µs", better: "lower" },
  p999: { label: "p99.9 µs", unit: "µs", better: "lower" },
  max: { label: "max µs", unit: "µs", better: "lower" },
  perSync: { label: "commits/sync", unit: "commits", better: "higher" },
  mibPerSecond: { label: "MiB/s", unit: "MiB/s", better: "higher" },
  millis: { label: "ms", unit: "ms", better: "lower" },
  bytesPerSession: { label: "bytes/session", unit: "bytes", better: "lower" },
  reportedBytes: { label: "reported bytes", unit: "bytes", better: "lower" },
  writtenPerByte: { label: "written/byte", unit: "bytes per byte", better: "lower" },
  storedPerByte: { label: "on disk/byte", unit: "bytes per byte", better: "lower" },
  stallMillis: { label: "longest stall ms", unit: "ms", better: "lower" },
  busyMillis: { label: "took ms", unit: "ms", better: "lower" },
  rssMib: { label: "process MiB", unit: "MiB", better: "lower" },
  diskMib: { label: "on disk MiB", unit: "MiB", better: "lower" },
} as const satisfies Record<string, { label: string; unit: string; better: "higher" | "lower" }>;

export type Metric = keyof typeof METRICS;

/** A plot drawn from the rows of the same result. */
export type PlotSpec =
  | {
      readonly kind: "lines";
      readonly title: string;
      readonly metric: Metric;
      readonly xLabel: string;
      readonly xScale: "log" | "linear";
      readonly yScale: "log" | "linear";
    }
  | { readonly kind: "percentiles"; readonly title: string; readonly at: string }
  | { readonly kind: "dots"; readonly title: string; readonly metric: Metric };
