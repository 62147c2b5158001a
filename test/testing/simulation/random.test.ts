/** Chance by seed: streams that repeat and do not move each other, and draws within their bounds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../../src/testing/simulation/random.ts";

const DRAWS = 2000;

function draws(random: Random, count = 20): number[] {
  return Array.from({ length: count }, () => random.below(1_000_000));
}

test("a stream repeats by seed and name, and streams do not move each other", () => {
  const alone = draws(Random.stream(7, "disk"));
  const other = Random.stream(7, "hosts");
  const beside = Random.stream(7, "disk");
  draws(other);
  assert.deepEqual(draws(beside), alone);
  assert.notDeepEqual(draws(Random.stream(8, "disk")), alone);
  assert.notDeepEqual(draws(Random.stream(7, "hosts")), alone);
});

test("draws stay within their bounds, and reach them", () => {
  const random = new Random(3);
  const seen = new Set<number>();
  for (let count = 0; count < DRAWS; count++) seen.add(random.between(4, 7));
  assert.deepEqual([...seen].sort(), [4, 5, 6, 7]);
  for (let count = 0; count < DRAWS; count++) {
    const value = random.spread(1, 1000);
    assert.ok(Number.isInteger(value) && value >= 1 && value <= 1000, String(value));
  }
  assert.ok(random.bytes(5).length === 5);
});

test("a weight of 0 is never drawn, and nothing is drawn from nothing", () => {
  const random = new Random(3);
  for (let count = 0; count < DRAWS; count++)
    assert.equal(random.weighted({ never: 0, always: 2, nor: 0 }), "always");
  assert.equal(random.weighted({ never: 0 }), undefined);
  assert.equal(random.pickAny([]), undefined);
  assert.equal(random.chance(0), false);
  assert.equal(random.chance(1), true);
});
