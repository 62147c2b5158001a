/**
 * Entries of long sessions that left memory: nothing of them is ever taken for absent, what is decided without them is
 * decided as if they were there, and only the same nodes come back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ENTRIES_KEPT, NODES_BACK_PER_STEP } from "../../src/limits.ts";
import { apply } from "../../src/session/apply.ts";
import { BodiesShed, LIVE, type TableEntry } from "../../src/session/node-entry.ts";
import { NodeTable } from "../../src/session/node-table.ts";
import { readGraph } from "../../src/session/read.ts";
import { emptySession, liveEntries, liveEntry, type SessionState } from "../../src/session/state.ts";
import { hashOfId, StoredIds } from "../../src/session/stored-ids.ts";
import { runThrough } from "../../src/steps.ts";
import type { Step } from "./naive-session.ts";
import { IDS, outcome, runOn, step } from "./random-steps.ts";
import { append, node, SESSION, SessionBench } from "./session-bench.ts";

/** No bound. */
const MOST = Number.POSITIVE_INFINITY;
const LENGTH = 8 * ENTRIES_KEPT;
const SHED = LENGTH - ENTRIES_KEPT;
const idOf = (n: number) => `node-${n}`;

function tableOf(
  change: (n: number) => Partial<TableEntry> = () => ({}),
  { length = LENGTH, hidden = -1 } = {},
): NodeTable {
  const made = new NodeTable();
  for (let n = 0; n < length; n++) {
    const parent = n === 0 ? undefined : idOf(n - 1);
    const fields = { id: idOf(n), parent, flags: 0, body: Buffer.from(`body ${n}`), ...change(n) };
    made.add(fields, n, n === hidden ? 7 : LIVE);
  }
  return made;
}

/** As `tableOf`, of a session of which an outline was read. */
function withoutBodies(): NodeTable {
  const made = new NodeTable();
  for (const { id, parent, flags, bodyBytes, revision, hiddenAt } of tableOf().entries)
    made.addShed({ id, parent, flags, bodyBytes, revision, hiddenAt });
  return made;
}

test("entries leave but for the newest and the hidden ones, and the index still knows every id", () => {
  const table = tableOf(undefined, { hidden: 10 });
  const { bytes } = table;
  table.shedEntries(LENGTH, MOST);
  assert.ok(table.bytes < bytes / 2, `${table.bytes} of ${bytes} bytes`);
  assert.ok(table.isShed);
  assert.equal(table.entries.length, LENGTH);
  for (let n = 0; n < LENGTH; n++) {
    if (n === 10 || n >= SHED) assert.equal(table.slots.get(idOf(n)), n);
    else assert.throws(() => table.slots.get(idOf(n)), BodiesShed, idOf(n));
  }
  for (let n = LENGTH; n < 3 * LENGTH; n++) assert.equal(table.slots.has(idOf(n)), false);
  assert.throws(() => table.needEntries(), BodiesShed);
  assert.throws(() => table.needBodies(), BodiesShed);
});

test("whatever is asked of an entry that left throws, so that it is never taken for absent", () => {
  const table = tableOf();
  table.shedEntries(LENGTH, MOST);
  const entry = table.entries[0] as TableEntry;
  const asked: (keyof TableEntry)[] = ["id", "parent", "flags", "revision", "hiddenAt", "body", "bodyBytes"];
  for (const field of asked) assert.throws(() => entry[field], BodiesShed, field);
  assert.throws(() => entry.decodeBody(), BodiesShed);
  assert.throws(() => entry.needBody(), BodiesShed);
  assert.throws(() => {
    entry.hiddenAt = 1;
  }, TypeError);
});

test("entries that are not durable stay, those of a held table do, and a short table sheds none", () => {
  const table = tableOf();
  table.hold();
  assert.equal(table.sheddableEntryBytes, 0);
  table.shedEntries(LENGTH, MOST);
  table.needEntries();
  table.release();
  assert.ok(table.sheddableEntryBytes > 0);
  table.shedEntries(5, MOST);
  assert.throws(() => table.slots.get(idOf(4)), BodiesShed);
  assert.equal(table.slots.get(idOf(5)), 5);
  table.shedEntries(3, MOST);
  assert.equal(table.slots.get(idOf(5)), 5);
  table.shedEntries(LENGTH, MOST);
  assert.equal(table.sheddableEntryBytes, 0);
  const short = tableOf(undefined, { length: ENTRIES_KEPT });
  short.shedEntries(ENTRIES_KEPT, MOST);
  short.needEntries();
  assert.equal(short.isShed, false);
});

