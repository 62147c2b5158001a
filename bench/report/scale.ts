/** From values to places on an axis, and the values worth a tick. Pure numbers; nothing is drawn here. */

export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Ticks of a linear axis: about so many. */
const LINEAR_TICKS = 5;
/** Decades above which only powers of ten are marked. */
const MANY_DECADES = 2.2;

export function logScale(values: readonly number[], place: Span): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const low = Math.log10(Math.min(...positive, 1e12));
  const high = Math.log10(Math.max(...positive, 1e-12));
  // Some air, so that no point sits on the frame.
  const air = Math.max(0.06, (high - low) * 0.05);
  const [from, to] = [low - air, high + air];
  const at = (value: number): number =>
    place.from + ((Math.log10(Math.max(value, 1e-12)) - from) / (to - from)) * (place.to - place.from);
  const steps = to - from > MANY_DECADES ? [1] : to - from > 1 ? [1, 3] : [1, 1.5, 2, 3, 5, 7];
  const ticks: number[] = [];
  for (let decade = Math.floor(from); decade <= Math.ceil(to); decade += 1) {
    for (const step of steps) {
      const tick = step * 10 ** decade;
      if (Math.log10(tick) >= from && Math.log10(tick) <= to) ticks.push(tick);
    }
  }
  return { at, ticks };
}

/** From zero, because a length that is shown should be to scale. */
export function linearScale(values: readonly number[], place: Span): Scale {
  const most = Math.max(...values.filter(Number.isFinite), 0) || 1;
  const rough = most / LINEAR_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const to = most * 1.05;
  const ticks: number[] = [];
  for (let tick = 0; tick <= to; tick += step) ticks.push(Number(tick.toPrecision(6)));
  return { at: (value) => place.from + (value / to) * (place.to - place.from), ticks };
}

/** Percentiles by how many nines they have: 90 and 99 are as far apart as 99 and 99.9. */
export function percentileScale(most: number, place: Span): Scale {
  const nines = (percent: number): number => -Math.log10(1 - Math.min(percent, 99.9999) / 100);
  const to = nines(most) * 1.02 || 1;
  const ticks = [50, 90, 99, 99.9, 99.99, 99.999].filter((percent) => percent <= most);
  return { at: (percent) => place.from + (nines(percent) / to) * (place.to - place.from), ticks };
}
