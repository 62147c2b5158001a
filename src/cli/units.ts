/** Figures as people read them: three digits and a unit. */

export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : threeDigits(value)} ${units[unit]}`;
}

export function milliseconds(value: number): string {
  if (value >= 60_000) return `${threeDigits(value / 60_000)} min`;
  if (value >= 1_000) return `${threeDigits(value / 1_000)} s`;
  return value >= 1 || value === 0 ? `${threeDigits(value)} ms` : `${Math.round(value * 1_000)} µs`;
}

export function rate(perSecond: number): string {
  return Math.round(perSecond).toLocaleString("en-US");
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${value.toLocaleString("en-US")} ${value === 1 ? one : many}`;
}

function threeDigits(value: number): string {
  if (value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(value === 0 ? 0 : 2);
}
