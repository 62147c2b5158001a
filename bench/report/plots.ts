/**
 * The three kinds of plot as SVG: lines over the points of the question, latency by percentile, dots per subject.
 * Drawn by hand, because a report is one file that needs no script, and these three are all it has.
 */
import { type BenchResult, METRICS, type Metric, type PlotSpec, type Row } from "../support/bench.ts";
import { AREA, figure, frame, HEIGHT, names, WIDTH } from "./frame.ts";
import { type Look, looksOf } from "./looks.ts";
import { amount, count } from "./numbers.ts";
import { linearScale, logScale, percentileScale, type Span } from "./scale.ts";
import { element, escapeText, textElement } from "./svg.ts";

const ACROSS: Span = { from: AREA.left, to: AREA.right };
const UPWARDS: Span = { from: AREA.bottom, to: AREA.top };

/** Undefined when the result has nothing for it. */
export function plot(spec: PlotSpec, result: BenchResult): string | undefined {
  if (spec.kind === "lines") return lines(spec, result.rows);
  if (spec.kind === "percentiles") return percentiles(spec, result.rows);
  return dots(spec, result.rows);
}

function lines(spec: PlotSpec & { kind: "lines" }, rows: readonly Row[]): string | undefined {
  const { metric } = spec;
  const shown = rows.filter((row) => row.figures[metric] !== undefined);
  if (shown.length === 0) return undefined;
  const scaleOf = (kind: "log" | "linear") => (kind === "log" ? logScale : linearScale);
  const xs = shown.map((row) => row.x);
  const x = scaleOf(spec.xScale)(xs, ACROSS);
  const y = scaleOf(spec.yScale)(
    shown.flatMap((row) => [row.figures[metric]?.low ?? 0, row.figures[metric]?.high ?? 0]),
    UPWARDS,
  );
  const looks = looksOf(shown);
  const ends = [];
  const parts: string[] = [];
  for (const [subject, look] of drawn(looks)) {
    const own = shown.filter((row) => row.subject === subject).sort((a, b) => a.x - b.x);
    const points = own.map((row) => ({ row, x: x.at(row.x), y: y.at(row.figures[metric]?.median ?? 0) }));
    parts.push(polyline(points, look));
    for (const { row, x: at, y: level } of points) {
      const { median = 0, low = 0, high = 0 } = row.figures[metric] ?? {};
      parts.push(
        element("line", { class: `range ${look.color}`, x1: at, x2: at, y1: y.at(low), y2: y.at(high) }),
        dot(at, level, look, `${subject}, ${row.at}: ${amount(median, METRICS[metric].unit)}`),
      );
    }
    const last = points.at(-1);
    if (last !== undefined) ends.push({ name: subject, look, x: last.x, y: last.y });
  }
  // The measured points themselves are the best ticks of a log axis.
  const ticks = spec.xScale === "log" ? [...new Set(xs)] : x.ticks;
  const around = frame({
    x: { ...x, ticks },
    y,
    xTick: count,
    yTick: (value) => amount(value, METRICS[metric].unit),
    xLabel: spec.xLabel,
  });
  return figure(spec.title, HEIGHT, around + parts.join("") + names(ends));
}

function percentiles(spec: PlotSpec & { kind: "percentiles" }, rows: readonly Row[]): string | undefined {
  const shown = rows.filter((row) => row.at === spec.at && (row.percentiles?.length ?? 0) > 1);
  if (shown.length === 0) return undefined;
  const all = shown.flatMap(curveOf);
  const x = percentileScale(Math.max(...all.map(([percent]) => percent)), ACROSS);
  const y = logScale(
    all.map(([, micros]) => micros),
    UPWARDS,
  );
  const looks = looksOf(shown);
  const ends = [];
  const parts: string[] = [];
  for (const [subject, look] of drawn(looks)) {
    const curve = curveOf(shown.find((row) => row.subject === subject));
    const points = curve.map(([percent, micros]) => ({ percent, micros, x: x.at(percent), y: y.at(micros) }));
    parts.push(polyline(points, look));
    for (const { percent, micros, x: at, y: level } of points) {
      parts.push(dot(at, level, look, `${subject}, p${percent}: ${amount(micros, "µs")}`));
    }
    const last = points.at(-1);
    if (last !== undefined) ends.push({ name: subject, look, x: last.x, y: last.y });
  }
  const around = frame({
    x,
    y,
    xTick: (percent) => `p${percent}`,
    yTick: (micros) => amount(micros, "µs"),
    xLabel: "percentile of latency",
  });
  return figure(spec.title, HEIGHT, around + parts.join("") + names(ends));
}

