/**
 * The log writer over a log that the test drives by hand: writes settle in order, once, and never well after
 * a failure; whoever waits is answered, whatever goes wrong inside.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createActor } from "xstate";
import { type LogWriterRef, logWriterLogic, type Write, WriteQueue } from "../../src/actors/log-writer.ts";
import { Tail } from "../../src/actors/tail.ts";
import { type StoreError, storeError } from "../../src/errors.ts";
import type { Log } from "../../src/wal/log.ts";

interface Rig {
  readonly writer: LogWriterRef;
  readonly tail: Tail;
  /** Labels with how each ended, in the order in which they were told. */
  readonly told: string[];
  readonly failures: StoreError[];
  append(label: string): Write;
  after(label: string): void;
  /** The next `frames` frames are durable. */
  batch(frames: number): void;
  fail(): void;
  /** The log refuses the next append. */
  breakAppend(): void;
}

const BROKEN = storeError("STORE_IO", { operation: "datasync", path: "/wal", errno: "EIO" }, "the disk died");

function rig(): Rig {
  let lastLsn = 0;
  let durable = 0;
  let broken = false;
  const told: string[] = [];
  const failures: StoreError[] = [];
  const tail = new Tail();
  const log = {
    get lastLsn() {
      return lastLsn;
    },
    append: () => {
      if (broken) throw BROKEN;
      return ++lastLsn;
    },
  } as unknown as Log;
  const queue = new WriteQueue({ log, tail, onFailed: (error) => failures.push(error) });
  const writer = createActor(logWriterLogic, { input: { queue } });
  const tell = (label: string) => (error: StoreError | undefined) =>
    void told.push(`${label} ${error === undefined ? "well" : error.code}`);
  writer.subscribe({ error: () => told.push("the writer died") });
  writer.start();
  return {
    writer,
    tail,
    told,
    failures,
    append: (label) => {
      const record = { kind: "vacuum", sessionId: label } as const;
      const write: Write = { ...record, lsn: 0, bytes: 0, settle: tell(label) };
      queue.append(write, record, []);
      return write;
    },
    after: (label) => writer.send({ type: "after", settle: tell(label) }),
    batch: (frames) => {
      durable += frames;
      const positions = Array.from({ length: frames }, () => [1, 4096]).flat();
      writer.send({ type: "log.batch", lastLsn: durable, positions });
    },
    fail: () => writer.send({ type: "log.failed", error: BROKEN }),
    breakAppend: () => {
      broken = true;
    },
  };
}

test("writes and the answers that rest on them settle in call order, and only when durable", () => {
  const { append, after, batch, told } = rig();
  after("idle");
  append("a");
  after("a2");
  append("b");
  append("c");
  after("c2");
  assert.deepEqual(told, ["idle well"]);
  batch(2);
  assert.deepEqual(told.slice(1), ["a well", "a2 well", "b well"]);
  batch(1);
  assert.deepEqual(told.slice(4), ["c well", "c2 well"]);
});

test("after the log failed whatever waits is told once, in order, and nothing settles well again", () => {
  const { append, after, batch, fail, told, failures } = rig();
  append("a");
  append("b");
  after("b2");
  batch(1);
  fail();
  fail();
  append("c");
  after("c2");
  assert.deepEqual(told, [
    "a well",
    "b COMMIT_OUTCOME_UNKNOWN",
    "b2 COMMIT_OUTCOME_UNKNOWN",
    "c STORE_POISONED",
    "c2 COMMIT_OUTCOME_UNKNOWN",
  ]);
  assert.deepEqual(failures, [BROKEN]);
});

test("frames that become durable after the store was poisoned for another reason harm nothing", () => {
  const { append, after, batch, fail, told, failures, tail, writer } = rig();
  append("a");
  append("b");
  fail();
  batch(2);
  after("close");
  assert.deepEqual(told, [
    "a COMMIT_OUTCOME_UNKNOWN",
    "b COMMIT_OUTCOME_UNKNOWN",
    "close COMMIT_OUTCOME_UNKNOWN",
  ]);
  assert.equal(failures.length, 1, "the failure is told once");
  assert.equal(writer.getSnapshot().status, "active");
  assert.ok(tail.isEmpty, "what was not acknowledged is not seen");
});

test("an append that the log refuses poisons the writer and refuses that write, once", () => {
  const { append, breakAppend, told, failures } = rig();
  append("a");
  breakAppend();
  const refused = append("b");
  append("c");
  assert.equal(refused.lsn, 0);
  assert.deepEqual(told, ["a COMMIT_OUTCOME_UNKNOWN", "b STORE_POISONED", "c STORE_POISONED"]);
  assert.equal(failures.length, 1);
});

test("a bug inside the writer poisons the store; it leaves nobody waiting", () => {
  const { append, after, batch, told, failures } = rig();
  append("a");
  append("b");
  // More frames than were ever appended: impossible, so something is badly wrong.
  batch(5);
  after("close");
  assert.deepEqual(told, [
    "a COMMIT_OUTCOME_UNKNOWN",
    "b COMMIT_OUTCOME_UNKNOWN",
    "close COMMIT_OUTCOME_UNKNOWN",
  ]);
  assert.equal(failures[0]?.code, "INTERNAL");
});

test("stopping the writer answers whatever still waits", () => {
  const { append, after, writer, told } = rig();
  append("a");
  after("a2");
  writer.stop();
  assert.deepEqual(told, ["a COMMIT_OUTCOME_UNKNOWN", "a2 COMMIT_OUTCOME_UNKNOWN"]);
});

type Step = "append" | "after" | "batch" | "fail";

test("for any course of events everyone is told exactly once, in order", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant<Step>("append") },
    { weight: 3, arbitrary: fc.constant<Step>("after") },
    { weight: 4, arbitrary: fc.constant<Step>("batch") },
    { weight: 1, arbitrary: fc.constant<Step>("fail") },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { append, after, batch, fail, told, writer } = rig();
      const asked: string[] = [];
      let inFlight = 0;
      let failed = false;
      for (const kind of steps) {
        const label = `n${asked.length}`;
        if (kind === "append") {
          asked.push(label);
          if (append(label).lsn > 0) inFlight++;
        } else if (kind === "after") {
          asked.push(label);
          after(label);
        } else if (kind === "batch" && inFlight > 0) {
          const frames = Math.ceil(inFlight / 2);
          inFlight -= frames;
          batch(frames);
        } else if (kind === "fail") {
          fail();
          failed = true;
        }
      }
      writer.stop();
      assert.deepEqual(
        told.map((line) => line.split(" ")[0]),
        asked,
      );
      const firstBad = told.findIndex((line) => !line.endsWith("well"));
      if (firstBad >= 0) assert.ok(told.slice(firstBad).every((line) => !line.endsWith("well")));
      if (!failed) assert.ok(told.every((line) => !line.endsWith("STORE_POISONED")));
    }),
  );
});
