import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram } from "../../src/cli/replay/histogram.ts";

test("an empty histogram answers zero and has no rows", () => {
  const histogram = new Histogram();
  assert.equal(histogram.percentileMicros(0.5), 0);
  assert.deepEqual(histogram.rows(), []);
});

test("percentiles are within a thirty-second part of the exact ones, over six orders of magnitude", () => {
  const histogram = new Histogram();
  const exact: number[] = [];
  for (let index = 0; index < 5_000; index++) {
    const micros = Math.round(1.003 ** index);
    exact.push(micros);
    histogram.record(micros / 1_000);
  }
  for (const share of [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1]) {
    const wanted = exact[Math.ceil(share * exact.length) - 1] ?? 0;
    const found = histogram.percentileMicros(share);
    assert.ok(found >= wanted && found <= wanted * (1 + 1 / 32) + 1, `${share}: ${found} for ${wanted}`);
  }
});

test("the largest value is exact", () => {
  const histogram = new Histogram();
  histogram.record(0.001);
  histogram.record(12.345);
  assert.equal(histogram.maxMicros, 12_345);
  assert.equal(histogram.percentileMicros(1), 12_345);
});

test("rows are powers of two from the shortest to the longest, and hold every value once", () => {
  const histogram = new Histogram();
  for (const micros of [100, 127, 128, 1_000]) histogram.record(micros / 1_000);
  assert.deepEqual(histogram.rows(), [
    { fromMicros: 64, toMicros: 128, count: 2 },
    { fromMicros: 128, toMicros: 256, count: 1 },
    { fromMicros: 256, toMicros: 512, count: 0 },
    { fromMicros: 512, toMicros: 1_024, count: 1 },
  ]);
});
