/** The search for one flipped bit, against flipping every bit and asking. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "../src/checksum.ts";
import { findFlippedBit } from "../src/flipped-bit.ts";
import { noise } from "./support/builders.ts";

const SEED = 0x1234_5678;

test("every flipped bit of the bytes and of the checksum is found where it is", () => {
  for (const length of [1, 7, 64, 200]) {
    const sound = noise(length, length);
    const stored = crc32(sound, SEED);
    for (let at = 0; at < length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Uint8Array.from(sound);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        assert.deepEqual(findFlippedBit(flipped, SEED, stored), { at, bit });
      }
    }
    for (let bit = 0; bit < 32; bit++) {
      assert.deepEqual(findFlippedBit(sound, SEED, (stored ^ (1 << bit)) >>> 0), { at: -1, bit });
    }
  }
});

test("whole bytes, and bytes with two or three flipped bits, are explained by no single one", () => {
  const sound = noise(300);
  const stored = crc32(sound, SEED);
  assert.equal(findFlippedBit(sound, SEED, stored), undefined);
  for (const places of [
    [3, 4],
    [0, 299],
    [10, 100, 200],
  ]) {
    const flipped = Uint8Array.from(sound);
    for (const at of places) flipped[at] = (flipped[at] ?? 0) ^ 4;
    assert.equal(findFlippedBit(flipped, SEED, stored), undefined);
  }
});
