/**
 * Latencies in an HDR histogram: constant memory, and no percentile is off by more than 0.1 %. It is Node's own
 * (`perf_hooks`), which is HdrHistogram in C with a settable number of digits, so that `varve bench` needs no
 * package and recording costs a tenth of a microsecond. Nanoseconds inside, microseconds outside.
 */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";

const DIGITS = 3;
/** An hour; nothing that takes longer is a commit. */
const HIGHEST_NANOS = 3_600_000_000_000;

/** What a percentile plot shows, in percent. */
const CURVE = [10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999];

export class Latency {
  readonly #histogram: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: HIGHEST_NANOS,
    figures: DIGITS,
  });

  record(millis: number): void {
    this.#histogram.record(Math.max(1, Math.round(millis * 1e6)));
  }

  add(other: Latency): void {
    if (other.count > 0) this.#histogram.add(other.#histogram);
  }

  get count(): number {
    return this.#histogram.count;
  }

  micros(percent: number): number {
    return this.count === 0 ? 0 : this.#histogram.percentile(percent) / 1e3;
  }

  figures(): { p50: number; p90: number; p99: number; p999: number; max: number } {
    return {
      p50: this.micros(50),
      p90: this.micros(90),
      p99: this.micros(99),
      p999: this.micros(99.9),
      max: this.#histogram.max / 1e3,
    };
  }

  /** Only as far out as there are at least five samples beyond. */
  curve(): [percent: number, micros: number][] {
    return CURVE.filter((percent) => (this.count * (100 - percent)) / 100 >= 5).map((percent) => [
      percent,
      this.micros(percent),
    ]);
  }
}
