/** Laws of `deleteSession`: what goes, what stays, and that an id is used once. */
import assert from "node:assert/strict";
import { append, chain, commit, meta } from "./builders.ts";
import { listed, read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

export const deletionLaws: Area = ({ law }) => {
  law("a deleted session reads as if it had never been", async (fixture) => {
    const session = fixture.session();
    await session.saveSessionMeta(meta());
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
    assert.equal(await fixture.store.deleteSession("root"), true);
    await fixture.holds(async () => {
      assert.equal(await fixture.session().loadSession(), undefined);
      assert.equal(await fixture.session().loadSession({ kind: "activePath", leafNodeId: "b" }), undefined);
      assert.equal(await fixture.session().loadNode("a"), undefined);
      assert.equal(await fixture.session().loadSessionMeta(), undefined);
      assert.deepEqual(await listed(fixture.store, { includeChildren: true }), []);
    });
  });

  law("every write of a deleted session is SESSION_DELETED, for ever", async (fixture) => {
    await fixture.session().commitRuntimeState(commit({ operationId: "op" }));
    await fixture.store.deleteSession("root");
    await fixture.holds(async () => {
      const session = fixture.session();
      const refusals = [
        session.commitRuntimeState(commit()),
        session.commitRuntimeState(commit({ operationId: "op" })),
        session.saveSessionMeta(meta()),
        session.tombstoneNodes(["a"]),
        session.vacuum(),
      ];
      for (const refusal of refusals)
        await refuses(refusal, "SESSION_DELETED", { sessionId: "root", retry: "never" });
    });
    await fixture.store.gc();
    await fixture.store.snapshot();
    await fixture.store.snapshot();
    await fixture.holds(async () => {
      await refuses(fixture.session().commitRuntimeState(commit()), "SESSION_DELETED");
    });
  });

  law(
    "deleting again answers true, deleting what never was answers false and burns nothing",
    async (fixture) => {
      await fixture.session().commitRuntimeState(commit());
      assert.equal(await fixture.store.deleteSession("root"), true);
      await fixture.holds(async () => {
        assert.equal(await fixture.store.deleteSession("root"), true);
        assert.equal(await fixture.store.deleteSession("never"), false);
      });
      const { headRevision } = await fixture
        .session("never")
        .commitRuntimeState(commit({ sessionId: "never" }));
      assert.equal(headRevision, 1);
    },
  );

  law("a session with nothing but meta can be deleted", async (fixture) => {
    await fixture.session().saveSessionMeta(meta());
    assert.equal(await fixture.store.deleteSession("root"), true);
    await fixture.holds(async () => {
      assert.equal(await fixture.session().loadSessionMeta(), undefined);
      await refuses(fixture.session().saveSessionMeta(meta()), "SESSION_DELETED");
    });
  });

  law("a deletion takes its place in the call order of the session's writes", async (fixture) => {
    const session = fixture.session();
    const first = session.commitRuntimeState(commit());
    const deleted = fixture.store.deleteSession("root");
    const late = session.commitRuntimeState(commit());
    assert.equal((await first).headRevision, 1);
    assert.equal(await deleted, true);
    await refuses(late, "SESSION_DELETED");
  });

  law("other sessions, children too, are not touched", async (fixture) => {
    await fixture.session("mother").commitRuntimeState(commit({ sessionId: "mother" }));
    await fixture.session("child").saveSessionMeta(meta("child", { parentSessionId: "mother" }));
    await fixture
      .session("child")
      .commitRuntimeState(commit({ sessionId: "child", graph: append(chain("a"), "a") }));
    await fixture.store.deleteSession("mother");
    await fixture.holds(async () => {
      assert.equal((await read(fixture.session("child"))).graph.nodes.length, 1);
      const entries = await listed(fixture.store, { includeChildren: true });
      assert.deepEqual(
        entries.map((entry) => [entry.sessionId, entry.parentSessionId]),
        [["child", "mother"]],
      );
    });
  });

  law("a bad id is INVALID_ARGUMENT", async (fixture) => {
    for (const id of ["", "x".repeat(513), 5, null, undefined]) {
      await refuses(fixture.store.deleteSession(id as never), "INVALID_ARGUMENT");
    }
  });
};
