/** Laws of a commit's graph delta: append, unchanged, replaceFull, leaves, collisions, cycles, policies. */
import assert from "node:assert/strict";
import { append, chain, commit, messageNode, replaceFull, unchanged } from "./builders.ts";
import { everything, nodeIds, pathIds, read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

const PERMISSIVE = { graphPolicy: "permissive" } as const;

export const graphLaws: Area = ({ law }) => {
  law("the leaf is always explicit: absent means no leaf, not keep", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
    await session.commitRuntimeState(commit({ graph: unchanged() }));
    await fixture.holds(async () => {
      assert.equal(Object.hasOwn((await read(fixture.session())).graph, "leafNodeId"), false);
    });
    await fixture.session().commitRuntimeState(commit({ graph: unchanged("a") }));
    await fixture.holds(async () => assert.deepEqual(await pathIds(fixture.session()), ["a"]));
  });

  law("unchanged moves only the leaf", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b", "c"), "c") }));
    await session.commitRuntimeState(commit({ graph: unchanged("b") }));
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session())).graph, {
        nodes: chain("a", "b", "c"),
        leafNodeId: "b",
      });
    });
  });

  law("an append of nothing is a commit like any other", async (fixture) => {
    const answer = await fixture.session().commitRuntimeState(commit({ graph: append([]) }));
    assert.equal(answer.headRevision, 1);
    await fixture.holds(async () => assert.deepEqual((await read(fixture.session())).graph, { nodes: [] }));
  });

  law("an append may name parents that come later in the same delta", async (fixture) => {
    const nodes = [messageNode("child", "parent"), messageNode("parent")];
    await fixture.session().commitRuntimeState(commit({ graph: append(nodes, "child") }));
    await fixture.holds(async () => {
      assert.deepEqual(await nodeIds(fixture.session()), ["child", "parent"]);
      assert.deepEqual(await pathIds(fixture.session()), ["parent", "child"]);
    });
  });

  law("an id that is live, tombstoned or twice in the delta collides", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ graph: append([...chain("a", "b"), messageNode("t", "a")], "b") }),
    );
    await session.tombstoneNodes(["t"]);
    await fixture.holds(async () => {
      const before = await everything(fixture.session());
      const colliding = [
        [append([messageNode("b", "a")], "b"), "b"],
        [append([messageNode("t", "a")], "t"), "t"],
        [append([messageNode("n", "a"), messageNode("n", "a")], "n"), "n"],
        [replaceFull([messageNode("x"), messageNode("x")], "x"), "x"],
      ] as const;
      for (const [graph, nodeId] of colliding) {
        await refuses(fixture.session().commitRuntimeState(commit({ graph })), "NODE_ID_COLLISION", {
          nodeId,
        });
      }
      assert.deepEqual(await everything(fixture.session()), before);
    });
  });

  law("the same node id in two sessions does not collide", async (fixture) => {
    for (const id of ["one", "two"]) {
      await fixture.session(id).commitRuntimeState(commit({ sessionId: id, graph: append(chain("a"), "a") }));
    }
    assert.deepEqual(await nodeIds(fixture.session("two")), ["a"]);
  });

  law("a cycle of parents is INVALID_GRAPH in the strict policy", async (fixture) => {
    const session = fixture.session();
    const self = append([messageNode("a", "a")], "a");
    const pair = append([messageNode("a", "b"), messageNode("b", "a")], "a");
    const whole = replaceFull([
      messageNode("r"),
      messageNode("a", "c"),
      messageNode("b", "a"),
      messageNode("c", "b"),
    ]);
    for (const graph of [self, pair, whole]) {
      await refuses(session.commitRuntimeState(commit({ graph })), "INVALID_GRAPH");
    }
    assert.equal(await session.loadSession(), undefined);
  });

  law(
    "a cycle of parents is INVALID_GRAPH in the permissive policy too, also one closed by a late parent",
    async (fixture) => {
      const session = fixture.session();
      await refuses(
        session.commitRuntimeState(commit({ graph: append([messageNode("a", "a")], "a") })),
        "INVALID_GRAPH",
      );
      await session.commitRuntimeState(
        commit({ graph: append([messageNode("a", "late"), messageNode("b", "a")], "b") }),
      );
      await fixture.holds(async () => {
        await refuses(
          fixture.session().commitRuntimeState(commit({ graph: append([messageNode("late", "b")], "late") })),
          "INVALID_GRAPH",
        );
      });
      await fixture.session().commitRuntimeState(commit({ graph: append([messageNode("late")], "b") }));
      await fixture.holds(async () => assert.deepEqual(await pathIds(fixture.session()), ["late", "a", "b"]));
    },
    PERMISSIVE,
  );

  law(
    "a cycle through a tombstoned node is a cycle all the same",
    async (fixture) => {
      const session = fixture.session();
      await session.commitRuntimeState(
        commit({ graph: append([messageNode("a", "late"), messageNode("b", "a")], "b") }),
      );
      await session.tombstoneNodes(["a"]);
      await fixture.holds(async () => {
        await refuses(
          fixture.session().commitRuntimeState(commit({ graph: append([messageNode("late", "b")], "late") })),
          "INVALID_GRAPH",
        );
      });
    },
    PERMISSIVE,
  );

  law("strict refuses a new node whose parent is unknown or tombstoned", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ graph: append([...chain("a", "b"), messageNode("t", "a")], "b") }),
    );
    await session.tombstoneNodes(["t"]);
    await fixture.holds(async () => {
      for (const parent of ["nobody", "t"]) {
        await refuses(
          fixture.session().commitRuntimeState(commit({ graph: append([messageNode("n", parent)], "b") })),
          "INVALID_GRAPH",
        );
      }
      await refuses(
        fixture.session().commitRuntimeState(commit({ graph: replaceFull([messageNode("n", "a")], "n") })),
        "INVALID_GRAPH",
      );
    });
  });

  law("strict refuses a leaf that is not a live node, in every kind of delta", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ graph: append([...chain("a", "b"), messageNode("t", "a")], "b") }),
    );
    await session.tombstoneNodes(["t"]);
    await fixture.holds(async () => {
      for (const leaf of ["nobody", "t"]) {
        for (const graph of [
          unchanged(leaf),
          append([messageNode("n", "a")], leaf),
          replaceFull(chain("a"), leaf),
        ]) {
          await refuses(fixture.session().commitRuntimeState(commit({ graph })), "INVALID_GRAPH");
        }
      }
    });
  });

  law(
    "permissive accepts unknown parents and leaves and returns them as they were",
    async (fixture) => {
      const session = fixture.session();
      const orphan = messageNode("n", "nobody");
      await session.commitRuntimeState(commit({ graph: append([orphan], "elsewhere") }));
      await fixture.holds(async () => {
        assert.deepEqual((await read(fixture.session())).graph, { nodes: [orphan], leafNodeId: "elsewhere" });
        assert.deepEqual(await pathIds(fixture.session()), []);
        assert.deepEqual(await pathIds(fixture.session(), "n"), ["n"]);
      });
      await fixture.session().commitRuntimeState(commit({ graph: unchanged("also-nobody") }));
      assert.equal((await read(fixture.session())).graph.leafNodeId, "also-nobody");
    },
    PERMISSIVE,
  );

  law(
    "a parent that arrives later joins the path above its child",
    async (fixture) => {
      const session = fixture.session();
      await session.commitRuntimeState(commit({ graph: append([messageNode("c", "p")], "c") }));
      await session.commitRuntimeState(commit({ graph: append([messageNode("p")], "c") }));
      await fixture.holds(async () => {
        assert.deepEqual(await pathIds(fixture.session()), ["p", "c"]);
        assert.deepEqual(await nodeIds(fixture.session()), ["c", "p"]);
      });
    },
    PERMISSIVE,
  );

  law(
    "replaceFull replaces everything: nodes that are not listed are gone and their ids are free",
    async (fixture) => {
      const session = fixture.session();
      await session.commitRuntimeState(
        commit({ graph: append([...chain("a", "b"), messageNode("t", "a")], "b") }),
      );
      await session.tombstoneNodes(["t"]);
      await session.commitRuntimeState(commit({ graph: replaceFull(chain("a", "n"), "n") }));
      await fixture.holds(async () => {
        assert.deepEqual((await read(fixture.session())).graph, { nodes: chain("a", "n"), leafNodeId: "n" });
        assert.equal(await fixture.session().loadNode("b"), undefined);
        assert.equal(await fixture.session().loadNode("t"), undefined);
      });
      assert.deepEqual(await fixture.session().vacuum(), { removedNodeCount: 0 });
      const again = [messageNode("b", "n"), messageNode("t", "b")];
      await fixture.session().commitRuntimeState(commit({ graph: append(again, "t") }));
      await fixture.holds(async () =>
        assert.deepEqual(await nodeIds(fixture.session()), ["a", "n", "b", "t"]),
      );
    },
  );

  law("replaceFull with an empty graph leaves no node and no leaf", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
    await session.commitRuntimeState(commit({ graph: replaceFull([]) }));
    await fixture.holds(async () => assert.deepEqual((await read(fixture.session())).graph, { nodes: [] }));
  });

  law("replaceFull revives tombstoned ids that it lists again", async (fixture) => {
    const session = fixture.session();
    const nodes = [messageNode("r"), messageNode("x", "r"), messageNode("y", "r")];
    await session.commitRuntimeState(commit({ graph: append(nodes, "y") }));
    await session.tombstoneNodes(["x"]);
    await session.commitRuntimeState(commit({ graph: replaceFull(nodes, "x") }));
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session())).graph, { nodes, leafNodeId: "x" });
      assert.deepEqual(await fixture.session().loadNode("x"), nodes[1]);
    });
    assert.deepEqual(await fixture.session().vacuum(), { removedNodeCount: 0 });
  });

  law("replaceFull takes the new graph's order, content and parents", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b", "c", "d"), "d") }));
    const nodes = [
      messageNode("d"),
      messageNode("b", "d", "new text"),
      messageNode("a", "d"),
      messageNode("e", "a"),
    ];
    await session.commitRuntimeState(commit({ graph: replaceFull(nodes, "e") }));
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session())).graph, { nodes, leafNodeId: "e" });
      assert.deepEqual(await pathIds(fixture.session()), ["d", "a", "e"]);
    });
  });

  law("replacements, appends and tombstones in a row read back as their sum", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b", "c"), "c") }));
    await session.commitRuntimeState(commit({ graph: replaceFull(chain("b", "a"), "a") }));
    await session.commitRuntimeState(
      commit({ graph: append([messageNode("c", "b"), messageNode("d", "c")], "a") }),
    );
    await session.tombstoneNodes(["d"]);
    await fixture.store.snapshot();
    await session.commitRuntimeState(commit({ graph: append([messageNode("e", "c")], "e") }));
    await fixture.holds(async () => {
      assert.deepEqual(await nodeIds(fixture.session()), ["b", "a", "c", "e"]);
      assert.deepEqual(await pathIds(fixture.session()), ["b", "c", "e"]);
      assert.deepEqual(await fixture.session().loadNode("a"), messageNode("a", "b"));
    });
  });

  law("a long session keeps every node through many snapshots", async (fixture) => {
    let parent: string | undefined;
    const expected: string[] = [];
    for (let round = 0; round < 6; round++) {
      for (let turn = 0; turn < 10; turn++) {
        const id = `n${round}-${turn}`;
        await fixture
          .session()
          .commitRuntimeState(commit({ graph: append([messageNode(id, parent, id.repeat(50))], id) }));
        parent = id;
        expected.push(id);
      }
      await fixture.store.snapshot();
    }
    await fixture.holds(async () => {
      assert.deepEqual(await pathIds(fixture.session()), expected);
      assert.deepEqual(
        (await read(fixture.session())).graph.nodes.at(-1),
        messageNode("n5-9", "n5-8", "n5-9".repeat(50)),
      );
    });
  });
};
