/** The walk over segments: what it hands out behind damage, and what it says of the place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "../../src/checksum.ts";
import { storeError } from "../../src/errors.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import {
  FRAME_HEADER_BYTES,
  FrameType,
  imageOf,
  putFrame,
  saltSeed,
  stampFrame,
} from "../../src/wal/frame.ts";
import { createFirst } from "../../src/wal/reopen.ts";
import { type WalkedSegment, walkLog } from "../../src/wal/walk.ts";
import { noise } from "../support/builders.ts";

const SALT = 0x0102_0304_0506_0708n;
const place = {
  vfs: new MemoryVfs({ crashable: false }),
  directory: "/s/wal",
  storeId: new Uint8Array(16).fill(7),
};
const PATH = "/s/wal/0000000000000001.wal";
/** Bytes of a frame's payload in these tests, a long frame among them. */
const SIZES = [20, 300, 20_000, 8, 64];

/** A fresh segment with frames of LSN 1 to 5; answers the offset of each, and of the end. */
function writeFrames(): number[] {
  for (const name of place.vfs.stat(place.directory) === undefined ? [] : place.vfs.list(place.directory))
    place.vfs.remove(`${place.directory}/${name}`);
  place.vfs.makeDirectory(place.directory);
  createFirst(place, { segmentBytes: 64 * 1024, salt: () => SALT, wall: () => 0 });
  const image = imageOf(new Uint8Array(40_000));
  const offsets = [0];
  let previousCrc = 0;
  SIZES.forEach((size, index) => {
    const at = offsets.at(-1) ?? 0;
    offsets.push(putFrame(image, at, FrameType.data, index + 1, noise(size, index)));
    previousCrc = stampFrame(image, at, {
      durable: index,
      previousCrc,
      framesLeft: 0,
      saltCrc: saltSeed(SALT),
    });
  });
  overwrite(4096, image.bytes.subarray(0, offsets.at(-1)));
  return offsets.map((offset) => 4096 + offset);
}

function overwrite(at: number, bytes: Uint8Array): void {
  const file = place.vfs.open(PATH, "write");
  file.write([bytes], at);
  file.close();
}

function flip(at: number, bit: number): void {
  const file = place.vfs.open(PATH, "write");
  const byte = new Uint8Array(1);
  file.read(byte, at);
  file.write([Uint8Array.of((byte[0] ?? 0) ^ (1 << bit))], at);
  file.close();
}

function walk(): WalkedSegment {
  const [segment] = [...walkLog(place)];
  assert.ok(segment);
  return segment;
}

function lsns({ frames }: WalkedSegment): number[] {
  return frames.map(({ lsn }) => lsn);
}

test("every frame of an undamaged segment is handed out, and the end is blank", () => {
  const offsets = writeFrames();
  const walked = walk();
  assert.deepEqual(lsns(walked), [1, 2, 3, 4, 5]);
  assert.deepEqual([walked.holes, walked.end, walked.durable], [[], offsets.at(-1), 4]);
});

test("behind a damaged frame the walk goes on, and any one flipped bit is named", () => {
  for (let frame = 0; frame < SIZES.length - 1; frame++) {
    const offsets = writeFrames();
    const [start = 0, end = 0] = [offsets[frame], offsets[frame + 1]];
    // Header, length, guard, table or payload, padding: 37 places of each frame.
    const step = Math.max(1, Math.floor((end - start) / 37));
    for (let at = start; at < end; at += step) {
      const bit = at % 8;
      flip(at, bit);
      const walked = walk();
      assert.deepEqual(
        lsns(walked),
        [1, 2, 3, 4, 5].filter((lsn) => lsn !== frame + 1),
        `byte ${at}`,
      );
      const [hole, ...others] = walked.holes;
      assert.deepEqual([hole?.offset, hole?.end, others.length], [start, end, 0], `byte ${at}`);
      assert.deepEqual(hole?.flippedBit, { offset: at, bit }, `byte ${at}`);
      assert.deepEqual(hole?.mended, Buffer.from(noise(SIZES[frame] ?? 0, frame)), `byte ${at}`);
      flip(at, bit);
    }
  }
});

