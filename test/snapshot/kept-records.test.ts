/** What a fold keeps of the log's records: the bytes they had when they were scanned, or nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fold } from "../../src/snapshot/fold.ts";
import { KeptRecords, NOT_KEPT } from "../../src/snapshot/kept-records.ts";
import { watchReads } from "../support/watch-reads.ts";
import { ROOT, SnapshotFixture } from "./fixture.ts";

const MIB = 1024 * 1024;

test("what was kept comes back as it was, whatever became of the memory it was read into", () => {
  const records = new KeptRecords();
  const payload = new Uint8Array(60_000);
  const places: [place: number, bytes: number, fill: number][] = [];
  for (let n = 0; n < 100; n++) {
    const bytes = 1 + ((n * 7919) % payload.length);
    payload.fill(n + 1);
    places.push([records.keep(payload.subarray(0, bytes)), bytes, n + 1]);
  }
  payload.fill(0);
  for (const [place, bytes, fill] of places) {
    const kept = records.at(place, bytes);
    assert.equal(kept?.length, bytes);
    assert.ok(kept.every((byte) => byte === fill));
  }
});

test("what is long, or too much, is not kept", () => {
  const records = new KeptRecords(2 * MIB);
  assert.equal(records.keep(new Uint8Array(64 * 1024 + 1)), NOT_KEPT);
  let bytes = 0;
  for (;;) {
    const place = records.keep(new Uint8Array(64 * 1024));
    if (place === NOT_KEPT) break;
    bytes += 64 * 1024;
  }
  assert.equal(bytes, 2 * MIB);
  assert.equal(records.at(NOT_KEPT, 10), undefined);
});

test("a fold reads a short record once and a long one again, and makes the same of both", async () => {
  const fixture = await SnapshotFixture.create();
  const config = { providerId: "p", contextWindow: 8, executionMode: "standard" };
  for (let turn = 0; turn < 40; turn++)
    for (const length of [10, 70_000])
      fixture.commit(`s${turn % 4}`, { turn, config: { ...config, configuredModel: "m".repeat(length) } });
  const until = await fixture.roll();
  // The scan reads segments from their beginnings.
  const placesRead = new Set<string>();
  const watched = watchReads(fixture.vfs, (path, position) => {
    if (path.endsWith(".wal") && position > 0) placesRead.add(`${path} ${position}`);
  });
  const { manifest } = fixture;
  const input = {
    root: ROOT,
    manifest,
    until,
    receiptsKept: 1,
    compression: "none" as const,
    packsLeftAlone: [],
  };
  assert.equal(fold(watched, input).sessions, 4);
  assert.equal(placesRead.size, 40);
});
