/** What may be stored, and how a refusal names its path. Round trips go through the bytes of a node. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { decodeValue, encodeValue, PLAIN } from "../../src/codec.ts";
import { MsgpackWriter } from "../../src/msgpack-writer.ts";
import { copyPayload, writePlain } from "../../src/session/payload.ts";
import { refuseCommit } from "../../src/session/shape.ts";
import { normal, payloads } from "./payloads.ts";
import { refusal } from "./session-bench.ts";

const writer = new MsgpackWriter("reused");

/** Bytes of a value that is plain, else undefined. */
function plainBytes(value: unknown): Buffer | undefined {
  writer.begin();
  writer.byte(PLAIN);
  return writePlain(writer, value) ? Buffer.from(writer.end()) : undefined;
}

const copiedBytes = (value: unknown): Uint8Array => encodeValue(copyPayload(value, "body", refuseCommit));

/** Checks and encodes as a node's payload is. */
const check = (value: unknown): Uint8Array => plainBytes(value) ?? copiedBytes(value);

const roundTrip = (value: unknown): unknown => decodeValue(check(value));

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

class Point {
  x = 1;
}
class List extends Array<number> {}

const looped: { self?: unknown } = {};
looped.self = [looped];
const withHole: unknown[] = [1, 2, 3];
delete withHole[1];
const withKey = Object.assign([1], { extra: 2 });

const refused: [string, unknown, string][] = [
  ["NaN", { a: Number.NaN }, "body.a"],
  ["an infinity", [Number.POSITIVE_INFINITY], "body[0]"],
  ["a function", { a: [() => 1] }, "body.a[0]"],
  ["a symbol", { a: Symbol("s") }, "body.a"],
  ["a symbol as key", { a: { [Symbol("s")]: 1 } }, "body.a"],
  ["a Date", { at: new Date(0) }, "body.at"],
  ["a Map", { m: new Map() }, "body.m"],
  ["a Set", new Set(), "body"],
  ["an instance of a class", { p: new Point() }, "body.p"],
  ["an array of a class", { l: new List() }, "body.l"],
  ["another typed array", { f: new Float64Array(1) }, "body.f"],
  ["an array buffer", { f: new ArrayBuffer(1) }, "body.f"],
  ["a hole", withHole, "body"],
  ["an array with another key", { a: withKey }, "body.a"],
  ["undefined in an array", [1, undefined], "body[1]"],
  ["undefined itself", undefined, "body"],
  ["a bigint above 64 bits", [2n ** 64n], "body[0]"],
  ["a bigint below 64 bits", [-(2n ** 63n) - 1n], "body[0]"],
  ["a cycle", looped, "body.self[0]"],
  ["a promise", { a: Promise.resolve() }, "body.a"],
  ["a boxed string", { a: Object("x") }, "body.a"],
  ["an error", { a: new Error("x") }, "body.a"],
];
for (const [name, value, path] of refused) {
  test(`${name} is refused by its path`, () => {
    assert.equal(refusal("INVALID_COMMIT", () => check(value)).path, path);
  });
}