test("at most so many leave at a time, oldest first, and those that are left leave later", () => {
  const table = tableOf(undefined, { hidden: 1 });
  assert.deepEqual(
    [table.shedEntries(LENGTH, 3), table.shedEntries(LENGTH, 100), table.shedEntries(LENGTH, MOST)],
    [3, 100, SHED - 103],
  );
  assert.equal(table.shedEntries(LENGTH, MOST), 0);
  assert.throws(() => table.slots.get(idOf(SHED - 1)), BodiesShed);
  assert.equal(table.slots.get(idOf(1)), 1);
});

test("entries leave and come back where no body can leave, because it shares memory with newer ones", () => {
  const small = () => tableOf(() => ({ body: Buffer.from("1") }));
  const table = small();
  table.shed(SHED);
  assert.equal(table.isShed, false);
  table.shedEntries(SHED, MOST);
  assert.ok(table.isShed);
  runThrough(table.takeBack(small()));
  table.needEntries();
});

test("entries come back only from a table that has the same ids in the same places, live; all of them or none", () => {
  const table = tableOf();
  const { bytes } = table;
  table.shedEntries(LENGTH, MOST);
  const shed = table.bytes;
  const swapped = tableOf((n) => (n === 3 || n === 4 ? { id: idOf(7 - n), parent: undefined } : {}));
  const wrong = {
    "another id": tableOf((n) => (n === 3 ? { id: "else" } : {})),
    "another order": swapped,
    "a hidden one": tableOf(undefined, { hidden: 3 }),
    fewer: tableOf(undefined, { length: SHED - 1 }),
    none: new NodeTable(),
    "none with a body": withoutBodies(),
  };
  for (const [what, fresh] of Object.entries(wrong)) {
    assert.throws(() => runThrough(table.takeBack(fresh)), /is not stored as it was/, what);
    assert.equal(table.bytes, shed, what);
    assert.throws(() => table.slots.get(idOf(0)), BodiesShed, what);
  }
  runThrough(table.takeBack(tableOf()));
  table.needBodies();
  table.needEntries();
  assert.equal(table.isShed, false);
  assert.equal(table.bytes > shed && Math.abs(table.bytes - bytes) < bytes / 10, true);
  for (let n = 0; n < LENGTH; n++) {
    assert.equal(table.slots.get(idOf(n)), n);
    const { id, parent, revision, body } = table.entries[n] as TableEntry;
    const expected = [idOf(n), n === 0 ? undefined : idOf(n - 1), n, `body ${n}`];
    assert.deepEqual([id, parent, revision, Buffer.from(body).toString()], expected);
  }
  // And again.
  table.shedEntries(LENGTH, MOST);
  assert.equal(table.bytes, shed);
});

test("what is added between the steps of a return stays, and so does what was hidden of the newest", () => {
  const length = 2 * NODES_BACK_PER_STEP;
  const table = tableOf(undefined, { length });
  table.shedEntries(length, MOST);
  table.hold();
  let steps = 0;
  for (const _ of table.takeBack(tableOf(undefined, { length }))) {
    table.add({ id: `new-${steps++}`, parent: undefined, flags: 0, body: Buffer.from("new") });
    (table.entries[length - 1] as TableEntry).hiddenAt = 1;
    table.shedEntries(length, MOST);
  }
  assert.ok(steps > 1);
  table.release();
  table.needEntries();
  assert.equal(table.entries[length - 1]?.hiddenAt, 1);
  assert.deepEqual([table.slots.get(idOf(0)), table.slots.get("new-0")], [0, length]);
});

