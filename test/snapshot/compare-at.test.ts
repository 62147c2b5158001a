/** Comparison in place: the order is that of `Buffer.compare`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareAt } from "../../src/snapshot/compare-at.ts";

test("bytes where they lie are ordered as Buffer.compare orders them, whatever lies around them", () => {
  // Few different bytes, so that long beginnings agree; and the extremes, which a signed byte would get wrong.
  const some = fc
    .array(fc.constantFrom(0, 1, 127, 128, 255), { maxLength: 6 })
    .map((list) => Buffer.from(list));
  fc.assert(
    fc.property(some, some, some, some, (before, here, behind, key) => {
      const bytes = Buffer.concat([before, here, behind]);
      const order = compareAt(bytes, before.length, before.length + here.length, key);
      assert.equal(Math.sign(order), Buffer.compare(here, key));
    }),
  );
});
