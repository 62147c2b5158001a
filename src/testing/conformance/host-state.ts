/** Laws of the way from a host's state to a commit and back, over a real session. */
import assert from "node:assert/strict";
import {
  applyCommitResult,
  commitFromState,
  commitFromStateWithGraph,
  defaultSessionState,
  fromJson,
  loadPersistedSessionState,
  loadPersistedSessionStateActivePath,
  refreshPersistedSessionState,
  toJson,
} from "../../index.ts";
import type { PersistedSessionState } from "../../session/types.ts";
import {
  append,
  chain,
  checkpoint,
  commit,
  ledgerEntry,
  messageNode,
  pluginSnapshot,
  toolState,
  usage,
} from "./builders.ts";
import { nodeIds, read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

function hostState(fields: Partial<PersistedSessionState> = {}): PersistedSessionState {
  const state: PersistedSessionState = defaultSessionState();
  return {
    ...state,
    policy: {
      ...state.policy,
      model: "model-1",
      provider: { kind: "anthropic", apiKey: "secret" },
      maxContextTokens: 1000,
    },
    sessionGraph: { nodes: chain("a", "b"), leafNodeId: "b" },
    turnIndex: 3,
    tokenUsage: usage(7),
    toolStateSnapshot: toolState(5),
    pluginSnapshot: pluginSnapshot("p"),
    pluginSnapshotRevision: 9n,
    executionStateSnapshot: new Uint8Array([1]),
    ...fields,
  };
}

export const hostStateLaws: Area = ({ law }) => {
  law("a host's state goes through a commit and comes back, without its provider", async (fixture) => {
    const state = hostState();
    const sent = commitFromState(state, [ledgerEntry("turn", "model-1", usage(7))]);
    assert.equal(sent.expectedHeadRevision, 0);
    assert.equal(sent.graph.kind, "replaceFull");
    const answer = await fixture.session().commitRuntimeState(sent);
    await fixture.holds(async () => {
      const loaded = await loadPersistedSessionState(fixture.session());
      assert.ok(loaded);
      assert.equal(loaded.headRevision, 1);
      assert.deepEqual(loaded.policy.provider, { kind: "unconfigured" });
      assert.deepEqual([loaded.policy.model, loaded.policy.maxContextTokens], ["model-1", 1000]);
      assert.deepEqual(loaded.sessionGraph, state.sessionGraph);
      assert.deepEqual([loaded.turnIndex, loaded.tokenUsage], [3, usage(7)]);
      assert.deepEqual(loaded.toolStateSnapshot, toolState(5));
      assert.equal(loaded.toolStateGeneration, 5);
      assert.equal(loaded.toolStateRef, answer.manifest.toolStateRef);
      assert.deepEqual(loaded.executionStateSnapshot, new Uint8Array([1]));
      assert.equal(loaded.pluginSnapshotRevision, 9n);
      assert.deepEqual(loaded.tokenLedger, [ledgerEntry("turn", "model-1", usage(7))]);
      assert.deepEqual([loaded.graphIsPartial, loaded.graphReplaceRequired], [false, false]);
    });
  });

  law("an applied result carries refs into the next commit and keeps its blobs", async (fixture) => {
    const state = hostState();
    const answer = await fixture.session().commitRuntimeState(commitFromState(state, []));
    const next = applyCommitResult(state, answer);
    assert.equal(next.headRevision, 1);
    assert.equal(next.toolStateRef, answer.manifest.toolStateRef);
    assert.equal(next.toolStateGeneration, 5);
    assert.equal(Object.hasOwn(next, "toolStateSnapshot"), false);
    const sent = commitFromStateWithGraph(next, append([messageNode("c", "b")], "c"), []);
    assert.equal(sent.expectedHeadRevision, 1);
    await fixture.session().commitRuntimeState(sent);
    await fixture.holds(async () => {
      assert.deepEqual(await nodeIds(fixture.session()), ["a", "b", "c"]);
      assert.deepEqual((await read(fixture.session())).checkpoint.toolState, toolState(5));
    });
  });

  law("a first commit against an existing head is a conflict, not an overwrite", async (fixture) => {
    await fixture.session().commitRuntimeState(commit());
    await refuses(
      fixture.session().commitRuntimeState(commitFromState(hostState(), [])),
      "HEAD_REVISION_CONFLICT",
      {
        expected: 0,
        actual: 1,
      },
    );
  });

  law("a state loaded by active path is partial and may not replace the graph", async (fixture) => {
    const nodes = [...chain("a", "b"), messageNode("x", "a")];
    await fixture.session().commitRuntimeState(commit({ graph: append(nodes, "b") }));
    const partial = await loadPersistedSessionStateActivePath(fixture.session(), "x");
    assert.ok(partial);
    assert.equal(partial.graphIsPartial, true);
    assert.deepEqual(partial.sessionGraph, { nodes: [nodes[0], nodes[2]], leafNodeId: "x" });
    assert.throws(() => commitFromState({ ...partial, graphReplaceRequired: true }, []), {
      code: "PARTIAL_GRAPH",
    });
    const moved = await fixture.session().commitRuntimeState(commitFromState(partial, []));
    assert.equal(moved.headRevision, 2);
    assert.equal((await read(fixture.session())).graph.leafNodeId, "x");
    assert.deepEqual(await nodeIds(fixture.session()), ["a", "b", "x"]);
  });

  law("loading and refreshing without a head", async (fixture) => {
    assert.equal(await loadPersistedSessionState(fixture.session()), undefined);
    assert.equal(await loadPersistedSessionStateActivePath(fixture.session()), undefined);
    const state = hostState();
    assert.deepEqual(await refreshPersistedSessionState(fixture.session(), state), state);
  });

  law("a refresh takes the store's facts and keeps the host's own", async (fixture) => {
    await fixture
      .session()
      .commitRuntimeState(commit({ graph: append(chain("z"), "z"), checkpoint: checkpoint() }));
    const state = hostState();
    state.policy = {
      ...state.policy,
      sessionId: "root",
      maxTurns: 4,
      prompt: { text: "p" },
      autonomous: true,
    };
    const fresh = await refreshPersistedSessionState(fixture.session(), state);
    assert.deepEqual(fresh.sessionGraph, { nodes: chain("z"), leafNodeId: "z" });
    assert.equal(fresh.headRevision, 1);
    assert.deepEqual(fresh.policy.provider, { kind: "anthropic", apiKey: "secret" });
    assert.deepEqual(
      [fresh.policy.sessionId, fresh.policy.maxTurns, fresh.policy.prompt, fresh.policy.autonomous],
      ["root", 4, { text: "p" }, true],
    );
  });

  law("a read survives toJson, JSON text and fromJson", async (fixture) => {
    await fixture.session().commitRuntimeState(
      commit({
        graph: append([messageNode("a")], "a"),
        checkpoint: checkpoint({
          pluginSnapshot: pluginSnapshot({ big: 2n ** 63n, bytes: new Uint8Array([1, 2]) }),
          pluginSnapshotRevision: 2n ** 64n - 1n,
          executionState: new Uint8Array([0, 255]),
        }),
      }),
    );
    const found = await read(fixture.session());
    assert.deepEqual(fromJson(JSON.parse(JSON.stringify(toJson(found)))), found);
    const node = await fixture.session().loadNode("a");
    assert.deepEqual(fromJson(JSON.parse(JSON.stringify(toJson(node as never)))), node);
  });
};
