/** Memory of the codec: what one large value took is given back. Its bytes are held by the tests of those who use it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeValue, encodeCanonical, pack, packTransient, unpack } from "../src/codec.ts";
import { MIB } from "../src/limits.ts";

test("the buffer that one large value made large is given back, and both values are what they were", () => {
  const large = { text: "x".repeat(6 * MIB) };
  for (const write of [pack, packTransient]) {
    const bytes = write(large);
    assert.deepEqual(unpack(bytes), large);
    const small = packTransient({ n: 1 });
    assert.deepEqual(unpack(small), { n: 1 });
    assert.ok(small.buffer.byteLength <= MIB, `${small.buffer.byteLength} bytes are kept`);
    assert.deepEqual(unpack(bytes), large, "the large one is still whole");
  }
  assert.deepEqual(decodeValue(encodeCanonical(large)), large);
  assert.ok(packTransient(0).buffer.byteLength <= MIB);
});
