/** Laws of values: what payloads may hold, what comes back, and what is refused with its path. */
import assert from "node:assert/strict";
import type { Json } from "../../session/types.ts";
import { append, checkpoint, commit, eventNode, noise, pluginNode, turnState } from "./builders.ts";
import { read, refuses } from "./expect.ts";
import type { Area, Fixture } from "./suite.ts";

/** A plain object with an own key `__proto__`, which a literal cannot express. */
function withProtoKey(value: Json): { [key: string]: Json } {
  return JSON.parse(`{"before":1,"__proto__":${JSON.stringify(value)},"after":2}`);
}

/** Commits `value` in every place that holds payloads. */
async function store(fixture: Fixture, value: Json): Promise<void> {
  await fixture.session().commitRuntimeState(
    commit({
      graph: append([pluginNode("p", undefined, value), eventNode("e", undefined, { custom: value })], "p"),
      checkpoint: checkpoint({
        turnState: turnState({ modeTurnOptions: { modeId: "m", payload: value } }),
        toolState: { generation: 1, tools: { t: { manifest: value, sourceId: "s" } } },
        pluginSnapshot: { plugins: { p: value } },
      }),
    }),
  );
}

/** What came back from each of those places. */
async function load(fixture: Fixture): Promise<unknown[]> {
  const { graph, checkpoint: found } = await read(fixture.session());
  const [plugin, event] = graph.nodes;
  assert.ok(plugin?.kind === "plugin" && event?.kind === "event");
  return [
    plugin.body,
    (event.event as { custom: unknown }).custom,
    found.turnState.modeTurnOptions.payload,
    found.toolState?.tools.t?.manifest,
    found.pluginSnapshot?.plugins.p,
  ];
}

function nested(depth: number): Json {
  let value: Json = "bottom";
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { k: value };
  return value;
}

const KEPT: [string, Json][] = [
  ["null and booleans", [null, true, false]],
  [
    "finite numbers",
    [0, 1, -1, 0.1, 5e-324, 1.7976931348623157e308, 2 ** 53, -(2 ** 53), 4294967296, 2 ** 63],
  ],
  ["64-bit bigints", [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n, 127n, 255n]],
  ["strings of any kind", ["", "\u0000", "line\r\nline", "😀", "\ufeff", "\u2028", "x".repeat(70_000)]],
  ["lone surrogates", ["\ud800", "a\udc00b", "\udc00\ud800", "\ud83d"]],
  ["bytes", [new Uint8Array(), new Uint8Array([0, 255]), noise(40_000)]],
  ["nested arrays and objects", [[], {}, [[]], { a: {} }, { "": "", " ": 1 }]],
  ["keys with lone surrogates", { "\ud800": 1, "\udc00x": { "\ud800": 2 } }],
  ["the key __proto__ at the top", withProtoKey({ x: 1 })],
  ["the key __proto__ at any level", { deep: [withProtoKey("text"), { more: withProtoKey([1]) }] }],
  [
    "keys that look special",
    { constructor: 1, toString: "x", hasOwnProperty: null, valueOf: "x", length: 3 },
  ],
  [
    "objects that look like an escape of ours",
    [{ $v: ["s", "x"] }, { $v: { $v: ["m", []] } }, { $v: 1, other: 2 }],
  ],
  ["objects with many keys", Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`key ${i}`, i]))],
  ["one hundred levels", nested(100)],
];

const REFUSED: [string, () => unknown][] = [
  ["undefined in an array", () => [undefined]],
  ["a function", () => ({ x: () => 1 })],
  ["a symbol", () => Symbol("s")],
  ["an object with a symbol as key", () => ({ [Symbol("s")]: 2 })],
  ["NaN", () => [Number.NaN]],
  ["infinity", () => Number.POSITIVE_INFINITY],
  ["a Date", () => new Date(0)],
  ["a Map", () => new Map([["a", 1]])],
  ["a Set", () => ({ x: new Set([1]) })],
  [
    "a class instance",
    () =>
      new (class Point {
        x = 1;
      })(),
  ],
  ["an object without a prototype chain to Object", () => Object.create({ inherited: 1 })],
  ["a regular expression", () => /x/],
  ["a boxed string", () => Object("x")],
  ["an array with a hole", () => Object.assign(new Array(3), { 0: 1, 2: 3 })],
  ["other typed arrays", () => new Float64Array(1)],
  ["an array buffer", () => new ArrayBuffer(1)],
  ["a bigint above 64 bits", () => 2n ** 64n],
  ["a bigint below 64 bits", () => -(2n ** 63n) - 1n],
  ["a promise", () => Promise.resolve(1)],
  ["an error", () => new Error("x")],
  [
    "a cycle",
    () => {
      const cycle: Record<string, unknown> = {};
      cycle.self = { back: [cycle] };
      return cycle;
    },
  ],
  ["a very deep value", () => nested(100_000)],
];

