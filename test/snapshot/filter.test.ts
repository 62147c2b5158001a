/** The filter: what was added is found, and of the rest almost everything is refused without a read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "../../src/checksum.ts";
import { Filter } from "../../src/snapshot/filter.ts";

const KEYS = 10_000;
const keys = (prefix: string): Uint8Array[] =>
  Array.from({ length: KEYS }, (_, index) => Buffer.from(`${prefix}-${index}`));

function filled(all: readonly Uint8Array[]): Filter {
  const filter = Filter.forKeys(all.length);
  for (const key of all) filter.add(key);
  return filter;
}

test("a filter has every key that was added", () => {
  const present = keys("session");
  const filter = filled(present);
  for (const key of present) assert.ok(filter.mayHave(key));
});

test("a filter refuses all but about one in a hundred of other keys", () => {
  const filter = filled(keys("session"));
  const wrong = keys("absent").filter((key) => filter.mayHave(key)).length;
  assert.ok(wrong < KEYS * 0.02, `${wrong} of ${KEYS} absent keys pass`);
});

test("digests and ids that differ in one character are told apart as well", () => {
  const filter = filled(keys("session").map((key) => sha256(key)));
  const wrong = keys("sessiom").filter((key) => filter.mayHave(sha256(key))).length;
  assert.ok(wrong < KEYS * 0.02, `${wrong} of ${KEYS} absent digests pass`);
});

test("a filter takes about ten bits a key", () => {
  assert.equal(Filter.forKeys(KEYS).bytes.length, (KEYS * 10) / 8);
});

test("an empty filter has nothing", () => {
  const filter = Filter.forKeys(0);
  assert.ok(keys("any").every((key) => !filter.mayHave(key)));
});

test("a filter read back from its bytes answers as before", () => {
  const present = keys("session");
  const again = new Filter(Uint8Array.from(filled(present).bytes));
  assert.ok(present.every((key) => again.mayHave(key)));
});
