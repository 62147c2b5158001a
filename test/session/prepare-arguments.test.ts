/** Arguments of every operation but the commit. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { prepareMeta, prepareNodeId, prepareNodeIds, prepareScope } from "../../src/session/prepare.ts";
import { refusal, SESSION } from "./session-bench.ts";

const META = { sessionId: SESSION, sessionName: "n", createdAt: "free text", model: "m" };

test("meta is copied, its optional fields absent when they are undefined", () => {
  assert.deepStrictEqual(prepareMeta({ ...META, cwd: undefined }, SESSION), META);
  const full = { ...META, cwd: "/", parentSessionId: "p" };
  assert.deepStrictEqual(prepareMeta(full, SESSION), full);
});

const wrongMeta: [string, unknown][] = [
  ["meta", null],
  ["meta.sessionId", { ...META, sessionId: "" }],
  ["meta.sessionName", { ...META, sessionName: 1 }],
  ["meta.createdAt", { ...META, createdAt: new Date(0) }],
  ["meta.model", { ...META, model: undefined }],
  ["meta.cwd", { ...META, cwd: null }],
  ["meta.parentSessionId", { ...META, parentSessionId: "" }],
  ["meta.surprise", { ...META, surprise: 1 }],
];
for (const [argument, value] of wrongMeta) {
  test(`a wrong ${argument} is INVALID_ARGUMENT`, () => {
    assert.equal(refusal("INVALID_ARGUMENT", () => prepareMeta(value, SESSION)).argument, argument);
  });
}

test("meta of another session is a binding mismatch", () => {
  refusal("SESSION_BINDING_MISMATCH", () => prepareMeta({ ...META, sessionId: "other" }, SESSION));
});

test("node ids are checked one by one", () => {
  assert.deepEqual(prepareNodeIds(["a", "a", "b"]), ["a", "a", "b"]);
  assert.equal(refusal("INVALID_ARGUMENT", () => prepareNodeIds("a")).argument, "nodeIds");
  assert.equal(refusal("INVALID_ARGUMENT", () => prepareNodeIds(["a", ""])).argument, "nodeIds[1]");
  assert.equal(prepareNodeId("a"), "a");
  assert.equal(refusal("INVALID_ARGUMENT", () => prepareNodeId(1)).argument, "nodeId");
});

test("the default scope is the full graph", () => {
  assert.deepStrictEqual(prepareScope(undefined), { kind: "fullGraph" });
  assert.deepStrictEqual(prepareScope({ kind: "fullGraph", leafNodeId: undefined }), { kind: "fullGraph" });
  assert.deepStrictEqual(prepareScope({ kind: "activePath", leafNodeId: undefined }), { kind: "activePath" });
  assert.deepStrictEqual(prepareScope({ kind: "activePath", leafNodeId: "a" }), {
    kind: "activePath",
    leafNodeId: "a",
  });
});

test("any other scope is UNSUPPORTED_READ_SCOPE and carries the scope", () => {
  const throwing = {
    get kind() {
      throw new Error("hostile");
    },
  };
  for (const scope of [
    null,
    1,
    "fullGraph",
    {},
    { kind: "other" },
    { kind: "fullGraph", leafNodeId: "a" },
    { kind: "activePath", x: 1 },
    [],
    throwing,
  ]) {
    assert.equal(refusal("UNSUPPORTED_READ_SCOPE", () => prepareScope(scope)).scope, scope);
  }
  assert.equal(
    refusal("INVALID_ARGUMENT", () => prepareScope({ kind: "activePath", leafNodeId: "" })).argument,
    "scope.leafNodeId",
  );
});

test("meta texts and lists of ids have a bound, named in the refusal", () => {
  const long = { sessionId: "s", sessionName: "x".repeat(70_000), createdAt: "", model: "" };
  assert.throws(
    () => prepareMeta(long, "s"),
    (error) =>
      isStoreError(error, "INVALID_ARGUMENT") && error.argument === "meta" && /65536/.test(error.message),
  );
  assert.throws(
    () => prepareNodeIds(new Array(100_001).fill("n")),
    (error) =>
      isStoreError(error, "INVALID_ARGUMENT") && error.argument === "nodeIds" && /100000/.test(error.message),
  );
});
