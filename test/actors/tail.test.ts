/** The tail: positions by session, generations that a snapshot drops in one step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Tail } from "../../src/actors/tail.ts";
import type { BlobRef } from "../../src/ids.ts";

const ref = "a".repeat(64) as BlobRef;

function positionsOf(tail: Tail, sessionId: string): number[][] {
  const positions: number[][] = [];
  tail.forEachRecord(sessionId, (...position) => positions.push(position));
  return positions;
}

test("records of a session come back in LSN order, across a cut", () => {
  const tail = new Tail();
  tail.addRecord({ kind: "commit", sessionId: "a" }, 1, 7, 4096, 10);
  tail.addRecord({ kind: "meta", sessionId: "b" }, 2, 7, 4196, 10);
  tail.cut(2);
  tail.addRecord({ kind: "commit", sessionId: "a" }, 3, 8, 4096, 10);
  assert.deepEqual(positionsOf(tail, "a"), [
    [1, 7, 4096],
    [3, 8, 4096],
  ]);
  assert.deepEqual(
    [...tail.sessions()],
    [
      ["a", 3],
      ["b", 0],
    ],
  );
});

test("drop forgets what the snapshot covers and keeps what came behind the cut", () => {
  const tail = new Tail();
  tail.addRecord({ kind: "commit", sessionId: "a" }, 1, 7, 4096, 10);
  tail.addBlob(ref, "toolState", 5, 2);
  tail.cut(2);
  tail.addRecord({ kind: "commit", sessionId: "b" }, 3, 8, 4096, 30);
  tail.drop(2);
  assert.equal(tail.has("a"), false);
  assert.equal(tail.blob(ref), undefined);
  assert.deepEqual(positionsOf(tail, "b"), [[3, 8, 4096]]);
  assert.equal(tail.bytes, 30);
});

test("a record that becomes durable after the cut but has an older LSN is dropped with the older ones", () => {
  const tail = new Tail();
  tail.cut(5);
  tail.addRecord({ kind: "commit", sessionId: "a" }, 4, 7, 4096, 10);
  tail.addRecord({ kind: "commit", sessionId: "b" }, 6, 8, 4096, 10);
  tail.drop(5);
  assert.equal(tail.has("a"), false);
  assert.equal(tail.has("b"), true);
});

test("a snapshot that failed leaves its generation for the next one to drop", () => {
  const tail = new Tail();
  tail.addRecord({ kind: "commit", sessionId: "a" }, 1, 7, 4096, 10);
  tail.cut(1);
  tail.addRecord({ kind: "commit", sessionId: "a" }, 2, 8, 4096, 10);
  tail.cut(2);
  assert.equal(positionsOf(tail, "a").length, 2);
  tail.drop(2);
  assert.equal(tail.isEmpty, true);
  assert.equal(tail.bytes, 0);
});

test("a blob can be named as soon as its frame has an LSN, and forgotten when it never became whole", () => {
  const tail = new Tail();
  const entry = tail.addBlob(ref, "executionState", 9, 1);
  assert.equal(tail.blob(ref)?.kind, "executionState");
  entry.positions.push(7, 4096);
  assert.deepEqual(tail.blob(ref)?.positions, [7, 4096]);
  tail.removeBlob(ref);
  assert.equal(tail.blob(ref), undefined);
});
