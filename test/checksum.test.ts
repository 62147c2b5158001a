/** The checksums by their published check values, and the seed that no file shows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, PROCESS_SEED, sha256, sha256Hex } from "../src/checksum.ts";

const SHA_256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

test("the checksums are CRC-32 of IEEE, in parts as at once, and SHA-256", () => {
  assert.equal(crc32(Buffer.from("123456789")), 0xcbf43926);
  assert.equal(crc32(Buffer.from("6789"), crc32(Buffer.from("12345"))), 0xcbf43926);
  assert.equal(Buffer.from(sha256(Buffer.from("abc"))).toString("hex"), SHA_256_OF_ABC);
  assert.equal(sha256Hex(Buffer.from("abc")), SHA_256_OF_ABC);
});

test("a process has a seed of its own for its hash tables", () => {
  assert.equal(PROCESS_SEED | 0, PROCESS_SEED);
  // One process in four thousand million draws it.
  assert.notEqual(PROCESS_SEED, 0);
});