const kept: [string, unknown, unknown][] = [
  [
    "null, booleans and numbers",
    [null, true, false, 1.5, -1, 2 ** 53 - 1],
    [null, true, false, 1.5, -1, 2 ** 53 - 1],
  ],
  [
    "64-bit integers at both ends",
    [2n ** 64n - 1n, -(2n ** 63n), 0n, 1n],
    [2n ** 64n - 1n, -(2n ** 63n), 0n, 1n],
  ],
  ["a lone surrogate", ["\ud800", "a\udfff"], ["\ud800", "a\udfff"]],
  [
    "bytes, an empty one too",
    [new Uint8Array([1, 2]), new Uint8Array()],
    [new Uint8Array([1, 2]), new Uint8Array()],
  ],
  ["a Buffer, as a Uint8Array", { b: Buffer.from("hi") }, { b: new Uint8Array([104, 105]) }],
  ["-0, as 0", [-0, { a: -0 }], [0, { a: 0 }]],
  ["-0 beside bytes, as 0", [-0, new Uint8Array()], [0, new Uint8Array()]],
  ["a member that is undefined, as an absent one", { a: undefined, b: 1 }, { b: 1 }],
  ["an object without prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ["a map that looks like the codec's escape", { $v: ["s", 1] }, { $v: ["s", 1] }],
  [
    "a map that looks like the codec's escape beside a real one",
    [{ $v: ["s", new Uint8Array(2)] }, "\ud800"],
    [{ $v: ["s", new Uint8Array(2)] }, "\ud800"],
  ],
  [
    "keys that name methods",
    { constructor: 1, hasOwnProperty: 2, toJSON: 3 },
    { constructor: 1, hasOwnProperty: 2, toJSON: 3 },
  ],
  ["a long array", Array.from({ length: 1000 }, (_, i) => i), Array.from({ length: 1000 }, (_, i) => i)],
  ["the same object at two places", [withKey.length, kept1(), kept1()], [1, { k: 1 }, { k: 1 }]],
];
function kept1() {
  return { k: 1 };
}
for (const [name, value, expected] of kept) {
  test(`${name} is kept`, () => {
    const read = roundTrip(value);
    assert.deepStrictEqual(read, expected);
  });
}

test("a shared object is no cycle", () => {
  const shared = { a: 1 };
  assert.deepStrictEqual(roundTrip({ x: shared, y: [shared, false] }), { x: { a: 1 }, y: [{ a: 1 }, false] });
  assert.deepStrictEqual(roundTrip([shared, shared, new Uint8Array()]), [
    { a: 1 },
    { a: 1 },
    new Uint8Array(),
  ]);
});

test("__proto__ is a key like any other", () => {
  const value: unknown = JSON.parse('{"__proto__":{"a":1},"b":{"__proto__":null}}');
  const read = roundTrip(value) as object;
  assert.equal(JSON.stringify(read), '{"__proto__":{"a":1},"b":{"__proto__":null}}');
  assert.equal(Object.getPrototypeOf(read), Object.prototype);
});

test("the order of keys is kept", () => {
  assert.deepEqual(Object.keys(roundTrip({ b: 1, a: 2, "": 3 }) as object), ["b", "a", ""]);
  assert.deepEqual(Object.keys(roundTrip({ b: "\ud800", a: 2, $v: 3 }) as object), ["b", "a", "$v"]);
});

test("100 levels are accepted and 201 are refused by the path of the last", () => {
  assert.deepStrictEqual(roundTrip(nested(100)), nested(100));
  assert.deepStrictEqual(roundTrip([nested(150), "\ud800"]), [nested(150), "\ud800"]);
  assert.deepStrictEqual(roundTrip(nested(200)), nested(200));
  const { path } = refusal("INVALID_COMMIT", () => check(nested(201)));
  assert.equal(path.split(/[.[]/).length, 201);
});

test("a path quotes keys that are no names", () => {
  const { path } = refusal("INVALID_COMMIT", () => check({ "a b": { "": [{ $ok: Number.NaN }] } }));
  assert.equal(path, 'body["a b"][""][0].$ok');
});

test("a getter is read once, and what it answered is stored", () => {
  let calls = 0;
  const value = {
    get a() {
      calls++;
      return calls === 1 ? "first" : () => "unchecked";
    },
  };
  assert.deepStrictEqual(roundTrip(value), { a: "first" });
  assert.equal(calls, 1);
});

test("an accessor of an array item is read once", () => {
  const value: unknown[] = [1];
  let calls = 0;
  Object.defineProperty(value, 0, {
    enumerable: true,
    configurable: true,
    get: () => (calls++ === 0 ? 7 : new Date()),
  });
  assert.deepStrictEqual(roundTrip({ value }), { value: [7] });
});

test("a proxy is read as the value it shows", () => {
  const value = { p: new Proxy({ a: [1] }, {}), q: new Proxy([1, 2], {}) };
  assert.deepStrictEqual(roundTrip(value), { p: { a: [1] }, q: [1, 2] });
});

test("what the caller's code throws becomes INVALID_COMMIT with it as cause", () => {
  const thrown = new Error("hostile");
  const getter = {
    a: {
      get b(): unknown {
        throw thrown;
      },
    },
  };
  const error = refusal("INVALID_COMMIT", () => check(getter));
  assert.equal(error.path, "body.a.b");
  assert.equal(error.cause, thrown);
  const traps: ProxyHandler<object>[] = [
    {
      ownKeys: () => {
        throw thrown;
      },
    },
    {
      getPrototypeOf: () => {
        throw thrown;
      },
    },
    {
      get: () => {
        throw thrown;
      },
    },
    {
      getOwnPropertyDescriptor: () => {
        throw thrown;
      },
    },
  ];
  for (const trap of traps) {
    assert.equal(refusal("INVALID_COMMIT", () => check([new Proxy({ a: 1 }, trap)])).cause, thrown);
  }
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  refusal("INVALID_COMMIT", () => check({ r: revoked.proxy }));
});

test("a refusal thrown by the caller's own code is not taken for ours", () => {
  const forged = refuseCommit("forged", "x");
  const value = {
    get a(): unknown {
      throw forged;
    },
  };
  assert.equal(refusal("INVALID_COMMIT", () => check(value)).path, "body.a");
});

test("a plain value is written as it is and anything else from a copy", () => {
  const plain = { a: [1, "x", null, { b: 2n }], long: Array.from({ length: 100 }, (_, i) => i), e: [] };
  assert.ok(plainBytes(plain));
  for (const value of [["\ud800"], [new Uint8Array()], { a: undefined }, { "\udc00": 1 }]) {
    assert.equal(plainBytes(value), undefined);
    assert.ok(copiedBytes(value));
  }
});

/** Only a map that looks like the codec's escape has two encodings: beside real escapes it must be told from them. */
test("a value has the same bytes, written as it is or from a copy", () => {
  let plain = 0;
  fc.assert(
    fc.property(payloads, (value) => {
      const bytes = plainBytes(value);
      const copied = Buffer.from(copiedBytes(value));
      if (bytes === undefined || copied[0] !== PLAIN) return;
      plain++;
      assert.deepEqual(bytes, copied);
    }),
    { numRuns: 1000 },
  );
  assert.ok(plain > 100);
});

test("what is plain calls no code of the caller while it is found out", () => {
  const called = (): never => assert.fail("called");
  const accessor = (key: PropertyKey, target: object) =>
    Object.defineProperty(target, key, { get: called, set: called, enumerable: true });
  const traps: ProxyHandler<object> = new Proxy({}, { get: called });
  const values = [
    accessor("a", { z: 1 }),
    accessor(1, [0, 1]),
    accessor("a", Object.create(null) as object),
    accessor("inherited", Object.create(accessor("inherited", {})) as object),
    new Proxy({}, traps),
    new Proxy([], traps),
    { toJSON: called },
    { a: { valueOf: called } },
  ];
  for (const value of values) assert.equal(plainBytes([{ value }]), undefined);
});

test("an accessor without a getter is an absent member", () => {
  const value = Object.defineProperty({ a: 1 }, "b", { set: () => undefined, enumerable: true });
  assert.deepStrictEqual(roundTrip(value), { a: 1 });
});

test("an item that is hidden behind another key is no item", () => {
  const hidden = Object.defineProperty(Object.assign([1, 2], { extra: 3 }), 0, { enumerable: false });
  assert.equal(Object.keys(hidden).length, hidden.length);
  assert.equal(refusal("INVALID_COMMIT", () => check({ a: hidden })).path, "body.a");
});

test("what inherits an enumerable property is stored without it", () => {
  const polluted = Object.prototype as Record<string, unknown>;
  polluted.inherited = 1;
  try {
    const bytes = check({ own: [{}] });
    assert.deepEqual(bytes, Buffer.from([0, 0x81, 0xa3, 0x6f, 0x77, 0x6e, 0x91, 0x80]));
  } finally {
    delete polluted.inherited;
  }
});

test("every value of the contract comes back equal, keys in order", () => {
  fc.assert(
    fc.property(payloads, (value) => {
      const read = roundTrip(value);
      assert.deepStrictEqual(read, normal(value));
      assert.deepEqual(shapeOf(read), shapeOf(value));
    }),
    { numRuns: 400 },
  );
});

/** Keys in order at every level, which deepStrictEqual does not look at. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return typeof value;
  if (Array.isArray(value)) return value.map(shapeOf);
  return Object.keys(value).map((key) => [key, shapeOf((value as Record<string, unknown>)[key])]);
}
