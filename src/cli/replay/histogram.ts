/**
 * Counts durations in buckets whose width grows with the value, so that a percentile is never off by more
 * than 1/32 whatever the range. Whole microseconds; it keeps no samples.
 */

/** Buckets per power of two. */
const STEPS = 32;
/** 2^40 µs is twelve days; longer ones count in the last bucket. */
const POWERS = 40;

export interface HistogramRow {
  /** Durations from here … */
  readonly fromMicros: number;
  /** … up to, not including, here. */
  readonly toMicros: number;
  readonly count: number;
}

export class Histogram {
  readonly #counts = new Float64Array(STEPS * POWERS);
  #count = 0;
  #maxMicros = 0;

  record(milliseconds: number): void {
    const micros = Math.max(0, Math.round(milliseconds * 1_000));
    const bucket = bucketOf(micros);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#maxMicros = Math.max(this.#maxMicros, micros);
  }

  get count(): number {
    return this.#count;
  }

  get maxMicros(): number {
    return this.#maxMicros;
  }

  /** The smallest duration that at least this share (0 to 1) does not exceed; 0 when nothing was recorded. */
  percentileMicros(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (count > 0 && seen >= wanted) return Math.min(startOf(bucket + 1) - 1, this.#maxMicros);
    }
    return 0;
  }

  /** One row for each power of two between the shortest and the longest duration. */
  rows(): readonly HistogramRow[] {
    const rows: HistogramRow[] = [];
    for (let start = 0; start < STEPS * POWERS; start += STEPS) {
      const count = this.#counts.subarray(start, start + STEPS).reduce((sum, next) => sum + next, 0);
      rows.push({ fromMicros: startOf(start), toMicros: startOf(start + STEPS), count });
    }
    const first = rows.findIndex((row) => row.count > 0);
    const last = rows.findLastIndex((row) => row.count > 0);
    return first === -1 ? [] : rows.slice(first, last + 1);
  }
}

/** The first STEPS buckets hold one microsecond each; from there on each power of two has STEPS of them. */
function bucketOf(micros: number): number {
  if (micros < STEPS) return micros;
  const power = Math.floor(Math.log2(micros));
  const width = 2 ** power / STEPS;
  const bucket = (power - Math.log2(STEPS) + 1) * STEPS + Math.floor((micros - 2 ** power) / width);
  return Math.min(bucket, STEPS * POWERS - 1);
}

/** The shortest duration of a bucket, microseconds. */
function startOf(bucket: number): number {
  if (bucket < STEPS) return bucket;
  const power = Math.floor(bucket / STEPS) - 1 + Math.log2(STEPS);
  return 2 ** power + ((bucket % STEPS) * 2 ** power) / STEPS;
}