test("two flipped bits of a frame are a hole of which no bit is named", () => {
  const offsets = writeFrames();
  flip((offsets[1] ?? 0) + 60, 1);
  flip((offsets[1] ?? 0) + 90, 1);
  const { holes } = walk();
  assert.deepEqual(
    holes.map(({ offset, before, behind, flippedBit }) => [offset, before, behind, flippedBit]),
    [[offsets[1], 1, 3, undefined]],
  );
});

test("a copy of an older frame inside a damaged one is not taken for a frame", () => {
  writeFrames();
  const first = Buffer.alloc(FRAME_HEADER_BYTES + 24);
  const file = place.vfs.open(PATH, "read");
  file.read(first, 4096);
  file.close();
  const offsets = writeFrames();
  // Inside the payload of the long frame, at a multiple of eight, with the same salt.
  overwrite((offsets[2] ?? 0) + 4096, first);
  assert.deepEqual(lsns(walk()), [1, 2, 4, 5]);
});

test("a whole frame inside a damaged one, off its alignment, is not taken for a frame", () => {
  const offsets = writeFrames();
  const [, , third = 0] = offsets;
  const copy = imageOf(new Uint8Array(FRAME_HEADER_BYTES + 24));
  putFrame(copy, 0, FrameType.data, 9, noise(20));
  stampFrame(copy, 0, { durable: 0, previousCrc: 0, framesLeft: 0, saltCrc: saltSeed(SALT) });
  overwrite(third + 4096 + 4, copy.bytes);
  assert.deepEqual(lsns(walk()), [1, 2, 4, 5]);
  // On it, it would be.
  overwrite(third + 4096, copy.bytes);
  assert.deepEqual(lsns(walk()), [1, 2, 9]);
});

test("a frame of an older LSN that verifies is a hole, and no bit explains it", () => {
  const offsets = writeFrames();
  const [, , , fourth = 0, fifth = 0] = offsets;
  const older = imageOf(new Uint8Array(FRAME_HEADER_BYTES + 8));
  assert.equal(fifth - fourth, older.bytes.length);
  for (const lsn of [1, 3]) {
    putFrame(older, 0, FrameType.data, lsn, noise(8));
    stampFrame(older, 0, { durable: 0, previousCrc: 0, framesLeft: 0, saltCrc: saltSeed(SALT) });
    overwrite(fourth, older.bytes);
    const { holes } = walk();
    assert.deepEqual(
      holes.map(({ offset, before, behind, flippedBit }) => [offset, before, behind, flippedBit]),
      [[fourth, 3, 5, undefined]],
    );
  }
});

test("a hole at the end reaches as far as its header claims, or no farther than a header", () => {
  const offsets = writeFrames();
  const [, , , , fifth = 0, end = 0] = offsets;
  flip(fifth + FRAME_HEADER_BYTES + 1, 0);
  flip(fifth + FRAME_HEADER_BYTES + 9, 0);
  const endOfHole = (): number | undefined => walk().holes.at(-1)?.end;
  assert.equal(endOfHole(), end);
  // Without its guard word nothing that it says is believed.
  flip(fifth + 44, 0);
  assert.equal(endOfHole(), fifth + FRAME_HEADER_BYTES);
  const file = place.vfs.open(PATH, "write");
  file.truncate(fifth + 40);
  file.close();
  assert.equal(endOfHole(), fifth + 40);
});

test("a flipped bit of the last frame is named, also where it makes the frame claim to be shorter", () => {
  const offsets = writeFrames();
  const [, , , , fifth = 0] = offsets;
  // Its length of 64 becomes 0.
  flip(fifth + 4, 6);
  const { holes } = walk();
  assert.deepEqual(
    holes.map(({ offset, end, flippedBit }) => [offset, end, flippedBit]),
    [[fifth, fifth + FRAME_HEADER_BYTES, { offset: fifth + 4, bit: 6 }]],
  );
});

