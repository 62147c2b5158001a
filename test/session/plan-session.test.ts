/** Tombstone, vacuum, meta and delete. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { BodiesShed } from "../../src/session/node-entry.ts";
import {
  append,
  commitOf,
  message,
  node,
  refusal,
  replaceFull,
  SESSION,
  SessionBench,
} from "./session-bench.ts";

/** a ← b ← c is the active path; a ← x ← y is not. */
function branched(policy: "strict" | "permissive" = "strict"): SessionBench {
  const bench = new SessionBench(policy);
  bench.commit(append([node("a"), node("b", "a"), node("c", "b"), node("x", "a"), node("y", "x")], "c"));
  return bench;
}
const META = { sessionId: SESSION, sessionName: "n", createdAt: "t", model: "m" };

test("tombstoned nodes vanish from every read and the revision does not move", () => {
  const bench = branched();
  bench.tombstone("y", "x");
  assert.deepEqual(bench.ids(), ["a", "b", "c"]);
  assert.deepEqual(bench.graph({ kind: "activePath", leafNodeId: "y" }), { nodes: [], leafNodeId: "y" });
  assert.equal(bench.state.head?.revision, 1);
  assert.equal(bench.state.head?.nodeCount, 3);
});

test("a tombstone carries what a listing shows of the session only where it changes that", () => {
  const bench = new SessionBench();
  bench.commit(append([message("u1", "first"), message("u2", "second"), node("n")]));
  const pickerOf = (id: string) => {
    bench.tombstone(id);
    const record = bench.records.at(-1);
    return record?.kind === "tombstone" ? record.picker : assert.fail();
  };
  assert.equal(pickerOf("n"), undefined);
  const left = { firstUserMessage: "second", userMessageCount: 1 };
  assert.deepEqual(pickerOf("u1"), left);
  assert.deepEqual(bench.state.picker, left);
});

test("unknown ids are ignored and repeats are no-ops: nothing is written", () => {
  const bench = branched();
  bench.tombstone("nobody");
  bench.tombstone();
  assert.equal(bench.records.length, 1);
  bench.tombstone("y", "y", "nobody");
  bench.tombstone("y");
  assert.equal(bench.records.length, 2);
});

test("strict refuses a node on the head's active path, and hides nothing", () => {
  const bench = branched();
  for (const id of ["a", "b", "c"]) {
    const error = refusal("NODE_IN_USE", () => bench.tombstone("y", "x", id));
    assert.deepEqual([error.nodeId, error.retry], [id, "reload"]);
  }
  assert.equal(refusal("NODE_IN_USE", () => bench.tombstone("y", "x", "b", "c", "a")).nodeId, "b");
  assert.equal(bench.ids().length, 5);
});

test("strict refuses a node with a live child that is not named in the same call", () => {
  const bench = branched();
  assert.equal(refusal("NODE_IN_USE", () => bench.tombstone("x")).nodeId, "x");
  bench.tombstone("y");
  bench.tombstone("x");
  assert.deepEqual(bench.ids(), ["a", "b", "c"]);
});

test("permissive hides anything; a path ends below the hole and children stay", () => {
  const bench = branched("permissive");
  bench.tombstone("b", "x");
  assert.deepEqual(bench.ids(), ["a", "c", "y"]);
  assert.deepEqual(bench.ids({ kind: "activePath" }), ["c"]);
});

test("vacuum counts what it removed, a second one nothing, and the ids are free again", () => {
  const bench = branched();
  bench.tombstone("y", "x");
  assert.deepEqual(bench.vacuum(), { removedNodeCount: 2 });
  assert.deepEqual(bench.vacuum(), { removedNodeCount: 0 });
  assert.equal(bench.records.length, 3);
  bench.commit(append([node("x", "c")], "x"));
  assert.deepEqual(bench.ids(), ["a", "b", "c", "x"]);
});

