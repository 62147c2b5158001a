/** Laws of the changes since a revision: a copy of the graph and its changes are what a full load shows. */
import assert from "node:assert/strict";
import type { SessionReader } from "../../contract.ts";
import { MAX_REMOVALS_KEPT } from "../../limits.ts";
import { applyChanges } from "../../session/graph.ts";
import type { PersistedSessionRead, SessionGraph } from "../../session/types.ts";
import { append, chain, commit, messageNode, replaceFull } from "./builders.ts";
import { read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

export const changeLaws: Area = ({ law }) => {
  law("changes are what was appended, beside all else that a load shows", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
    await session.commitRuntimeState(commit({ graph: append([messageNode("c", "b")], "c") }));
    await fixture.holds(async () => {
      const whole = await read(fixture.session());
      assert.deepEqual(await since(fixture.session(), 1), {
        ...whole,
        graph: { nodes: whole.graph.nodes.slice(2), leafNodeId: "c" },
        graphIsPartial: true,
        removedNodeIds: [],
      });
      assert.deepEqual((await since(fixture.session(), 2)).graph, { nodes: [], leafNodeId: "c" });
      assert.deepEqual((await since(fixture.session(), 0)).graph, whole.graph);
    });
  });

  law("changes name what was hidden, vacuumed and replaced since", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ graph: append([...chain("a", "b", "c"), messageNode("x", "a"), messageNode("y", "a")], "c") }),
    );
    const copy = (await read(session)).graph;
    await session.tombstoneNodes(["x"]);
    await session.vacuum();
    await fixture.holds(async () => {
      const changes = await since(fixture.session(), 1);
      assert.deepEqual([changes.graph.nodes, changes.removedNodeIds], [[], ["x"]]);
    });
    await fixture
      .session()
      .commitRuntimeState(commit({ graph: replaceFull([...chain("a"), messageNode("c", "a", "new")], "c") }));
    await fixture.holds(async () => {
      const changes = await since(fixture.session(), 1);
      assert.deepEqual(changes.graph.nodes, [messageNode("c", "a", "new")]);
      assert.deepEqual(changes.removedNodeIds?.toSorted(), ["b", "c", "x", "y"]);
      assert.deepEqual(applyChanges(copy, changes), (await read(fixture.session())).graph);
      assert.deepEqual((await since(fixture.session(), 2)).removedNodeIds, []);
    });
  });

  law(
    "a copy that follows is the full graph at every revision, across snapshots and openings",
    async (fixture) => {
      let copy: SessionGraph = { nodes: [] };
      let at = 0;
      const follow = async () => {
        const changes = await since(fixture.session(), at);
        copy = applyChanges(copy, changes);
        at = changes.headRevision;
        assert.deepEqual(copy, (await read(fixture.session())).graph);
      };
      for (let round = 0; round < 4; round++) {
        const root = `r${round}`;
        const session = fixture.session();
        await session.commitRuntimeState(
          commit({ graph: append([messageNode(root), messageNode(`s${round}`, root)], root) }),
        );
        await session.tombstoneNodes([`s${round}`]);
        await follow();
        if (round === 2) await session.vacuum();
        await fixture.store.snapshot();
        const { nodes } = copy;
        await session.commitRuntimeState(commit({ graph: replaceFull([...nodes.slice(round % 2)], root) }));
        await fixture.reopen();
        await follow();
      }
    },
  );

  law(
    "a revision that the session never had is refused, a session without one has no changes",
    async (fixture) => {
      assert.equal(await fixture.session().loadSession({ kind: "changesSince", headRevision: 3 }), undefined);
      await fixture.session().commitRuntimeState(commit());
      await fixture.holds(async () => {
        const unknown = fixture.session().loadSession({ kind: "changesSince", headRevision: 2 });
        await refuses(unknown, "REVISION_UNKNOWN", { asked: 2, newest: 1 });
      });
      await fixture.store.deleteSession("root");
      await fixture.holds(async () => {
        const read = fixture.session().loadSession({ kind: "changesSince", headRevision: 1 });
        assert.equal(await read, undefined);
      });
    },
  );

  law("too much removed is told as such, never in part", async (fixture) => {
    const many = Array.from({ length: 2 * MAX_REMOVALS_KEPT }, (_, n) => messageNode(`n${n}`));
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(many) }));
    await session.commitRuntimeState(commit({ graph: replaceFull([]) }));
    await fixture.holds(async () => {
      const gone = fixture.session().loadSession({ kind: "changesSince", headRevision: 1 });
      await refuses(gone, "HISTORY_GONE", { asked: 1, oldest: 2 });
      assert.deepEqual((await since(fixture.session(), 2)).removedNodeIds, []);
    });
  });

  law(
    "a revision that is no whole number from 0 is refused, and so are fields of other scopes",
    async (fixture) => {
      await fixture.session().commitRuntimeState(commit());
      for (const headRevision of [-1, 1.5, Number.NaN, "1", null, undefined]) {
        const scope = { kind: "changesSince", headRevision } as never;
        await refuses(fixture.session().loadSession(scope), "INVALID_ARGUMENT", {
          argument: "scope.headRevision",
        });
      }
      const foreign = [
        { kind: "changesSince", headRevision: 1, limit: 1 },
        { kind: "activePath", headRevision: 1 },
        { kind: "fullGraph", headRevision: 1 },
      ];
      for (const scope of foreign) {
        await refuses(fixture.session().loadSession(scope as never), "UNSUPPORTED_READ_SCOPE", { scope });
      }
    },
  );
};

async function since(session: SessionReader, headRevision: number): Promise<PersistedSessionRead> {
  const changes = await session.loadSession({ kind: "changesSince", headRevision });
  assert.ok(changes, `session ${session.sessionId} has no head`);
  return changes;
}
