/** Sparse shared bytes against a plain buffer, and copies against each other. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MemoryBytes } from "../../src/vfs/memory-bytes.ts";

const POSITION = fc.oneof(fc.nat(200), fc.integer({ min: 65_000, max: 66_000 }), fc.nat(200_000));
const LENGTH = fc.oneof(fc.nat(600), fc.constantFrom(65_536, 131_072, 70_000));
const STEP = fc.oneof(
  fc.record({ kind: fc.constant("write" as const), position: POSITION, length: LENGTH, byte: fc.nat(2) }),
  fc.record({ kind: fc.constant("truncate" as const), position: POSITION }),
  fc.record({ kind: fc.constant("copy" as const) }),
);

function whole(bytes: MemoryBytes): Buffer {
  const target = Buffer.alloc(bytes.size + 10, 0xff);
  return target.subarray(0, bytes.read(target, 0));
}

/** The bytes after the write, by the plainest means. */
function written(model: Buffer, position: number, part: Uint8Array): Buffer {
  if (part.byteLength === 0) return model;
  const result = Buffer.alloc(Math.max(model.byteLength, position + part.byteLength));
  result.set(model);
  result.set(part, position);
  return result;
}

function resized(model: Buffer, size: number): Buffer {
  const result = Buffer.alloc(size);
  result.set(model.subarray(0, size));
  return result;
}

describe("memory bytes", () => {
  it("any writes and truncations leave what a plain buffer has, also in every copy taken on the way", () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 12 }), (steps) => {
        let bytes = new MemoryBytes();
        let model: Buffer = Buffer.alloc(0);
        const copies: [MemoryBytes, Buffer][] = [];
        for (const step of steps) {
          if (step.kind === "write") {
            const part = Buffer.alloc(step.length, step.byte);
            bytes.write(part, step.position);
            model = written(model, step.position, part);
          } else if (step.kind === "truncate") {
            bytes.truncate(step.position);
            model = resized(model, step.position);
          } else {
            // Goes on with the copy every other time: both sides must be independent.
            const copy = bytes.copy();
            copies.push([copies.length % 2 === 0 ? copy : bytes, Buffer.from(model)]);
            if (copies.length % 2 === 0) bytes = copy;
          }
          assert.equal(Buffer.compare(whole(bytes), model), 0);
        }
        for (const [copy, expected] of copies) assert.equal(Buffer.compare(whole(copy), expected), 0);
      }),
      { numRuns: 150 },
    );
  });
});
