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

/** Counts that people know by heart: 1,024 and not 1.02k. */
export function count(value: number): string {
  return value >= 10_000 ? tick(value) : value.toLocaleString("en");
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

export function ratio(value: number | undefined): string {
  if (value === undefined) return "";
  return value >= 10 ? `${value.toFixed(0)}×` : `${value.toFixed(2)}×`;
}

/** With its unit, in the size of unit that suits it. */
export function amount(value: number, unit: string): string {
  if (unit === "µs") return scaled(value, TIMES);
  if (unit === "ms") return scaled(value * 1e3, TIMES);
  if (unit === "bytes") return scaled(value, BYTES);
  if (unit === "MiB") return scaled(value * 2 ** 20, BYTES);
  if (unit === "per second") return `${tick(value)}/s`;
  if (unit === "bytes per byte") return `${trim(value)}×`;
  return `${tick(value)} ${unit}`;
}

const TIMES = [
  [1e6, "s"],
  [1e3, "ms"],
  [0, "µs"],
] as const;
const BYTES = [
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
  [0, "B"],
] as const;

function scaled(value: number, units: readonly (readonly [least: number, name: string])[]): string {
  const [least, name] = units.find(([from]) => value >= from * 0.9995) ?? [0, ""];
  return `${trim(least === 0 ? value : value / least)} ${name}`;
}
