/**
 * Interleaved rounds: inside each round every subject has its turn, in an order that moves on from round to
 * round, so that a slow minute of the machine hits all of them. Figures are medians over rounds, ratios are
 * taken inside a round. One warm-up round is thrown away.
 */
import type { BenchRun, Figure, Metric, Row } from "./bench.ts";
import { Latency } from "./latency.ts";

export interface Case {
  readonly subject: string;
  readonly durability: string;
  readonly at: string;
  readonly x: number;
  readonly isBaseline?: boolean;
  /** One turn; untimed tidying may follow inside. */
  measure(): Promise<Sample>;
}

export interface Sample {
  readonly figures: Readonly<Partial<Record<Metric, number>>>;
  readonly latency?: Latency;
}

/** Spread of the middle rounds against the median above which a row is marked. */
const MAX_SPREAD = 0.3;

/** Cases of one point of the question; the baseline is the one marked, at most one. */
export async function interleave(
  run: BenchRun,
  cases: readonly Case[],
  options: { warmUp?: number } = {},
): Promise<Row[]> {
  const warmUp = run.size === "small" ? 0 : (options.warmUp ?? 1);
  const samples = cases.map((): Sample[] => []);
  for (let round = -warmUp; round < run.rounds; round += 1) {
    for (const at of turnsOf(round + warmUp, cases.length)) {
      const sample = await cases[at]?.measure();
      if (sample !== undefined && round >= 0) samples[at]?.push(sample);
    }
  }
  const base = cases.findIndex((one) => one.isBaseline === true);
  return cases.map((one, index) => rowOf(one, samples[index] ?? [], base < 0 ? undefined : samples[base]));
}

/** 0, 1, 2 … then 1, 2, 0 … */
function turnsOf(round: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => (index + round) % count);
}

function rowOf(one: Case, samples: readonly Sample[], base: readonly Sample[] | undefined): Row {
  const figures: Partial<Record<Metric, Figure>> = {};
  const latency = new Latency();
  for (const sample of samples) if (sample.latency !== undefined) latency.add(sample.latency);
  const metrics = Object.keys(samples[0]?.figures ?? {}) as Metric[];
  for (const metric of metrics) {
    const rounds = samples.map((sample) => sample.figures[metric] ?? 0);
    const ratios = samples.map((sample, round) => {
      const beside = base?.[round]?.figures[metric];
      return beside === undefined || beside === 0 ? Number.NaN : (sample.figures[metric] ?? 0) / beside;
    });
    figures[metric] = figureOf(rounds, ratios.some(Number.isNaN) ? undefined : median(ratios));
  }
  const doubt = doubtOf(figures);
  return {
    subject: one.subject,
    durability: one.durability,
    at: one.at,
    x: one.x,
    isBaseline: one.isBaseline === true,
    figures,
    ...(latency.count > 0 ? { percentiles: latency.curve() } : {}),
    ...(doubt === undefined ? {} : { doubt }),
  };
}

export function figureOf(rounds: readonly number[], ratio?: number): Figure {
  const sorted = [...rounds].sort((a, b) => a - b);
  const cut = sorted.length >= 5 ? 1 : 0;
  return {
    median: median(sorted),
    low: sorted[cut] ?? 0,
    high: sorted[sorted.length - 1 - cut] ?? 0,
    rounds: [...rounds],
    ...(ratio === undefined ? {} : { ratio }),
  };
}

/** The middle is what is held to a spread; tails vary by nature. */
function doubtOf(figures: Partial<Record<Metric, Figure>>): string | undefined {
  for (const metric of ["rate", "p50", "millis"] as const) {
    const figure = figures[metric];
    if (figure === undefined || figure.median === 0 || figure.rounds.length < 3) continue;
    const spread = (figure.high - figure.low) / figure.median;
    if (spread > MAX_SPREAD) return `rounds differ by ${Math.round(spread * 100)} %`;
  }
  return undefined;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
