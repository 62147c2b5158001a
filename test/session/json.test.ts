/** Reads and nodes as JSON text and back. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { fromJson, toJson } from "../../src/session/json.ts";
import { normal, payloads } from "./payloads.ts";

test("bigint and bytes survive JSON text", () => {
  const node = {
    nodeId: "n",
    body: { big: 2n ** 64n - 1n, bytes: new Uint8Array([0, 255]), none: new Uint8Array() },
  };
  assert.deepStrictEqual(fromJson(toJson(node)), node);
  assert.equal(toJson([-1n, new Uint8Array([1])]), '[{"$bigint":"-1"},{"$bytes":"AQ=="}]');
});

test("maps that look like a tag survive", () => {
  for (const value of [
    { $bigint: "1" },
    { $bytes: "AQ==" },
    { $map: [["a", 1]] },
    { $map: { $map: [] } },
    { $: 1 },
    { a: { $x: { $bigint: 1n } } },
  ]) {
    assert.deepStrictEqual(fromJson(toJson(value)), value);
  }
});

test("the text outlives another JSON round trip", () => {
  const value = { a: [1n, { $map: "\ud800" }] };
  assert.deepStrictEqual(fromJson(JSON.stringify(JSON.parse(toJson(value)))), value);
});

test("a member that is undefined is left out", () => {
  assert.deepStrictEqual(fromJson(toJson({ a: undefined, b: [{ c: undefined }] })), { b: [{}] });
});

test("any value that can be stored comes back equal", () => {
  fc.assert(
    fc.property(payloads, (value) => {
      assert.deepStrictEqual(fromJson(toJson(value)), normal(value));
    }),
    { numRuns: 400 },
  );
});