test("of a header that is bad the salt is taken as far as the header is there", () => {
  for (const [size, salt] of [
    [4096, SALT],
    [4095, 0n],
  ] as const) {
    writeFrames();
    const file = place.vfs.open(PATH, "write");
    file.truncate(size);
    file.close();
    const walked = walk();
    assert.deepEqual([walked.header, walked.salt, walked.frames.length], [undefined, salt, 0]);
  }
});

test("a segment whose header is damaged still gives its frames", () => {
  writeFrames();
  flip(4096 - 2, 0);
  const walked = walk();
  assert.equal(walked.header, undefined);
  assert.match(walked.problem ?? "", /checksum/);
  assert.deepEqual(lsns(walked), [1, 2, 3, 4, 5]);
});

test("a segment whose salt is gone gives its frames when the salt is known from elsewhere", () => {
  writeFrames();
  flip(40, 3);
  assert.deepEqual(lsns(walk()), []);
  const [known] = [...walkLog(place, new Map([[1, SALT]]))];
  assert.deepEqual(
    known?.frames.map(({ lsn }) => lsn),
    [1, 2, 3, 4, 5],
  );
});

/** The disk gives back no part of a read that holds a byte between `from` and `until`. */
function withLostSectors(vfs: Vfs, from: number, until: number): Vfs {
  return withMethods(vfs, {
    open(path, mode) {
      const file = vfs.open(path, mode);
      return withMethods(file, {
        read(target, position) {
          if (position < until && position + target.length > from) {
            // What a failed read leaves in the buffer means nothing.
            target.fill(0xee);
            throw storeError("STORE_IO", { operation: "read", path, errno: "EIO" }, "the sector is lost");
          }
          return file.read(target, position);
        },
      });
    },
  });
}

/** Some methods replaced, the others those of the object, whatever its class. */
function withMethods<Value extends object>(value: Value, methods: Partial<Value>): Value {
  return new Proxy(value, {
    get(target, key) {
      if (key in methods) return Reflect.get(methods, key);
      const found: unknown = Reflect.get(target, key);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

test("sectors that the disk does not give back cost the frames in them, and no other", () => {
  const offsets = writeFrames();
  const [, second = 0, third = 0] = offsets;
  const [segment] = [...walkLog({ ...place, vfs: withLostSectors(place.vfs, second + 8, second + 9) })];
  assert.ok(segment);
  // The first three frames begin in the sector that is lost; the third reaches far beyond it.
  assert.deepEqual(lsns(segment), [4, 5]);
  assert.equal(segment.image.bytes.length, 64 * 1024);
  assert.deepEqual(
    segment.holes.map(({ offset, behind }) => [offset, behind]),
    [[4096, 4]],
  );
  assert.ok(third < 4096 + 512);
  assert.ok(segment.image.bytes.subarray(4096, 8192).every((byte) => byte === 0));
});

test("a last sector that the disk does not give back does not make the segment shorter", () => {
  writeFrames();
  const size = 64 * 1024;
  const [segment] = [...walkLog({ ...place, vfs: withLostSectors(place.vfs, size - 1, size) })];
  assert.ok(segment);
  assert.deepEqual([segment.image.bytes.length, lsns(segment), segment.holes], [size, [1, 2, 3, 4, 5], []]);
});

test("a segment of a later version is named as such, and walked as far as its frames are known", () => {
  writeFrames();
  const header = Buffer.alloc(4096);
  const file = place.vfs.open(PATH, "read");
  file.read(header, 0);
  file.close();
  header.writeUInt16LE(2, 8);
  header.writeUInt32LE(crc32(header.subarray(0, 4092)), 4092);
  overwrite(0, header);
  const walked = walk();
  assert.equal(walked.header, undefined);
  assert.match(walked.problem ?? "", /version 2/);
  assert.deepEqual(lsns(walked), [1, 2, 3, 4, 5]);
});
