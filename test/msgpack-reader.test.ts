/** The hand-written reader answers what msgpackr answers, keeps every character, and reads nothing beside its bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeValue, encodeValue, pack, unpack } from "../src/codec.ts";
import { MAX_PAYLOAD_DEPTH } from "../src/limits.ts";
import { MsgpackReader } from "../src/msgpack-reader.ts";
import { packr } from "./support/format-packr.ts";

const BYTE_ORDER_MARK = "\uFEFF";

function read(bytes: Uint8Array, start = 0, end = bytes.length): unknown {
  const reader = new MsgpackReader(bytes, start, end);
  const value = reader.value();
  reader.finish();
  return value;
}

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");

/**
 * msgpackr decodes texts of more than 64 bytes with a TextDecoder that drops a byte order mark. A host that stored what a
 * tool had read from such a file got it back one character short; the stored bytes were right.
 */
test("a text that begins with a byte order mark comes back with it, however long it is, also as a key", () => {
  for (const length of [0, 1, 21, 22, 61, 62, 100, 70_000]) {
    const text = BYTE_ORDER_MARK + "x".repeat(length);
    const value = { text, list: [text], [text]: 1 };
    assert.deepEqual(decodeValue(encodeValue(value)), value);
    assert.deepEqual(unpack(pack([text])), [text]);
  }
});

const text = fc
  .oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary", minLength: 20, maxLength: 200 }))
  .filter((one) => one.isWellFormed() && !one.startsWith(BYTE_ORDER_MARK));
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    text,
    fc.uint8Array(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(tie("value")),
    fc.dictionary(
      text.filter((one) => one !== "__proto__"),
      tie("value"),
      { noNullPrototype: true },
    ),
  ),
}));

test("any value is read as msgpackr reads it, also from between other bytes", () => {
  fc.assert(
    fc.property(anyValue, fc.uint8Array(), fc.uint8Array(), (value, before, behind) => {
      const bytes = Buffer.from(packr.pack(value));
      const expected = packr.unpack(bytes);
      assert.deepEqual(read(bytes), expected);
      const inside = Buffer.concat([before, bytes, behind]);
      assert.deepEqual(read(inside, before.length, before.length + bytes.length), expected);
    }),
    { numRuns: 3000 },
  );
});

