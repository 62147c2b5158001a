/** Numbers for people: three digits that mean something, thousands apart. */

export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(size >= 0.1 || size === 0 ? 2 : 3);
}

/** For axes: 1k, 20k, 3M. */
export function tick(value: number): string {
  if (value >= 1e6) return `${trim(value / 1e6)}M`;
  if (value >= 1e3) return `${trim(value / 1e3)}k`;
  return trim(value);
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

export function ratio(value: number | undefined): string {
  if (value === undefined) return "";
  return value >= 10 ? `${value.toFixed(0)}×` : `${value.toFixed(2)}×`;
}
