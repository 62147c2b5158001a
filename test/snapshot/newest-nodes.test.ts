/**
 * The newest nodes of a stored path, by themselves: whatever may be read of the session, the answer is right, or there is none.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeValue } from "../../src/codec.ts";
import { MIN_INDEXED_BYTES } from "../../src/limits.ts";
import { NodeChanges } from "../../src/session/node-changes.ts";
import type { NodeFact } from "../../src/session/record.ts";
import { hashOfId } from "../../src/session/stored-ids.ts";
import type { IdIndex, StoredHead } from "../../src/snapshot/head.ts";
import { readNewestPath } from "../../src/snapshot/newest-nodes.ts";
import { append, commitRecord, node } from "./fixture.ts";
import { Folded } from "./folded.ts";

const BODY = encodeValue({ kind: "event", text: "b".repeat(1000) });
/** In five pages and more, and its index in a page and in the head. */
const COUNT = Math.ceil((5 * MIN_INDEXED_BYTES) / BODY.length);
const idOf = (n: number) => `node-${n}`;
/** Even nodes are one path and odd ones the other. */
const parentOf = (n: number) => (n < 2 ? undefined : idOf(n - 2));

function twoPaths(): { readonly folded: Folded; readonly head: StoredHead; readonly index: IdIndex } {
  const folded = new Folded();
  const nodes: NodeFact[] = Array.from({ length: COUNT }, (_, n) => ({
    ...node(idOf(n), parentOf(n)),
    body: BODY,
  }));
  folded.fold([commitRecord("s", 1, { graph: append(...nodes.slice(0, -20)) })]);
  const head = folded.fold([commitRecord("s", 2, { graph: append(...nodes.slice(-20)) })]);
  const index = head.index ?? assert.fail("it is long");
  assert.ok(index.pages.length > 0 && index.newest.length > 0);
  return { folded, head, index };
}

const LIMIT = 5;
const MOST = Number.POSITIVE_INFINITY;
/** By how much more may be read each time. */
const STEP = 20_000;
/** The ids that a path of so many nodes has, oldest first. */
function pathOf(leaf: number): string[] {
  const ids: string[] = [];
  for (let n = leaf; n >= 0 && ids.length < LIMIT; n -= 2) ids.unshift(idOf(n));
  return ids;
}

test("with whatever may be read the answer is right, or there is none", () => {
  const { folded, head } = twoPaths();
  const { nodes } = head;
  for (const index of [head.index, undefined]) {
    let answers = 0;
    for (const leaf of [0, 1, 2, 300, 301, COUNT - 500, COUNT - 20, COUNT - 1]) {
      let isAnswered = false;
      for (let maxBytes = 0; maxBytes < 10 * MIN_INDEXED_BYTES; maxBytes += STEP) {
        // None of the index at first.
        const maxIndexBytes = maxBytes - 5 * STEP;
        const path = { leafNodeId: idOf(leaf), limit: LIMIT, maxBytes, maxIndexBytes };
        const read = readNewestPath({ nodes, index }, folded.store, new NodeChanges(), path);
        assert.ok(read !== undefined || !isAnswered, "more may be read and less is known");
        if (read === undefined) continue;
        if (leaf === COUNT - 1 && !isAnswered) assert.equal(maxBytes, STEP, "the newest page is read first");
        isAnswered = true;
        answers++;
        assert.deepEqual(
          read.graph.nodes.map(({ nodeId }) => nodeId),
          pathOf(leaf),
        );
      }
      assert.ok(isAnswered);
    }
    assert.ok(answers > 100);
  }
});

test("a node whose page has another of its hash is no answer", () => {
  const { folded, head, index } = twoPaths();
  const { nodes } = head;
  const path = { leafNodeId: "other", limit: LIMIT, maxBytes: MOST, maxIndexBytes: MOST };
  const read = (newest: Uint8Array) =>
    readNewestPath({ nodes, index: { ...index, newest } }, folded.store, new NodeChanges(), path);
  assert.deepEqual(read(index.newest)?.graph.nodes, []);
  assert.equal(read(Buffer.concat([hashOfId("other"), index.newest.subarray(8)])), undefined);
});
