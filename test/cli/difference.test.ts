import assert from "node:assert/strict";
import { test } from "node:test";
import { describeDifference, firstDifference, firstReordering } from "../../src/cli/replay/difference.ts";

const CASES: readonly (readonly [name: string, expected: unknown, found: unknown, sentence: string])[] = [
  ["a text", { a: { b: "x" } }, { a: { b: "y" } }, 'a.b is "y" but "x" was sent'],
  ["a list item", { a: [1, 2] }, { a: [1, 3] }, "a[1] is 3 but 2 was sent"],
  ["a missing key", { a: 1 }, {}, "a is absent but 1 was sent"],
  ["an extra key", {}, { a: null }, "a is null but absent was sent"],
  ["a key that holds undefined", {}, { a: undefined }, "a is absent but absent was sent"],
  ["a bigint and a number", { a: 1n }, { a: 1 }, "a is 1 but 1n was sent"],
  ["bytes", new Uint8Array([1, 2]), new Uint8Array([1, 3]), "it is 2 bytes 0103 but 2 bytes 0102 was sent"],
  ["a list and an object", { a: [] }, { a: {} }, "a is an object of 0 keys but a list of 0 was sent"],
];
for (const [name, expected, found, sentence] of CASES) {
  test(`${name} that differs is named with both values`, () => {
    const difference = firstDifference(expected, found);
    assert.ok(difference !== undefined);
    assert.equal(describeDifference(difference), sentence);
  });
}

test("long texts are shown from where they part", () => {
  const difference = firstDifference(`${"a".repeat(500)}b${"z".repeat(500)}`, `${"a".repeat(500)}c`, "text");
  assert.ok(difference !== undefined);
  assert.equal(
    describeDifference(difference),
    `text is …"${"a".repeat(10)}c" but …"${"a".repeat(10)}b${"z".repeat(49)}"… was sent`,
  );
});

test("equal values have no difference, whatever the order of their keys", () => {
  const left = { a: [1, { b: new Uint8Array([7]) }], c: null, d: 5n };
  const right = { d: 5n, c: null, a: [1, { b: new Uint8Array([7]) }] };
  assert.equal(firstDifference(left, right), undefined);
  assert.equal(firstReordering(left, right), "a");
  assert.equal(firstReordering(left, structuredClone(left)), undefined);
});