test("values around every change of header are read back", () => {
  for (const size of [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
    const list = new Array(size).fill(1);
    const map = Object.fromEntries(list.map((one, i) => [`k${i}`, one]));
    for (const value of [
      list,
      map,
      "a".repeat(size),
      "é".repeat(size),
      Buffer.alloc(size, 7),
      new Uint8Array(size),
    ])
      assert.deepEqual(read(packr.pack(value)), value);
  }
});

test("numbers around every change of width are read back", () => {
  const edges = [0, 2 ** 5, 2 ** 7, 2 ** 8, 2 ** 15, 2 ** 16, 2 ** 31, 2 ** 32, 2 ** 53];
  for (const edge of edges)
    for (const value of [edge - 1, edge, -edge, -edge - 1].filter(Number.isSafeInteger))
      assert.equal(read(packr.pack(value)), value === 0 ? 0 : value);
});

test("an array that comes next tells its items, however many, and nothing else does", () => {
  for (const size of [0, 1, 15, 16, 65_535, 65_536])
    assert.equal(new MsgpackReader(packr.pack(new Array(size).fill(1))).array(), size);
  for (const hex of ["8f", "a0", "c0", "db 00000000", "de 0000"])
    assert.throws(() => new MsgpackReader(bytesOf(hex)).array(), /an array was expected/);
});

test("any msgpack for a value is read, whatever the width of its header", () => {
  const cases: [string, unknown][] = [
    ["cc 05", 5],
    ["cd 0005", 5],
    ["ce 00000005", 5],
    ["d0 fb", -5],
    ["d1 fffb", -5],
    ["d2 fffffffb", -5],
    ["ca 3fc00000", 1.5],
    ["cf 0000000000000005", 5n],
    ["d3 fffffffffffffffb", -5n],
    ["d9 01 61", "a"],
    ["da 0001 61", "a"],
    ["db 00000001 61", "a"],
    ["c5 0001 07", Buffer.from([7])],
    ["c6 00000001 07", Buffer.from([7])],
    ["dc 0001 07", [7]],
    ["dd 00000001 07", [7]],
    ["de 0001 a1 61 07", { a: 7 }],
    ["df 00000001 d9 01 61 07", { a: 7 }],
    ["d4 74 01", new Uint8Array()],
    ["d5 74 01 07", new Uint8Array([7])],
    ["d6 74 01 07 08 09", new Uint8Array([7, 8, 9])],
    ["d8 74 01 00112233445566778899aabbccddee", new Uint8Array(bytesOf("00112233445566778899aabbccddee"))],
    ["c7 02 74 01 07", new Uint8Array([7])],
    ["c8 0002 74 01 07", new Uint8Array([7])],
    ["c9 00000002 74 01 07", new Uint8Array([7])],
  ];
  for (const [hex, value] of cases) assert.deepEqual(read(bytesOf(hex)), value, hex);
});

test("what no writer writes is refused", () => {
  const cases: [string, RegExp][] = [
    ["c1", /0xc1 begins no value/],
    ["d4 00 00", /unknown extension type 0x00/],
    ["c7 00 74", /unknown extension type 0x74/],
    ["d5 74 02 07", /unknown extension type 0x74/],
    ["81 07 07", /key of a map is no text but 0x07/],
    ["81 c0 07", /key of a map is no text but 0xc0/],
    ["81 a9 5f5f70726f746f5f5f 80", /key __proto__/],
    ["07 07", /1 bytes are left/],
    ["", /1 bytes were expected, 0 are there/],
    ["dd ffffffff 07", /1 bytes were expected, 0 are there/],
    ["db ffffffff 61", /4294967295 bytes were expected, 1 are there/],
  ];
  for (const [hex, problem] of cases) assert.throws(() => read(bytesOf(hex)), problem, hex);
});

test("the deepest payload is read, also where every level is escaped, and one without end is refused", () => {
  const deepest = (wrap: (value: unknown) => unknown): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < MAX_PAYLOAD_DEPTH; level++) value = wrap(value);
    return value;
  };
  const list = deepest((value) => [value]);
  assert.deepEqual(decodeValue(encodeValue(list)), list);
  const escaped = deepest((value) => ({ $v: value, list: [0] }));
  assert.deepEqual(decodeValue(encodeValue(escaped)), escaped);
  for (const tag of ["91", "81a161"])
    assert.throws(() => read(bytesOf(tag.repeat(100_000))), /^Error: more than 1000 containers/);
  const most = bytesOf(`${"91".repeat(1000)}07`);
  assert.doesNotThrow(() => read(most));
  assert.throws(() => read(Buffer.concat([bytesOf("91"), most])), /more than 1000/);
  // Beside each other they may be as many as one likes.
  const beside = Array.from({ length: 2000 }, () => [{}]);
  assert.deepEqual(read(packr.pack(beside)), beside);
});

/** What it comes to: a value, or that it throws. */
function outcome(work: () => unknown): unknown {
  try {
    return { value: work() };
  } catch (error) {
    assert.equal((error as Error).constructor, Error);
    return "refused";
  }
}

test("any bytes come to the same whatever lies behind them", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1 }),
      fc.uint8Array({ minLength: 8, maxLength: 300 }),
      (bytes, behind) => {
        // Unfinished, so that nothing but the reading itself can refuse.
        const alone = outcome(() => new MsgpackReader(bytes).value());
        assert.deepEqual(
          outcome(() => new MsgpackReader(Buffer.concat([bytes, behind]), 0, bytes.length).value()),
          alone,
        );
      },
    ),
    { numRuns: 5000 },
  );
});

test("bytes that were read may be written again", () => {
  const value = {
    text: "a text",
    bytes: Buffer.from([1, 2]),
    more: new Uint8Array([3]),
    list: ["b".repeat(100)],
  };
  const bytes = Buffer.from(packr.pack(value));
  const answer = read(bytes);
  bytes.fill(0xff);
  assert.deepEqual(answer, value);
});

test("short texts that begin, end and count alike are told apart", () => {
  const texts = Array.from({ length: 400 }, (_, i) => `m${i.toString().padStart(5, "0")}z`);
  const map = Object.fromEntries(texts.map((one) => [one, one]));
  for (let turn = 0; turn < 2; turn++) assert.deepEqual(read(packr.pack(map)), map);
});

