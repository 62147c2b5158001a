/** Bodies that were committed last: written over only when the log has them, gone before another lies there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KIB, LOAD_STEP_BYTES } from "../../src/limits.ts";
import { BodiesShed } from "../../src/session/node-entry.ts";
import { NodeTable } from "../../src/session/node-table.ts";
import { RecentBodies } from "../../src/session/recent-bodies.ts";
import { runThrough } from "../../src/steps.ts";

/** Eight slabs of 1 KiB. */
const BYTES = 8 * KIB;

function startRecent(bytes = BYTES) {
  const progress = { lastLsn: 0, settledLsn: 0 };
  return { progress, recent: new RecentBodies(bytes, progress) };
}

const bodyOf = (n: number, length: number) => Buffer.alloc(length, n);
const nodeOf = (n: number, length: number) => ({
  id: `n${n}`,
  parent: undefined,
  flags: 0,
  body: bodyOf(n, length),
});

test("a body is there or said to be gone, never another, and gone only when its write was answered", () => {
  const step = fc.record({
    length: fc.integer({ min: 1, max: 300 }),
    answered: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { progress, recent } = startRecent();
      const taken: { n: number; at: number; length: number; chunk: { bytes: Uint8Array | undefined } }[] = [];
      steps.forEach(({ length, answered }, n) => {
        progress.lastLsn = n + 1;
        const at = recent.put(bodyOf(n, length));
        assert.equal(at === undefined, length > KIB / 4);
        if (at !== undefined) taken.push({ n, at, length, chunk: recent.last });
        progress.settledLsn = Math.min(progress.lastLsn, progress.settledLsn + answered);
        let isThere = false;
        for (const one of taken) {
          const { bytes } = one.chunk;
          if (bytes === undefined) {
            assert.ok(one.n + 1 <= progress.settledLsn, "what is gone was answered");
            assert.equal(isThere, false, "the oldest goes first");
          } else {
            isThere = true;
            assert.deepEqual(bytes.subarray(one.at, one.at + one.length), bodyOf(one.n, one.length));
          }
        }
      });
    }),
  );
});

test("memory is used again, and more than was asked for only while writes wait", () => {
  const { progress, recent } = startRecent();
  assert.equal(recent.bytes, 0, "none before it is needed");
  const put = (count: number): void => {
    for (let n = 0; n < count; n++) {
      progress.lastLsn++;
      recent.put(bodyOf(n % 256, 200));
    }
  };
  put(500);
  assert.ok(recent.bytes > 90 * KIB, "nothing was answered, so nothing may go");
  progress.settledLsn = progress.lastLsn;
  put(10);
  assert.ok(recent.bytes <= BYTES + KIB, `${recent.bytes} bytes once they were`);
  const memory = new Set<ArrayBufferLike | undefined>();
  for (let n = 0; n < 1000; n++) {
    put(1);
    progress.settledLsn = progress.lastLsn;
    memory.add(recent.last.bytes?.buffer);
  }
  assert.ok(memory.size <= 9, `${memory.size} pieces of memory`);
});

test("what was asked for is filled to the last byte, and no more is taken once the oldest writes were answered", () => {
  const { progress, recent } = startRecent();
  const put = (): void => {
    progress.lastLsn++;
    recent.put(bodyOf(1, KIB / 4));
  };
  for (let n = 0; n < 4; n++) put();
  assert.equal(recent.bytes, KIB);
  for (let n = 4; n < 32; n++) put();
  assert.equal(recent.bytes, BYTES);
  // The fifth began the second piece: no write behind it has a body in the first.
  progress.settledLsn = 5;
  put();
  assert.equal(recent.bytes, BYTES, "the first piece is written again");
  for (let n = 0; n < 4; n++) put();
  assert.equal(recent.bytes, BYTES + KIB, "the second is not");
});

test("what was answered gives its memory back, what was not stays", () => {
  const { progress, recent } = startRecent();
  const chunks: (typeof recent.last)[] = [];
  for (let n = 0; n < 20; n++) {
    progress.lastLsn++;
    recent.put(bodyOf(n, 200));
    chunks.push(recent.last);
  }
  progress.settledLsn = 10;
  recent.clear();
  assert.ok(recent.bytes > 0);
  assert.equal(chunks[0]?.bytes, undefined);
  assert.ok(chunks.slice(10).every(({ bytes }) => bytes !== undefined));
  progress.settledLsn = 20;
  recent.clear();
  assert.equal(recent.bytes, 0);
  assert.ok(chunks.every(({ bytes }) => bytes === undefined));
  progress.lastLsn++;
  assert.equal(recent.put(bodyOf(1, 10)), 0, "and it goes on");
});

