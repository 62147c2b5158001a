/**
 * The index of a long session's ids: that it has the same nodes in the same order as the pages whatever is folded, is given up where a
 * parent is missing, begins a table that knows what the whole session knows, and that bytes which are no such index are refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sha256 } from "../../src/checksum.ts";
import { pack } from "../../src/codec.ts";
import { refFromBytes } from "../../src/ids.ts";
import {
  ENTRIES_KEPT,
  INDEX_ITEM_BYTES,
  MAX_INDEX_BYTES_IN_HEAD,
  MIN_INDEXED_BYTES,
} from "../../src/limits.ts";
import { BodiesShed, type TableEntry } from "../../src/session/node-entry.ts";
import type { NodeTable } from "../../src/session/node-table.ts";
import type { NodeFact, SessionRecord } from "../../src/session/record.ts";
import { hashOfId, ID_HASH_BYTES } from "../../src/session/stored-ids.ts";
import { entryFromItem, type IdIndex, pagedIn, type StoredHead } from "../../src/snapshot/head.ts";
import { NO_OLDER, stateFromHead } from "../../src/snapshot/head-state.ts";
import { indexedIds, indexedNodes } from "../../src/snapshot/id-index.ts";
import { leavesOf, pagesOf, readItems } from "../../src/snapshot/pages.ts";
import { runThrough } from "../../src/steps.ts";
import { append, commitRecord, node } from "./fixture.ts";
import { Folded, type Pages } from "./folded.ts";

const IN_HEAD = MAX_INDEX_BYTES_IN_HEAD / ID_HASH_BYTES;
const BODY = "b".repeat(1000);
/** Nodes of that body which make a session long, and more. */
const LONG = Math.ceil(MIN_INDEXED_BYTES / BODY.length) + 1;
const idOf = (n: number) => `node-${n}`;

/** A chain of nodes from number `start` on; the first one's parent is given. */
function chain(start: number, count: number, parent = start === 0 ? undefined : idOf(start - 1)): NodeFact[] {
  return Array.from({ length: count }, (_, at) =>
    node(idOf(start + at), at === 0 ? parent : idOf(start + at - 1), BODY),
  );
}
const added = (revision: number, nodes: readonly NodeFact[]): SessionRecord =>
  commitRecord("s", revision, { graph: append(...nodes) });
const hidden = (...nodeIds: string[]): SessionRecord => ({
  kind: "tombstone",
  sessionId: "s",
  nodeIds,
  picker: undefined,
});

const headOf = ({ head }: Folded): StoredHead => head ?? assert.fail("it was folded");
const indexOf = (folded: Folded): IdIndex => headOf(folded).index ?? assert.fail("it has an index");
const idsOf = (folded: Folded): string[] =>
  [...readItems(headOf(folded).nodes, folded.store)].map((item) => entryFromItem(item).id);
const tableOf = (folded: Folded): NodeTable =>
  runThrough(indexedNodes(headOf(folded), folded.store)) ?? assert.fail("it has an index");

/** All hashes that the index has, in order. */
function hashesIn({ pages, newest }: IdIndex, store: Pages): string {
  return Buffer.concat([...(readItems(pages, store) as Iterable<Uint8Array>), newest]).toString("hex");
}

/** What the head says is right, and no page is lost or left. */
function isRight(folded: Folded): void {
  const { store } = folded;
  const head = headOf(folded);
  assert.deepEqual(new Set([...pagesOf(pagedIn(head), store)].map(({ ref }) => ref)), store.live);
  const { index } = head;
  if (index === undefined) return;
  const entries = [...readItems(head.nodes, store)].map(entryFromItem);
  const ids = new Set(entries.map(({ id }) => id));
  if (!index.isClosed) {
    assert.deepEqual([index.pages, index.newest.length], [[], 0]);
    return;
  }
  assert.ok(entries.every(({ parent }) => parent === undefined || ids.has(parent)));
  assert.equal(hashesIn(index, store), Buffer.concat([...ids].map(hashOfId)).toString("hex"));
  assert.ok(index.newest.length <= MAX_INDEX_BYTES_IN_HEAD);
}

test("a session has an index from when its pages are long, and a fold that appends writes it on", () => {
  const folded = new Folded();
  folded.fold([added(1, chain(0, LONG - 10))]);
  assert.equal(headOf(folded).index, undefined);
  isRight(folded);
  let next = LONG - 10;
  let written = 0;
  for (let revision = 2; revision < 60; revision++) {
    const count = 1 + ((revision * 7) % 40);
    folded.fold([added(revision, chain(next, count))]);
    next += count;
    isRight(folded);
    if (next < LONG) continue;
    written = Math.max(written, indexOf(folded).pages.length);
    assert.ok(indexOf(folded).isClosed);
  }
  assert.ok(written > 1, "it has pages of several sizes");
});

