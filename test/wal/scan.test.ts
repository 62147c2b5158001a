/** Frames of a segment image and how they ended, and the decision table over those facts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIB, READ_STEP_BYTES, RECOVERY_STEP_BYTES } from "../../src/limits.ts";
import { FrameType, frameBytes, imageOf, putFrame, saltSeed, stampFrame } from "../../src/wal/frame.ts";
import { decide } from "../../src/wal/recovery.ts";
import {
  type Remains,
  type ScanEnd,
  scanFrames,
  scanFramesInSteps,
  scanRemains,
  scanRemainsInSteps,
} from "../../src/wal/scan.ts";

const SEED = saltSeed(99n);
const BASE = 4096;
const FROM = { offset: BASE, lsn: 0, crc: 0 };

interface Given {
  readonly lsn: number;
  readonly durable?: number;
  readonly type?: number;
  readonly previousCrc?: number;
  readonly seed?: number;
  readonly size?: number;
}

/** A segment image with these frames one behind the other; answers where each begins, and the end. */
function imageWith(frames: readonly Given[]): { image: ReturnType<typeof imageOf>; at: number[] } {
  const image = imageOf(new Uint8Array(BASE + 65536));
  const at = [BASE];
  let crc = 0;
  for (const {
    lsn,
    durable = 0,
    type = FrameType.data,
    previousCrc = crc,
    seed = SEED,
    size = 20,
  } of frames) {
    const offset = at.at(-1) ?? BASE;
    putFrame(image, offset, type, lsn, Buffer.alloc(size, lsn));
    crc = stampFrame(image, offset, { durable, previousCrc, framesLeft: 0, saltCrc: seed });
    at.push(offset + frameBytes(size));
  }
  return { image, at };
}

function scan(frames: readonly Given[]): { lsns: number[]; end: ScanEnd; remains: Remains } {
  const { image } = imageWith(frames);
  const lsns: number[] = [];
  const end = scanFrames(image, SEED, FROM, image.bytes.length, (frame) => lsns.push(frame.lsn));
  return { lsns, end, remains: scanRemains(image, SEED, end.offset) };
}

describe("a scan", () => {
  it("hands out frames until none follows", () => {
    const { lsns, end, remains } = scan([{ lsn: 1 }, { lsn: 2, durable: 1 }, { lsn: 3, durable: 2 }]);
    assert.deepEqual([lsns, end.lsn, end.durable, end.sealed, remains.clean], [[1, 2, 3], 3, 2, false, true]);
  });

  it("ends where the LSN, the predecessor or the salt is not the expected one", () => {
    const wrong: readonly Given[] = [{ lsn: 3 }, { lsn: 1 }, { lsn: 2, previousCrc: 1 }, { lsn: 2, seed: 5 }];
    for (const frame of wrong) assert.deepEqual(scan([{ lsn: 1 }, frame]).lsns, [1], JSON.stringify(frame));
  });

  it("does not take a LINK from the middle of a segment", () => {
    assert.deepEqual(scan([{ lsn: 1 }, { lsn: 1, type: FrameType.link }]).lsns, [1]);
  });

  it("takes a LINK at the front for a proof of its own LSN", () => {
    const { image } = imageWith([{ lsn: 7, type: FrameType.link, size: 40 }, { lsn: 8 }]);
    const end = scanFrames(image, SEED, { offset: BASE, lsn: 7, crc: 0 }, image.bytes.length, () => {});
    assert.deepEqual([end.lsn, end.durable], [8, 7]);
  });

  it("stops behind a SEAL", () => {
    const { lsns, end } = scan([{ lsn: 1 }, { lsn: 1, durable: 1, type: FrameType.seal }, { lsn: 2 }]);
    assert.deepEqual([lsns, end.sealed], [[1, 1], true]);
  });

  it("passes over a type whose high bit is set, and stops at any other it does not know", () => {
    assert.deepEqual(scan([{ lsn: 1 }, { lsn: 1, type: 0x85 }, { lsn: 2 }]).lsns, [1, 1, 2]);
    assert.equal(scan([{ lsn: 1 }, { lsn: 1, type: 5 }]).end.unknownType, 5);
  });

  it("finds later frames of this salt by their guard word, and only those", () => {
    const { image, at } = imageWith([
      { lsn: 1 },
      { lsn: 2 },
      { lsn: 3, durable: 2 },
      { lsn: 9, durable: 8, seed: 5 },
    ]);
    const [, second = 0, , fourth = 0] = at;
    image.bytes[second + 50] = 1;
    const remains = scanRemains(image, SEED, second);
    assert.deepEqual([remains.frames, remains.durable, remains.end, remains.clean], [1, 2, fourth, false]);
  });

  it("takes a LINK behind the end for a proof of its own LSN, and no frame off its alignment", () => {
    const { image } = imageWith([{ lsn: 1 }]);
    const behind = BASE + 1024;
    putFrame(image, behind, FrameType.link, 7, Buffer.alloc(40));
    stampFrame(image, behind, { durable: 0, previousCrc: 0, framesLeft: 0, saltCrc: SEED });
    const linked = scanRemains(image, SEED, BASE + frameBytes(20));
    assert.deepEqual([linked.frames, linked.durable, linked.end], [1, 7, behind + frameBytes(40)]);
    image.bytes.copyWithin(behind + 4, behind, behind + frameBytes(40));
    image.bytes.fill(0, behind, behind + 4);
    assert.deepEqual(scanRemains(image, SEED, BASE + frameBytes(20)).frames, 0);
  });

  it("ends the remains of an unfinished frame where its header says, or behind its header, or at the file's end", () => {
    const { image, at } = imageWith([{ lsn: 1, size: 200 }]);
    const [, end = 0] = at;
    putFrame(image, end, FrameType.data, 2, Buffer.alloc(100));
    assert.equal(scanRemains(image, SEED, end).end, end + 48 + 104);
    const past = imageOf(image.bytes.subarray(0, end + 100));
    assert.equal(scanRemains(past, SEED, end).end, end + 100);
    const short = imageOf(image.bytes.subarray(0, end + 40));
    assert.equal(scanRemains(short, SEED, end).end, end + 40);
    // Without the guard word its length field says nothing.
    image.bytes[end + 44] = 0;
    assert.equal(scanRemains(image, SEED, end).end, end + 48);
  });

  it("stops at the given limit whatever stands behind it", () => {
    const { image, at } = imageWith([{ lsn: 1 }, { lsn: 2 }, { lsn: 3 }]);
    const lsns: number[] = [];
    scanFrames(image, SEED, FROM, at[2] ?? 0, (frame) => lsns.push(frame.lsn));
    assert.deepEqual(lsns, [1, 2]);
  });
});

