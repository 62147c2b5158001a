/** The index of node ids answers what a Map would, also when cells and whole hashes collide. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { SlotIndex } from "../../src/session/slot-index.ts";

test("ids are found under their slots, and only they", () => {
  const ids = fc.array(
    fc.oneof(
      fc.string({ maxLength: 3 }),
      fc.nat(40).map((n) => `node-${n}`),
    ),
    {
      maxLength: 200,
    },
  );
  fc.assert(
    fc.property(ids, ids, (added, asked) => {
      const entries: { id: string }[] = [];
      const index = new SlotIndex(entries);
      const model = new Map<string, number>();
      for (const id of added) {
        assert.equal(index.add(id, entries.length), !model.has(id));
        if (model.has(id)) continue;
        model.set(id, entries.length);
        entries.push({ id });
      }
      assert.equal(index.size, model.size);
      for (const id of [...added, ...asked]) {
        assert.equal(index.get(id), model.get(id));
        assert.equal(index.has(id), model.has(id));
      }
    }),
  );
});

test("ids of one hash are told apart", () => {
  // Of so many ids about ten pairs have the same 32 bits; each would be refused as a node that exists already.
  const entries = Array.from({ length: 300_000 }, (_, i) => ({ id: `${i}-${Math.imul(i, 0x9e37_79b1)}` }));
  const index = new SlotIndex(entries);
  for (const [slot, { id }] of entries.entries()) assert.ok(index.add(id, slot), id);
  for (const [slot, { id }] of entries.entries()) assert.equal(index.get(id), slot);
  assert.equal(index.get("none"), undefined);
});

test("a few ids take no cells; those of more double when half of them are used", () => {
  const entries: { id: string }[] = [];
  const index = new SlotIndex(entries);
  const sizes = Array.from({ length: 17 }, (_, slot) => {
    index.add(`${slot}`, slot);
    entries.push({ id: `${slot}` });
    return index.bytes;
  });
  assert.deepEqual(sizes, [...Array(8).fill(0), ...Array(7).fill(256), 512, 512]);
});
