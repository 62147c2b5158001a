/** The hand-written msgpack is msgpackr's, byte for byte: a value has one encoding, whoever writes it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Packr } from "msgpackr/pack";
import { decodeValue, encodeValue, encodeValueShared } from "../src/codec.ts";
import { MsgpackWriter } from "../src/msgpack-writer.ts";

/** The settings of the format (docs/format.md), said again here. */
const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  moreTypes: true,
  useBigIntExtension: true,
  copyBuffers: true,
  useToJSON: false,
});
const byMsgpackr = (value: unknown): Buffer => Buffer.from(packr.pack(value));

function written(write: (to: MsgpackWriter) => void): Buffer {
  const writer = new MsgpackWriter("reused");
  writer.begin();
  write(writer);
  return Buffer.from(writer.end());
}

const EDGES = [0, 1, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];

test("integers of every width are msgpackr's", () => {
  for (const value of EDGES) {
    assert.deepEqual(
      written((to) => to.integer(value)),
      byMsgpackr(value),
      String(value),
    );
  }
});

test("numbers of every kind are msgpackr's", () => {
  const negative = [-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1];
  for (const value of [...EDGES, ...negative, -0, 0.5, -1e300, 5e-324, 2 ** 60, -(2 ** 60)]) {
    assert.deepEqual(
      written((to) => to.number(value)),
      byMsgpackr(value === 0 ? 0 : value),
      String(value),
    );
  }
});

test("64-bit integers are msgpackr's", () => {
  const values = [0n, 1n, -1n, 2n ** 31n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)];
  for (const value of values) {
    assert.deepEqual(
      written((to) => to.bigint(value)),
      byMsgpackr(value),
      String(value),
    );
  }
});

test("texts around every change of header are msgpackr's, whatever their characters", () => {
  for (const unit of ["a", "é", "漢", "😀"]) {
    for (const count of [
      0, 1, 10, 15, 16, 31, 32, 63, 64, 85, 86, 127, 128, 255, 256, 21_845, 65_535, 65_536,
    ]) {
      const value = unit.repeat(count);
      assert.deepEqual(
        written((to) => to.text(value)),
        byMsgpackr(value),
        `${count} times ${unit}`,
      );
    }
  }
});

test("binaries, arrays and maps around every change of header are msgpackr's", () => {
  for (const size of [0, 1, 15, 16, 255, 256, 65_535, 65_536]) {
    const bytes = Buffer.alloc(size, 7);
    assert.deepEqual(
      written((to) => to.binary(bytes)),
      byMsgpackr(bytes),
    );
    const list = new Array(size).fill(1);
    const array = written((to) => {
      to.array(size);
      for (let i = 0; i < size; i++) to.integer(1);
    });
    assert.deepEqual(array, byMsgpackr(list));
    const map = Object.fromEntries(list.map((one, i) => [`k${i}`, one]));
    const pairs = written((to) => {
      to.map(size);
      for (let i = 0; i < size; i++) {
        to.text(`k${i}`);
        to.integer(1);
      }
    });
    assert.deepEqual(pairs, byMsgpackr(map));
  }
  const hex = "0f".repeat(32);
  assert.deepEqual(
    written((to) => to.hexBinary(hex)),
    byMsgpackr(Buffer.from(hex, "hex")),
  );
});

test("any plain value is encoded as msgpackr does, and comes back", () => {
  const text = fc.string({ unit: "grapheme" }).filter((one) => one.isWellFormed());
  const key = text.filter((one) => one !== "__proto__");
  const { value: plainValue } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => (one === 0 ? 0 : one)),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      text,
      fc.array(tie("value")),
      fc.dictionary(key, tie("value"), { noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(plainValue, (value) => {
      const bytes = Buffer.from(encodeValueShared(value, "plain"));
      assert.deepEqual(bytes.subarray(1), byMsgpackr(value));
      assert.equal(bytes[0], 0);
      assert.deepEqual(decodeValue(bytes), value);
    }),
    { numRuns: 2000 },
  );
});

test("shared encodings stay as they are while later ones are made", () => {
  const values = Array.from({ length: 500 }, (_, i) => ({ i, text: "x".repeat((i * 7919) % 3000) }));
  const shared = values.map((value) => encodeValueShared(value, "plain"));
  const large = encodeValueShared("y".repeat(3_000_000), "plain");
  encodeValueShared("z".repeat(100), "plain");
  shared.forEach((bytes, i) => {
    assert.deepEqual(decodeValue(bytes), values[i]);
  });
  assert.equal(decodeValue(large), "y".repeat(3_000_000));
});

test("what inherits an enumerable property is encoded without it", () => {
  const polluted = Object.prototype as Record<string, unknown>;
  polluted.inherited = 1;
  try {
    assert.deepEqual(
      Buffer.from(encodeValue({ own: 1 }, "plain").subarray(1)),
      Buffer.from([0x81, 0xa3, 0x6f, 0x77, 0x6e, 1]),
    );
  } finally {
    delete polluted.inherited;
  }
});