test("a vacuum whose bodies left memory throws and writes nothing", () => {
  const bench = new SessionBench();
  const text = "x".repeat(3_000);
  bench.commit(append([message("a", text), message("b", text), message("c", text)]));
  bench.tombstone("b");
  const { records, state } = bench;
  const count = records.length;
  state.nodes.shed(state.length);
  assert.throws(() => bench.vacuum(), BodiesShed);
  assert.equal(bench.records.length, count);
  assert.equal(bench.state, state);
});

test("a tombstoned id is not free before vacuum, unless a replacement lists it", () => {
  const bench = branched();
  bench.tombstone("y");
  refusal("NODE_ID_COLLISION", () => bench.commit(append([node("y", "a")])));
  bench.commit(replaceFull([node("y")], "y"));
  assert.deepEqual(bench.ids(), ["y"]);
  assert.deepEqual(bench.vacuum(), { removedNodeCount: 0 });
});

test("an old state still sees what a newer one hid, revived or removed", () => {
  const bench = branched();
  const before = bench.state;
  const seen = (state: typeof before) => {
    const other = new SessionBench();
    other.state = state;
    return other.ids().join("");
  };
  bench.tombstone("y");
  const hidden = bench.state;
  bench.vacuum();
  const removed = bench.state;
  bench.commit(append([node("z", "c")], "z"));
  const appended = bench.state;
  bench.commit(replaceFull([node("z")], "z"));
  assert.deepEqual([before, hidden, removed, appended, bench.state].map(seen), [
    "abcxy",
    "abcx",
    "abcx",
    "abcxz",
    "z",
  ]);
});

test("a revived node stays hidden in the states before", () => {
  const bench = branched();
  bench.tombstone("y");
  const hidden = bench.state;
  bench.commit(replaceFull([...hiddenGraph(), node("y", "x")]));
  const other = new SessionBench();
  other.state = hidden;
  assert.deepEqual(other.ids(), ["a", "b", "c", "x"]);
  assert.deepEqual(bench.ids(), ["a", "b", "c", "x", "y"]);
});
function hiddenGraph() {
  return [node("a"), node("b", "a"), node("c", "b"), node("x", "a")];
}

test("meta needs no head and changes neither head nor revision", () => {
  const bench = new SessionBench();
  bench.saveMeta(META);
  assert.equal(bench.state.head, undefined);
  assert.deepStrictEqual(bench.state.meta, META);
  bench.commit(commitOf());
  const { head } = bench.state;
  bench.saveMeta({ ...META, sessionName: "other" });
  assert.equal(bench.state.head, head);
  assert.equal(bench.state.lastCommitLsn, 2);
});

test("delete removes everything for ever; an id never used is not burnt", () => {
  const bench = new SessionBench();
  assert.equal(bench.delete(), false);
  bench.tombstone("nobody");
  bench.vacuum();
  assert.equal(bench.delete(), false);
  bench.commit(append([message("a", "hi")], "a"));
  bench.saveMeta(META);
  assert.equal(bench.delete(), true);
  const { head, meta, picker, ledger, length, deleted } = bench.state;
  assert.deepEqual(
    { head, meta, picker, ledger, length, deleted },
    {
      head: undefined,
      meta: undefined,
      picker: { firstUserMessage: "", userMessageCount: 0 },
      ledger: [],
      length: 0,
      deleted: true,
    },
  );
  assert.equal(bench.delete(), true);
});

test("a session with meta alone was used", () => {
  const bench = new SessionBench();
  bench.saveMeta(META);
  assert.equal(bench.delete(), true);
});

test("every write of a deleted session is SESSION_DELETED", () => {
  const bench = new SessionBench();
  bench.commit(commitOf());
  bench.delete();
  const writes = [
    () => bench.commit(commitOf()),
    () => bench.tombstone("a"),
    () => bench.vacuum(),
    () => bench.saveMeta(META),
  ];
  for (const write of writes) assert.equal(refusal("SESSION_DELETED", write).sessionId, SESSION);
});
