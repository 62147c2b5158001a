/**
 * Bodies that were shed come back over several turns. Who waits for them, who does not, in which order they are
 * answered, and what a write that was in flight, or a disk that fails, makes of it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { shedBodies } from "../../src/actors/shedding.ts";
import { append, commit, messageNode, replaceFull } from "../support/builders.ts";
import { SessionRig } from "./session-rig.ts";

const TEXT = "x".repeat(3_000);
const node = (id: string, parent?: string) => messageNode(id, parent, TEXT);

/** A session of nodes a, b and c, of which c is hidden, without bodies. */
function shedRig(): SessionRig {
  const rig = new SessionRig();
  rig.commit("first", commit({ graph: append([node("a"), node("b", "a"), node("c", "b")], "b") }));
  rig.tombstone("hide", "c");
  rig.durable();
  rig.durable();
  rig.shed();
  rig.told.splice(0);
  rig.loads = 0;
  rig.loadTurns = 2;
  return rig;
}

async function takeTurns(rig: SessionRig): Promise<void> {
  while (await rig.turn());
}

const afterB = (id: string) => commit({ graph: append([node(id, "b")], id) });

test("reads wait for the same bodies, and what needs none goes on beside them", async () => {
  const rig = shedRig();
  rig.read("one");
  // So large that it fills a chunk of its own, which could be shed as it is durable.
  const large = messageNode("d", "b", "x".repeat(50_000));
  rig.commit("beside", commit({ graph: append([large], "d") }));
  rig.read("two");
  rig.durable();
  assert.deepEqual(rig.told, ["beside: 2"]);
  assert.ok(rig.cell.waiting > 0, "so that the session stays in memory");
  // Too late: bodies are on their way back.
  shedBodies(rig.cell);
  await takeTurns(rig);
  assert.deepEqual(rig.told.slice(1), ["one: a b c d", "two: a b c d"]);
  assert.deepEqual([rig.loads, rig.cell.waiting, rig.cell.isBusy], [1, 0, false]);
  rig.read("three");
  assert.deepEqual(rig.told.slice(3), ["three: a b c d"]);
});

test("a write that needs bodies is decided when they are back, and what comes behind it behind it", async () => {
  const rig = shedRig();
  rig.read("before");
  rig.commit("beside", afterB("d"));
  rig.vacuum("vacuum");
  rig.commit("behind", afterB("c"));
  rig.read("behind all");
  rig.durable();
  assert.deepEqual(rig.told, ["beside: 2"]);
  assert.ok(rig.cell.isBusy && rig.waitingBytes > 0);
  await takeTurns(rig);
  assert.deepEqual(rig.told.slice(1), ["before: a b c d", "behind all: a b c d"], "what is durable is seen");
  rig.durable();
  rig.durable();
  assert.deepEqual(rig.told.slice(3), ["vacuum: 1 gone", "behind: 3"]);
  rig.read("end");
  assert.equal(rig.told.at(-1), "end: a b d c");
  assert.deepEqual([rig.loads, rig.cell.waiting, rig.waitingBytes, rig.cell.isBusy], [1, 0, 0, false]);
});

test("a replacement that compares bodies waits for them, and counts as queued; one that compares none does not", async () => {
  const compares = shedRig();
  compares.commit("replace", commit({ graph: replaceFull([node("a"), node("new", "a")], "new") }));
  assert.ok(compares.waitingBytes > 0);
  await takeTurns(compares);
  compares.durable();
  compares.read("read");
  assert.deepEqual(compares.told, ["replace: 2", "read: a new"]);
  assert.equal(compares.waitingBytes, 0);
  const other = shedRig();
  other.commit("replace", commit({ graph: replaceFull([node("new")], "new") }));
  other.durable();
  assert.deepEqual([other.told, other.loads], [["replace: 2"], 0]);
});

test("bodies of a short session are back within the call", () => {
  for (const [ask, expected] of [
    [(rig: SessionRig) => rig.read("read"), "read: a b c"],
    [(rig: SessionRig) => rig.vacuum("vacuum"), "vacuum: 1 gone"],
  ] as const) {
    const rig = shedRig();
    rig.loadTurns = 0;
    ask(rig);
    rig.commit("next", afterB("d"));
    rig.durable();
    rig.durable();
    assert.deepEqual(rig.told, [expected, "next: 2"]);
    assert.deepEqual([rig.loads, rig.cell.waiting, rig.cell.isBusy], [1, 0, false]);
  }
});

test("what cannot be read is the answer to all that wait for it; the bodies stay away, and the next try is another", async () => {
  const rig = shedRig();
  rig.loadFails = true;
  rig.read("one");
  rig.read("two");
  rig.commit("replace", commit({ graph: replaceFull([node("a")], "a") }));
  rig.commit("behind", afterB("d"));
  await takeTurns(rig);
  assert.deepEqual(rig.told, ["one: CORRUPT", "two: CORRUPT", "replace: CORRUPT"]);
  assert.ok(rig.cell.visible.nodes.isShed);
  rig.durable();
  assert.equal(rig.told.at(-1), "behind: 2");
  assert.deepEqual([rig.loads, rig.cell.waiting, rig.waitingBytes, rig.cell.isBusy], [1, 0, 0, false]);
  rig.loadFails = false;
  rig.read("again");
  await takeTurns(rig);
  assert.equal(rig.told.at(-1), "again: a b c d");
  rig.shed();
});

for (const found of ["the old nodes", "the new ones"]) {
  test(`a read whose nodes a write in flight replaces shows those that replaced them, if ${found} are read`, async () => {
    const rig = shedRig();
    const replacing = commit({ graph: replaceFull([node("new")], "new") });
    rig.commit("replace", replacing);
    rig.read("read");
    rig.durable();
    if (found === "the new ones") rig.store();
    await takeTurns(rig);
    assert.deepEqual(rig.told, ["replace: 2", "read: new"]);
    assert.deepEqual([rig.loads, rig.cell.waiting], [1, 0]);
    // Nothing is held any more.
    rig.shed();
  });
}

test("a read whose nodes were replaced and shed meanwhile has the new ones brought back", async () => {
  const rig = shedRig();
  rig.commit("replace", commit({ graph: replaceFull([node("new"), node("newer")], "new") }));
  rig.read("read");
  rig.durable();
  rig.shed();
  await takeTurns(rig);
  assert.deepEqual(rig.told, ["replace: 2", "read: new newer"]);
  assert.deepEqual([rig.loads, rig.cell.waiting], [2, 0]);
});
