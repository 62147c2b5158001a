/**
 * A small log with any one bit flipped: EVERY bit, none sampled, each followed by a whole recovery (the one
 * that opens for writing). The verdict is exact: refused if and only if the bit lies in what was acknowledged
 * or in what says where that is; everything else changes nothing.
 *
 * Some bits need no recovery of their own, because it is given the same with them and without:
 * bytes that it does not read (which those are is taken from what it reads); bits of TAIL that leave both
 * decoded slots as they were; and bits behind the last frame of a segment that leave what it looks for there
 * (`scanRemains`) as it was. Of a spare it knows only its head and those remains: one recovery for all bits
 * that make the same of them. Each of these is checked for every bit. Segments are small, so that "every"
 * takes seconds; the zeros of larger ones are more of the same that are flipped here.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { readHead } from "../../src/wal/chain.ts";
import { GROUP_END_BYTES, imageOf, saltSeed } from "../../src/wal/frame.ts";
import { scanRemains } from "../../src/wal/scan.ts";
import { FIRST_DATA_AT, SEGMENT_HEADER_BYTES, saltField } from "../../src/wal/segment.ts";
import { newestTail, readTail } from "../../src/wal/tail.ts";
import type { ImageVfs } from "../support/image-vfs.ts";
import { DIRECTORY, STORE_ID } from "./fixture.ts";
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

const HEADER_BYTES = SEGMENT_HEADER_BYTES;
const SPARE_NUMBER = 3;

// A refusal is an answer here, a hundred thousand times; nobody reads where it was made.
Error.stackTraceLimit = 0;

/** Calls `visit` with each bit of those bytes flipped, one at a time. */
function eachBit(
  bytes: Uint8Array,
  from: number,
  to: number,
  visit: (at: number, bit: number) => void,
): void {
  for (let bit = from * 8; bit < to * 8; bit += 1) {
    const at = bit >> 3;
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
    visit(at, bit);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
  }
}

/**
 * Every bit of the segment from `from` on that recovery reads. Behind the last record a bit that changes
 * nothing of what is looked for there needs no recovery. Answers how many bits were flipped.
 */
function checkBits(given: Small, path: string, bits: Bits): number {
  const { images } = given;
  const { from = 0, isRefused } = bits;
  const quiet = given.end;
  const whole = images.fork();
  expectVerdict(given, whole, 0, false, "unharmed");
  const bytes = images.bytes(path);
  const to = Math.min(bytes.length, whole.readUpTo(path));
  const seed = saltSeed(saltField(bytes));
  const remains = (): string => JSON.stringify(scanRemains(imageOf(bytes), seed, quiet));
  const unharmed = remains();
  eachBit(bytes, from, to, (at, bit) => {
    if (at >= quiet && remains() === unharmed) return;
    expectVerdict(given, images.fork(), bit, isRefused(at), `bit ${bit & 7} of byte ${at} of ${path}`);
  });
  return 8 * (to - from);
}

interface Bits {
  readonly from?: number;
  readonly isRefused: (at: number) => boolean;
}

/** Without TAIL only later stamps prove a group durable, and nothing proves the last one. */
function checkBitsWithoutTail(given: Small, closed: boolean): void {
  const { images, all, lastGroup, end } = given;
  const without = images.fork();
  without.remove(TAIL);
  const proven = closed ? end : lastGroup;
  eachBit(without.bytes(ACTIVE), HEADER_BYTES, end + GROUP_END_BYTES, (at, bit) => {
    const found = recover(given, without.fork(), `bit ${bit} without TAIL`);
    if (at < proven) assert.equal(found, "refused", `byte ${at}`);
    else if (at >= end) assert.equal(found.length, all.length, `byte ${at}`);
    else assert.ok(found !== "refused" && found.length >= all.length - 3, `byte ${at}: ${found}`);
  });
}

describe("a killed log", () => {
  let given: Small;
  before(async () => {
    given = await small({ batches: SHORT, segmentBytes: 8192, closed: false });
  });

  it("is refused for any bit of its active segment up to the last record, and for none behind", () => {
    assert.equal(checkBits(given, ACTIVE, { isRefused: (at) => at < given.end }), 8 * 8192);
  });

  it("is refused for any bit of an earlier segment's header, and for none behind its end", () => {
    assert.ok(checkBits(given, FIRST, { isRefused: (at) => at < HEADER_BYTES }) > 8 * HEADER_BYTES);
  });

  it("is whole for any bit of a spare", () => {
    const { images } = given;
    const seen = new Set<string>();
    eachBit(images.bytes(SPARE), 0, 8192, (at, bit) => {
      const facts = spareFacts(images);
      if (seen.has(facts)) return;
      seen.add(facts);
      expectVerdict(given, images.fork(), bit, false, `bit ${bit & 7} of byte ${at} of a spare`);
    });
    // At least every bit of the salt and of what stands where the LINK would makes a difference.
    assert.ok(seen.size > 8 * (8 + 88), String(seen.size));
  });

  it("is whole for any bit of TAIL", () => {
    const { images } = given;
    const slots = (): string => slotsText(images);
    assert.equal(newestTail(readTail(images, TAIL, STORE_ID))?.lsn, given.all.length);
    const unharmed = slots();
    let recovered = 0;
    eachBit(images.bytes(TAIL), 0, 8192, (at, bit) => {
      if (slots() === unharmed) return;
      recovered += 1;
      expectVerdict(given, images.fork(), bit, false, `bit ${bit & 7} of byte ${at} of TAIL`);
    });
    assert.equal(recovered, 2 * 64 * 8, "every bit of both slots");
  });

  it("without TAIL loses a part of the last group at most, for any bit", () => {
    checkBitsWithoutTail(given, false);
  });
});

describe("a closed log", () => {
  let given: Small;
  before(async () => {
    given = await small({ batches: SHORT, segmentBytes: 8192, closed: true });
  });

  it("is refused for any bit of a record, and for none of its SEAL or behind", () => {
    checkBits(given, ACTIVE, { from: HEADER_BYTES, isRefused: (at) => at < given.end });
  });

  it("without TAIL is refused for any bit of a record, because its SEAL proves them all", () => {
    checkBitsWithoutTail(given, true);
  });
});

describe("a killed log with a long record", () => {
  it("is refused for any bit up to the last record: table, payload and padding too", async () => {
    const given = await small({ batches: MIXED, segmentBytes: 14_336, closed: false });
    checkBits(given, ACTIVE, { from: HEADER_BYTES, isRefused: (at) => at < given.end });
  });
});

/** All that recovery learns from a spare. */
function spareFacts(images: ImageVfs): string {
  const bytes = images.bytes(SPARE);
  const head = readHead({ vfs: images, directory: DIRECTORY, storeId: STORE_ID }, SPARE_NUMBER);
  const linkArea = Buffer.from(bytes.subarray(SEGMENT_HEADER_BYTES, FIRST_DATA_AT)).toString("hex");
  const salt = saltField(bytes);
  const remains = scanRemains(imageOf(bytes), saltSeed(salt), SEGMENT_HEADER_BYTES);
  const reason = head.kind === "bad" ? head.reason : "";
  return `${head.kind} ${reason} ${salt} ${linkArea} ${JSON.stringify(remains)}`;
}

function slotsText(images: ImageVfs): string {
  const slots = readTail(images, TAIL, STORE_ID);
  return JSON.stringify(slots, (_key, value) => (typeof value === "bigint" ? String(value) : value));
}
