/**
 * The footer of a heads file, walked by hand, says what decoding it says; what no writer writes is decoded, or refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pack, unpack } from "../../src/codec.ts";
import { Filter } from "../../src/snapshot/filter.ts";
import { type HeadsFooter, readHeadsFooter } from "../../src/snapshot/heads-footer.ts";

const number = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat());
const place = fc.tuple(number, number);
const id = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ minLength: 200, maxLength: 300 }),
);
const footers = fc.record({
  count: fc.nat(40),
  blocks: fc.array(fc.tuple(id, place), { maxLength: 40 }),
  list: fc.array(fc.tuple(number, id, place), { maxLength: 40 }),
});

function wireOf({
  count,
  blocks,
  list,
}: typeof footers extends fc.Arbitrary<infer Value> ? Value : never): unknown[] {
  return [
    count,
    blocks.map(([first]) => first.toWellFormed()),
    blocks.flatMap(([, at]) => at),
    Filter.forKeys(count).bytes,
    list.map(([lsn]) => lsn),
    list.map(([, first]) => first.toWellFormed()),
    list.flatMap(([, , at]) => at),
  ];
}

/** All that a reader asks a footer. */
function contentOf(footer: HeadsFooter, ids: readonly string[]): unknown {
  const orders = ids.map((text) =>
    [footer.firstIds, footer.listFirstIds].map((keys) =>
      Array.from({ length: keys.length }, (_, i) => Math.sign(keys.compare(i, Buffer.from(text)))),
    ),
  );
  const { count, places, listPlaces, listFirstLsns } = footer;
  const filter = Buffer.from(footer.filter.bytes).toString("hex");
  return [count, filter, [...places.from(0)], [...listPlaces.from(0)], Array.from(listFirstLsns), orders];
}

function neverDecoded(): never {
  throw new Error("it was decoded");
}

test("a footer as it is written is not decoded, and says what its decoding says", () => {
  fc.assert(
    fc.property(footers, (given) => {
      const wire = wireOf(given);
      const ids = [...(wire[1] as string[]), ...(wire[5] as string[])];
      const bytes = Buffer.from(pack(wire));
      const walked = readHeadsFooter(bytes, neverDecoded);
      // A footer whose front is nothing that a writer writes is decoded.
      const decoded = readHeadsFooter(Buffer.of(0xc0), () => unpack(bytes));
      assert.deepEqual(contentOf(walked, ids), contentOf(decoded, ids));
      for (const [i, [first, at]] of given.blocks.entries()) {
        assert.equal(walked.firstIds.compare(i, Buffer.from(first.toWellFormed())), 0);
        assert.deepEqual(walked.places.at(i), { offset: at[0], length: at[1] });
      }
      assert.equal(walked.places.at(given.blocks.length), undefined);
    }),
    { numRuns: 300 },
  );
});

test("a footer that is cut, or goes on behind its end, is left to the decoder", () => {
  const filter = Filter.forKeys(2).bytes;
  const bytes = Buffer.from(pack([2, ["a", "b"], [64, 10, 82, 2 ** 40], filter, [9], ["a"], [100, 5]]));
  readHeadsFooter(bytes, neverDecoded);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => readHeadsFooter(bytes.subarray(0, length), neverDecoded), /it was decoded/);
  }
  assert.throws(() => readHeadsFooter(Buffer.concat([bytes, Buffer.of(0)]), neverDecoded), /it was decoded/);
});

test("a block without a first key, or a key without a block, is refused", () => {
  const filter = Filter.forKeys(1).bytes;
  for (const wire of [
    [1, [], [64, 10], filter, [], [], []],
    [1, ["a"], [], filter, [], [], []],
    [1, [], [], filter, [], ["a"], [64, 10]],
    [1, [], [], filter, [1], ["a"], []],
  ]) {
    assert.throws(() => readHeadsFooter(Buffer.from(pack(wire)), neverDecoded), /has no first key/);
  }
});
