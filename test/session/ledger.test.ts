/** Usage summed by source and model, against a recomputation from all deltas. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { addUsage } from "../../src/session/ledger.ts";
import type { TokenLedgerEntry, TokenUsage } from "../../src/session/types.ts";
import { append, node, replaceFull, SessionBench } from "./session-bench.ts";

const COUNTERS = ["inputTokens", "outputTokens", "cachedInputTokens", "reasoningTokens"] as const;

function entry(
  source: string,
  model: string,
  counters: Partial<TokenUsage> = { inputTokens: 1 },
): TokenLedgerEntry {
  return {
    source,
    model,
    usage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0, ...counters },
  };
}

function sum(
  ledger: readonly TokenLedgerEntry[],
  deltas: readonly TokenLedgerEntry[],
): readonly TokenLedgerEntry[] {
  const added = addUsage(ledger, deltas);
  return added.kind === "sum" ? added.ledger : assert.fail("overflow");
}

test("rows keep the order in which they were first seen, and counters add up", () => {
  const ledger = sum(
    [],
    [entry("b", "m"), entry("a", "m"), entry("b", "m", { outputTokens: 2 }), entry("b", "n")],
  );
  assert.deepEqual(ledger, [
    entry("b", "m", { inputTokens: 1, outputTokens: 2 }),
    entry("a", "m"),
    entry("b", "n"),
  ]);
});

test("source and model are told apart, however they are cut", () => {
  const deltas = [entry("a", "bc"), entry("ab", "c"), entry("", "abc"), entry("abc", ""), entry("1:a", "b")];
  assert.equal(sum([], deltas).length, 5);
  assert.equal(sum(sum([], deltas), deltas).length, 5);
});

test("neither argument changes", () => {
  const ledger = [entry("a", "m")];
  const deltas = [entry("a", "m"), entry("b", "m")];
  const added = sum(ledger, deltas);
  (added[1] as TokenLedgerEntry).usage.inputTokens = 77;
  assert.deepEqual(ledger, [entry("a", "m")]);
  assert.deepEqual(deltas, [entry("a", "m"), entry("b", "m")]);
});

test("no change of the graph changes the ledger", () => {
  const bench = new SessionBench("permissive");
  const usageDeltas = [entry("s", "m")];
  bench.commit({ ...append([node("a"), node("b")]), usageDeltas });
  bench.commit(replaceFull([node("b")]));
  bench.tombstone("b");
  bench.vacuum();
  bench.commit({ ...replaceFull([node("c")]), usageDeltas });
  assert.deepEqual(bench.state.ledger, [entry("s", "m", { inputTokens: 2 })]);
});

test("each counter overflows by its name, at the first entry that does", () => {
  for (const counter of COUNTERS) {
    const none = { inputTokens: 0 };
    const most = entry("s", "m", { ...none, [counter]: Number.MAX_SAFE_INTEGER });
    const overflow = { kind: "overflow", overflow: { source: "s", model: "m", counter } };
    assert.deepEqual(addUsage([most], [entry("s", "m", { [counter]: 1 })]), overflow);
    assert.deepEqual(addUsage([], [most, entry("t", "m"), entry("s", "m", { [counter]: 1 })]), overflow);
    assert.equal(sum([most], [entry("s", "n", { [counter]: 1 })]).length, 2);
    const almost = entry("s", "m", { [counter]: Number.MAX_SAFE_INTEGER - 1 });
    assert.deepEqual(sum([almost], [entry("s", "m", { [counter]: 1 })]), [most]);
  }
});

test("any split of deltas into commits gives the sums of all of them", () => {
  const name = fc.constantFrom("a", "b", "ab", "");
  const counters = fc.record({
    inputTokens: fc.nat(5),
    outputTokens: fc.nat(5),
    cachedInputTokens: fc.nat(5),
    reasoningTokens: fc.integer({ min: 1, max: 5 }),
  });
  const deltas = fc.array(
    fc.tuple(name, name, counters).map(([source, model, usage]) => entry(source, model, usage)),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(fc.array(deltas, { maxLength: 5 }), (commits) => {
      const all = commits.flat();
      const keys = [...new Set(all.map(({ source, model }) => JSON.stringify([source, model])))];
      const expected = keys.map((key) => {
        const rows = all.filter(({ source, model }) => JSON.stringify([source, model]) === key);
        const total = (counter: keyof TokenUsage) => rows.reduce((sum, row) => sum + row.usage[counter], 0);
        const [source, model] = JSON.parse(key);
        return entry(source, model, Object.fromEntries(COUNTERS.map((counter) => [counter, total(counter)])));
      });
      assert.deepEqual(commits.reduce<readonly TokenLedgerEntry[]>(sum, []), expected);
    }),
  );
});
