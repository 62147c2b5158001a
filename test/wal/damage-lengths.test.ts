/**
 * A small log with any one file cut to EVERY length, lengthened by a little, or gone; each followed by a
 * whole recovery. A segment declares its size, so that no other is ever taken for an end.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import {
  ACTIVE,
  expectVerdict,
  FIRST,
  MIXED,
  recover,
  SHORT,
  type Small,
  SPARE,
  small,
  TAIL,
} from "./small.ts";

/** A file is also lengthened, by up to so many bytes. */
const LENGTHENED_BYTES = 8;

Error.stackTraceLimit = 0;

function checkLengths(given: Small, path: string, isRefused: boolean): void {
  const bytes = given.images.bytes(path);
  for (let length = 0; length <= bytes.length + LENGTHENED_BYTES; length += 1) {
    if (length === bytes.length) continue;
    const cut = new Uint8Array(length);
    cut.set(bytes.subarray(0, length));
    const images = given.images.fork();
    images.put(path, cut);
    expectVerdict(given, images, length, isRefused, `${path} of ${length} bytes`);
  }
  const images = given.images.fork();
  images.remove(path);
  expectVerdict(given, images, 0, isRefused, `${path} removed`);
}

describe("a killed log", () => {
  let given: Small;
  before(async () => {
    given = await small({ batches: SHORT, segmentBytes: 8192, closed: false });
  });

  it("is refused for any length but its own of a segment in use", () => {
    for (const path of [FIRST, ACTIVE]) checkLengths(given, path, true);
  });

  it("is whole for any length of a spare", () => {
    checkLengths(given, SPARE, false);
  });

  it("is whole for any length of TAIL", () => {
    checkLengths(given, TAIL, false);
  });
});

describe("a closed log", () => {
  it("is refused, sealed, for any length but its own of a segment in use", async () => {
    const given = await small({ batches: SHORT, segmentBytes: 8192, closed: true });
    for (const path of [FIRST, ACTIVE]) checkLengths(given, path, true);
  });
});

describe("a group that ends in zeros", () => {
  it("from any byte on, without TAIL, loses no record of an earlier group", async () => {
    // What a power cut in the middle of the last write leaves.
    const given = await small({ batches: MIXED, segmentBytes: 14_336, closed: false });
    const bytes = given.images.bytes(ACTIVE);
    for (let from = given.lastGroup; from <= given.end; from += 1) {
      const images = given.images.fork();
      const torn = Uint8Array.from(bytes);
      torn.fill(0, from);
      images.put(ACTIVE, torn);
      images.remove(TAIL);
      const found = recover(given, images, `zeros from ${from}`);
      assert.ok(found !== "refused" && found.length >= given.all.length - 3, `zeros from ${from}: ${found}`);
    }
  });
});