test("of an id that has the hash of one that left nothing is decided until it is back, or is there", () => {
  // So many that among as many other ids some have a hash of theirs, of 32 bits.
  const length = 100_000;
  for (const policy of ["strict", "permissive"] as const) {
    const table = tableOf(undefined, { length });
    table.shedEntries(length, MOST);
    let other = "";
    for (let n = 0; table.slots.peek(other) !== "left"; n++) other = `other-${n}`;
    const bench = new SessionBench(policy);
    bench.state = { ...bench.state, nodes: table, length };
    const below = node("below", other);
    for (const nodes of [[below], [node("first", idOf(length - 1)), below]])
      assert.throws(() => bench.commit(append(nodes, "below")), BodiesShed, policy);
    assert.throws(() => bench.commit(append([node(other)], other)), BodiesShed);
    bench.isStoredLive = () => false;
    const refusal = policy === "strict" ? /is not a live node/ : BodiesShed;
    assert.throws(() => bench.commit(append([below], "below")), refusal);
    assert.equal(bench.records.length, 0);
    const whole = tableOf(undefined, { length });
    whole.add({ id: other, parent: undefined, flags: 0, body: Buffer.from("other") });
    whole.add({ id: "newest", parent: undefined, flags: 0, body: Buffer.from("newest") });
    whole.shedEntries(length, MOST);
    assert.equal(whole.slots.peek(other), length);
    assert.equal(whole.slots.peek(idOf(0)), "left");
    bench.state = { ...bench.state, nodes: whole, length: length + 2 };
    bench.commit(append([below], "below"));
    assert.equal(bench.state.nodes.entries.at(-1)?.parent, other);
  }
});

/** The same history once more, in memory of its own. */
function replayed({ records }: SessionBench): SessionState {
  let state = emptySession(SESSION, 10);
  for (const record of records) state = apply(state, record, state.lastLsn + 1);
  return state;
}

/** As a session's actor does: what needs what left is decided again when it is back. */
function decided<Value>(bench: SessionBench, work: () => Value, counts: { returns: number }): Value {
  const { records, state } = bench;
  const before = records.length;
  try {
    return work();
  } catch (error) {
    if (!(error instanceof BodiesShed)) throw error;
    assert.equal(records.length, before, "nothing was written");
    assert.equal(bench.state, state, "nothing was changed");
    counts.returns++;
    runThrough(state.nodes.takeBack(replayed(bench).nodes));
    return work();
  }
}

function seen(state: SessionState): unknown {
  return {
    graph: readGraph(state, { kind: "fullGraph" }),
    live: [...liveEntries(state)].map(({ id, parent, revision }) => [id, parent, revision]),
    missing: [...state.nodes.missingParents].sort(),
    hidden: state.hiddenCount,
    picker: state.picker,
    head: state.head?.revision,
  };
}

/** Steps name few ids; a chain of so many others between them makes them old. */
function grown(bench: SessionBench): void {
  const old = IDS.slice(0, 4).map((id) => node(id, id === "a" ? undefined : "a"));
  const chain = Array.from({ length: 2 * ENTRIES_KEPT }, (_, n) =>
    node(idOf(n), n === 0 ? "a" : idOf(n - 1)),
  );
  bench.commit(append([...old, ...chain], idOf(chain.length - 1)));
}

/** As if the session had been read by its index of ids, and its newest page. */
function indexed({ state }: SessionBench): SessionState {
  const { entries } = state.nodes;
  const ids = entries.slice(0, -ENTRIES_KEPT).map(({ id }) => hashOfId(id));
  const nodes = new NodeTable();
  nodes.beginWith(runThrough(StoredIds.of(Buffer.concat(ids))));
  for (const entry of entries.slice(ids.length)) nodes.add(entry, entry.revision, entry.hiddenAt);
  return { ...state, nodes };
}

for (const policy of ["strict", "permissive"] as const) {
  test(`random ${policy} sessions decide and answer the same whatever left memory`, () => {
    const counts = { returns: 0 };
    const course = fc.array(fc.tuple(step, fc.boolean()), { maxLength: 25 });
    fc.assert(
      fc.property(
        course,
        fc.constantFrom("shed", "indexed"),
        fc.boolean(),
        (steps: [Step, boolean][], begins, knows) => {
          const whole = new SessionBench(policy);
          const shed = new SessionBench(policy);
          for (const bench of [whole, shed]) grown(bench);
          if (knows) shed.isStoredLive = (_, id) => liveEntry(replayed(shed), id) !== undefined;
          if (begins === "shed") shed.state.nodes.shedEntries(shed.state.length, MOST);
          else shed.state = indexed(shed);
          for (const [next, sheds] of steps) {
            const expected = outcome(() => runOn(whole, next));
            const answered = decided(shed, () => outcome(() => runOn(shed, next)), counts);
            assert.deepEqual(answered, expected);
            if (sheds) shed.state.nodes.shedEntries(shed.state.length, MOST);
          }
          assert.deepEqual(
            decided(shed, () => seen(shed.state), counts),
            seen(whole.state),
          );
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(counts.returns > 100, `${counts.returns} returns`);
  });
}
