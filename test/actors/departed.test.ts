/**
 * The count of what passivated sessions still take: it falls with what the collector shows, and with nothing else;
 * the collector is told in time, and the process's own one is really seen.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Collector, Departed } from "../../src/actors/departed.ts";

function handCollector() {
  const gone: (() => void)[] = [];
  const told: number[] = [];
  const collector: Collector = {
    watch: (_marker, call) => void gone.push(call),
    tell: (bytes) => void told.push(bytes),
  };
  return { collector, gone, told };
}

test("bytes count from the floor on, and what was collected counts no more, in whatever order it is told", () => {
  const { collector, gone } = handCollector();
  const departed = new Departed({ floorBytes: 100, markerBytes: 50, tellBytes: 1_000 }, collector);
  departed.add({}, 60);
  assert.equal(departed.bytes, 0);
  departed.add({}, 60);
  departed.add({}, 30);
  assert.equal(departed.bytes, 50);
  assert.equal(gone.length, 2, "one is watched for every 50 bytes");
  gone[1]?.();
  assert.equal(departed.bytes, 0);
  gone[0]?.();
  departed.add({}, 200);
  assert.equal(departed.bytes, 130, "an older one that is told later brings nothing back");
});

test("the collector is told of every so many bytes, and again while it does nothing", () => {
  const { collector, gone, told } = handCollector();
  const departed = new Departed({ floorBytes: 0, markerBytes: 1, tellBytes: 100 }, collector);
  for (let n = 0; n < 9; n++) departed.add({}, 10);
  assert.deepEqual(told, []);
  departed.add({}, 10);
  assert.deepEqual(told, [100]);
  for (let n = 0; n < 9; n++) departed.add({}, 10);
  assert.deepEqual(told, [100]);
  departed.add({}, 10);
  assert.deepEqual(told, [100, 100]);
  for (let n = 0; n < 5; n++) departed.add({}, 10);
  for (const call of gone) call();
  for (let n = 0; n < 9; n++) departed.add({}, 10);
  assert.deepEqual(told, [100, 100], "what was collected of itself is not told");
});

test("what the process's own collector took is seen", async () => {
  setFlagsFromString("--expose_gc");
  const collect = runInNewContext("gc") as () => void;
  const departed = new Departed({ floorBytes: 0, markerBytes: 1, tellBytes: 1 << 20 });
  for (let n = 0; n < 10; n++) departed.add({ n }, 1 << 20);
  assert.equal(departed.bytes, 10 << 20);
  for (let tries = 0; tries < 100 && departed.bytes > 0; tries++) {
    // A marker lives at least as long as the turn in which it was registered.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  assert.equal(departed.bytes, 0);
});
