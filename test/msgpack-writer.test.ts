/** The hand-written msgpack is msgpackr's, byte for byte: a value has one encoding, whoever writes it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeValue, PLAIN } from "../src/codec.ts";
import { KIB } from "../src/limits.ts";
import { MsgpackWriter } from "../src/msgpack-writer.ts";
import { writePlain } from "../src/session/payload.ts";
import { packr } from "./support/format-packr.ts";

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
  for (const unit of ["a", "\x7f", "\x80", "é", "漢", "😀"]) {
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
      const bytes = written((to) => assert.ok(writePlain(to, value)));
      assert.deepEqual(bytes, byMsgpackr(value));
      assert.deepEqual(decodeValue(Buffer.concat([Buffer.of(PLAIN), bytes])), value);
    }),
    { numRuns: 2000 },
  );
});

/** Every way to write something, and the bytes. */
const WRITES: readonly (readonly [what: string, write: (to: MsgpackWriter) => void, bytes: Buffer])[] = [
  ["a byte", (to) => to.byte(7), Buffer.of(7)],
  ["encoded bytes", (to) => to.encoded(Buffer.from("abc")), Buffer.from("abc")],
  ["nil", (to) => to.nil(), byMsgpackr(null)],
  ["a boolean", (to) => to.boolean(true), byMsgpackr(true)],
  ["an empty array", (to) => to.array(0), byMsgpackr([])],
  ["a long array", (to) => to.array(100), Buffer.of(0xdc, 0, 100)],
  ["an empty map", (to) => to.map(0), byMsgpackr({})],
  ["a large map", (to) => to.map(100), Buffer.of(0xde, 0, 100)],
  ...[1, 200, 70_000, 2 ** 40].flatMap((n) => [
    [`integer ${n}`, (to: MsgpackWriter) => to.integer(n), byMsgpackr(n)] as const,
    [`number ${n}`, (to: MsgpackWriter) => to.number(n), byMsgpackr(n)] as const,
  ]),
  ...[-1, -100, -1000, -70_000, 0.5].map(
    (n) => [`number ${n}`, (to: MsgpackWriter) => to.number(n), byMsgpackr(n)] as const,
  ),
  ["a bigint", (to) => to.bigint(5n), byMsgpackr(5n)],
  ...["", "a", "é", "a".repeat(40), "漢".repeat(30), "a".repeat(300), "é".repeat(300)].map(
    (text) =>
      [
        `${text.length} characters, the first "${text.slice(0, 1)}"`,
        (to: MsgpackWriter) => to.text(text),
        byMsgpackr(text),
      ] as const,
  ),
  ["a binary", (to) => to.binary(Buffer.alloc(20, 1)), byMsgpackr(Buffer.alloc(20, 1))],
  ["a binary in hex", (to) => to.hexBinary("01".repeat(20)), byMsgpackr(Buffer.alloc(20, 1))],
];

for (const kind of ["reused", "kept"] as const) {
  test(`what finds little room in a ${kind} buffer is written whole, behind what stands there`, () => {
    for (const [what, write, bytes] of WRITES) {
      for (let room = 0; room < bytes.length + 8; room++) {
        const writer = new MsgpackWriter(kind);
        writer.begin();
        writer.encoded(Buffer.alloc(50_000, 1));
        writer.begin();
        const used = kind === "kept" ? 50_000 : 0;
        const before = Buffer.alloc(64 * KIB - used - room, 2);
        writer.encoded(before);
        write(writer);
        assert.deepEqual(Buffer.from(writer.end()), Buffer.concat([before, bytes]), `${what}, room ${room}`);
      }
    }
  });
}

/** Where the next value of so many bytes lies, and how large its buffer is. */
function placeOf(writer: MsgpackWriter, bytes: number): readonly [buffer: ArrayBufferLike, at: number] {
  writer.begin();
  writer.encoded(Buffer.alloc(bytes));
  const { buffer, byteOffset, length } = writer.end();
  assert.equal(length, bytes);
  return [buffer, byteOffset];
}

