/** Laws of the reads that need not the whole session: head meta, the newest nodes of a path, iteration. */
import assert from "node:assert/strict";
import type { SessionReader } from "../../contract.ts";
import type { SessionNodeRecord } from "../../session/types.ts";
import { append, chain, commit, config, ledgerEntry, messageNode, replaceFull, usage } from "./builders.ts";
import { read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

export const readLaws: Area = ({ law, capabilities }) => {
  law("head meta holds what was committed and nothing else, absent keys absent", async (fixture) => {
    const session = fixture.session();
    assert.equal(await session.loadSessionHeadMeta(), undefined);
    const { checkpointRef } = await session.commitRuntimeState(
      commit({
        graph: append([...chain("a", "b"), messageNode("x", "a")], "b"),
        usageDeltas: [ledgerEntry("turn", "m", usage(3, 2, 1, 0))],
      }),
    );
    await session.tombstoneNodes(["x"]);
    await fixture.holds(async () => {
      assert.deepEqual(await fixture.session().loadSessionHeadMeta(), {
        sessionId: "root",
        headRevision: 1,
        config: config(),
        checkpointRef,
        leafNodeId: "b",
        graphNodeCount: 2,
        tokenLedger: [ledgerEntry("turn", "m", usage(3, 2, 1, 0))],
      });
    });
    await fixture.session().commitRuntimeState(commit());
    await fixture.holds(async () => {
      const head = await fixture.session().loadSessionHeadMeta();
      assert.equal(head?.headRevision, 2);
      assert.equal(Object.hasOwn(head, "leafNodeId"), false);
    });
  });

  law("head meta tells a replacement, a vacuum, more usage and a deletion", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ graph: append([...chain("a", "b"), messageNode("x", "a")], "b") }),
    );
    await session.tombstoneNodes(["x"]);
    await session.vacuum();
    await fixture.holds(async () => {
      assert.equal((await fixture.session().loadSessionHeadMeta())?.graphNodeCount, 2);
    });
    await fixture.session().commitRuntimeState(
      commit({
        graph: replaceFull([messageNode("a"), ...["p", "q", "r"].map((id) => messageNode(id, "a"))], "r"),
        usageDeltas: [ledgerEntry("turn", "m", usage(1))],
      }),
    );
    await fixture.holds(async () => {
      const head = await fixture.session().loadSessionHeadMeta();
      assert.deepEqual([head?.graphNodeCount, head?.leafNodeId], [4, "r"]);
      assert.deepEqual(head?.tokenLedger, [ledgerEntry("turn", "m", usage(1))]);
    });
    await fixture.store.deleteSession("root");
    await fixture.holds(async () => assert.equal(await fixture.session().loadSessionHeadMeta(), undefined));
  });

  law("a session with nothing but meta has no head meta", async (fixture) => {
    const meta = { sessionId: "root", sessionName: "n", createdAt: "t", model: "m" };
    await fixture.session().saveSessionMeta(meta);
    await fixture.holds(async () => assert.equal(await fixture.session().loadSessionHeadMeta(), undefined));
  });

  law("a limited path holds its newest nodes, root first, and names the next older one", async (fixture) => {
    await fixture
      .session()
      .commitRuntimeState(commit({ graph: append(chain("a", "b", "c", "d", "e"), "e") }));
    await fixture.holds(async () => {
      const session = fixture.session();
      const whole = await read(session);
      const newest = await session.loadSession({ kind: "activePath", limit: 2 });
      assert.deepEqual(newest, {
        ...whole,
        graph: { nodes: whole.graph.nodes.slice(3), leafNodeId: "e" },
        graphIsPartial: true,
        nextOlderNodeId: "c",
      });
      const older = await session.loadSession({ kind: "activePath", leafNodeId: "c", limit: 2 });
      assert.deepEqual(older?.graph, { nodes: whole.graph.nodes.slice(1, 3), leafNodeId: "c" });
      assert.equal(older.nextOlderNodeId, "a");
      const oldest = await session.loadSession({ kind: "activePath", leafNodeId: "a", limit: 2 });
      assert.deepEqual(oldest?.graph, { nodes: whole.graph.nodes.slice(0, 1), leafNodeId: "a" });
      assert.equal(Object.hasOwn(oldest, "nextOlderNodeId"), false);
    });
  });

  law("a limit that the path just reaches leaves nothing to go on with", async (fixture) => {
    await fixture.session().commitRuntimeState(commit({ graph: append(chain("a", "b", "c"), "c") }));
    await fixture.holds(async () => {
      const path = await fixture.session().loadSession({ kind: "activePath", limit: 3 });
      assert.deepEqual(path?.graph.nodes, chain("a", "b", "c"));
      assert.equal(Object.hasOwn(path, "nextOlderNodeId"), false);
    });
  });

  law(
    "a limited path does not go on at a parent that is hidden",
    async (fixture) => {
      await fixture.session().commitRuntimeState(commit({ graph: append(chain("a", "b", "c"), "c") }));
      await fixture.session().tombstoneNodes(["b"]);
      await fixture.holds(async () => {
        const path = await fixture.session().loadSession({ kind: "activePath", limit: 1 });
        assert.deepEqual(
          path?.graph.nodes.map(({ nodeId }) => nodeId),
          ["c"],
        );
        assert.equal(Object.hasOwn(path, "nextOlderNodeId"), false);
      });
    },
    { graphPolicy: "permissive" },
  );

  law(
    "a limit that is no whole number from 1 is refused, and so is one of the full graph",
    async (fixture) => {
      await fixture.session().commitRuntimeState(commit());
      for (const limit of [0, -1, 1.5, Number.NaN, "2", null]) {
        const scope = { kind: "activePath", limit } as never;
        await refuses(fixture.session().loadSession(scope), "INVALID_ARGUMENT", { argument: "scope.limit" });
      }
      const scope = { kind: "fullGraph", limit: 1 };
      await refuses(fixture.session().loadSession(scope as never), "UNSUPPORTED_READ_SCOPE", { scope });
    },
  );

  law("a path is iterated leaf first, the active one or another", async (fixture) => {
    const nodes = [...chain("a", "b", "c"), messageNode("x", "a")];
    await fixture.session().commitRuntimeState(commit({ graph: append(nodes, "c") }));
    await fixture.holds(async () => {
      const session = fixture.session();
      assert.deepEqual(await all(session.iteratePath()), chain("a", "b", "c").reverse());
      assert.deepEqual(await all(session.iteratePath({ leafNodeId: "x" })), [nodes[3], nodes[0]]);
      assert.deepEqual(await all(session.iteratePath({ leafNodeId: "nobody" })), []);
      assert.deepEqual(await all(fixture.session("never-used").iteratePath()), []);
      assert.deepEqual(await all(fixture.session("never-used").iterateGraph()), []);
    });
  });

  law("a graph is iterated in insertion order, as a full load shows it", async (fixture) => {
    const nodes = Array.from({ length: 200 }, (_, n) =>
      messageNode(`n${n}`, n === 0 ? undefined : `n${n >> 1}`),
    );
    nodes.push(messageNode("gone", "n0"));
    await fixture.session().commitRuntimeState(commit({ graph: append(nodes, "n5") }));
    await fixture.session().tombstoneNodes(["gone"]);
    await fixture.holds(async () => {
      assert.deepEqual(await all(fixture.session().iterateGraph()), nodes.slice(0, 200));
    });
  });

  law("an iteration stays with the revision it began with", async (fixture) => {
    const session = fixture.session();
    const nodes = [...chain("a", "b", "c"), messageNode("x", "a")];
    await session.commitRuntimeState(commit({ graph: append(nodes, "c") }));
    const graph = session.iterateGraph()[Symbol.asyncIterator]();
    const path = session.iteratePath()[Symbol.asyncIterator]();
    const seen = [(await graph.next()).value, (await path.next()).value] as SessionNodeRecord[];
    assert.deepEqual(
      seen.map(({ nodeId }) => nodeId),
      ["a", "c"],
    );
    await session.commitRuntimeState(commit({ graph: append([messageNode("d", "c")], "d") }));
    await session.tombstoneNodes(["x"]);
    await session.vacuum();
    await session.commitRuntimeState(commit({ graph: replaceFull(chain("z"), "z") }));
    await fixture.store.deleteSession("root");
    assert.deepEqual(await rest(graph), nodes.slice(1));
    assert.deepEqual(await rest(path), chain("a", "b").reverse());
  });

  law(
    "an iteration tells bad arguments at its first node, and takes them when it is asked for",
    async (fixture) => {
      const session = fixture.session();
      await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
      const bad = [null, 5, { leafNodeId: "" }, { leaf: "a" }, { leafNodeId: 1n }];
      for (const path of bad) await refuses(all(session.iteratePath(path as never)), "INVALID_ARGUMENT");
      await refuses(all(fixture.session("never-used").iteratePath({ leafNodeId: "" })), "INVALID_ARGUMENT", {
        argument: "path.leafNodeId",
      });
      const path = { leafNodeId: "a" };
      const nodes = session.iteratePath(path);
      path.leafNodeId = "b";
      assert.deepEqual(await all(nodes), chain("a"));
    },
  );

  law("a signal ends an iteration, at its start and between nodes", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
    await refuses(all(session.iterateGraph({ signal: AbortSignal.abort() })), "ABORTED");
    await refuses(all(session.iteratePath({}, { signal: AbortSignal.abort() })), "ABORTED");
    await refuses(session.loadSessionHeadMeta({ signal: AbortSignal.abort() }), "ABORTED");
    const controller = new AbortController();
    const nodes = session.iterateGraph({ signal: controller.signal })[Symbol.asyncIterator]();
    await nodes.next();
    controller.abort();
    await refuses(nodes.next(), "ABORTED");
  });

  law("close ends an iteration, and the reads that come later", async (fixture) => {
    const another = await fixture.openAnother();
    const session = another.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
    const nodes = session.iterateGraph()[Symbol.asyncIterator]();
    await nodes.next();
    await another.store.close();
    await refuses(nodes.next(), "STORE_CLOSED");
    await refuses(all(session.iteratePath()), "STORE_CLOSED");
    await refuses(session.loadSessionHeadMeta(), "STORE_CLOSED");
    if (!capabilities.reopen) return;
    await another.reopen();
    assert.equal((await another.session().loadSessionHeadMeta())?.headRevision, 1);
    await another.discard();
  });
};

type Nodes = ReturnType<SessionReader["iterateGraph"]>;

async function all(nodes: Nodes): Promise<SessionNodeRecord[]> {
  return await rest(nodes[Symbol.asyncIterator]());
}

async function rest(nodes: AsyncIterator<SessionNodeRecord>): Promise<SessionNodeRecord[]> {
  const found: SessionNodeRecord[] = [];
  for (;;) {
    const { done, value } = await nodes.next();
    if (done === true) return found;
    found.push(value);
  }
}
