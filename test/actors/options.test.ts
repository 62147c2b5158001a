/** Options: defaults of the contract, and every bad value refused by name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveOptions } from "../../src/actors/options.ts";
import type { StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";

test("defaults are those of the contract", () => {
  const options = resolveOptions(undefined);
  assert.equal(options.sync, "always");
  assert.equal(options.syncIntervalMs, 100);
  assert.equal(options.segmentBytes, 16 * 1024 * 1024);
  assert.deepEqual(options.snapshot, { logBytes: 64 * 1024 * 1024, intervalMs: 60_000 });
  assert.deepEqual(options.gc, { garbageRatio: 0.5, minBytes: 16 * 1024 * 1024 });
  assert.equal(options.workers, 1);
  assert.equal(options.blobCompression, "balanced");
  assert.equal(options.graphPolicy, "strict");
  assert.equal(options.maxCommitBytes, 16 * 1024 * 1024);
  assert.equal(options.maxQueuedBytes, 64 * 1024 * 1024);
  assert.equal(options.maxResidentBytes, 256 * 1024 * 1024);
  assert.equal(options.receiptsKept, 1000);
  assert.equal(options.lockWaitMs, 0);
  assert.equal(options.allowNetworkFileSystem, false);
});

test("a trigger that is left out is off, and false turns all off", () => {
  assert.deepEqual(resolveOptions({ snapshot: { logBytes: 5 } }).snapshot, {
    logBytes: 5,
    intervalMs: undefined,
  });
  assert.equal(resolveOptions({ snapshot: false }).snapshot, undefined);
  assert.equal(resolveOptions({ gc: false }).gc, undefined);
});

const BAD: [option: string, options: unknown][] = [
  ["sync", { sync: "sometimes" }],
  ["syncIntervalMs", { syncIntervalMs: 0 }],
  ["segmentBytes", { segmentBytes: 4096 }],
  ["segmentBytes", { segmentBytes: 65_537 }],
  ["snapshot", { snapshot: true }],
  ["snapshot", { snapshot: null }],
  ["snapshot.logBytes", { snapshot: { logBytes: -1 } }],
  ["snapshot.every", { snapshot: { every: 1 } }],
  ["gc.garbageRatio", { gc: { garbageRatio: 0 } }],
  ["gc.garbageRatio", { gc: { garbageRatio: Number.NaN } }],
  ["gc.minBytes", { gc: { minBytes: 1.5 } }],
  ["workers", { workers: 0 }],
  ["blobCompression", { blobCompression: "zip" }],
  ["graphPolicy", { graphPolicy: "lax" }],
  ["maxCommitBytes", { maxCommitBytes: "16" }],
  ["maxQueuedBytes", { maxQueuedBytes: Number.POSITIVE_INFINITY }],
  ["maxResidentBytes", { maxResidentBytes: -5 }],
  ["receiptsKept", { receiptsKept: 0.5 }],
  ["lockWaitMs", { lockWaitMs: -1 }],
  ["allowNetworkFileSystem", { allowNetworkFileSystem: 1 }],
  ["onEvent", { onEvent: "log" }],
  ["clock", { clock: null }],
  ["clock", { clock: { now: () => 0, wall: () => 0, setTimeout: () => 0, clearTimeout: () => undefined } }],
  ["random", { random: 4 }],
  ["synch", { synch: "always" }],
];
for (const [index, [option, options]] of BAD.entries()) {
  test(`a bad ${option} is refused by name (case ${index + 1})`, () => {
    assert.throws(
      () => resolveOptions(options as StoreOptions),
      (error) =>
        isStoreError(error, "INVALID_OPTION") && error.option === option && error.message.includes(option),
    );
  });
}

test("a listener that throws harms nothing", () => {
  const { onEvent } = resolveOptions({
    onEvent: () => {
      throw new Error("host bug");
    },
  });
  onEvent({ type: "closed", durationMs: 1 });
});
