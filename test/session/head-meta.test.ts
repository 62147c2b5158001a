/** A head's figures carried on by records alone, against the state that the same records make. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { readMeta } from "../../src/actors/reads.ts";
import { applyToFigures, NO_FIGURES, readHeadMeta } from "../../src/session/head-meta.ts";
import type { SessionRecord } from "../../src/session/record.ts";
import { outcome, runOn, step } from "./random-steps.ts";
import { append, commitOf, node, replaceFull, SESSION, SessionBench } from "./session-bench.ts";

function figuresOf(bench: SessionBench) {
  return bench.records.reduce(applyToFigures, NO_FIGURES);
}

test("live nodes are counted through appends, tombstones, replacements that revive, and vacuums", () => {
  const bench = new SessionBench();
  const counted: unknown[] = [];
  const count = () => counted.push(readHeadMeta(SESSION, figuresOf(bench))?.graphNodeCount);
  count();
  bench.commit(append([node("a"), node("b", "a"), node("c", "a")], "b"));
  count();
  bench.tombstone("c");
  count();
  bench.commit(replaceFull([node("a"), node("c", "a")], "a"));
  count();
  bench.tombstone("c");
  bench.vacuum();
  count();
  bench.delete();
  count();
  assert.deepEqual(counted, [undefined, 3, 2, 2, 1, undefined]);
});

for (const policy of ["strict", "permissive"] as const) {
  test(`after any records the figures are those of the state, from any of them on (${policy})`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.nat(25), (steps, stored) => {
        const bench = new SessionBench(policy);
        let figures = NO_FIGURES;
        for (const [index, each] of steps.entries()) {
          const before = bench.records.length;
          outcome(() => runOn(bench, each));
          for (const record of bench.records.slice(before)) figures = applyToFigures(figures, record);
          assert.deepStrictEqual(readHeadMeta(SESSION, figures), readHeadMeta(SESSION, bench.state));
          assert.deepStrictEqual(readMeta(figures), readMeta(bench.state));
          // A state and a stored head are figures too: a look-up goes on from one.
          if (index === stored) figures = bench.state;
        }
      }),
      { numRuns: 200 },
    );
  });
}

test("a record that does not follow the figures throws a plain error", () => {
  const bench = new SessionBench();
  bench.commit(commitOf());
  const first = bench.records[0] as SessionRecord;
  assert.throws(() => applyToFigures(figuresOf(bench), first), /revision 1 does not follow 1/);
  bench.delete();
  assert.throws(() => applyToFigures(figuresOf(bench), first), /deletion/);
});
