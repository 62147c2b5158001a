/**
 * The check that every technique of `varve torture` rests on, against stores in memory that are right, and
 * against stores that are wrong in each way a crash could make them wrong.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkStore, type KnownLane, nothingKnown, Violation } from "../../src/cli/torture/check.ts";
import { Lane } from "../../src/cli/torture/load.ts";
import {
  lengthOf,
  type Plan,
  type Position,
  positionAfter,
  START,
  scriptedAt,
  sessionIdAt,
  step,
} from "../../src/cli/torture/script.ts";
import type { Store } from "../../src/contract.ts";
import { openMemoryStore } from "../../src/index.ts";
import { meta } from "../support/builders.ts";

const PLAN: Plan = { seed: 5, lanes: 2, largestBytes: 2_000 };
const FIRST = sessionIdAt(0, 0);

function at(...positions: Position[]): KnownLane[] {
  return positions.map((position) => ({ acknowledged: position, told: position }));
}

/** A store whose lanes have done so many operations each, and where they are. */
async function played(t: { after(fn: () => Promise<void>): void }, operations: number) {
  const store = await openMemoryStore();
  t.after(() => store.close());
  const positions: Position[] = [];
  for (let lane = 0; lane < PLAN.lanes; lane++) {
    const player = new Lane({ store, plan: PLAN, lane, position: START, tell: () => {} });
    while (player.position.generation === 0 && player.position.done < operations) await player.advance();
    positions.push(player.position);
  }
  return { store, positions };
}

function violates(store: Store, known: readonly KnownLane[], message: RegExp): Promise<void> {
  return assert.rejects(
    checkStore(store, PLAN, known),
    (error) => error instanceof Violation && message.test(error.message),
  );
}

test("a store that holds what was acknowledged is where it should be", async (t) => {
  const { store, positions } = await played(t, 5);
  assert.deepEqual(await checkStore(store, PLAN, at(...positions)), positions);
});

test("operations in flight may have been kept: up to four beyond what was told, and no more", async (t) => {
  const { store, positions } = await played(t, 5);
  const [first = START, second = START] = positions;
  const told = { generation: 0, done: first.done - 4 };
  assert.deepEqual(await checkStore(store, PLAN, at(told, second)), positions);
  const earlier = { generation: 0, done: Math.max(0, first.done - 5) };
  await violates(store, at(earlier, second), /lane 0 .* is at none of the states/);
});

test("a lost operation is found", async (t) => {
  const { store, positions } = await played(t, 5);
  const [first = START, second = START] = positions;
  let ahead = positionAfter(PLAN, 0, first);
  // Past what changes nothing that can be seen.
  while (step(PLAN, scriptedAt(PLAN, 0, { generation: 0, done: ahead.done - 1 })).operation.kind !== "commit")
    ahead = positionAfter(PLAN, 0, ahead);
  await violates(store, at(ahead, second), /lane 0 .* is at none of the states/);
});

test("a lost session is found", async (t) => {
  const store = await openMemoryStore();
  t.after(() => store.close());
  await violates(store, at({ generation: 0, done: 3 }, START), /should be there and is absent/);
});

test("a change that nobody sent is found, and the part that differs is named", async (t) => {
  const { store, positions } = await played(t, 5);
  await store.session(FIRST).saveSessionMeta(meta(FIRST));
  await violates(store, at(...positions), /meta differ/);
});

test("a session that nobody made is found in the listing", async (t) => {
  const { store, positions } = await played(t, 5);
  await store.session("stranger").saveSessionMeta(meta("stranger"));
  await violates(store, at(...positions), /stranger is listed/);
});

test("a session that is there before its predecessor was deleted is found", async (t) => {
  const { store, positions } = await played(t, 5);
  const [first = START, second = START] = positions;
  const early = sessionIdAt(0, 1);
  await store.session(early).saveSessionMeta(meta(early));
  const almost = { generation: 0, done: lengthOf(PLAN, FIRST) - 1 };
  await violates(store, [{ acknowledged: first, told: almost }, ...at(second)], /before its predecessor/);
});

test("a deleted session that came back is found", async (t) => {
  const store = await openMemoryStore();
  t.after(() => store.close());
  await store.session(FIRST).saveSessionMeta(meta(FIRST));
  await violates(store, at({ generation: 1, done: 0 }, START), /was deleted and can be read again/);
});

test("a deleted session that accepts a write again is found", async (t) => {
  const store = await openMemoryStore();
  t.after(() => store.close());
  await violates(store, at({ generation: 1, done: 0 }, START), /was deleted and accepts a write/);
});

test("a lane goes through whole sessions, and the store agrees after each operation", async (t) => {
  const store = await openMemoryStore();
  t.after(() => store.close());
  let known = nothingKnown(PLAN);
  const kinds = new Set<string>();
  const lane = new Lane({
    store,
    plan: PLAN,
    lane: 0,
    position: START,
    tell: (_, position) => {
      known = at(position, START);
    },
  });
  while (lane.position.generation < 2) {
    kinds.add(step(PLAN, scriptedAt(PLAN, 0, lane.position)).operation.kind);
    await lane.advance();
    assert.deepEqual((await checkStore(store, PLAN, known))[0], lane.position);
  }
  assert.deepEqual([...kinds].sort(), ["commit", "delete", "hide", "meta", "vacuum"]);
});

test("a lane notices that the receipt of its last commit was forgotten", async (t) => {
  const { positions } = await played(t, 5);
  const empty = await openMemoryStore();
  t.after(() => empty.close());
  let position = positions[0] ?? START;
  while (
    step(PLAN, scriptedAt(PLAN, 0, { generation: 0, done: position.done - 1 })).operation.kind !== "commit"
  )
    position = positionAfter(PLAN, 0, position);
  const lane = new Lane({ store: empty, plan: PLAN, lane: 0, position, tell: () => {} });
  await assert.rejects(lane.repeatLast());
});
