/**
 * One session in a fold, page by page: which of its old pages are kept, which are dropped, and when none is read. That
 * the folded state is right whatever the records is tested in fold.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlobRef } from "../../src/ids.ts";
import { MAX_REMOVALS_KEPT, PAGE_BYTES } from "../../src/limits.ts";
import { LIVE } from "../../src/session/node-entry.ts";
import type { NodeFact, ReplaceStep, SessionRecord } from "../../src/session/record.ts";
import { pagedIn, receiptFromItem, type StoredHead } from "../../src/snapshot/head.ts";
import { outlinedNodes } from "../../src/snapshot/outline.ts";
import { countItems, type Forest, readItems } from "../../src/snapshot/pages.ts";
import { append, commitRecord, node } from "./fixture.ts";
import { Folded } from "./folded.ts";

const refsOf = (forest: Forest): BlobRef[] => forest.map(({ ref }) => ref);
const BODY = "b".repeat(PAGE_BYTES);
/** A node that fills a page of its own. Their bodies are all the same. */
const wide = (id: string): NodeFact => node(id, undefined, BODY);
const keep = (start: number, count: number): ReplaceStep => ({ kind: "keep", start, count });
const fresh = (id: string): ReplaceStep => ({ kind: "node", node: wide(id) });
const replace = (revision: number, ...steps: ReplaceStep[]): SessionRecord =>
  ({ ...commitRecord("s", revision), graph: { kind: "replace", steps } }) as SessionRecord;
const hide = (...nodeIds: string[]): SessionRecord => ({
  kind: "tombstone",
  sessionId: "s",
  nodeIds,
  picker: undefined,
});
const VACUUM: SessionRecord = { kind: "vacuum", sessionId: "s" };
const DELETE: SessionRecord = { kind: "delete", sessionId: "s" };
const META: SessionRecord = {
  kind: "meta",
  sessionId: "s",
  meta: { sessionId: "s", sessionName: "n", createdAt: "then", model: "m" },
};

test("a fold that appends writes the outline on without a page, and one that reads all writes it anew", () => {
  const folded = new Folded();
  const narrow = (id: string, parent?: string): NodeFact => node(id, parent, "text");
  const added = (revision: number, nodes: readonly NodeFact[]): SessionRecord =>
    commitRecord("s", revision, { graph: append(...nodes) });
  const outlinedIds = (): string[] | undefined =>
    outlinedNodes(folded.head ?? assert.fail("folded"))?.entries.map(
      ({ id, revision, hiddenAt, bodyBytes }) => {
        assert.equal(bodyBytes, 4);
        return `${hiddenAt === LIVE ? "" : "-"}${id}${revision}`;
      },
    );
  const isRight = (): void => assert.deepEqual(outlinedIds(), folded.nodes);
  folded.fold([added(1, [narrow("a")])]);
  isRight();
  for (const [at, records] of [
    [added(2, [narrow("b", "a"), narrow("c", "b")])],
    [META],
    [added(3, [narrow("d", "a")]), added(4, [narrow("e", "d")])],
  ].entries()) {
    folded.fold(records);
    assert.equal(folded.store.reads, 0, `fold ${at} read a page`);
    isRight();
  }
  folded.fold([hide("c")]);
  isRight();
  folded.fold([added(5, [narrow("f", "e")])]);
  isRight();
  folded.fold([VACUUM]);
  isRight();
  // As if it had been stored before outlines were: what is put behind it says nothing of what lies in front.
  folded.head = { ...(folded.head ?? assert.fail("folded")), outline: undefined };
  folded.fold([added(6, [narrow("g", "f")])]);
  assert.equal(folded.head.outline, undefined);
  folded.fold([commitRecord("s", 7, { graph: { kind: "replace", steps: [keep(0, 2)] } })]);
  isRight();
  folded.fold([
    added(
      8,
      Array.from({ length: 200 }, (_, i) => narrow(`more-${i}`)),
    ),
  ]);
  assert.equal(outlinedIds(), undefined);
  folded.fold([DELETE]);
  assert.equal(outlinedIds(), undefined);
});

/** Behind a fold of a1, b1 and c1, one a page: what comes, how many pages stay, and the nodes then. */
const CHANGES: readonly [string, readonly SessionRecord[], number, readonly string[]][] = [
  ["drops the first node", [replace(2, keep(1, 2))], 0, ["b1", "c1"]],
  ["drops a node in the middle", [replace(2, keep(0, 1), keep(2, 1))], 1, ["a1", "c1"]],
  ["drops the last node", [replace(2, keep(0, 2))], 2, ["a1", "b1"]],
  ["drops all nodes", [replace(2)], 0, []],
  ["brings a node again as it was", [replace(2, keep(0, 1), fresh("b"), keep(2, 1))], 1, ["a1", "b2", "c2"]],
  ["keeps all nodes", [replace(2, keep(0, 3))], 3, ["a1", "b1", "c1"]],
  ["keeps all nodes and brings one more", [replace(2, keep(0, 3), fresh("d"))], 3, ["a1", "b1", "c1", "d2"]],
  ["hides a node", [hide("b")], 1, ["a1", "-b1", "c1"]],
  ["hides a node and takes it out", [hide("b"), VACUUM], 1, ["a1", "c1"]],
  ["hides a node and brings it back", [hide("b"), replace(2, keep(0, 3))], 1, ["a1", "b2", "c2"]],
];

