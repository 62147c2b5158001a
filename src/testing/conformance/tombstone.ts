/** Laws of `tombstoneNodes` and `vacuum`. */
import assert from "node:assert/strict";
import { append, chain, commit, messageNode, unchanged } from "./builders.ts";
import { nodeIds, pathIds, read, refuses } from "./expect.ts";
import type { Area, Fixture } from "./suite.ts";

const PERMISSIVE = { graphPolicy: "permissive" } as const;

/** r with the active branch r-a-b, and an idle branch r-x-y. */
async function branched(fixture: Fixture): Promise<void> {
  const nodes = [...chain("r", "a", "b"), messageNode("x", "r"), messageNode("y", "x")];
  await fixture.session().commitRuntimeState(commit({ graph: append(nodes, "b") }));
}

export const tombstoneLaws: Area = ({ law }) => {
  law("a tombstoned node is hidden from every read, and nothing else changes", async (fixture) => {
    await branched(fixture);
    await fixture.session().tombstoneNodes(["y"]);
    await fixture.holds(async () => {
      assert.deepEqual(await nodeIds(fixture.session()), ["r", "a", "b", "x"]);
      assert.equal(await fixture.session().loadNode("y"), undefined);
      assert.deepEqual(await pathIds(fixture.session(), "y"), []);
      const { headRevision, graph } = await read(fixture.session());
      assert.deepEqual([headRevision, graph.leafNodeId], [1, "b"]);
    });
  });

  law("unknown ids are ignored and repeats are no-ops", async (fixture) => {
    await fixture.session("empty").tombstoneNodes(["nobody"]);
    await branched(fixture);
    await fixture.session().tombstoneNodes([]);
    await fixture.session().tombstoneNodes(["nobody", "y", "y"]);
    await fixture.session().tombstoneNodes(["y", "nobody"]);
    await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), ["r", "a", "b", "x"]));
    assert.deepEqual(await fixture.session().vacuum(), { removedNodeCount: 1 });
    await fixture.session().tombstoneNodes(["y"]);
    assert.deepEqual(await fixture.session().vacuum(), { removedNodeCount: 0 });
  });

  law("tombstoning unknown ids does not use a session's id", async (fixture) => {
    await fixture.session("empty").tombstoneNodes(["nobody"]);
    await fixture.session("empty").vacuum();
    assert.equal(await fixture.store.deleteSession("empty"), false);
  });

  law("strict refuses a node on the head's active path, and hides nothing of that call", async (fixture) => {
    await branched(fixture);
    await fixture.holds(async () => {
      for (const id of ["r", "a", "b"]) {
        await refuses(fixture.session().tombstoneNodes(["y", "x", id]), "NODE_IN_USE", {
          nodeId: id,
          retry: "reload",
        });
      }
      assert.deepEqual(await nodeIds(fixture.session()), ["r", "a", "b", "x", "y"]);
    });
  });

  law("strict refuses a node with a live child that the call does not name", async (fixture) => {
    await branched(fixture);
    await fixture.holds(async () => {
      await refuses(fixture.session().tombstoneNodes(["x"]), "NODE_IN_USE", { nodeId: "x" });
      assert.deepEqual(await nodeIds(fixture.session()), ["r", "a", "b", "x", "y"]);
    });
    await fixture.session().tombstoneNodes(["x", "y"]);
    await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), ["r", "a", "b"]));
  });

  law("strict lets a parent go once its children are tombstoned", async (fixture) => {
    await branched(fixture);
    await fixture.session().tombstoneNodes(["y"]);
    await fixture.store.snapshot();
    await fixture.session().tombstoneNodes(["x"]);
    await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), ["r", "a", "b"]));
  });

  law(
    "the active path is the head's at the time of the call, also with writes in flight",
    async (fixture) => {
      await branched(fixture);
      const session = fixture.session();
      const moved = session.commitRuntimeState(commit({ graph: unchanged("r") }));
      const hidden = session.tombstoneNodes(["a", "b", "x", "y"]);
      await Promise.all([moved, hidden]);
      await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), ["r"]));
    },
  );

  law("without a leaf there is no active path to protect", async (fixture) => {
    await fixture.session().commitRuntimeState(commit({ graph: append(chain("a", "b")) }));
    await fixture.session().tombstoneNodes(["b", "a"]);
    await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), []));
  });

  law(
    "permissive hides anything: leaf, inner node, active path",
    async (fixture) => {
      await branched(fixture);
      await fixture.session().tombstoneNodes(["a"]);
      await fixture.holds(async () => {
        assert.deepEqual(await nodeIds(fixture.session()), ["r", "b", "x", "y"]);
        assert.deepEqual(await pathIds(fixture.session()), ["b"]);
      });
      await fixture.session().tombstoneNodes(["b", "r"]);
      await fixture.holds(async () => {
        assert.deepEqual(await nodeIds(fixture.session()), ["x", "y"]);
        assert.equal((await read(fixture.session())).graph.leafNodeId, "b");
      });
    },
    PERMISSIVE,
  );

  law("vacuum counts what this call removed and a second call answers 0", async (fixture) => {
    await branched(fixture);
    assert.deepEqual(await fixture.session("empty").vacuum(), { removedNodeCount: 0 });
    assert.deepEqual(await fixture.session().vacuum(), { removedNodeCount: 0 });
    await fixture.session().tombstoneNodes(["x", "y"]);
    await fixture.reopen();
    await fixture.store.snapshot();
    await fixture.reopen();
    assert.deepEqual(await fixture.session().vacuum(), { removedNodeCount: 2 });
    await fixture.holds(async () => {
      assert.deepEqual(await fixture.session().vacuum(), { removedNodeCount: 0 });
      assert.deepEqual(await nodeIds(fixture.session()), ["r", "a", "b"]);
    });
  });

  law("vacuum frees ids for reuse, anywhere in the order", async (fixture) => {
    await branched(fixture);
    await fixture.session().tombstoneNodes(["x", "y"]);
    await fixture.session().vacuum();
    await fixture
      .session()
      .commitRuntimeState(commit({ graph: append([messageNode("y", "b", "another y")], "y") }));
    await fixture.holds(async () => {
      assert.deepEqual(await nodeIds(fixture.session()), ["r", "a", "b", "y"]);
      assert.deepEqual(await fixture.session().loadNode("y"), messageNode("y", "b", "another y"));
    });
  });

  law("vacuum removes nothing of another session", async (fixture) => {
    await branched(fixture);
    await fixture.session().tombstoneNodes(["y"]);
    assert.deepEqual(await fixture.session("other").vacuum(), { removedNodeCount: 0 });
    assert.deepEqual(await fixture.session().vacuum(), { removedNodeCount: 1 });
  });

  law("tombstones over several pages and snapshots stay hidden", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append([messageNode("r")], "r") }));
    const kept = ["r"];
    for (let round = 0; round < 5; round++) {
      const ids = Array.from({ length: 8 }, (_, index) => `n${round}-${index}`);
      const nodes = ids.map((id) => messageNode(id, "r"));
      await session.commitRuntimeState(commit({ graph: append(nodes, "r") }));
      await fixture.store.snapshot();
      await session.tombstoneNodes(ids.filter((_, index) => index % 2 === 0));
      kept.push(...ids.filter((_, index) => index % 2 === 1));
    }
    await session.tombstoneNodes(["n0-1"]);
    kept.splice(kept.indexOf("n0-1"), 1);
    await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), kept));
    assert.deepEqual(await fixture.session().vacuum(), { removedNodeCount: 21 });
    await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), kept));
  });
};