test("too little memory for a body takes none", () => {
  const { recent } = startRecent(7);
  assert.equal(recent.put(bodyOf(1, 1)), undefined);
  assert.equal(recent.bytes, 0);
});

/** A table whose nodes lie in recent memory, and one with the same nodes for its own. */
function startTables(count: number, length: number) {
  const { progress, recent } = startRecent();
  const table = new NodeTable();
  table.useRecent(recent);
  const stored = new NodeTable();
  for (let n = 0; n < count; n++) {
    progress.lastLsn++;
    table.add(nodeOf(n, length));
    stored.add(nodeOf(n, length));
    progress.settledLsn = progress.lastLsn;
  }
  return { table, stored, progress, recent };
}

const bodiesOf = (table: NodeTable) => table.entries.map(({ body }) => Buffer.from(body));

test("a table that needs its bodies has them for its own, whatever is committed then", () => {
  const { table, stored, progress, recent } = startTables(20, 100);
  const before = table.bytes;
  table.ownBodies();
  assert.ok(table.bytes >= before + 20 * 100, "they count as its own");
  for (let n = 0; n < 1000; n++) {
    progress.settledLsn = ++progress.lastLsn;
    recent.put(bodyOf(255, 200));
  }
  assert.equal(table.isShed, false);
  assert.deepEqual(bodiesOf(table), bodiesOf(stored));
});

test("a table whose recent bodies went says so, and takes them back with those that are there", () => {
  const { table, stored } = startTables(200, 100);
  assert.equal(table.isShed, true);
  assert.throws(() => table.ownBodies(), BodiesShed);
  assert.throws(() => table.entries[0]?.body, BodiesShed);
  assert.deepEqual(Buffer.from(table.entries[199]?.body ?? []), bodyOf(199, 100), "the newest is there");
  table.hold();
  runThrough(table.gather());
  assert.equal(table.isShed, true);
  runThrough(table.takeBack(stored));
  assert.equal(table.isShed, false);
  assert.deepEqual(bodiesOf(table), bodiesOf(startTables(200, 100).stored));
});

test("what a held table is given is its own", () => {
  const { table, progress, recent } = startTables(2, 100);
  table.hold();
  progress.lastLsn++;
  table.add(nodeOf(2, 100));
  progress.settledLsn = progress.lastLsn;
  table.release();
  recent.clear();
  assert.deepEqual(Buffer.from(table.entries[2]?.body ?? []), bodyOf(2, 100));
  assert.throws(() => table.entries[1]?.body, BodiesShed);
});

test("bodies that are its own go by the budget as ever, also those it was given between recent ones", () => {
  const { table, stored, progress, recent } = startTables(3, 100);
  const large = nodeOf(3, 2000);
  progress.settledLsn = ++progress.lastLsn;
  table.add(large);
  stored.add(large);
  progress.settledLsn = ++progress.lastLsn;
  table.add(nodeOf(4, 100));
  stored.add(nodeOf(4, 100));
  assert.ok(table.sheddableBytes >= 2000, "a large body lies alone");
  table.shed(5);
  assert.equal(table.isShed, true);
  recent.clear();
  runThrough(table.gather());
  runThrough(table.takeBack(stored));
  assert.deepEqual(
    bodiesOf(table).map((body) => body.length),
    [100, 100, 100, 2000, 100],
  );
});

test("many recent bodies are copied a bounded number a step, and meanwhile the oldest may go", () => {
  const { progress, recent } = startRecent(4 * LOAD_STEP_BYTES);
  const table = new NodeTable();
  const stored = new NodeTable();
  table.useRecent(recent);
  for (let n = 0; n < 3 * 64; n++) {
    progress.settledLsn = ++progress.lastLsn;
    table.add(nodeOf(n, LOAD_STEP_BYTES / 64));
    stored.add(nodeOf(n, LOAD_STEP_BYTES / 64));
  }
  assert.throws(() => table.ownBodies(), BodiesShed, "more than a step");
  assert.equal(table.isShed, false);
  table.hold();
  const steps = table.gather();
  let count = 0;
  for (; !steps.next().done; count++) {
    if (count > 0) continue;
    recent.clear();
  }
  assert.ok(count >= 1, `${count} pauses`);
  assert.equal(table.isShed, true);
  runThrough(table.takeBack(stored));
  assert.equal(table.isShed, false);
  assert.deepEqual(
    table.entries.map(({ body }) => body[0]),
    Array.from({ length: 3 * 64 }, (_, n) => n % 256),
  );
});