for (const [what, records, kept, nodes] of CHANGES) {
  test(`of a session that ${what} the pages in front of that stay, and no other`, () => {
    const session = new Folded();
    const before = session.fold([commitRecord("s", 1, { graph: append(wide("a"), wide("b"), wide("c")) })]);
    assert.equal(before.nodes.length, 3);
    const after = session.fold(records);
    assert.deepEqual(session.store.dropped, refsOf(before.nodes).slice(kept));
    assert.deepEqual(refsOf(after.nodes).slice(0, kept), refsOf(before.nodes).slice(0, kept));
    assert.deepEqual(session.nodes, nodes);
  });
}

test("a page whose node was hidden before stays when another one behind it is hidden", () => {
  const session = new Folded();
  session.fold([commitRecord("s", 1, { graph: append(wide("a"), wide("b"), wide("c")) }), hide("a")]);
  const before = session.head?.nodes ?? [];
  session.fold([hide("c")]);
  assert.deepEqual(session.store.dropped, refsOf(before).slice(2));
  assert.deepEqual(session.nodes, ["-a1", "b1", "-c1"]);
});

test("records that only append, or name or delete the session, have none of its pages read", () => {
  const session = new Folded();
  session.fold([commitRecord("s", 1, { graph: append(wide("a"), wide("b")) })]);
  for (const record of [commitRecord("s", 2, { graph: append(wide("c")) }), META, commitRecord("s", 3)]) {
    session.fold([record]);
    assert.deepEqual([session.store.reads, session.store.dropped], [0, []], record.kind);
  }
  assert.equal(session.head?.head?.nodeCount, 3);
  session.fold([DELETE]);
  assert.equal(session.store.reads, 0);
});

test("a deletion drops every page of the session, and of one that was never folded nothing", () => {
  const session = new Folded();
  const operation = { id: "o", digest: Buffer.alloc(32) };
  const before = session.fold([
    commitRecord("s", 1, { graph: append(wide("a"), wide("b")), operation }),
    hide("a"),
  ]);
  assert.ok(before.nodes.length === 2 && before.receipts.length === 1 && before.removals.length === 1);
  assert.equal(session.fold([DELETE]).deleted, true);
  assert.deepEqual(session.store.dropped, refsOf(pagedIn(before)));
  const never = new Folded();
  assert.equal(never.fold([commitRecord("s", 1), DELETE]).deleted, true);
  assert.deepEqual(never.store.dropped, []);
});

/** A commit whose receipt fills a page of its own. */
const remembered = (revision: number): SessionRecord =>
  commitRecord("s", revision, {
    operation: { id: `o${revision}`, digest: Buffer.alloc(32) },
    manifest: Buffer.alloc(PAGE_BYTES),
  });

test("a page of receipts goes when those behind it hold as many as are kept", () => {
  const session = new Folded(2);
  const operations = (): string[] =>
    [...readItems(session.head?.receipts ?? [], session.store)].map(
      (item) => receiptFromItem(item).operationId,
    );
  const [first, second] = [session.fold([remembered(1)]), session.fold([remembered(2)])];
  assert.deepEqual(operations(), ["o1", "o2"]);
  assert.deepEqual(session.store.dropped, []);
  session.fold([remembered(3)]);
  assert.deepEqual(operations(), ["o2", "o3"]);
  assert.deepEqual(session.store.dropped, refsOf(first.receipts));
  const third = session.fold([commitRecord("s", 4), META]);
  assert.deepEqual(session.store.dropped, []);
  session.fold([remembered(5), remembered(6), remembered(7)]);
  assert.deepEqual(operations(), ["o6", "o7"]);
  assert.deepEqual(session.store.dropped.slice(0, 2), refsOf(third.receipts));
  assert.equal(second.receipts.length, 2);
});

test("a receipt is made once, however often its record is folded", () => {
  const session = new Folded();
  const records = [remembered(1), remembered(2)];
  session.fold(records);
  const { receipts } = session.fold([remembered(3)], { again: records });
  assert.equal(countItems(receipts), 3);
});

test("a page of removals goes when those behind it are as many as are kept, and older copies are told of nothing", () => {
  const session = new Folded();
  // So long that as many as are kept fill one page to its last byte.
  const idAt = (revision: number, n: number): string =>
    `${revision}-${n}`.padEnd(PAGE_BYTES / MAX_REMOVALS_KEPT - 8, "x");
  const removeMany = (revision: number): StoredHead => {
    const ids = Array.from({ length: MAX_REMOVALS_KEPT }, (_, n) => idAt(revision, n));
    return session.fold([
      commitRecord("s", revision, { graph: append(...ids.map((id) => node(id))) }),
      hide(...ids),
      VACUUM,
    ]);
  };
  const first = removeMany(1);
  assert.deepEqual([first.removals.length, first.oldestCopy], [1, 0]);
  const second = removeMany(2);
  assert.deepEqual(
    [second.removals.length, second.oldestCopy],
    [1, 2],
    "shown for the last time at revision 1",
  );
  assert.ok(session.store.dropped.includes(first.removals[0]?.ref as BlobRef));
  const third = session.fold([commitRecord("s", 3, { graph: append(node("one more")) }), hide("one more")]);
  assert.deepEqual([third.removals.length, third.oldestCopy], [2, 2]);
});
