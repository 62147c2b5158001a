/** Laws of `loadSession` and `loadNode`: scopes, leaves, holes, and what a read is made of. */
import assert from "node:assert/strict";
import {
  append,
  chain,
  checkpoint,
  commit,
  config,
  ledgerEntry,
  messageNode,
  pluginSnapshot,
  replaceFull,
  toolState,
  turnState,
  unchanged,
  usage,
} from "./builders.ts";
import { pathIds, read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

export const loadLaws: Area = ({ law }) => {
  law("a session without a head loads as undefined in both scopes", async (fixture) => {
    await fixture.holds(async () => {
      const session = fixture.session("never-used");
      assert.equal(await session.loadSession(), undefined);
      assert.equal(await session.loadSession({ kind: "activePath" }), undefined);
      assert.equal(await session.loadSession({ kind: "activePath", leafNodeId: "x" }), undefined);
      assert.equal(await session.loadNode("x"), undefined);
      assert.equal(await session.loadSessionMeta(), undefined);
    });
  });

  law("a read holds exactly what was committed, absent keys absent", async (fixture) => {
    const answer = await fixture.session().commitRuntimeState(
      commit({
        graph: append(chain("a", "b"), "b"),
        checkpoint: checkpoint({
          toolState: toolState(7),
          pluginSnapshot: pluginSnapshot({ n: 1 }),
          pluginSnapshotRevision: 2n ** 63n,
          executionState: new Uint8Array([1, 2, 3]),
        }),
        usageDeltas: [ledgerEntry("turn", "model-1", usage(11, 7, 3, 2))],
      }),
    );
    await fixture.holds(async () => {
      const { manifest } = answer;
      assert.deepEqual(await fixture.session().loadSession(), {
        sessionId: "root",
        headRevision: 1,
        config: config(),
        graph: { nodes: chain("a", "b"), leafNodeId: "b" },
        graphIsPartial: false,
        checkpointRef: answer.checkpointRef,
        checkpoint: {
          turnState: turnState(),
          toolStateRef: manifest.toolStateRef,
          pluginSnapshotRef: manifest.pluginSnapshotRef,
          pluginSnapshotRevision: 2n ** 63n,
          executionStateRef: manifest.executionStateRef,
          toolState: toolState(7),
          pluginSnapshot: pluginSnapshot({ n: 1 }),
          executionState: new Uint8Array([1, 2, 3]),
        },
        tokenLedger: [ledgerEntry("turn", "model-1", usage(11, 7, 3, 2))],
      });
    });
  });

  law("a smallest commit reads back without any optional key", async (fixture) => {
    const answer = await fixture.session().commitRuntimeState(commit());
    await fixture.holds(async () => {
      const found = await read(fixture.session());
      assert.deepEqual(Object.keys(found).sort(), [
        "checkpoint",
        "checkpointRef",
        "config",
        "graph",
        "graphIsPartial",
        "headRevision",
        "sessionId",
        "tokenLedger",
      ]);
      assert.deepEqual(Object.keys(found.graph), ["nodes"]);
      assert.deepEqual(Object.keys(found.checkpoint), ["turnState"]);
      assert.equal(Object.hasOwn(found.config, "modelVariant"), false);
      assert.equal(Object.hasOwn(found.config, "standardContextApproach"), false);
      assert.equal(Object.hasOwn(found.checkpoint.turnState, "lastPromptUsage"), false);
      assert.equal(found.checkpointRef, answer.checkpointRef);
    });
  });

  law("fullGraph is the default scope and keeps insertion order", async (fixture) => {
    const session = fixture.session();
    // Parents follow children here only in the sense of order: siblings are interleaved on purpose.
    const nodes = [
      messageNode("r"),
      messageNode("z", "r"),
      messageNode("a", "r"),
      messageNode("z2", "z"),
      messageNode("a2", "a"),
    ];
    await session.commitRuntimeState(commit({ graph: append(nodes, "a2") }));
    await session.commitRuntimeState(commit({ graph: append([messageNode("m", "z")], "m") }));
    await fixture.holds(async () => {
      const whole = await fixture.session().loadSession({ kind: "fullGraph" });
      assert.deepEqual(whole, await fixture.session().loadSession());
      assert.deepEqual(
        whole?.graph.nodes.map((node) => node.nodeId),
        ["r", "z", "a", "z2", "a2", "m"],
      );
      assert.equal(whole?.graph.leafNodeId, "m");
      assert.equal(whole?.graphIsPartial, false);
    });
  });

  law(
    "activePath answers the path of the head's leaf, root first, and says it is partial",
    async (fixture) => {
      const session = fixture.session();
      const nodes = [messageNode("r"), messageNode("x", "r"), messageNode("y", "r"), messageNode("y2", "y")];
      await session.commitRuntimeState(commit({ graph: append(nodes, "y2") }));
      await fixture.holds(async () => {
        const path = await fixture.session().loadSession({ kind: "activePath" });
        assert.deepEqual(
          path?.graph.nodes.map((node) => node.nodeId),
          ["r", "y", "y2"],
        );
        assert.equal(path?.graph.leafNodeId, "y2");
        assert.equal(path?.graphIsPartial, true);
      });
    },
  );

  law("activePath with a leaf answers that node's path and the head's everything else", async (fixture) => {
    const session = fixture.session();
    const nodes = [messageNode("r"), messageNode("x", "r"), messageNode("y", "r")];
    await session.commitRuntimeState(
      commit({ graph: append(nodes, "y"), usageDeltas: [ledgerEntry("turn", "m", usage(1))] }),
    );
    await fixture.holds(async () => {
      const whole = await read(fixture.session());
      const path = await fixture.session().loadSession({ kind: "activePath", leafNodeId: "x" });
      assert.deepEqual(path, {
        ...whole,
        graph: { nodes: [nodes[0], nodes[1]], leafNodeId: "x" },
        graphIsPartial: true,
      });
    });
  });

  law("activePath without any leaf is an empty graph even when nodes exist", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b")) }));
    await fixture.holds(async () => {
      const path = await fixture.session().loadSession({ kind: "activePath" });
      assert.deepEqual(path?.graph, { nodes: [] });
      assert.deepEqual(await pathIds(fixture.session(), "b"), ["a", "b"]);
    });
  });

  law("activePath of an unknown leaf has zero nodes and the leaf that was asked for", async (fixture) => {
    await fixture.session().commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
    await fixture.holds(async () => {
      const path = await fixture.session().loadSession({ kind: "activePath", leafNodeId: "nobody" });
      assert.deepEqual(path?.graph, { nodes: [], leafNodeId: "nobody" });
      assert.equal(path?.headRevision, 1);
    });
  });

  law("activePath of a tombstoned leaf has zero nodes and the leaf that was asked for", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ graph: append([...chain("a", "b"), messageNode("c", "a")], "b") }),
    );
    await session.tombstoneNodes(["c"]);
    await fixture.holds(async () => {
      const path = await fixture.session().loadSession({ kind: "activePath", leafNodeId: "c" });
      assert.deepEqual(path?.graph, { nodes: [], leafNodeId: "c" });
    });
  });

  law(
    "a path ends below a missing parent",
    async (fixture) => {
      await fixture
        .session()
        .commitRuntimeState(
          commit({ graph: append([messageNode("b", "absent"), messageNode("c", "b")], "c") }),
        );
      await fixture.holds(async () => assert.deepEqual(await pathIds(fixture.session()), ["b", "c"]));
    },
    { graphPolicy: "permissive" },
  );

  law(
    "a path ends below a tombstoned parent",
    async (fixture) => {
      const session = fixture.session();
      await session.commitRuntimeState(commit({ graph: append(chain("a", "b", "c", "d"), "d") }));
      await session.tombstoneNodes(["b"]);
      await fixture.holds(async () => assert.deepEqual(await pathIds(fixture.session()), ["c", "d"]));
    },
    { graphPolicy: "permissive" },
  );

  law(
    "a head's leaf that is tombstoned stays the leaf and gives an empty path",
    async (fixture) => {
      const session = fixture.session();
      await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
      await session.tombstoneNodes(["b"]);
      await fixture.holds(async () => {
        const whole = await read(fixture.session());
        assert.deepEqual(whole.graph, { nodes: chain("a"), leafNodeId: "b" });
        const path = await fixture.session().loadSession({ kind: "activePath" });
        assert.deepEqual(path?.graph, { nodes: [], leafNodeId: "b" });
      });
    },
    { graphPolicy: "permissive" },
  );

  law("an unsupported scope is refused with and without a head", async (fixture) => {
    await fixture.session().commitRuntimeState(commit());
    await fixture.holds(async () => {
      for (const id of ["root", "never-used"]) {
        for (const scope of [{ kind: "subtree" }, {}, { kind: "fullgraph" }, { kind: 1 }]) {
          await refuses(fixture.session(id).loadSession(scope as never), "UNSUPPORTED_READ_SCOPE", { scope });
        }
      }
    });
  });

  law("loadNode finds live nodes on and off the active path and nothing else", async (fixture) => {
    const session = fixture.session();
    const nodes = [
      messageNode("r"),
      messageNode("on", "r"),
      messageNode("off", "r"),
      messageNode("gone", "r"),
    ];
    await session.commitRuntimeState(commit({ graph: append(nodes, "on") }));
    await session.tombstoneNodes(["gone"]);
    await fixture
      .session("other")
      .commitRuntimeState(commit({ sessionId: "other", graph: append([messageNode("foreign")], "foreign") }));
    await fixture.holds(async () => {
      assert.deepEqual(await fixture.session().loadNode("on"), nodes[1]);
      assert.deepEqual(await fixture.session().loadNode("off"), nodes[2]);
      assert.equal(await fixture.session().loadNode("gone"), undefined);
      assert.equal(await fixture.session().loadNode("foreign"), undefined);
      assert.equal(await fixture.session().loadNode("never"), undefined);
      assert.deepEqual(await fixture.session("other").loadNode("foreign"), messageNode("foreign"));
    });
  });

  law("results alias nothing: changing one changes no later one", async (fixture) => {
    const session = fixture.session();
    const answer = await session.commitRuntimeState(
      commit({
        graph: append([messageNode("a")], "a"),
        checkpoint: checkpoint({ toolState: toolState(1), executionState: new Uint8Array([1, 2]) }),
        usageDeltas: [ledgerEntry("turn", "m", usage(1))],
        operationId: "op",
      }),
    );
    const kept = structuredClone(await read(session));
    answer.manifest.turnState.turnIndex = 99;
    const first = await read(session);
    first.config.providerId = "changed";
    first.checkpoint.executionState?.fill(9);
    first.tokenLedger.pop();
    first.graph.nodes.pop();
    first.checkpoint.turnState.tokenUsage.inputTokens = 9;
    const node = await session.loadNode("a");
    assert.ok(node);
    node.timestamp = "changed";
    assert.deepEqual(await read(session), kept);
    assert.deepEqual(await session.loadNode("a"), kept.graph.nodes[0]);
  });

  law("results are plain mutable objects and bytes are plain Uint8Arrays", async (fixture) => {
    await fixture.session().commitRuntimeState(
      commit({
        graph: append([messageNode("a")], "a"),
        checkpoint: checkpoint({ toolState: toolState(1), executionState: new Uint8Array([1]) }),
      }),
    );
    await fixture.holds(async () => {
      const found = await read(fixture.session());
      const objects = [
        found,
        found.graph,
        found.checkpoint,
        found.config,
        found.graph.nodes[0],
        found.checkpoint.toolState,
      ];
      for (const value of objects) {
        assert.equal(Object.getPrototypeOf(value), Object.prototype);
        assert.equal(Object.isFrozen(value), false);
      }
      const bytes = found.checkpoint.executionState;
      assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
    });
  });

  law("a read sees every write acknowledged before it was called", async (fixture) => {
    const session = fixture.session();
    for (let turn = 1; turn <= 20; turn++) {
      const { headRevision } = await session.commitRuntimeState(commit({ graph: unchanged() }));
      assert.equal((await read(fixture.session())).headRevision, headRevision);
    }
  });

  law("sessions of one store share nothing but blobs", async (fixture) => {
    await fixture.session("one").commitRuntimeState(
      commit({
        sessionId: "one",
        graph: replaceFull(chain("a", "b"), "b"),
        usageDeltas: [ledgerEntry("t", "m", usage(5))],
      }),
    );
    await fixture.session("two").commitRuntimeState(
      commit({
        sessionId: "two",
        graph: replaceFull(chain("a"), "a"),
        config: config({ providerId: "p2" }),
      }),
    );
    await fixture.holds(async () => {
      const one = await read(fixture.session("one"));
      const two = await read(fixture.session("two"));
      assert.deepEqual([one.sessionId, one.headRevision, one.graph.nodes.length], ["one", 1, 2]);
      assert.deepEqual([two.sessionId, two.headRevision, two.graph.nodes.length], ["two", 1, 1]);
      assert.deepEqual(two.tokenLedger, []);
      assert.equal(two.config.providerId, "p2");
    });
  });
};
