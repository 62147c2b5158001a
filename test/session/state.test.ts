/** What commits are planned on: the receipts that a session remembers, and which nodes of a table a state has. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlobRef } from "../../src/ids.ts";
import { KeptBytes } from "../../src/session/kept-bytes.ts";
import { isLive, liveEntries, liveEntry, type Receipt, ReceiptTable } from "../../src/session/state.ts";
import { append, node, SessionBench } from "./session-bench.ts";

const REF = "ab".repeat(32) as BlobRef;

function receipt(operationId: string, headRevision = 1, manifestBytes = 10): Receipt {
  const digest = Buffer.alloc(32, headRevision);
  return {
    operationId,
    digest,
    headRevision,
    checkpointRef: REF,
    manifest: new KeptBytes(Buffer.alloc(manifestBytes)),
  };
}

const revisionOf = (table: ReceiptTable, operationId: string): number | undefined =>
  table.find(operationId)?.headRevision;

test("the oldest receipts are forgotten beyond the number that is kept, and an id used again counts as new", () => {
  const table = new ReceiptTable(2);
  ["a", "b", "a", "c"].forEach((id, index) => {
    table.add(receipt(id, index + 1));
  });
  assert.deepEqual(
    ["a", "b", "c"].map((id) => revisionOf(table, id)),
    [3, undefined, 4],
  );
});

test("receipts of the snapshot are read once, when an id is looked up, and are older than those made since", () => {
  let reads = 0;
  const table = new ReceiptTable(3, () => {
    reads += 1;
    return [receipt("old", 1), receipt("again", 2)];
  });
  table.add(receipt("again", 3));
  table.add(receipt("new", 4));
  assert.equal(reads, 0);
  assert.deepEqual(
    ["old", "again", "new"].map((id) => revisionOf(table, id)),
    [1, 3, 4],
  );
  table.add(receipt("newer", 5));
  assert.deepEqual(
    ["old", "again", "new", "newer"].map((id) => revisionOf(table, id)),
    [undefined, 3, 4, 5],
  );
  assert.equal(reads, 1);
});

test("receipts of the snapshot beyond the number that is kept are forgotten when they are read", () => {
  const table = new ReceiptTable(2, () => [receipt("oldest", 1), receipt("old", 2)]);
  table.add(receipt("new", 3));
  assert.deepEqual(
    ["oldest", "old", "new"].map((id) => revisionOf(table, id)),
    [undefined, 2, 3],
  );
  assert.equal(table.bytes, 2 * bytesWith(receipt("old")) + 2 * ("new".length - "old".length));
});

test("receipts of the snapshot that cannot be read are asked for again, and none made since is lost", () => {
  let isDown = true;
  const table = new ReceiptTable(3, () => {
    if (isDown) throw new Error("the disk does not answer");
    return [receipt("old", 1)];
  });
  table.add(receipt("new", 2));
  assert.throws(() => table.find("new"), /the disk does not answer/);
  isDown = false;
  assert.deepEqual([revisionOf(table, "new"), revisionOf(table, "old")], [2, 1]);
});

function bytesWith(...receipts: readonly Receipt[]): number {
  const table = new ReceiptTable(receipts.length);
  for (const one of receipts) table.add(one);
  return table.bytes;
}

test("the bytes that receipts take are those of the receipts that are there", () => {
  const one = bytesWith(receipt("a"));
  assert.ok(one > 10);
  assert.equal(bytesWith(receipt("a"), receipt("b")), 2 * one);
  assert.equal(bytesWith(receipt("abc")), one + 2 * 2, "two bytes a character of its id");
  assert.equal(bytesWith(receipt("a", 1, 110)), one + 100);
  const table = new ReceiptTable(1);
  for (const id of ["a", "b", "b", "c"]) table.add(receipt(id));
  assert.equal(table.bytes, one);
  const none = new ReceiptTable(0);
  none.add(receipt("a"));
  assert.deepEqual([none.bytes, revisionOf(none, "a")], [0, undefined]);
});

test("a state has the nodes that stood in its table when it was made, and of those the ones it had not hidden", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a"), node("b")]));
  const before = bench.state;
  bench.tombstone("a");
  const hidden = bench.state;
  bench.commit(append([node("c")]));
  const live = (state: typeof before, start?: number): string =>
    [...liveEntries(state, start)].map(({ id }) => id).join("");
  assert.deepEqual(
    [before, hidden, bench.state].map((state) => live(state)),
    ["ab", "b", "bc"],
  );
  assert.equal(live(bench.state, 2), "c");
  const found = (state: typeof before): (string | undefined)[] =>
    ["a", "b", "c", "nobody"].map((id) => liveEntry(state, id)?.id);
  assert.deepEqual(found(before), ["a", "b", undefined, undefined]);
  assert.deepEqual(found(hidden), [undefined, "b", undefined, undefined]);
  assert.deepEqual(found(bench.state), [undefined, "b", "c", undefined]);
  assert.deepEqual(
    [0, 1, 2].map((slot) => isLive(before, slot)),
    [true, true, false],
  );
});
