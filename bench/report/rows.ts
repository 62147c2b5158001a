/** The cells of a result's table, the same for the terminal, Markdown and HTML. */
import { type BenchResult, METRICS, type Metric, type Row } from "../support/bench.ts";
import { ratio, short } from "./numbers.ts";

export interface Cells {
  readonly head: readonly string[];
  readonly body: readonly (readonly string[])[];
}

/** Columns left out of tables; they are in the JSON. */
const HIDDEN: readonly Metric[] = ["p90", "max"];

export function cellsOf(result: BenchResult): Cells {
  const metrics = (Object.keys(METRICS) as Metric[]).filter(
    (metric) => !HIDDEN.includes(metric) && result.rows.some((row) => row.figures[metric] !== undefined),
  );
  const compared = comparedMetric(result);
  const head = [
    "",
    "subject",
    ...metrics.map((metric) => METRICS[metric].label),
    ...(compared === undefined ? [] : [`${METRICS[compared].label} to baseline`, "rounds"]),
    "a power loss",
    "",
  ];
  const body = result.rows.map((row) => [
    row.at,
    row.subject,
    ...metrics.map((metric) => cell(row, metric)),
    ...(compared === undefined ? [] : [compareCell(row, compared), spread(row, compared)]),
    row.durability,
    row.doubt === undefined ? "" : `? ${row.doubt}`,
  ]);
  return { head, body };
}

/** What the first plot shows: the figure that the question is about. */
export function comparedMetric({ plots }: BenchResult): Metric | undefined {
  const [first] = plots;
  if (first === undefined) return undefined;
  return first.kind === "percentiles"
    ? plots.length > 1 && plots[1]?.kind === "dots"
      ? plots[1].metric
      : "p99"
    : first.metric;
}

function cell(row: Row, metric: Metric): string {
  const figure = row.figures[metric];
  return figure === undefined ? "" : short(figure.median);
}

function compareCell(row: Row, metric: Metric): string {
  return row.isBaseline ? "baseline" : ratio(row.figures[metric]?.ratio);
}

/** The middle rounds, so that a median is not read as more than it is. */
function spread(row: Row, metric: Metric): string {
  const figure = row.figures[metric];
  return figure === undefined ? "" : `${short(figure.low)}–${short(figure.high)}`;
}

export function requirementCells(result: BenchResult): Cells | undefined {
  if (result.requirements === undefined) return undefined;
  return {
    head: ["load", "beside", "required", "measured (rounds)", "prototype", ""],
    body: result.requirements.map((one) => [
      one.what,
      one.beside,
      one.required,
      one.measured,
      one.prototype,
      one.verdict,
    ]),
  };
}