describe("the decision at the end of the last segment", () => {
  const end: ScanEnd = { offset: 5000, lsn: 7, crc: 1, durable: 6, sealed: false, unknownType: undefined };
  const nothing: Remains = { frames: 0, end: 5000, durable: 0, clean: true };
  const begun: Remains = { frames: 0, end: 5064, durable: 0, clean: false };
  const tail = (lsn: number): { segment: number; salt: bigint; lsn: number; end: number } => ({
    segment: 1,
    salt: 1n,
    lsn,
    end: 0,
  });

  it("follows the table, first match first", () => {
    const table: readonly [string, ScanEnd, Remains, ReturnType<typeof tail> | undefined, string][] = [
      ["zeros and no TAIL", end, nothing, undefined, "clean"],
      ["zeros and a TAIL that is satisfied", end, nothing, tail(7), "clean"],
      ["zeros and a TAIL that knows more", end, nothing, tail(8), "corrupt"],
      ["a begun frame and no TAIL", end, begun, undefined, "torn"],
      ["a begun frame and a satisfied TAIL", end, begun, tail(7), "torn"],
      ["a begun frame and a TAIL that knows more", end, begun, tail(8), "corrupt"],
      ["a later frame stamped below", end, { ...begun, frames: 1, durable: 7 }, undefined, "torn"],
      [
        "a later frame stamped at the missing LSN",
        end,
        { ...begun, frames: 1, durable: 8 },
        undefined,
        "corrupt",
      ],
      [
        "a later frame behind zeros",
        end,
        { ...nothing, frames: 1, clean: false, durable: 7 },
        undefined,
        "torn",
      ],
      ["a SEAL", { ...end, sealed: true }, nothing, tail(7), "clean"],
    ];
    for (const [name, at, remains, known, kind] of table)
      assert.equal(decide(at, remains, known).kind, kind, name);
  });
});

describe("a scan in steps", () => {
  it("hands out no more than its share of bytes a step, and the same frames", () => {
    const size = 10_000;
    const count = Math.floor((4 * RECOVERY_STEP_BYTES) / frameBytes(size));
    const image = imageOf(new Uint8Array(BASE + 5 * RECOVERY_STEP_BYTES));
    let offset = BASE;
    let crc = 0;
    for (let lsn = 1; lsn <= count; lsn += 1) {
      putFrame(image, offset, FrameType.data, lsn, Buffer.alloc(size, lsn));
      crc = stampFrame(image, offset, { durable: 0, previousCrc: crc, framesLeft: 0, saltCrc: SEED });
      offset += frameBytes(size);
    }
    const lsns: number[] = [];
    const perStep: number[] = [];
    const steps = scanFramesInSteps(image, SEED, FROM, image.bytes.length, (frame) => lsns.push(frame.lsn));
    for (let step = steps.next(), before = 0; ; step = steps.next()) {
      perStep.push((lsns.length - before) * frameBytes(size));
      before = lsns.length;
      if (step.done === true) break;
    }
    assert.deepEqual(
      lsns,
      Array.from({ length: count }, (_, index) => index + 1),
    );
    assert.ok(perStep.length >= 4, `${perStep.length} steps`);
    for (const bytes of perStep) assert.ok(bytes < RECOVERY_STEP_BYTES + frameBytes(size), `${bytes} bytes`);
    for (const bytes of perStep.slice(0, -1)) assert.ok(bytes >= RECOVERY_STEP_BYTES, `only ${bytes} bytes`);
  });

  it("finds frames behind the end wherever the borders of its steps fall", () => {
    for (const behind of [-96, -48, -40, -24, -8, 0, 8, 40]) {
      const image = imageOf(new Uint8Array(BASE + 4 * MIB));
      // The guard word of the frame comes to lie before, at and behind the border of two steps.
      const offset = BASE + 2 * READ_STEP_BYTES + behind;
      putFrame(image, offset, FrameType.data, 7, Buffer.alloc(20));
      stampFrame(image, offset, { durable: 5, previousCrc: 0, framesLeft: 0, saltCrc: SEED });
      const steps = scanRemainsInSteps(image, SEED, BASE);
      let count = 1;
      let step = steps.next();
      for (; step.done !== true; step = steps.next()) count += 1;
      assert.equal(count, 4, "one step a mebibyte");
      const { frames, durable, end } = step.value;
      assert.deepEqual([frames, durable, end], [1, 5, offset + frameBytes(20)], `at ${behind}`);
    }
  });
});