test("values of a kept buffer lie behind each other, until less than 4 KiB of it are left", () => {
  for (const [left, isLast] of [
    [4 * KIB, false],
    [4 * KIB - 1, true],
  ] as const) {
    const writer = new MsgpackWriter("kept");
    const [buffer, first] = placeOf(writer, 10);
    assert.deepEqual([buffer.byteLength, first], [64 * KIB, 0]);
    assert.deepEqual(placeOf(writer, 64 * KIB - 10 - left), [buffer, 10]);
    const [next, at] = placeOf(writer, 100);
    assert.equal(next !== buffer, isLast);
    assert.equal(at, isLast ? 0 : 64 * KIB - left);
  }
});

test("a kept buffer begins again when it is rewound, and is left to who needs it", () => {
  const writer = new MsgpackWriter("kept");
  const [buffer] = placeOf(writer, 10);
  writer.rewind();
  assert.deepEqual(placeOf(writer, 20), [buffer, 0]);
  writer.leave();
  const [next, at] = placeOf(writer, 10);
  assert.ok(next !== buffer);
  assert.deepEqual([next.byteLength, at], [64 * KIB, 0]);
});

test("a kept buffer that was left is not begun again when nothing was written since", () => {
  const writer = new MsgpackWriter("kept");
  const [buffer] = placeOf(writer, 10);
  writer.leave();
  writer.rewind();
  writer.rewind();
  const [next] = placeOf(writer, 10);
  assert.ok(next !== buffer);
});

test("what was cancelled is forgotten: the next value begins where it began", () => {
  const writer = new MsgpackWriter("kept");
  writer.begin();
  writer.text("first");
  const first = writer.end();
  writer.begin();
  writer.text("half a value");
  writer.cancel();
  writer.begin();
  writer.text("second");
  const second = writer.end();
  assert.equal(second.byteOffset, first.byteLength);
  assert.deepEqual([Buffer.from(first), Buffer.from(second)], [byMsgpackr("first"), byMsgpackr("second")]);
});

test("a reused buffer begins again with each value, and one that became larger than 1 MiB is given back", () => {
  const writer = new MsgpackWriter("reused");
  const [buffer] = placeOf(writer, 64 * KIB);
  assert.equal(buffer.byteLength, 64 * KIB, "filled to its last byte");
  assert.deepEqual(placeOf(writer, 10), [buffer, 0]);
  const [grown] = placeOf(writer, 512 * KIB);
  assert.equal(grown.byteLength, 1024 * KIB, "twice what the value needs");
  assert.deepEqual(placeOf(writer, 10), [grown, 0]);
  const [large] = placeOf(writer, 1024 * KIB + 1);
  assert.equal(large.byteLength, 2 * (1024 * KIB + 1));
  const [small] = placeOf(writer, 10);
  assert.equal(small.byteLength, 64 * KIB);
});

test("a kept buffer that a value outgrows goes on in one of twice that value, and the others stay as they are", () => {
  const writer = new MsgpackWriter("kept");
  writer.begin();
  writer.text("first");
  const first = writer.end();
  const [grown, at] = placeOf(writer, 100_000);
  assert.deepEqual([grown.byteLength, at], [200_000, 0]);
  assert.deepEqual(Buffer.from(first), byMsgpackr("first"));
});

test("shared encodings stay as they are while later ones are made", () => {
  const values = Array.from({ length: 500 }, (_, i) => ({ i, text: "x".repeat((i * 7919) % 3000) }));
  const writer = new MsgpackWriter("kept");
  const encode = (value: unknown): Uint8Array => {
    writer.begin();
    writer.byte(PLAIN);
    assert.ok(writePlain(writer, value));
    return writer.end();
  };
  const shared = values.map(encode);
  const large = encode("y".repeat(3_000_000));
  encode("z".repeat(100));
  shared.forEach((bytes, i) => {
    assert.deepEqual(decodeValue(bytes), values[i]);
  });
  assert.equal(decodeValue(large), "y".repeat(3_000_000));
});
