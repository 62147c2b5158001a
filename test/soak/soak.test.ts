/**
 * The soak in short, counted in operations: lives that are killed, then a long one under a limit of memory. Every answer is
 * judged, and memory and disk must be flat at its end. `npm run test:soak -- --minutes 120` is the long one.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Disk, diskBesides, diskPerLiveByte, judgeFlat, markBytesOf, median } from "./flat.ts";
import { SoakRun } from "./run.ts";

/** Fixed: what it draws is what was looked at. */
const SEED = 5;

test("a store under random work, kills and little memory keeps every promise, and is flat at the end", async (t) => {
  const run = new SoakRun({
    directory: temporaryDirectory(t),
    ...{ seed: SEED, deaths: 5, operations: 3_600, period: 300 },
    isOver: () => true,
  });
  await run.run();
  assert.deepEqual(
    run.wrong,
    [],
    `npm run test:soak -- --seed ${SEED} --deaths 5 --operations 3600 --minutes 0`,
  );
  assert.deepEqual(run.tally.missing(), [], "what it never did it proves nothing about");
  assert.ok(run.flatness.length >= 5, "memory and disk were judged");
  t.diagnostic(String(run.tally));
});

test("growth from the second to the last quarter is seen, and a beginning that warms up is not", () => {
  const flat = judgeFlat("x", [1, 2, 10, 10, 11, 9, 10, 10], { most: 1.3 });
  assert.deepEqual([flat?.second, flat?.last, flat?.isFlat], [10, 10, true]);
  const growing = judgeFlat("x", [1, 2, 3, 4, 5, 6, 7, 8], { most: 1.3 });
  assert.deepEqual([growing?.second, growing?.last, growing?.isFlat], [3.5, 7.5, false]);
  assert.equal(judgeFlat("x", [1, 2, 3, 4, 5, 6, 7], { most: 1.3 }), undefined, "too few to judge");
});

/** Kilobytes that live, as a soak saw them. */
const SWINGING = [419, 522, 155, 221, 280, 241, 409, 292, 547, 525, 894, 1243];

type Series = (value: (disk: Disk) => number) => boolean | undefined;

function disks(besides: (liveBytes: number, at: number) => number, markBytes = (_at: number) => 0): Series {
  return (value) => {
    const values = SWINGING.map((kilobytes, at) => {
      const liveBytes = kilobytes * 1024;
      const diskBytes = liveBytes + besides(liveBytes, at) + markBytes(at);
      return value({ liveBytes, diskBytes, markBytes: markBytes(at) });
    });
    return judgeFlat("disk", values, { most: 1.3 })?.isFlat;
  };
}

test("disk that follows what lives is flat however that swings, and disk that keeps what is dead is not", () => {
  const constant = disks(() => 60 * 1024);
  assert.deepEqual([constant(diskBesides), constant(diskPerLiveByte)], [true, true]);
  const marking = disks(
    () => 60 * 1024,
    (at) => at * 40 * 1024,
  );
  assert.deepEqual([marking(diskBesides), marking(diskPerLiveByte)], [true, true]);
  const leaking = disks((_live, at) => at * 20 * 1024);
  assert.equal(leaking(diskBesides), false);
  const keepingAShare = disks((live, at) => (at * live) / 10);
  assert.deepEqual([keepingAShare(diskBesides), keepingAShare(diskPerLiveByte)], [false, false]);
});

test("heads count as marks of deleted sessions as far as there were deletions, and as marks are small", () => {
  const files = { headsBytes: 64_000, heads: 1_000, sessions: 10 };
  assert.equal(Math.round(markBytesOf(files, 990)), 63_360);
  assert.equal(markBytesOf(files, 100), 6_400, "what nobody deleted is dead and still there");
  assert.equal(markBytesOf({ ...files, headsBytes: 640_000 }, 990), 990 * 80, "a mark that keeps more");
  assert.equal(markBytesOf({ headsBytes: 0, heads: 0, sessions: 3 }, 0), 0);
});

test("a median is the middle value, or lies between the two in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});