export const payloadLaws: Area = ({ law }) => {
  for (const [what, value] of KEPT) {
    law(`payloads keep ${what}`, async (fixture) => {
      await store(fixture, value);
      await fixture.holds(async () => {
        for (const found of await load(fixture)) assert.deepEqual(found, value);
      });
    });
  }

  law("the key __proto__ comes back as an own key and sets no prototype", async (fixture) => {
    await store(fixture, withProtoKey({ polluted: true }));
    await fixture.holds(async () => {
      for (const found of await load(fixture)) {
        assert.equal(Object.getPrototypeOf(found), Object.prototype);
        assert.deepEqual(Object.keys(found as object).sort(), ["__proto__", "after", "before"]);
        assert.equal((found as { polluted?: unknown }).polluted, undefined);
      }
    });
  });

  law("keys __proto__ are kept in tool and plugin names", async (fixture) => {
    const tools = JSON.parse('{"__proto__":{"manifest":1,"sourceId":"s"},"b":{"manifest":2,"sourceId":"s"}}');
    const plugins = JSON.parse('{"__proto__":{"x":1}}');
    await fixture.session().commitRuntimeState(
      commit({
        checkpoint: checkpoint({ toolState: { generation: 1, tools }, pluginSnapshot: { plugins } }),
      }),
    );
    await fixture.holds(async () => {
      const found = (await read(fixture.session())).checkpoint;
      assert.deepEqual(found.toolState, { generation: 1, tools });
      assert.deepEqual(found.pluginSnapshot, { plugins });
    });
  });

  law("minus zero becomes zero", async (fixture) => {
    await store(fixture, [-0, { z: -0 }]);
    await fixture.holds(async () => {
      for (const found of await load(fixture)) {
        const [first, second] = found as [number, { z: number }];
        assert.ok(Object.is(first, 0) && Object.is(second.z, 0));
      }
    });
  });

  law("a key whose value is undefined is absent", async (fixture) => {
    await store(fixture, { a: undefined, b: { c: undefined, d: 1 } });
    await fixture.holds(async () => {
      for (const found of await load(fixture)) {
        assert.deepEqual(found, { b: { d: 1 } });
        assert.deepEqual(Object.keys(found as object), ["b"]);
      }
    });
  });

  law("key order is kept inside nodes", async (fixture) => {
    const value = { z: 1, a: { y: 1, b: 2 }, "\ud800": 0, m: 3 };
    await store(fixture, value);
    await fixture.holds(async () => {
      const [plugin, event] = (await load(fixture)) as (typeof value)[];
      assert.deepEqual(Object.keys(plugin ?? {}), ["z", "a", "\ud800", "m"]);
      assert.deepEqual(Object.keys(event?.a ?? {}), ["y", "b"]);
    });
  });

  law("objects without a prototype are plain objects", async (fixture) => {
    const bare = Object.assign(Object.create(null), { x: 1 });
    await store(fixture, bare);
    for (const found of await load(fixture)) {
      assert.deepEqual(found, { x: 1 });
      assert.equal(Object.getPrototypeOf(found), Object.prototype);
    }
  });

  law("members that are not enumerable are no members", async (fixture) => {
    const value = { own: 1 };
    Object.defineProperty(value, "hidden", { value: 3, enumerable: false });
    await store(fixture, value);
    for (const found of await load(fixture)) assert.deepEqual(found, { own: 1 });
  });

  law("a Buffer is bytes and comes back as a plain Uint8Array", async (fixture) => {
    await store(fixture, Buffer.from("bytes"));
    await fixture.holds(async () => {
      for (const found of await load(fixture)) {
        assert.equal(Object.getPrototypeOf(found), Uint8Array.prototype);
        assert.deepEqual(found, new Uint8Array(Buffer.from("bytes")));
      }
    });
  });

  law("the same object in two places is stored twice, not as a cycle", async (fixture) => {
    const shared = { x: [1] };
    await store(fixture, [shared, shared, { again: shared }]);
    for (const found of await load(fixture)) {
      assert.deepEqual(found, [{ x: [1] }, { x: [1] }, { again: { x: [1] } }]);
      const [first, second] = found as object[];
      assert.notEqual(first, second);
    }
  });

  law("unknown fields and unknown shapes inside node payloads come back unharmed", async (fixture) => {
    const nodes = [
      eventNode("a", undefined, {
        conversation: { id: "x", role: "Robot", parts: "none", future: 1n },
      } as never),
      eventNode("b", undefined, { somethingNew: [1, { two: 2 }], and: null }),
      eventNode("c", undefined, {
        tool: { invocation: { stableKey: "k", record: { tool: "t" }, extra: 1 } },
      } as never),
      eventNode("d", undefined, { stateSnapshot: { lashlang: { version: 1, data: "x", files: {} } } }),
      eventNode("e", undefined, { mode: { modeId: "rlm", payload: [] } }),
      eventNode("f", undefined, {}),
    ];
    await fixture.session().commitRuntimeState(commit({ graph: append(nodes) }));
    await fixture.holds(async () => assert.deepEqual((await read(fixture.session())).graph.nodes, nodes));
  });

  for (const [what, make] of REFUSED) {
    law(`payloads refuse ${what} and name the path`, async (fixture) => {
      const bad = make() as Json;
      const places = [
        commit({ graph: append([pluginNode("p", undefined, { inner: bad })], "p") }),
        commit({ graph: append([eventNode("e", undefined, { custom: bad })], "e") }),
        commit({ checkpoint: checkpoint({ pluginSnapshot: { plugins: { p: [bad] } } }) }),
        commit({
          checkpoint: checkpoint({
            toolState: { generation: 1, tools: { t: { manifest: bad, sourceId: "s" } } },
          }),
        }),
        commit({
          checkpoint: checkpoint({
            turnState: turnState({ modeTurnOptions: { modeId: "m", payload: bad } }),
          }),
        }),
      ];
      const paths = [
        "graph.nodes",
        "graph.nodes",
        "checkpoint.pluginSnapshot",
        "checkpoint.toolState",
        "checkpoint.turnState",
      ];
      for (const [index, value] of places.entries()) {
        const error = await refuses(fixture.session().commitRuntimeState(value), "INVALID_COMMIT", {
          retry: "never",
        });
        assert.ok(
          error.code === "INVALID_COMMIT" && error.path.startsWith(paths[index] ?? "?"),
          error.message,
        );
      }
      assert.equal(await fixture.session().loadSession(), undefined);
    });
  }
};