/** From where a curve says something: the least is luck. */
function curveOf(row: Row | undefined): (readonly [percent: number, micros: number])[] {
  return (row?.percentiles ?? []).filter(([percent]) => percent >= 10);
}

const DOTS = { left: 236, right: 550, line: 24, top: 8 } as const;

/** One line a row, log scale, the spread of rounds as a bar through the dot. */
function dots(spec: PlotSpec & { kind: "dots" }, rows: readonly Row[]): string | undefined {
  const { metric } = spec;
  const shown = rows.filter((row) => row.figures[metric] !== undefined);
  if (shown.length === 0) return undefined;
  const x = logScale(
    shown.flatMap((row) => [row.figures[metric]?.low ?? 0, row.figures[metric]?.high ?? 0]),
    { from: DOTS.left, to: DOTS.right },
  );
  const looks = looksOf(shown);
  const groups = [...new Set(shown.map((row) => row.at))];
  const parts: string[] = [];
  let at = DOTS.top;
  for (const group of groups) {
    if (groups.length > 1) {
      at += DOTS.line;
      parts.push(textElement(group, { x: 8, y: at - 7, class: "group" }));
    }
    for (const row of inOrder(shown, group, metric)) {
      const look = looks.get(row.subject);
      const found = row.figures[metric];
      if (look === undefined || found === undefined) continue;
      const level = at + DOTS.line / 2;
      const text = amount(found.median, METRICS[metric].unit);
      parts.push(
        element("line", { class: "grid", x1: DOTS.left, x2: DOTS.right, y1: level, y2: level }),
        textElement(row.subject, {
          x: DOTS.left - 10,
          y: level + 4,
          class: `name end ${look.isStrong ? "strong blue" : ""}`,
        }),
        element("line", {
          class: `range wide ${look.color}`,
          x1: x.at(found.low),
          x2: x.at(found.high),
          y1: level,
          y2: level,
        }),
        dot(x.at(found.median), level, look, `${row.subject}, ${row.at}: ${text}`, 5),
        textElement(text, { x: WIDTH - 8, y: level + 4, class: "tick end" }),
      );
      at += DOTS.line;
    }
  }
  for (const value of x.ticks) {
    const place = x.at(value);
    parts.unshift(element("line", { class: "grid", x1: place, x2: place, y1: DOTS.top, y2: at }));
    parts.push(
      textElement(amount(value, METRICS[metric].unit), { x: place, y: at + 16, class: "tick middle" }),
    );
  }
  return figure(spec.title, at + 26, parts.join(""));
}

/** Best first. */
function inOrder(rows: readonly Row[], at: string, metric: Metric): Row[] {
  const direction = METRICS[metric].better === "higher" ? -1 : 1;
  const value = (row: Row): number => row.figures[metric]?.median ?? 0;
  return rows.filter((row) => row.at === at).sort((a, b) => direction * (value(a) - value(b)));
}

/** The store last, so that it lies on top. */
function drawn(looks: ReadonlyMap<string, Look>): [string, Look][] {
  return [...looks].sort(([, a], [, b]) => Number(a.isStrong) - Number(b.isStrong));
}

function polyline(points: readonly { x: number; y: number }[], look: Look): string {
  const path = points
    .map(({ x, y }, at) => `${at === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`)
    .join("");
  return element("path", { d: path, class: `line ${look.color}${classes(look)}` });
}

function dot(x: number, y: number, look: Look, title: string, radius = look.isStrong ? 3.6 : 2.8): string {
  return element(
    "circle",
    { cx: x, cy: y, r: radius, class: `dot ${look.color}${classes(look)}` },
    `<title>${escapeText(title)}</title>`,
  );
}

function classes(look: Look): string {
  return `${look.isStrong ? " strong" : ""}${look.isHollow ? " hollow" : ""}`;
}