test("a fold that appends behind the newest node reads of the index what its head has, or its newest page", () => {
  const folded = new Folded();
  folded.fold([added(1, chain(0, 20 * LONG))]);
  assert.equal(indexOf(folded).newest.length, 0);
  const pages = [...leavesOf(headOf(folded).nodes, folded.store)].length;
  assert.ok(pages > 10);
  for (let n = 0; n < IN_HEAD; n++) {
    folded.fold([added(2 + n, chain(20 * LONG + n, 1))]);
    // What merges of small pages read is theirs: seven in a row at most, of two sizes.
    assert.ok(folded.store.reads <= 1 + 16, `${folded.store.reads} reads`);
  }
  assert.equal(indexOf(folded).newest.length, MAX_INDEX_BYTES_IN_HEAD);
  isRight(folded);
});

test("where a parent is missing the index is given up until a fold reads the whole session", () => {
  const long = () => {
    const folded = new Folded();
    folded.fold([added(1, chain(0, LONG))]);
    return folded;
  };
  for (const parent of [idOf(LONG - 1), idOf(0), idOf(LONG / 2)]) {
    const folded = long();
    folded.fold([added(2, chain(LONG, IN_HEAD + 1, parent))]);
    assert.ok(indexOf(folded).isClosed, parent);
    isRight(folded);
  }
  const dangling = long();
  dangling.fold([added(2, chain(LONG, 3, "nowhere"))]);
  assert.equal(indexOf(dangling).isClosed, false);
  isRight(dangling);
  assert.equal(runThrough(indexedNodes(headOf(dangling), dangling.store)), undefined);
  assert.equal(indexedIds(headOf(dangling), dangling.store), undefined);
  dangling.fold([added(3, [node("nowhere", undefined, BODY)])]);
  assert.equal(indexOf(dangling).isClosed, false, "nobody has looked");
  dangling.fold([hidden(idOf(LONG))]);
  assert.ok(indexOf(dangling).isClosed);
  isRight(dangling);
  const born = new Folded();
  born.fold([added(1, chain(0, LONG, "nowhere"))]);
  assert.equal(indexOf(born).isClosed, false);
  isRight(born);
  const later = new Folded();
  // Its parent comes behind it: only a permissive store takes that.
  later.fold([added(1, [...chain(0, LONG, "later"), node("later", undefined, BODY)])]);
  assert.ok(indexOf(later).isClosed);
  isRight(later);
});

test("a fold that reads the whole session keeps the index in front of the first change", () => {
  const folded = new Folded();
  const items = INDEX_ITEM_BYTES / ID_HASH_BYTES;
  const count = 3 * items;
  folded.fold([added(1, chain(0, count))]);
  const { pages } = indexOf(folded);
  folded.fold([hidden(idOf(1), idOf(count - 1))]);
  assert.deepEqual(indexOf(folded).pages, pages, "hidden nodes stay in it");
  isRight(folded);
  const keep = { kind: "keep", start: 0, count: 2 * items + 1 } as const;
  folded.fold([{ ...commitRecord("s", 2), graph: { kind: "replace", steps: [keep] } } as SessionRecord]);
  isRight(folded);
  assert.equal(indexOf(folded).newest.length, ID_HASH_BYTES);
  folded.fold([
    { ...commitRecord("s", 3), graph: { kind: "replace", steps: [{ ...keep, count: 3 }] } } as SessionRecord,
  ]);
  assert.equal(headOf(folded).index, undefined, "it is short");
  isRight(folded);
});

test("random folds leave an index of the same nodes, or none", () => {
  const turn = fc.record({
    kind: fc.constantFrom("append", "append", "append", "hide", "vacuum", "replace", "dangle"),
    count: fc.integer({ min: 1, max: 90 }),
    at: fc.nat(10_000),
  });
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(turn, { minLength: 1, maxLength: 12 }), (turns) => {
      const folded = new Folded();
      folded.fold([added(1, chain(0, LONG))]);
      let revision = 1;
      let next = LONG;
      const gone = new Set<string>();
      for (const { kind, count, at } of turns) {
        const ids = idsOf(folded);
        const id = ids[at % ids.length] as string;
        const records: SessionRecord[] = [];
        if (kind === "append" || kind === "dangle") {
          records.push(added(++revision, chain(next, count, kind === "dangle" ? "nowhere" : id)));
          next += count;
        } else if (kind === "hide") {
          if (gone.has(id)) continue;
          gone.add(id);
          records.push(hidden(id));
        } else {
          gone.clear();
          const steps = [{ kind: "keep", start: 0, count: 1 + (at % ids.length) }];
          if (kind === "vacuum") records.push({ kind: "vacuum", sessionId: "s" });
          else
            records.push({
              ...commitRecord("s", ++revision),
              graph: { kind: "replace", steps },
            } as SessionRecord);
        }
        folded.fold(records);
        isRight(folded);
        const { index } = headOf(folded);
        seen.add(index === undefined ? "none" : index.isClosed ? "closed" : "given up");
      }
    }),
    { numRuns: 60 },
  );
  assert.deepEqual([...seen].sort(), ["closed", "given up", "none"]);
});

