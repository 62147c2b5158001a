/**
 * Regression watch: ratios to the baseline of the same run against a committed file of expected ones. Never
 * absolute times, which say more about the machine than about the change. A row that the file does not name is
 * new, and no fault.
 */
import { type BenchResult, METRICS, type Metric } from "./bench.ts";

export interface Expected {
  /** Which share worse than expected is still no regression. */
  readonly tolerance: number;
  /** "bench / point / subject / metric" → ratio. */
  readonly ratios: Readonly<Record<string, number>>;
}

export interface Watched {
  readonly key: string;
  readonly expected: number;
  readonly found: number;
  readonly verdict: "as expected" | "better" | "worse";
}

/** The middle only: tails vary too much for a limit that would mean something. */
const WATCHED: readonly Metric[] = ["rate", "p50", "millis", "bytesPerSession", "writtenPerByte"];
const DEFAULT_TOLERANCE = 0.25;

export function ratiosOf(results: readonly BenchResult[]): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const { name, rows } of results) {
    for (const row of rows) {
      if (row.isBaseline || !row.subject.startsWith("varve")) continue;
      for (const metric of WATCHED) {
        const ratio = row.figures[metric]?.ratio;
        if (ratio === undefined) continue;
        ratios[`${name} / ${row.at} / ${row.subject} / ${metric}`] = Number(ratio.toFixed(3));
      }
    }
  }
  return ratios;
}

export function expectedFrom(results: readonly BenchResult[], old: Expected | undefined): Expected {
  const ratios = { ...old?.ratios, ...ratiosOf(results) };
  return { tolerance: old?.tolerance ?? DEFAULT_TOLERANCE, ratios };
}

export function watch(results: readonly BenchResult[], expected: Expected): Watched[] {
  const found = ratiosOf(results);
  return Object.entries(expected.ratios).flatMap(([key, ratio]) => {
    const now = found[key];
    return now === undefined
      ? []
      : [{ key, expected: ratio, found: now, verdict: verdictOf(key, ratio, now, expected) }];
  });
}

function verdictOf(
  key: string,
  expected: number,
  found: number,
  { tolerance }: Expected,
): Watched["verdict"] {
  const metric = (key.split(" / ").at(-1) ?? "") as Metric;
  const change = METRICS[metric].better === "higher" ? expected / found : found / expected;
  if (change > 1 + tolerance) return "worse";
  return change < 1 / (1 + tolerance) ? "better" : "as expected";
}
