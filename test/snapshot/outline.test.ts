/**
 * The outline in a head: that it says of nodes what their pages say, grows by what is put behind it, is given up when it
 * would be long, and that bytes which are no outline are refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pack } from "../../src/codec.ts";
import { MAX_OUTLINE_BYTES } from "../../src/limits.ts";
import { BodiesShed, LIVE, type NodeEntry } from "../../src/session/node-entry.ts";
import { type NodeItem, nodeItem } from "../../src/snapshot/head.ts";
import { EMPTY_OUTLINE, extendOutline, outlinedNodes } from "../../src/snapshot/outline.ts";
import { storedHead } from "./files.ts";
import { value } from "./fixture.ts";

type Parent = "none" | "previous" | "first" | "elsewhere";

const entry = (id: string, fields: Partial<NodeEntry> = {}): NodeEntry => ({
  id,
  parent: undefined,
  flags: 0,
  body: new Uint8Array(3),
  revision: 1,
  hiddenAt: LIVE,
  ...fields,
});
const itemOf = (node: NodeEntry): NodeItem => nodeItem(node, node.hiddenAt !== LIVE);

/** The nodes that a head of so many says. */
function outlined(outline: Uint8Array | undefined, items: number) {
  const nodes = items === 0 ? [] : [{ ref: value("page").ref, level: 0, items, bytes: 9 }];
  return outlinedNodes(storedHead("s", 1, { outline, nodes }));
}
const seen = (node: Omit<NodeEntry, "body">, bodyBytes: number) => {
  const { id, parent, flags, revision, hiddenAt } = node;
  return { id, parent, flags, revision, hiddenAt, bodyBytes };
};

test("an outline says all of the nodes but their bodies, however they were put behind each other", () => {
  const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 });
  const parentOf = fc.constantFrom<Parent>("none", "previous", "first", "elsewhere");
  const facts = fc.infiniteStream(
    fc.record({
      parent: parentOf,
      flags: fc.constantFrom(0, 1),
      isHidden: fc.boolean(),
      bodyBytes: fc.constantFrom(0, 1, 200, 70_000),
      step: fc.constantFrom(0, 1, 300),
      cuts: fc.boolean(),
    }),
  );
  fc.assert(
    fc.property(ids, facts, (names, stream) => {
      const runs: NodeEntry[][] = [[]];
      let revision = 0;
      let last: string | undefined;
      for (const id of names) {
        const { parent, flags, isHidden, bodyBytes, step, cuts } = stream.next().value;
        revision += step;
        const parents: Record<Parent, string | undefined> = {
          none: undefined,
          previous: last,
          first: names[0],
          elsewhere: "not here",
        };
        const hiddenAt = isHidden ? 0 : LIVE;
        const body = new Uint8Array(bodyBytes);
        if (cuts) runs.push([]);
        runs.at(-1)?.push(entry(id, { parent: parents[parent as Parent], flags, body, revision, hiddenAt }));
        last = id;
      }
      let outline: Uint8Array | undefined = EMPTY_OUTLINE;
      for (const run of runs) outline = extendOutline(outline, run.map(itemOf));
      const all = runs.flat();
      if (outline === undefined) return;
      const table = outlined(outline, all.length) ?? assert.fail("it has an outline");
      assert.deepEqual(
        table.entries.map((one) => seen(one, one.bodyBytes)),
        all.map((one) => seen(one, one.body.length)),
      );
      assert.throws(() => table.needBodies(), BodiesShed);
      for (const { id } of all) assert.equal(table.entries[table.slots.get(id) ?? -1]?.id, id);
    }),
  );
});

test("of no nodes there is an outline, and nothing is missing", () => {
  const table = outlined(extendOutline(EMPTY_OUTLINE, []), 0);
  assert.equal(table?.entries.length, 0);
  table?.needBodies();
});

test("an outline that would be long is given up, and none begins behind nodes that have none", () => {
  let outline: Uint8Array | undefined = EMPTY_OUTLINE;
  let nodes = 0;
  for (; outline !== undefined; nodes++) {
    assert.ok(outline.length <= MAX_OUTLINE_BYTES);
    assert.equal(outlined(outline, nodes)?.entries.length, nodes);
    outline = extendOutline(outline, [itemOf(entry(`node-${nodes}`))]);
  }
  assert.ok(nodes > 20, `${nodes} nodes fit`);
  assert.equal(extendOutline(undefined, [itemOf(entry("next"))]), undefined);
  const many = Array.from({ length: 1000 }, (_, at) => itemOf(entry(`n${at}`)));
  assert.equal(extendOutline(EMPTY_OUTLINE, many), undefined);
  assert.equal(outlined(undefined, 3), undefined);
});

/** Items of one node: id, parent, flags, bytes of its body, revision. */
const wire = (...items: unknown[]): Uint8Array => Buffer.concat(items.map((item) => pack(item)));

test("bytes that are no outline of these nodes are refused", () => {
  const good = wire("a", null, 0, 3, 1, "b", true, 0, 3, 2);
  assert.equal(outlined(good, 2)?.entries[1]?.parent, "a");
  const bad: readonly [Uint8Array, number, RegExp][] = [
    [good, 1, /bytes are left/],
    [good, 3, /./],
    [good.subarray(0, -1), 2, /./],
    [wire("a", true, 0, 3, 1), 1, /has no node before it/],
    [wire("a", null, 0, 3, 2, "b", null, 0, 3, 1), 2, /"b" of an outline is older/],
    [wire("a", null, 0, 3, 1, "a", null, 0, 3, 1), 2, /exists already/],
    [wire(1, null, 0, 3, 1), 1, /node id/],
    [wire("a", 7, 0, 3, 1), 1, /parent/],
    [wire("a", null, "x", 3, 1), 1, /flags/],
    [wire("a", null, 0, null, 1), 1, /bytes of a body/],
    [wire("a", null, 0, 3, null), 1, /revision/],
    [wire("a", null, 0, -3, 1), 1, /-3 bytes/],
  ];
  for (const [bytes, items, expected] of bad) assert.throws(() => outlined(bytes, items), expected);
});
