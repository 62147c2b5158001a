/** A page of nodes enters a table as its items would one by one, and is the memory of their bodies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeValue, pack, unpack } from "../../src/codec.ts";
import type { BlobRef } from "../../src/ids.ts";
import { BodiesShed, LIVE, type NodeEntry } from "../../src/session/node-entry.ts";
import { NodeTable } from "../../src/session/node-table.ts";
import { entryFromItem, nodeItem } from "../../src/snapshot/head.ts";
import { addLeaf } from "../../src/snapshot/node-page.ts";
import type { PageRef } from "../../src/snapshot/pages.ts";
import { runThrough } from "../../src/steps.ts";

const refOf = (bytes: Uint8Array, items: number): PageRef => ({
  ref: "0".repeat(64) as BlobRef,
  level: 0,
  items,
  bytes: bytes.length,
});
const pageOf = (items: readonly unknown[]): Uint8Array => pack([0, items]);
const bodyOf = (value: unknown): Uint8Array => encodeValue(value);

function tableOf(...pages: (readonly unknown[])[]): NodeTable {
  const table = new NodeTable();
  for (const items of pages) {
    const bytes = pageOf(items);
    addLeaf(refOf(bytes, items.length), bytes, table);
  }
  return table;
}

const seen = ({ id, parent, flags, revision, hiddenAt, body }: NodeEntry) => ({
  id,
  parent,
  flags,
  revision,
  hiddenAt,
  body: Buffer.from(body).toString("hex"),
});

/** Ids of every form: short and long, with other characters. */
const id = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.uuid(),
  fc.constant("\ufeff".repeat(40)),
);
const node = fc.record({
  id,
  parent: fc.option(id, { nil: undefined }),
  parentIsLast: fc.boolean(),
  flags: fc.nat(1),
  isHidden: fc.boolean(),
  more: fc.nat(3),
  text: fc.string({ maxLength: 300 }),
  /** msgpackr writes the bytes of a Buffer in another form than those of a Uint8Array. */
  isBuffer: fc.boolean(),
});

test("nodes of pages enter a table as they would one by one", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(node, { selector: (one) => one.id, maxLength: 40 }),
      fc.nat(40),
      (nodes, cut) => {
        let revision = 0;
        const entries = nodes.map(
          ({ parentIsLast, isHidden, more, text, isBuffer, ...one }, at): [NodeEntry, boolean] => {
            revision += more;
            const parent = parentIsLast && at > 0 ? nodes[at - 1]?.id : one.parent;
            const bytes = bodyOf({ kind: "event", event: { text } });
            const body = isBuffer ? bytes : new Uint8Array(bytes);
            return [{ ...one, parent, revision, hiddenAt: LIVE, body }, isHidden];
          },
        );
        const items = entries.map(([entry, isHidden]) => nodeItem(entry, isHidden));
        const oneByOne = new NodeTable();
        for (const item of items) {
          const entry = entryFromItem(unpack(pack(item)));
          oneByOne.add(entry, entry.revision, entry.hiddenAt);
        }
        const table = tableOf(items.slice(0, cut), items.slice(cut));
        assert.deepEqual(table.entries.map(seen), oneByOne.entries.map(seen));
        assert.deepEqual([...table.missingParents].sort(), [...oneByOne.missingParents].sort());
        for (const [slot, entry] of table.entries.entries()) {
          assert.equal(table.slots.get(entry.id), slot);
          assert.deepEqual(entry.decodeBody(), oneByOne.entries[slot]?.decodeBody());
          assert.equal(entry.bodyBytes, entry.body.length);
        }
      },
    ),
    { numRuns: 300 },
  );
});

const entryOf = (name: string, revision = 0): NodeEntry => ({
  id: name,
  parent: undefined,
  flags: 0,
  revision,
  hiddenAt: LIVE,
  body: bodyOf({ name }),
});
const itemOf = (name: string, revision = 0): readonly unknown[] => nodeItem(entryOf(name, revision), false);

test("a node stored before revisions were is of revision 0", () => {
  assert.equal(tableOf([itemOf("a").slice(0, 4)]).entries[0]?.revision, 0);
});

test("a page is the memory of its bodies, and counts as such", () => {
  const items = Array.from({ length: 50 }, (_, i) => itemOf(`n${i}`));
  const bytes = pageOf(items);
  const table = new NodeTable();
  const before = table.bytes;
  addLeaf(refOf(bytes, items.length), bytes, table);
  assert.ok(table.entries.every(({ body }) => body.buffer === bytes.buffer));
  assert.ok(table.bytes - before >= bytes.length);
  assert.equal(table.sheddableBytes, bytes.length);
});

test("a page that is shed comes back, and nodes added meanwhile stay", () => {
  const items = Array.from({ length: 50 }, (_, i) => itemOf(`n${i}`));
  const table = tableOf(items.slice(0, 30), items.slice(30));
  table.add(entryOf("added"));
  table.shed(50);
  assert.equal(table.sheddableBytes, 0);
  assert.throws(() => table.entries[0]?.decodeBody(), BodiesShed);
  runThrough(table.takeBack(tableOf(items)));
  assert.deepEqual(
    table.entries.map((entry) => entry.decodeBody()),
    [...Array.from({ length: 50 }, (_, i) => ({ name: `n${i}` })), { name: "added" }],
  );
});

test("a page that is not what refers to it, or makes no sense, is refused", () => {
  const two = [itemOf("a"), itemOf("b")];
  const refused = (
    content: unknown,
    items: number,
    problem: RegExp,
    behind: readonly number[] = [],
  ): void => {
    const bytes = Buffer.concat([pack(content), Buffer.from(behind)]);
    assert.throws(() => addLeaf(refOf(bytes, items), bytes, new NodeTable()), problem);
  };
  refused([0, two], 3, /has 2 items instead of 3/);
  refused([1, two], 2, /has level 1 instead of 0/);
  refused([0, two, 1], 2, /is no pair/);
  refused([0, two], 2, /1 bytes are left/, [1]);
  refused([0, [two[0], two[0]]], 2, /node "a" exists already/);
  refused([0, [itemOf("a", 2), itemOf("b", 1)]], 2, /node "b" is of revision 1, behind one of 2/);
  refused([0, [["a", null, 0]]], 1, /a node has 3 fields/);
  refused([0, [["a", null, 0, Buffer.alloc(1), 0, 0]]], 1, /a node has 6 fields/);
  refused([0, [[7, null, 0, Buffer.alloc(1), 0]]], 1, /node id is not a string/);
  refused([0, [["a", 7, 0, Buffer.alloc(1), 0]]], 1, /parent is not a string/);
  refused([0, [["a", null, "x", Buffer.alloc(1), 0]]], 1, /flags is not an integer/);
  refused([0, [["a", null, 0, "text", 0]]], 1, /bytes were expected/);
  refused([0, [["a", null, 0, Buffer.alloc(1), 0.5]]], 1, /revision of a node is not an integer/);
});
