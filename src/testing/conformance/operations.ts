/** Laws of operation ids: replays, conflicts, what is remembered and for how long. */
import assert from "node:assert/strict";
import type { RuntimeCommit } from "../../session/types.ts";
import {
  append,
  chain,
  checkpoint,
  commit,
  ledgerEntry,
  messageNode,
  toolState,
  unchanged,
  usage,
} from "./builders.ts";
import { everything, nodeIds, read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

function operation(fields: Partial<RuntimeCommit> = {}): RuntimeCommit {
  return commit({
    operationId: "op-1",
    expectedHeadRevision: 0,
    graph: append(chain("a", "b"), "b"),
    checkpoint: checkpoint({ toolState: toolState(1) }),
    usageDeltas: [ledgerEntry("turn", "m", usage(5))],
    ...fields,
  });
}

export const operationLaws: Area = ({ law }) => {
  law(
    "sending the same operation again answers the first result as replayed and writes nothing",
    async (fixture) => {
      const first = await fixture.session().commitRuntimeState(operation());
      assert.equal(first.replayed, false);
      await fixture.holds(async () => {
        const before = await everything(fixture.session());
        const again = await fixture.session().commitRuntimeState(operation());
        assert.deepEqual(again, { ...first, replayed: true });
        assert.deepEqual(await everything(fixture.session()), before);
      });
      assert.deepEqual((await read(fixture.session())).tokenLedger, [ledgerEntry("turn", "m", usage(5))]);
    },
  );

  law("a replay is answered before the revision is looked at, also after later commits", async (fixture) => {
    const first = await fixture.session().commitRuntimeState(operation());
    await fixture.session().commitRuntimeState(commit({ graph: append([messageNode("c", "b")], "c") }));
    await fixture.session().commitRuntimeState(commit({ graph: unchanged("a"), operationId: "op-2" }));
    await fixture.holds(async () => {
      const again = await fixture.session().commitRuntimeState(operation());
      assert.deepEqual(again, { ...first, replayed: true });
      assert.equal((await read(fixture.session())).headRevision, 3);
    });
  });

  law("the same operation id with any other content is OPERATION_CONFLICT", async (fixture) => {
    await fixture.session().commitRuntimeState(operation());
    const others: RuntimeCommit[] = [
      operation({ expectedHeadRevision: 1 }),
      operation({ config: { ...operation().config, configuredModel: "other" } }),
      operation({ graph: append(chain("a", "b"), "a") }),
      operation({ graph: append([...chain("a"), messageNode("b", "a", "other text")], "b") }),
      operation({ graph: unchanged("b") }),
      operation({ checkpoint: checkpoint({ toolState: toolState(2) }) }),
      operation({ checkpoint: checkpoint({ toolState: toolState(1), pluginSnapshotRevision: 1n }) }),
      operation({ usageDeltas: [] }),
      operation({ usageDeltas: [ledgerEntry("turn", "m", usage(6))] }),
    ];
    const { expectedHeadRevision: _dropped, ...unconditional } = operation();
    others.push(unconditional);
    await fixture.holds(async () => {
      for (const other of others) {
        await refuses(fixture.session().commitRuntimeState(other), "OPERATION_CONFLICT", {
          operationId: "op-1",
          retry: "never",
        });
      }
      assert.equal((await read(fixture.session())).headRevision, 1);
    });
  });

  law(
    "content is compared by value: key order, absent members and missing counters do not matter",
    async (fixture) => {
      const first = await fixture.session().commitRuntimeState(operation());
      const { sessionId, config, graph, checkpoint: state, operationId, expectedHeadRevision } = operation();
      const reordered = {
        operationId,
        usageDeltas: [{ usage: { inputTokens: 5 }, model: "m", source: "turn" }],
        checkpoint: { ...state, pluginSnapshot: undefined },
        graph,
        config: { ...config, modelVariant: undefined },
        expectedHeadRevision,
        sessionId,
      };
      const again = await fixture.session().commitRuntimeState(reordered as never);
      assert.deepEqual(again, { ...first, replayed: true });
    },
  );

  law("an operation id belongs to one session", async (fixture) => {
    await fixture.session().commitRuntimeState(operation());
    const other = await fixture.session("other").commitRuntimeState(operation({ sessionId: "other" }));
    assert.equal(other.replayed, false);
    assert.equal(other.headRevision, 1);
  });

  law("a refused commit is not remembered: its operation id can still be used", async (fixture) => {
    await refuses(
      fixture.session().commitRuntimeState(operation({ expectedHeadRevision: 9 })),
      "HEAD_REVISION_CONFLICT",
    );
    await fixture.holds(async () => {
      const session = fixture.session();
      await refuses(
        session.commitRuntimeState(operation({ expectedHeadRevision: 9 })),
        "HEAD_REVISION_CONFLICT",
      );
    });
    assert.equal((await fixture.session().commitRuntimeState(operation())).replayed, false);
  });

  law("a retry sent while the first is in flight waits for it and is a replay", async (fixture) => {
    const session = fixture.session();
    const [first, second, third] = await Promise.all([
      session.commitRuntimeState(operation()),
      fixture.store.session("root").commitRuntimeState(operation()),
      refuses(session.commitRuntimeState(operation({ usageDeltas: [] })), "OPERATION_CONFLICT"),
    ]);
    assert.equal(first.replayed, false);
    assert.deepEqual(second, { ...first, replayed: true });
    assert.equal(third.retry, "never");
    assert.deepEqual(await nodeIds(session), ["a", "b"]);
  });

  law("the receipt holds the whole answer although its blobs were collected", async (fixture) => {
    const first = await fixture.session().commitRuntimeState(operation());
    await fixture.session().commitRuntimeState(commit({ graph: unchanged("b") }));
    const report = await fixture.store.gc();
    // The first checkpoint manifest and its tool state: a receipt is no root.
    assert.deepEqual(report, { rootCount: 1, retainedBlobCount: 1, deletedBlobCount: 2 });
    await fixture.holds(async () => {
      const again = await fixture.session().commitRuntimeState(operation());
      assert.deepEqual(again, { ...first, replayed: true });
    });
  });

  law("a replayed answer aliases nothing", async (fixture) => {
    const first = await fixture.session().commitRuntimeState(operation());
    const second = await fixture.session().commitRuntimeState(operation());
    second.manifest.turnState.turnIndex = 77;
    const third = await fixture.session().commitRuntimeState(operation());
    assert.deepEqual(third, { ...first, replayed: true });
  });

  law(
    "the oldest operation is forgotten first, beyond receiptsKept",
    async (fixture) => {
      for (const id of ["1", "2", "3", "4"]) {
        await fixture.session().commitRuntimeState(commit({ operationId: id }));
      }
      await fixture.holds(async () => {
        for (const id of ["2", "3", "4"]) {
          const again = await fixture.session().commitRuntimeState(commit({ operationId: id }));
          assert.equal(again.replayed, true, id);
          assert.equal(again.headRevision, Number(id));
        }
      });
      const forgotten = await fixture.session().commitRuntimeState(commit({ operationId: "1" }));
      assert.equal(forgotten.replayed, false);
      assert.equal(forgotten.headRevision, 5);
      await fixture.holds(async () => {
        assert.equal(
          (await fixture.session().commitRuntimeState(commit({ operationId: "1" }))).replayed,
          true,
        );
        assert.equal(
          (await fixture.session().commitRuntimeState(commit({ operationId: "3" }))).replayed,
          true,
        );
      });
      assert.equal(
        (await fixture.session().commitRuntimeState(commit({ operationId: "2" }))).replayed,
        false,
      );
    },
    { receiptsKept: 3 },
  );

  law(
    "operations are forgotten across snapshots as they would be without them",
    async (fixture) => {
      for (let index = 1; index <= 12; index++) {
        await fixture.session().commitRuntimeState(commit({ operationId: `op-${index}` }));
        if (index % 4 === 0) await fixture.store.snapshot();
      }
      await fixture.reopen();
      for (let index = 8; index <= 12; index++) {
        const again = await fixture.session().commitRuntimeState(commit({ operationId: `op-${index}` }));
        assert.deepEqual([again.replayed, again.headRevision], [true, index]);
      }
      const forgotten = await fixture.session().commitRuntimeState(commit({ operationId: "op-7" }));
      assert.equal(forgotten.replayed, false);
    },
    { receiptsKept: 5 },
  );
};
