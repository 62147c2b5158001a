/** Laws of many calls at once: random histories beside a model, and the simplest races written out. */
import assert from "node:assert/strict";
import { append, commit, messageNode } from "./builders.ts";
import { listed } from "./expect.ts";
import type { Area } from "./suite.ts";

export const concurrencyLaws: Area = ({ law, capabilities }) => {
  if (capabilities.histories > 0) {
    law(
      "any history of calls that nobody awaits one by one reads like one that runs in call order",
      async (fixture) => {
        // Only here, so that the rest of the suite runs where fast-check is not installed.
        const { checkHistories } = await import("./random-history.ts");
        await checkHistories(fixture, capabilities.histories);
      },
    );
  }

  law(
    "sessions do not wait for each other's order: every commit of many sessions is answered",
    async (fixture) => {
      const calls: Promise<number>[] = [];
      for (let turn = 0; turn < 10; turn++) {
        for (let index = 0; index < 50; index++) {
          const sessionId = `s${index}`;
          calls.push(
            fixture.store
              .session(sessionId)
              .commitRuntimeState(commit({ sessionId, expectedHeadRevision: turn }))
              .then((answer) => answer.headRevision),
          );
        }
      }
      const revisions = await Promise.all(calls);
      assert.deepEqual(
        revisions,
        Array.from({ length: 500 }, (_, index) => Math.floor(index / 50) + 1),
      );
      await fixture.holds(async () => assert.equal((await listed(fixture.store)).length, 50));
    },
  );

  law(
    "two writers that both expect the same revision: one commits, the other meets a conflict",
    async (fixture) => {
      for (let turn = 0; turn < 10; turn++) {
        const attempts = await Promise.allSettled(
          [1, 2, 3].map((writer) =>
            fixture.store.session("root").commitRuntimeState(
              commit({
                expectedHeadRevision: turn,
                graph: append([messageNode(`w${writer}-${turn}`)], `w${writer}-${turn}`),
              }),
            ),
          ),
        );
        assert.deepEqual(
          attempts.map((attempt) => (attempt.status === "fulfilled" ? "committed" : attempt.reason.code)),
          ["committed", "HEAD_REVISION_CONFLICT", "HEAD_REVISION_CONFLICT"],
        );
      }
    },
  );
};
