/** Holds ratios between two rows of one interleaved run against what is demanded, and the prototype against the same. */
import type { Metric, Requirement, Row } from "./bench.ts";
import { figureOf } from "./rounds.ts";

export interface Demand {
  readonly at: string;
  readonly metric: Metric;
  readonly of: string;
  readonly beside: string;
  readonly most?: number;
  readonly least?: number;
  /** Two rows of the prototype, where it is not simply put in the place of `of`. */
  readonly prototype?: readonly [of: string, beside: string];
}

export function judge(demand: Demand, rows: readonly Row[], prototype: string): Requirement {
  const { at, metric, of, beside } = demand;
  const found = ratioOf(rows, at, metric, of, beside);
  const [prototypeOf, prototypeBeside] = demand.prototype ?? [prototype, beside];
  const limit = ratioOf(rows, at, metric, prototypeOf, prototypeBeside);
  const bound = demand.most === undefined ? `≥ ${demand.least}×` : `≤ ${demand.most}×`;
  return {
    what: at,
    beside,
    required: `${metric === "rate" ? "rate" : metric} ${bound}`,
    measured: found === undefined ? "–" : `${show(found.median)} (${show(found.low)}–${show(found.high)})`,
    prototype: limit === undefined ? "–" : show(limit.median),
    verdict: verdictOf(demand, found?.median, limit?.median),
  };
}

function verdictOf(
  demand: Demand,
  found: number | undefined,
  limit: number | undefined,
): Requirement["verdict"] {
  if (found === undefined) return "not measured";
  const meets = (ratio: number): boolean =>
    demand.most === undefined ? ratio >= (demand.least ?? 0) : ratio <= demand.most;
  if (meets(found)) return "met";
  return limit === undefined || meets(limit) ? "missed" : "missed, and by the prototype too";
}

/** Over the rounds, ratio inside each. */
function ratioOf(rows: readonly Row[], at: string, metric: Metric, of: string, beside: string) {
  const roundsOf = (subject: string) =>
    rows.find((row) => row.at === at && row.subject === subject)?.figures[metric]?.rounds;
  const [upper, lower] = [roundsOf(of), roundsOf(beside)];
  if (upper === undefined || lower === undefined) return undefined;
  return figureOf(upper.map((value, round) => value / (lower[round] ?? Number.NaN)));
}

function show(ratio: number): string {
  return ratio >= 10 ? `${ratio.toFixed(0)}×` : `${ratio.toFixed(2)}×`;
}
