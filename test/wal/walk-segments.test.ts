/** The walk over several segments: order, ends that a LINK names, salts of lost headers, SEALs, and open files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { FrameType, imageOf, putFrame, saltSeed, stampFrame } from "../../src/wal/frame.ts";
import { type WalkedSegment, walkLog } from "../../src/wal/walk.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { DIRECTORY, opened, readFile, STORE_ID, segmentPathOf, writeFile } from "./fixture.ts";

/** A log of two segments in use, closed: LSN 1 and 2, then a LINK, LSN 3 and a SEAL. */
async function twoSegments() {
  const vfs = new MemoryVfs();
  const log = await opened({ vfs });
  await log.write(100, 60);
  await log.roll();
  await log.write(40);
  const { segment = 0, offset = 0 } = log.durable.get(2) ?? {};
  await log.close();
  return { vfs, first: segment, lastFrame: offset, path: segmentPathOf(segment) };
}

function walkUsed(vfs: Vfs): WalkedSegment[] {
  const counting = new CountingVfs(vfs);
  const walked = [...walkLog({ vfs: counting, directory: DIRECTORY, storeId: STORE_ID })];
  assert.deepEqual(counting.openPaths, []);
  return walked.filter(({ frames, holes }) => frames.length + holes.length > 0);
}

test("segments are walked in order, up to the SEAL, and each file is closed", async () => {
  const { vfs, first } = await twoSegments();
  const [one, two, ...others] = walkUsed(vfs);
  const types = ({ frames }: WalkedSegment): number[][] => frames.map(({ type, lsn }) => [type, lsn]);
  assert.ok(one && two && others.length === 0);
  assert.deepEqual([one.number, two.number], [first, first + 1]);
  const { data, link, seal } = FrameType;
  assert.deepEqual(
    types(one).filter(([type]) => type === data),
    [
      [data, 1],
      [data, 2],
    ],
  );
  assert.deepEqual(types(two), [
    [link, 2],
    [data, 3],
    [seal, 3],
  ]);
  assert.deepEqual([one.isSealed, two.isSealed], [false, true]);
  assert.deepEqual([one.holes, two.holes, two.durable], [[], [], 3]);
  assert.equal(two.link?.previousSalt, one.salt);
});

test("a record gone from the end of a segment is a hole up to where the next LINK says, not its end", async () => {
  const { vfs, path, lastFrame } = await twoSegments();
  const bytes = readFile(vfs, path);
  bytes.fill(0, lastFrame, lastFrame + 48 + 64);
  writeFile(vfs, path, bytes);
  const [one, two] = walkUsed(vfs);
  assert.deepEqual(
    one?.holes.map(({ offset, end, before, behind }) => [offset, end, before, behind]),
    [[lastFrame, two?.link?.end, 1, undefined]],
  );
});

test("a segment whose whole header is gone is walked with the salt that the next LINK names", async () => {
  const { vfs, path } = await twoSegments();
  writeFile(vfs, path, readFile(vfs, path).fill(0, 0, 4096));
  const [one] = walkUsed(vfs);
  assert.deepEqual(
    one?.frames.filter(({ type }) => type === FrameType.data).map(({ lsn }) => lsn),
    [1, 2],
  );
  assert.equal(one?.header, undefined);
  assert.ok(one?.problem !== undefined);
});

test("what stands behind a SEAL is not of the log, and a LINK stands at the front alone", async () => {
  const { vfs, first } = await twoSegments();
  const path = segmentPathOf(first + 1);
  const [, two] = walkUsed(vfs);
  assert.ok(two);
  const bytes = readFile(vfs, path);
  const image = imageOf(bytes);
  putFrame(image, two.end, FrameType.data, 4, Buffer.alloc(8));
  const saltCrc = saltSeed(two.salt);
  stampFrame(image, two.end, {
    durable: 3,
    previousCrc: two.frames.at(-1)?.crc ?? 0,
    framesLeft: 0,
    saltCrc,
  });
  writeFile(vfs, path, bytes);
  assert.deepEqual(
    walkUsed(vfs)[1]?.frames.map(({ lsn }) => lsn),
    [2, 3, 3],
  );
  // In place of the SEAL, a LINK that verifies: a hole, because no writer puts one there.
  const seal = two.frames.at(-1)?.offset ?? 0;
  const before = two.frames.at(-2)?.crc ?? 0;
  bytes.fill(0, seal);
  putFrame(image, seal, FrameType.link, 3, Buffer.alloc(40));
  stampFrame(image, seal, { durable: 3, previousCrc: before, framesLeft: 0, saltCrc });
  writeFile(vfs, path, bytes);
  const [, again] = walkUsed(vfs);
  assert.deepEqual(
    again?.frames.map(({ lsn }) => lsn),
    [2, 3],
  );
  assert.deepEqual(
    again?.holes.map(({ offset, before: lsn }) => [offset, lsn]),
    [[seal, 3]],
  );
});

test("a segment in front of one whose header is gone ends where that one's LINK says, if its salt is known", async () => {
  const { vfs, first, path, lastFrame } = await twoSegments();
  const [one, two] = walkUsed(vfs);
  assert.ok(one && two?.link);
  const next = segmentPathOf(first + 1);
  writeFile(vfs, next, readFile(vfs, next).fill(0, 0, 4096));
  const bytes = readFile(vfs, path);
  bytes.fill(0, lastFrame, lastFrame + 48 + 64);
  writeFile(vfs, path, bytes);
  const place = { vfs, directory: DIRECTORY, storeId: STORE_ID };
  const holesOf = (salts: ReadonlyMap<number, bigint>): unknown =>
    [...walkLog(place, salts)].find(({ number }) => number === first)?.holes.map(({ end }) => end);
  assert.deepEqual(holesOf(new Map([[first + 1, two.salt]])), [two.link.end]);
  // Without the salt nobody knows that anything stood there.
  assert.deepEqual(holesOf(new Map()), []);
});

test("where a LINK is damaged, what is known of the segment in front of it counts: its last LSN", async () => {
  const { vfs, first } = await twoSegments();
  const path = segmentPathOf(first + 1);
  const bytes = readFile(vfs, path);
  bytes.fill(0xee, 4096 + 50, 4096 + 60);
  writeFile(vfs, path, bytes);
  const [, two] = walkUsed(vfs);
  assert.deepEqual(
    two?.holes.map(({ offset, before, behind }) => [offset, before, behind]),
    [[4096, 2, 3]],
  );
});
