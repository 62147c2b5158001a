/** Segments in memory: a walk reads all of them into the same, and one without a guard word is not held whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { READ_STEP_BYTES } from "../../src/limits.ts";
import { runThrough } from "../../src/steps.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { type LogPlace, segmentPath } from "../../src/wal/files.ts";
import { GUARD_BYTES } from "../../src/wal/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../../src/wal/segment.ts";
import { type ImageRoom, mayHoldFrames, readImage } from "../../src/wal/segment-image.ts";
import { refusal } from "../session/session-bench.ts";
import { DIRECTORY, STORE_ID } from "./fixture.ts";

const LENGTH = SEGMENT_HEADER_BYTES + 3 * READ_STEP_BYTES;

/** A log of one segment with those bytes. */
function placeOf(bytes: Uint8Array): LogPlace {
  const vfs = new MemoryVfs();
  vfs.makeDirectory(DIRECTORY);
  const place = { vfs, directory: DIRECTORY, storeId: STORE_ID };
  const file = vfs.open(segmentPath(place, 7), "create");
  file.write([bytes], 0);
  file.close();
  return place;
}

test("a guard word is found wherever it lies behind the header, also across two steps", () => {
  assert.equal(runThrough(mayHoldFrames(placeOf(Buffer.alloc(LENGTH)), 7, LENGTH)), false);
  const first = SEGMENT_HEADER_BYTES;
  const across = first + READ_STEP_BYTES;
  for (const at of [first, first + 1, across - 3, across - 1, across, LENGTH - GUARD_BYTES.length]) {
    const bytes = Buffer.alloc(LENGTH);
    GUARD_BYTES.copy(bytes, at);
    assert.equal(runThrough(mayHoldFrames(placeOf(bytes), 7, LENGTH)), true, `at ${at}`);
  }
  // What is in front of the frames is none of them.
  const header = Buffer.alloc(LENGTH);
  GUARD_BYTES.copy(header, SEGMENT_HEADER_BYTES - GUARD_BYTES.length);
  assert.equal(runThrough(mayHoldFrames(placeOf(header), 7, LENGTH)), false);
});

test("a segment shorter than it says is damage, also where nothing is in it, and a look takes a step for each MiB", () => {
  const place = placeOf(Buffer.alloc(LENGTH));
  for (const missing of [1, 10, READ_STEP_BYTES]) {
    const { file, offset } = refusal("CORRUPT", () => runThrough(mayHoldFrames(place, 7, LENGTH + missing)));
    assert.deepEqual([file, offset], [segmentPath(place, 7), LENGTH]);
  }
  const cut = placeOf(Buffer.alloc(LENGTH - 10));
  assert.equal(refusal("CORRUPT", () => runThrough(mayHoldFrames(cut, 7, LENGTH))).offset, LENGTH - 10);
  assert.equal([...mayHoldFrames(place, 7, LENGTH)].length, 3);
});

test("a room is taken once for all segments of a walk, if it is told of the longest", () => {
  const place = placeOf(Buffer.alloc(LENGTH, 1));
  const room: ImageRoom = {};
  const short = runThrough(readImage(place, 7, LENGTH - 1, room, LENGTH));
  const taken = room.bytes;
  const long = runThrough(readImage(place, 7, LENGTH, room));
  assert.equal(room.bytes, taken);
  assert.deepEqual([short.bytes.length, long.bytes.length], [LENGTH - 1, LENGTH]);
  assert.ok(long.bytes.every((byte) => byte === 1));
});
