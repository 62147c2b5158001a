/** Laws of `commitRuntimeState`: revisions, the order of refusals, and that a refused commit leaves no trace. */
import assert from "node:assert/strict";
import type { RuntimeCommit } from "../../session/types.ts";
import {
  append,
  chain,
  checkpoint,
  commit,
  config,
  ledgerEntry,
  messageNode,
  replaceFull,
  toolState,
  turnState,
  unchanged,
  usage,
} from "./builders.ts";
import { everything, nodeIds, read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

const ABSENT_REF = "0".repeat(64);

/** A commit that is wrong in every way at once; later ways are reached by mending the earlier ones. */
function wrongInEveryWay(): RuntimeCommit {
  return commit({
    sessionId: "stranger",
    expectedHeadRevision: 77,
    operationId: "used",
    config: config({ contextWindow: -1 }),
    graph: append([messageNode("a")], "nobody"),
    checkpoint: checkpoint({ toolStateRef: ABSENT_REF as never }),
    usageDeltas: [ledgerEntry("turn", "m", usage(Number.MAX_SAFE_INTEGER))],
  });
}

export const commitLaws: Area = ({ law }) => {
  law("the first commit answers revision 1 and each accepted one the next", async (fixture) => {
    const session = fixture.session();
    for (const expected of [1, 2, 3]) {
      const answer = await session.commitRuntimeState(commit());
      assert.equal(answer.headRevision, expected);
      assert.equal(answer.replayed, false);
    }
    await fixture.holds(async () => assert.equal((await read(fixture.session())).headRevision, 3));
    assert.equal((await fixture.session().commitRuntimeState(commit())).headRevision, 4);
  });

  law("an answer holds revision, checkpoint ref, manifest and replayed, nothing else", async (fixture) => {
    const answer = await fixture
      .session()
      .commitRuntimeState(
        commit({ checkpoint: checkpoint({ toolState: toolState(1), pluginSnapshotRevision: 5n }) }),
      );
    assert.deepEqual(Object.keys(answer).sort(), ["checkpointRef", "headRevision", "manifest", "replayed"]);
    assert.match(answer.checkpointRef, /^[0-9a-f]{64}$/);
    assert.match(String(answer.manifest.toolStateRef), /^[0-9a-f]{64}$/);
    assert.deepEqual(answer.manifest, {
      turnState: turnState(),
      toolStateRef: answer.manifest.toolStateRef,
      pluginSnapshotRevision: 5n,
    });
  });

  law("an expected revision must be the actual one, 0 when there is no head", async (fixture) => {
    const session = fixture.session();
    await refuses(session.commitRuntimeState(commit({ expectedHeadRevision: 1 })), "HEAD_REVISION_CONFLICT", {
      expected: 1,
      actual: 0,
      retry: "reload",
    });
    await session.commitRuntimeState(commit({ expectedHeadRevision: 0 }));
    await fixture.holds(async () => {
      for (const expected of [0, 2]) {
        await refuses(
          fixture.session().commitRuntimeState(commit({ expectedHeadRevision: expected })),
          "HEAD_REVISION_CONFLICT",
          { expected, actual: 1 },
        );
      }
    });
    assert.equal(
      (await fixture.session().commitRuntimeState(commit({ expectedHeadRevision: 1 }))).headRevision,
      2,
    );
  });

  law("without an expected revision a commit is unconditional, also on an existing head", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit());
    assert.equal((await session.commitRuntimeState(commit())).headRevision, 2);
  });

  law("meta and tombstones do not move the revision", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ graph: append([...chain("a", "b"), messageNode("c", "a")], "b") }),
    );
    await session.saveSessionMeta({ sessionId: "root", sessionName: "n", createdAt: "t", model: "m" });
    await session.tombstoneNodes(["c"]);
    await session.vacuum();
    await fixture.holds(async () => assert.equal((await read(fixture.session())).headRevision, 1));
    await fixture.session().commitRuntimeState(commit({ expectedHeadRevision: 1, graph: unchanged("b") }));
  });

  law("each commit replaces config, checkpoint and leaf as a whole", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({
        config: config({ modelVariant: "large", standardContextApproach: { kind: "rolling_history" } }),
        graph: append(chain("a", "b"), "b"),
        checkpoint: checkpoint({
          toolState: toolState(1),
          pluginSnapshotRevision: 1n,
          turnState: turnState({
            lastPromptUsage: {
              promptContextTokens: 1,
              inputTokens: 2,
              cachedInputTokens: 3,
              contextBudgetTokens: 4,
            },
          }),
        }),
      }),
    );
    await session.commitRuntimeState(commit());
    await fixture.holds(async () => {
      const found = await read(fixture.session());
      assert.deepEqual(found.config, config());
      assert.deepEqual(found.checkpoint, { turnState: turnState() });
      assert.deepEqual(Object.keys(found.graph), ["nodes"]);
      assert.equal(found.graph.nodes.length, 2);
    });
  });

  law("refusals are decided in the contract's order, whatever else is wrong", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({
        operationId: "used",
        graph: append([messageNode("a")], "a"),
        usageDeltas: [ledgerEntry("turn", "m", usage(1))],
      }),
    );
    const before = await everything(session);
    const wrong = wrongInEveryWay();
    await refuses(session.commitRuntimeState(wrong), "INVALID_COMMIT", { path: "config.contextWindow" });
    wrong.config.contextWindow = 1;
    await refuses(session.commitRuntimeState(wrong), "SESSION_BINDING_MISMATCH", {
      boundSessionId: "root",
      attemptedSessionId: "stranger",
    });
    wrong.sessionId = "root";
    await refuses(session.commitRuntimeState(wrong), "OPERATION_CONFLICT", { operationId: "used" });
    wrong.operationId = "fresh";
    await refuses(session.commitRuntimeState(wrong), "HEAD_REVISION_CONFLICT", { expected: 77, actual: 1 });
    wrong.expectedHeadRevision = 1;
    await refuses(session.commitRuntimeState(wrong), "BLOB_MISSING", {
      component: "toolState",
      ref: ABSENT_REF,
    });
    wrong.checkpoint = checkpoint();
    await refuses(session.commitRuntimeState(wrong), "NODE_ID_COLLISION", { nodeId: "a" });
    wrong.graph = append([messageNode("b", "a")], "nobody");
    await refuses(session.commitRuntimeState(wrong), "INVALID_GRAPH");
    wrong.graph = append([messageNode("b", "a")], "b");
    await refuses(session.commitRuntimeState(wrong), "USAGE_OVERFLOW", {
      source: "turn",
      model: "m",
      counter: "inputTokens",
    });
    await fixture.holds(async () => assert.deepEqual(await everything(fixture.session()), before));
    wrong.usageDeltas = [];
    assert.equal((await fixture.session().commitRuntimeState(wrong)).headRevision, 2);
  });

  law("a deleted session refuses after shape and binding and before everything else", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ operationId: "used" }));
    assert.equal(await fixture.store.deleteSession("root"), true);
    await fixture.holds(async () => {
      const wrong = wrongInEveryWay();
      await refuses(fixture.session().commitRuntimeState(wrong), "INVALID_COMMIT");
      wrong.config.contextWindow = 1;
      await refuses(fixture.session().commitRuntimeState(wrong), "SESSION_BINDING_MISMATCH");
      wrong.sessionId = "root";
      await refuses(fixture.session().commitRuntimeState(wrong), "SESSION_DELETED", { sessionId: "root" });
    });
  });

  law("a refused commit leaves no trace, consumes no revision and writes no blob", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ graph: append([messageNode("a")], "a"), operationId: "first" }),
    );
    const before = await everything(session);
    const { commits } = fixture.store.stats();
    const blob = toolState(42, "never stored");
    const refusals: Partial<RuntimeCommit>[] = [
      { expectedHeadRevision: 9 },
      { operationId: "first" },
      { graph: append([messageNode("a")], "a") },
      { graph: append([messageNode("n", "nobody")], "n") },
      { graph: unchanged("nobody") },
      { graph: replaceFull(chain("x", "x"), "x") },
      { usageDeltas: [ledgerEntry("t", "m", usage(2 ** 53 - 1)), ledgerEntry("t", "m", usage(1))] },
    ];
    for (const fields of refusals) {
      await assert.rejects(
        session.commitRuntimeState(commit({ checkpoint: checkpoint({ toolState: blob }), ...fields })),
      );
    }
    assert.equal(fixture.store.stats().commits, commits);
    // The blob's ref, learned in another store's terms: the same value committed elsewhere and dropped again.
    const other = fixture.session("other");
    const stored = await other.commitRuntimeState(
      commit({ sessionId: "other", checkpoint: checkpoint({ toolState: blob }) }),
    );
    await other.commitRuntimeState(commit({ sessionId: "other" }));
    await fixture.store.gc();
    await refuses(
      session.commitRuntimeState(
        commit({ checkpoint: checkpoint({ toolStateRef: stored.manifest.toolStateRef as never }) }),
      ),
      "BLOB_MISSING",
    );
    await fixture.holds(async () => assert.deepEqual(await everything(fixture.session()), before));
    assert.equal((await fixture.session().commitRuntimeState(commit())).headRevision, 2);
  });

  law("a refused commit's blobs are not there to be named by ref", async (fixture) => {
    const session = fixture.session();
    const value = toolState(4711, "refused");
    await refuses(
      session.commitRuntimeState(
        commit({ expectedHeadRevision: 5, checkpoint: checkpoint({ toolState: value }) }),
      ),
      "HEAD_REVISION_CONFLICT",
    );
    const report = await fixture.store.gc();
    assert.deepEqual(report, { rootCount: 0, retainedBlobCount: 0, deletedBlobCount: 0 });
  });

  law(
    "writes of one session through any handle take effect in call order without being awaited",
    async (fixture) => {
      const calls: Promise<unknown>[] = [];
      const revisions: number[] = [];
      for (let index = 0; index < 40; index++) {
        const handle = fixture.store.session("root");
        const node = messageNode(`n${index}`, index === 0 ? undefined : `n${index - 1}`);
        calls.push(
          handle
            .commitRuntimeState(commit({ expectedHeadRevision: index, graph: append([node], node.nodeId) }))
            .then((answer) => revisions.push(answer.headRevision)),
        );
      }
      await Promise.all(calls);
      assert.deepEqual(
        revisions,
        Array.from({ length: 40 }, (_, index) => index + 1),
      );
      await fixture.holds(async () => {
        assert.equal((await nodeIds(fixture.session())).length, 40);
        assert.equal((await read(fixture.session())).graph.leafNodeId, "n39");
      });
    },
  );

  law("a refusal that rests on a write in flight is decided on that write", async (fixture) => {
    const session = fixture.session();
    const first = session.commitRuntimeState(commit({ graph: append([messageNode("a")], "a") }));
    const collides = session.commitRuntimeState(commit({ graph: append([messageNode("a")], "a") }));
    const conflicts = session.commitRuntimeState(commit({ expectedHeadRevision: 0 }));
    const settled: string[] = [];
    await Promise.all([
      first.then(() => settled.push("first")),
      refuses(collides, "NODE_ID_COLLISION").then(() => settled.push("collides")),
      refuses(conflicts, "HEAD_REVISION_CONFLICT", { actual: 1 }).then(() => settled.push("conflicts")),
    ]);
    assert.equal(settled[0], "first");
  });

  law("an accepted commit completes although nobody waits for it", async (fixture) => {
    const session = fixture.session();
    session.commitRuntimeState(commit({ graph: append([messageNode("a")], "a") })).catch(() => undefined);
    await session.commitRuntimeState(commit({ graph: unchanged("a") }));
    await fixture.holds(async () => {
      assert.equal((await read(fixture.session())).headRevision, 2);
      assert.deepEqual(await nodeIds(fixture.session()), ["a"]);
    });
  });

  law(
    "a commit above maxCommitBytes is INVALID_COMMIT and one below it is not",
    async (fixture) => {
      const session = fixture.session();
      const big = messageNode("big", undefined, "x".repeat(300_000));
      await refuses(session.commitRuntimeState(commit({ graph: append([big], "big") })), "INVALID_COMMIT");
      const small = messageNode("small", undefined, "x".repeat(150_000));
      await session.commitRuntimeState(commit({ graph: append([small], "small") }));
      await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), ["small"]));
    },
    { maxCommitBytes: 200_000 },
  );

  law(
    "replaceFull counts its difference against maxCommitBytes, not what it keeps",
    async (fixture) => {
      const session = fixture.session();
      const first = messageNode("first", undefined, "x".repeat(150_000));
      const second = messageNode("second", "first", "y".repeat(150_000));
      await session.commitRuntimeState(commit({ graph: append([first], "first") }));
      await session.commitRuntimeState(commit({ graph: append([second], "second") }));
      const third = messageNode("third", "second", "z");
      await session.commitRuntimeState(commit({ graph: replaceFull([first, second, third], "third") }));
      await fixture.holds(async () =>
        assert.deepEqual((await read(fixture.session())).graph, {
          nodes: [first, second, third],
          leafNodeId: "third",
        }),
      );
    },
    { maxCommitBytes: 200_000 },
  );

  law("commits larger than a segment are stored like any other", async (fixture) => {
    const session = fixture.session();
    const text = "0123456789abcdef".repeat(20_000);
    for (const id of ["a", "b", "c"]) {
      await session.commitRuntimeState(
        commit({ graph: append([messageNode(id, undefined, `${id}${text}`)], id) }),
      );
      await session.commitRuntimeState(commit({ graph: unchanged(id) }));
    }
    await fixture.holds(async () => {
      const { graph, headRevision } = await read(fixture.session());
      assert.equal(headRevision, 6);
      assert.deepEqual(
        graph.nodes,
        ["a", "b", "c"].map((id) => messageNode(id, undefined, `${id}${text}`)),
      );
    });
  });
};