test("a table that begins with the index knows which ids are new, has the newest nodes, and takes all others back", () => {
  const folded = new Folded();
  folded.fold([added(1, chain(0, 3 * LONG))]);
  folded.fold([hidden(idOf(3), idOf(LONG))]);
  const reads = () => folded.store.reads;
  folded.store.reads = 0;
  const table = tableOf(folded);
  assert.ok(reads() < [...leavesOf(headOf(folded).nodes, folded.store)].length);
  const whole = stateFromHead(headOf(folded), folded.store, { ...NO_OLDER, nodes: "all" }).nodes;
  assert.equal(table.entries.length, whole.entries.length);
  let isOld = true;
  for (const [slot, { id, parent, revision, body }] of whole.entries.entries()) {
    if (isOld) isOld = throwsShed(() => table.slots.get(id));
    if (isOld) {
      assert.equal(
        throwsShed(() => table.entries[slot]?.body),
        true,
      );
      assert.throws(() => table.add({ id, parent, flags: 0, body }), /exists already/);
      continue;
    }
    const entry = table.entries[slot] as TableEntry;
    assert.deepEqual([entry.id, entry.parent, entry.revision], [id, parent, revision]);
    assert.deepEqual(entry.body, body);
    assert.equal(table.slots.get(id), slot);
  }
  assert.equal(isOld, false);
  for (let n = 3 * LONG - ENTRIES_KEPT; n < 3 * LONG; n++) assert.equal(table.slots.get(idOf(n)), n);
  for (let n = 3 * LONG; n < 6 * LONG; n++) assert.equal(table.slots.has(idOf(n)), false);
  table.add({ id: "new", parent: idOf(0), flags: 0, body: Buffer.from("new") }, 9);
  assert.deepEqual([...table.missingParents], []);
  assert.ok(table.isShed);
  runThrough(table.takeBack(whole));
  table.needBodies();
  table.needEntries();
  for (const [slot, { id, parent, hiddenAt }] of table.entries.entries()) {
    assert.equal(table.slots.get(id), slot);
    if (slot === whole.entries.length) continue;
    assert.deepEqual(
      [id, parent, hiddenAt],
      [whole.entries[slot]?.id, whole.entries[slot]?.parent, whole.entries[slot]?.hiddenAt],
    );
  }
  assert.equal(table.slots.storedEnd, 0);
});

function throwsShed(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    assert.ok(error instanceof BodiesShed);
    return true;
  }
}

test("only the nodes that the index began with come back", () => {
  const folded = new Folded();
  const nodes = chain(0, 2 * LONG);
  folded.fold([added(1, nodes)]);
  const swapped = new Folded();
  swapped.fold([added(1, [nodes[1] as NodeFact, nodes[0] as NodeFact, ...nodes.slice(2)])]);
  const fewer = new Folded();
  fewer.fold([added(1, nodes.slice(0, 5))]);
  for (const { head, store } of [swapped, fewer]) {
    const fresh = stateFromHead(head ?? assert.fail(), store, { ...NO_OLDER, nodes: "all" }).nodes;
    assert.throws(() => runThrough(tableOf(folded).takeBack(fresh)), /is not stored as it was/);
  }
});

test("an index of other nodes, or of more or fewer, and what is no index are refused", () => {
  const folded = new Folded();
  folded.fold([added(1, chain(0, LONG + 300))]);
  folded.fold([added(2, chain(LONG + 300, 5))]);
  const head = headOf(folded);
  const index = indexOf(folded);
  const read = (changed: Partial<IdIndex>) => () =>
    runThrough(indexedNodes({ ...head, index: { ...index, ...changed } }, folded.store));
  read({})();
  const { newest, pages } = index;
  assert.throws(read({ newest: newest.subarray(8) }), /has \d+ ids of \d+ nodes/);
  assert.throws(read({ newest: Buffer.concat([newest, hashOfId("more")]) }), /has \d+ ids of \d+ nodes/);
  assert.throws(read({ pages: [] }), /has \d+ ids of \d+ nodes/);
  const other = Buffer.from(newest);
  other[newest.length - 1] = (other[newest.length - 1] ?? 0) ^ 1;
  assert.throws(read({ newest: other }), /another in the index/);
  const text = pack([0, ["hashes"]]);
  const ref = refFromBytes(sha256(text));
  folded.store.write(text, ref);
  assert.throws(read({ pages: [...pages, { ref, level: 0, items: 1, bytes: text.length }] }), /hashes/);
});