test("a text that was read before is not taken for a longer one that begins with it", () => {
  const letters = Array.from("abcdefghijklmnopqrstuvwxyz0123456789");
  for (const short of letters)
    for (let more = 0; more < 20; more++)
      for (const last of letters) {
        const long = `${short}${"-".repeat(more)}${last}`;
        assert.equal(read(packr.pack(short)), short);
        assert.equal(read(packr.pack(long)), long);
      }
});

test("bytes are answered where they lie, in either form, and as hexadecimal", () => {
  for (const hex of ["c4 03 010203", "c7 04 74 01 010203"]) {
    const bytes = bytesOf(`07 ${hex} 08`);
    for (const read of [
      (from: MsgpackReader) => from.hex(),
      (from: MsgpackReader) => {
        const view = from.view();
        assert.equal(view.buffer, bytes.buffer);
        return Buffer.from(view).toString("hex");
      },
    ]) {
      const from = new MsgpackReader(bytes);
      assert.deepEqual([from.value(), read(from), from.value()], [7, "010203", 8]);
      from.finish();
    }
  }
  assert.throws(() => new MsgpackReader(bytesOf("a1 61")).view("body"), /body is not bytes/);
});

test("a text is passed over only where it stands, whole and not as the beginning of another", () => {
  for (const one of ["", "a", "a".repeat(31), "a".repeat(32), "a".repeat(255)]) {
    for (const [stored, isIt] of [
      [one, true],
      [`${one}b`, false],
      [`b${one}`, false],
      [one.replace("a", "b"), one === ""],
    ] as const) {
      const reader = new MsgpackReader(packr.pack(stored));
      assert.equal(reader.skipText(one), isIt, `${one.length} of ${stored.length}`);
      assert.equal(isIt || reader.value() === stored, true);
      reader.finish();
    }
  }
  // The unit of "é" is the one byte that "\xe9" would be, and two bytes as a text.
  assert.equal(new MsgpackReader(bytesOf("a1 e9")).skipText("é"), false);
  assert.equal(new MsgpackReader(bytesOf("a1 80")).skipText("\u0080"), false);
  assert.equal(new MsgpackReader(bytesOf("a2 61"), 0, 2).skipText("aa"), false);
  assert.equal(new MsgpackReader(bytesOf("a2 61 61"), 0, 2).skipText("aa"), false, "half of it lies outside");
});

test("any text is passed over, of every length field, and nothing else is", () => {
  for (const one of ["", "a", "é", "a".repeat(31), "a".repeat(32), "a".repeat(256), "a".repeat(70_000)]) {
    const bytes = Buffer.concat([packr.pack(one), bytesOf("07")]);
    const reader = new MsgpackReader(bytes);
    const length = reader.skipTextBytes("id");
    assert.equal(bytes.toString("utf8", reader.at - length, reader.at), one);
    assert.equal(reader.value(), 7);
  }
  for (const other of ["9f", "c0", "07", "c4 01 61", "dc 0000", "e0"])
    assert.throws(() => new MsgpackReader(bytesOf(other)).skipTextBytes("id"), /id is not a string/);
  assert.throws(() => new MsgpackReader(bytesOf("da")).skipTextBytes("id"), /expected/);
  assert.throws(
    () => new MsgpackReader(bytesOf("a2 61")).skipTextBytes("id"),
    /2 bytes were expected, 1 are/,
  );
});

test("bytes are read as hexadecimal, in either form, and nil only where it stands", () => {
  const reader = new MsgpackReader(bytesOf("c0 c4 03 00 0f ff c0 c7 03 74 01 ab cd 05"));
  assert.equal(reader.nil(), true);
  assert.equal(reader.nil(), false);
  assert.equal(reader.hex(), "000fff");
  assert.equal(reader.nil(), true);
  assert.equal(reader.hex(), "abcd");
  assert.equal(reader.nil(), false);
  assert.throws(() => reader.hex(), /bytes were expected, not 0x05/);
  // What lies behind the end is nobody's.
  const ended = new MsgpackReader(bytesOf("05 c0 c4 01 ff"), 0, 1);
  ended.value();
  assert.equal(ended.nil(), false);
  assert.throws(
    () => new MsgpackReader(bytesOf("c4 01 ff"), 0, 2).hex(),
    /1 bytes were expected, 0 are there/,
  );
});
