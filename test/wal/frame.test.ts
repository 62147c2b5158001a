/** The bytes of frames: laid out as `docs/format.md` says, verified against every kind of change. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32 } from "../../src/checksum.ts";
import {
  BLOCK_BYTES,
  FRAME_HEADER_BYTES,
  FrameType,
  frameBytes,
  frameLengthAt,
  frameLsnAt,
  imageOf,
  payloadOf,
  payloadOffset,
  payloadVerifies,
  putFrame,
  readFrameHead,
  saltSeed,
  stampFrame,
} from "../../src/wal/frame.ts";

const SEED = saltSeed(0x1122334455667788n);

function framed(payload: Uint8Array, lsn = 7, dirt = 0xff): Buffer {
  const bytes = Buffer.alloc(frameBytes(payload.length), dirt);
  const image = imageOf(bytes);
  putFrame(image, 0, FrameType.data, lsn, payload);
  stampFrame(image, 0, { durable: lsn - 1, previousCrc: 0xdeadbeef, framesLeft: 3, saltCrc: SEED });
  return bytes;
}

describe("a frame", () => {
  it("has the sizes of the format", () => {
    const table: readonly [payload: number, offset: number, whole: number][] = [
      [0, 48, 48],
      [1, 48, 56],
      [8, 48, 56],
      [9, 48, 64],
      [8192, 48, 8240],
      [8193, 56, 8256],
      [16384, 56, 16440],
      [16385, 64, 16456],
    ];
    for (const [payload, offset, whole] of table) {
      assert.deepEqual([payloadOffset(payload), frameBytes(payload)], [offset, whole], `${payload} bytes`);
    }
  });

  it("puts each field where the format says, over whatever was there before", () => {
    const bytes = framed(Buffer.from("hello"), 0x1_0000_0002);
    assert.equal(bytes.readUInt32LE(0), crc32(bytes.subarray(4), SEED));
    assert.equal(bytes.readUInt32LE(4), 5);
    assert.equal(bytes.readBigUInt64LE(8), 0x1_0000_0002n);
    assert.equal(bytes.readBigUInt64LE(16), 0x1_0000_0001n);
    assert.equal(bytes.readUInt32LE(24), 0xdeadbeef);
    assert.deepEqual([...bytes.subarray(28, 32)], [1, 0, 3, 0]);
    assert.deepEqual([...bytes.subarray(32, 44)], new Array(12).fill(0));
    assert.equal(bytes.readUInt32LE(44), 0xa5c3f00d);
    assert.equal(bytes.subarray(48).toString("latin1"), "hello\0\0\0");
  });

  it("reads back what was put, short and long", () => {
    for (const size of [0, 1, 100, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 5]) {
      const payload = Buffer.alloc(size, 0x5a);
      const image = imageOf(framed(payload));
      const frame = readFrameHead(image, 0, image.bytes.length, SEED);
      assert.ok(frame !== undefined && payloadVerifies(image, frame, SEED), `${size} bytes`);
      assert.deepEqual(Buffer.from(payloadOf(image, frame)), payload);
      assert.equal(frame.end, image.bytes.length);
    }
  });

  it("is read where it lies, behind other bytes", () => {
    const image = imageOf(Buffer.alloc(4096, 0xee));
    const lsn = 0x3_0000_0002;
    const payload = Buffer.from("behind");
    assert.equal(putFrame(image, 1024, FrameType.data, lsn, payload), 1024 + 56);
    const crc = stampFrame(image, 1024, { durable: 5, previousCrc: 6, framesLeft: 7, saltCrc: SEED });
    assert.deepEqual(readFrameHead(image, 1024, 1024 + 56, SEED), {
      type: FrameType.data,
      lsn,
      durable: 5,
      previousCrc: 6,
      framesLeft: 7,
      crc,
      offset: 1024,
      end: 1080,
      payloadAt: 1072,
      payloadBytes: 6,
    });
    assert.equal(frameLsnAt(image.view, 1024), lsn);
    assert.equal(frameLengthAt(image.view, 1024), 56);
  });

  it("holds numbers up to the largest safe one, and none above", () => {
    for (const place of [8, 16]) {
      const largest = forged((bytes) => bytes.writeBigUInt64LE(2n ** 53n - 1n, place));
      assert.ok(readFrameHead(largest, 0, largest.bytes.length, SEED), `largest at ${place}`);
      const unsafe = forged((bytes) => bytes.writeBigUInt64LE(2n ** 53n, place));
      assert.equal(readFrameHead(unsafe, 0, unsafe.bytes.length, SEED), undefined, `unsafe at ${place}`);
    }
  });

  it("does not verify with a flag or a reserved byte set, although its checksum is right", () => {
    for (const place of [29, 32, 37, 43]) {
      const image = forged((bytes) => bytes.writeUInt8(1, place));
      assert.equal(readFrameHead(image, 0, image.bytes.length, SEED), undefined, `byte ${place}`);
    }
  });

  it("does not verify under another salt", () => {
    const image = imageOf(framed(Buffer.from("hello")));
    assert.equal(readFrameHead(image, 0, image.bytes.length, saltSeed(1n)), undefined);
  });

  it("does not verify when it would reach beyond the limit", () => {
    const image = imageOf(framed(Buffer.from("hello")));
    assert.equal(readFrameHead(image, 0, image.bytes.length - 8, SEED), undefined);
    assert.equal(readFrameHead(image, 0, FRAME_HEADER_BYTES - 8, SEED), undefined);
  });

  it("does not verify with any bit flipped, short or long", () => {
    for (const size of [40, BLOCK_BYTES, BLOCK_BYTES + 100]) {
      const image = imageOf(framed(Buffer.alloc(size, 0x33)));
      for (let bit = 0; bit < image.bytes.length * 8; bit += size >= BLOCK_BYTES ? 7 : 1) {
        flip(image.bytes, bit);
        const frame = readFrameHead(image, 0, image.bytes.length, SEED);
        assert.ok(
          frame === undefined || !payloadVerifies(image, frame, SEED),
          `bit ${bit} of a payload of ${size}`,
        );
        flip(image.bytes, bit);
      }
    }
  });

  it("is not found in zeros, whatever the salt", () => {
    assert.equal(readFrameHead(imageOf(new Uint8Array(64)), 0, 64, SEED), undefined);
  });
});

/** A short frame that somebody changed and gave a right checksum. */
function forged(change: (bytes: Buffer) => void): ReturnType<typeof imageOf> {
  const bytes = framed(Buffer.from("hello"));
  change(bytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(4), SEED), 0);
  return imageOf(bytes);
}

function flip(bytes: Uint8Array, bit: number): void {
  const at = bit >> 3;
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
}
