/** What goes into a batch, over a real ring: order, limits, commands, the end of the buffer. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_BATCH_BYTES, MAX_BATCH_FRAMES, MIB } from "../../src/limits.ts";
import { type NextStep, nextStep } from "../../src/wal/batch.ts";
import { frameBytes, frameLsnAt } from "../../src/wal/frame.ts";
import { Ring, Tag } from "../../src/wal/ring.ts";
import { WORD_COUNT } from "../../src/wal/words.ts";

const ROOM = 64 * MIB;

function ringOf(bytes: number): Ring {
  return new Ring(new ArrayBuffer(bytes), new Int32Array(WORD_COUNT));
}

/** The step for everything put so far. */
function stepOf(ring: Ring, room = ROOM): NextStep {
  ring.publish();
  return nextStep(ring.image, ring.filled, room);
}

/** LSNs of the next batch, which is taken. */
function take(ring: Ring, room = ROOM): number[] {
  const step = stepOf(ring, room);
  assert.equal(step.kind, "frames");
  if (step.kind !== "frames") return [];
  const lsns: number[] = [];
  for (const run of step.runs) {
    assert.ok(run.end > run.start, "no run is empty");
    for (let at = run.start; at < run.end; at += frameBytes(run.image.view.getUint32(at + 4, true))) {
      lsns.push(frameLsnAt(run.image.view, at));
    }
  }
  assert.equal(lsns.length, step.count);
  ring.release(step.taken);
  return lsns;
}

describe("the next step", () => {
  it("is nothing when the ring is empty", () => {
    const ring = ringOf(4096);
    assert.deepEqual(stepOf(ring), { kind: "nothing" });
  });

  it("takes all frames that queued, in order", () => {
    const ring = ringOf(4096);
    for (let lsn = 1; lsn <= 5; lsn += 1) assert.ok(ring.putFrame(lsn, Buffer.alloc(10)));
    assert.deepEqual(take(ring), [1, 2, 3, 4, 5]);
  });

  it("is nothing until what was put is published", () => {
    const ring = ringOf(4096);
    ring.putFrame(1, Buffer.alloc(10));
    assert.deepEqual(nextStep(ring.image, ring.filled, ROOM), { kind: "nothing" });
    assert.equal(ring.unpublishedBytes, frameBytes(10));
    assert.deepEqual(take(ring), [1]);
    assert.equal(ring.unpublishedBytes, 0);
  });

  it("ends before a frame that the segment has no room for, and then says so", () => {
    const ring = ringOf(4096);
    for (let lsn = 1; lsn <= 3; lsn += 1) ring.putFrame(lsn, Buffer.alloc(16));
    assert.deepEqual(take(ring, 2 * frameBytes(16)), [1, 2]);
    assert.deepEqual(stepOf(ring, frameBytes(16) - 8), { kind: "full", bytes: 64 });
    assert.deepEqual(take(ring, frameBytes(16)), [3]);
  });

  it("ends before a command, which is a step of its own", () => {
    const ring = ringOf(4096);
    ring.putFrame(1, Buffer.alloc(8));
    ring.putCommand(Tag.roll, 0);
    ring.putFrame(2, Buffer.alloc(8));
    ring.putCommand(Tag.external, 1000);
    ring.putCommand(Tag.close, 0);
    assert.deepEqual(take(ring), [1]);
    const kinds: string[] = [];
    for (let index = 0; index < 4; index += 1) {
      const step = stepOf(ring);
      kinds.push(step.kind);
      if ("taken" in step) ring.release(step.taken);
    }
    assert.deepEqual(kinds, ["roll", "frames", "external", "close"]);
  });

  it("never holds more frames than a group can count", () => {
    const ring = ringOf(MIB);
    for (let lsn = 1; lsn <= MAX_BATCH_FRAMES + 1; lsn += 1) assert.ok(ring.putFrame(lsn, Buffer.alloc(1)));
    assert.equal(take(ring).length, MAX_BATCH_FRAMES);
    assert.equal(take(ring).length, 1);
  });

  it("never holds more than a batch's bytes unless one frame is larger than that", () => {
    const ring = ringOf(8 * MIB);
    ring.putFrame(1, Buffer.alloc(2 * MIB));
    ring.putFrame(2, Buffer.alloc(MIB / 2));
    ring.putFrame(3, Buffer.alloc(MIB / 2));
    assert.deepEqual([take(ring), take(ring), take(ring)], [[1], [2], [3]]);
    const half = MAX_BATCH_BYTES / 2;
    const payload = half - (frameBytes(half) - half) - 8;
    ring.putFrame(4, Buffer.alloc(payload));
    ring.putFrame(5, Buffer.alloc(MAX_BATCH_BYTES - frameBytes(payload) - (frameBytes(payload) - payload)));
    assert.deepEqual(take(ring), [4, 5]);
  });

  it("ends with the buffer where a frame does", () => {
    const ring = ringOf(4096);
    const count = 4096 / frameBytes(16);
    for (let lsn = 1; lsn <= count; lsn += 1) {
      assert.ok(ring.putFrame(lsn, Buffer.alloc(16)));
      assert.deepEqual(take(ring), [lsn]);
    }
    assert.ok(ring.putFrame(count + 1, Buffer.alloc(16)));
    assert.deepEqual(take(ring), [count + 1]);
  });

  it("goes around the end of the buffer for ever without losing or inventing a frame", () => {
    const ring = ringOf(4096);
    let put = 0;
    let taken = 0;
    for (let turn = 0; turn < 2000; turn += 1) {
      while (ring.putFrame(put + 1, Buffer.alloc(1 + ((put * 131) % 900), put))) put += 1;
      assert.ok(put > taken);
      for (const lsn of take(ring)) {
        taken += 1;
        assert.equal(lsn, taken);
      }
    }
  });
});

describe("a full ring", () => {
  it("refuses a frame and a command until something is released", () => {
    const ring = ringOf(1024);
    for (let lsn = 1; ring.putFrame(lsn, Buffer.alloc(200)); lsn += 1);
    while (ring.putCommand(Tag.roll, 0));
    assert.equal(ring.hasRoomForCommand(), false);
    take(ring);
    assert.equal(ring.hasRoomForCommand(), true);
    assert.equal(ring.putCommand(Tag.roll, 0), true);
  });
});
