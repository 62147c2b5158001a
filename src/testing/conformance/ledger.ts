/** Laws of the token ledger: summed by (source, model), in first-seen order, checked for overflow. */
import assert from "node:assert/strict";
import { append, chain, commit, ledgerEntry, replaceFull, usage } from "./builders.ts";
import { read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

const MAX = Number.MAX_SAFE_INTEGER;

export const ledgerLaws: Area = ({ law }) => {
  law("usage is summed by source and model in first-seen order", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({
        usageDeltas: [
          ledgerEntry("turn", "m2", usage(1, 2, 3, 4)),
          ledgerEntry("turn", "m1", usage(10)),
          ledgerEntry("turn", "m2", usage(1, 1, 1, 1)),
        ],
      }),
    );
    await fixture.store.snapshot();
    await session.commitRuntimeState(
      commit({
        usageDeltas: [ledgerEntry("compaction", "m1", usage(0, 7)), ledgerEntry("turn", "m1", usage(5, 5))],
      }),
    );
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session())).tokenLedger, [
        ledgerEntry("turn", "m2", usage(2, 3, 4, 5)),
        ledgerEntry("turn", "m1", usage(15, 5)),
        ledgerEntry("compaction", "m1", usage(0, 7)),
      ]);
    });
  });

  law("source and model are told apart however they are written", async (fixture) => {
    const deltas = [
      ledgerEntry("a", "b", usage(1)),
      ledgerEntry("ab", "", usage(2)),
      ledgerEntry("", "ab", usage(3)),
      ledgerEntry("a\u0000b", "", usage(4)),
      ledgerEntry("a", "\u0000b", usage(5)),
      ledgerEntry("__proto__", "constructor", usage(6)),
    ];
    await fixture.session().commitRuntimeState(commit({ usageDeltas: deltas }));
    await fixture.holds(async () => assert.deepEqual((await read(fixture.session())).tokenLedger, deltas));
  });

  law("an entry whose four counters are zero neither appears nor fixes an order", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ usageDeltas: [ledgerEntry("late", "m", usage(0)), ledgerEntry("early", "m", usage(1))] }),
    );
    await session.commitRuntimeState(commit({ usageDeltas: [ledgerEntry("late", "m", usage(2))] }));
    await session.commitRuntimeState(commit({ usageDeltas: [ledgerEntry("never", "m", usage(0))] }));
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session())).tokenLedger, [
        ledgerEntry("early", "m", usage(1)),
        ledgerEntry("late", "m", usage(2)),
      ]);
    });
  });

  law("usage of cached tokens only is kept", async (fixture) => {
    await fixture
      .session()
      .commitRuntimeState(commit({ usageDeltas: [ledgerEntry("turn", "m", usage(0, 0, 9, 0))] }));
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session())).tokenLedger, [
        ledgerEntry("turn", "m", usage(0, 0, 9, 0)),
      ]);
    });
  });

  law("a missing counter of a delta counts as zero", async (fixture) => {
    const delta = { source: "turn", model: "m", usage: { outputTokens: 4 } };
    await fixture.session().commitRuntimeState(commit({ usageDeltas: [delta as never] }));
    assert.deepEqual((await read(fixture.session())).tokenLedger, [ledgerEntry("turn", "m", usage(0, 4))]);
  });

  law("graph changes never change the ledger", async (fixture) => {
    const session = fixture.session();
    const expected = [ledgerEntry("turn", "m", usage(3, 2, 1))];
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "a"), usageDeltas: expected }));
    await session.tombstoneNodes(["b"]);
    await session.vacuum();
    await session.commitRuntimeState(commit({ graph: replaceFull([]) }));
    await fixture.store.gc();
    await fixture.holds(async () => assert.deepEqual((await read(fixture.session())).tokenLedger, expected));
  });

  law("a sum may reach the largest safe integer and not pass it", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ usageDeltas: [ledgerEntry("t", "m", usage(MAX - 1, 0, 0, 5))] }),
    );
    await fixture.holds(async () => {
      await refuses(
        fixture.session().commitRuntimeState(commit({ usageDeltas: [ledgerEntry("t", "m", usage(2))] })),
        "USAGE_OVERFLOW",
        { source: "t", model: "m", counter: "inputTokens", retry: "never" },
      );
    });
    await fixture.session().commitRuntimeState(commit({ usageDeltas: [ledgerEntry("t", "m", usage(1))] }));
    await fixture.holds(async () => {
      const found = await read(fixture.session());
      assert.deepEqual(found.tokenLedger, [ledgerEntry("t", "m", usage(MAX, 0, 0, 5))]);
      assert.equal(found.headRevision, 2);
    });
  });

  law("an overflow inside one commit is refused and names the counter", async (fixture) => {
    const counters = [usage(MAX), usage(0, MAX), usage(0, 0, MAX), usage(0, 0, 0, MAX)];
    const names = ["inputTokens", "outputTokens", "cachedInputTokens", "reasoningTokens"];
    for (const [index, full] of counters.entries()) {
      await refuses(
        fixture
          .session()
          .commitRuntimeState(
            commit({ usageDeltas: [ledgerEntry("t", "m", full), ledgerEntry("t", "m", usage(1, 1, 1, 1))] }),
          ),
        "USAGE_OVERFLOW",
        { counter: names[index] },
      );
    }
    assert.equal(await fixture.session().loadSession(), undefined);
  });

  law("counters outside 0 to 2^53 - 1 are INVALID_COMMIT", async (fixture) => {
    for (const bad of [-1, 0.5, MAX + 1, Number.NaN, Number.POSITIVE_INFINITY, "1", 1n, null]) {
      const delta = { source: "t", model: "m", usage: { inputTokens: bad } };
      await refuses(
        fixture.session().commitRuntimeState(commit({ usageDeltas: [delta as never] })),
        "INVALID_COMMIT",
      );
    }
  });
};
