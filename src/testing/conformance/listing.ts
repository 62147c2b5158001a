/** Laws of `listSessions`: order, children, limits and cursors. */
import assert from "node:assert/strict";
import { append, chain, commit, messageNode, meta } from "./builders.ts";
import { listed, refuses } from "./expect.ts";
import type { Area, Fixture } from "./suite.ts";

async function ids(fixture: Fixture, options?: Parameters<typeof listed>[1]): Promise<string[]> {
  return (await listed(fixture.store, options)).map((entry) => entry.sessionId);
}

async function touch(fixture: Fixture, sessionId: string): Promise<void> {
  await fixture.session(sessionId).commitRuntimeState(commit({ sessionId }));
}

export const listingLaws: Area = ({ law }) => {
  law("an empty store lists nothing", async (fixture) => {
    await fixture.holds(async () => assert.deepEqual(await listed(fixture.store), []));
  });

  law("sessions come by last commit, newest first, those without one last", async (fixture) => {
    await fixture.session("only-meta").saveSessionMeta(meta("only-meta"));
    for (const id of ["a", "b", "c"]) await touch(fixture, id);
    await fixture.store.snapshot();
    await touch(fixture, "d");
    await touch(fixture, "a");
    await fixture.holds(async () => assert.deepEqual(await ids(fixture), ["a", "d", "c", "b", "only-meta"]));
  });

  law("meta, tombstones, vacuum and replays do not move a session in the list", async (fixture) => {
    const graph = append([messageNode("r"), messageNode("x", "r")], "r");
    await fixture.session("old").commitRuntimeState(commit({ sessionId: "old", graph, operationId: "op" }));
    await touch(fixture, "new");
    await fixture.session("old").saveSessionMeta(meta("old"));
    await fixture.session("old").tombstoneNodes(["x"]);
    await fixture.session("old").vacuum();
    await fixture.session("old").commitRuntimeState(commit({ sessionId: "old", graph, operationId: "op" }));
    await fixture.holds(async () => assert.deepEqual(await ids(fixture), ["new", "old"]));
  });

  law("children are listed only on request", async (fixture) => {
    await touch(fixture, "mother");
    await fixture.session("child").saveSessionMeta(meta("child", { parentSessionId: "mother" }));
    await touch(fixture, "child");
    await fixture.session("unborn").saveSessionMeta(meta("unborn", { parentSessionId: "mother" }));
    await fixture.holds(async () => {
      assert.deepEqual(await ids(fixture), ["mother"]);
      assert.deepEqual(await ids(fixture, { includeChildren: false }), ["mother"]);
      assert.deepEqual(await ids(fixture, { includeChildren: true }), ["child", "mother", "unborn"]);
    });
    await fixture.session("child").saveSessionMeta(meta("child"));
    await fixture.holds(async () => assert.deepEqual(await ids(fixture), ["child", "mother"]));
  });

  law("a limit counts what is listed, and a cursor goes on behind its entry", async (fixture) => {
    for (let index = 0; index < 12; index++) {
      const id = `s${String(index).padStart(2, "0")}`;
      if (index % 3 === 1) await fixture.session(id).saveSessionMeta(meta(id, { parentSessionId: "s00" }));
      await touch(fixture, id);
      if (index === 5) await fixture.store.snapshot();
    }
    await fixture.session("no-head").saveSessionMeta(meta("no-head"));
    const expected = ["s11", "s09", "s08", "s06", "s05", "s03", "s02", "s00", "no-head"];
    await fixture.holds(async () => {
      assert.deepEqual(await ids(fixture), expected);
      assert.deepEqual(await ids(fixture, { limit: 3 }), expected.slice(0, 3));
      assert.deepEqual(await ids(fixture, { limit: 100 }), expected);
      for (const size of [1, 2, 5]) {
        const seen: string[] = [];
        let after: string | undefined;
        for (;;) {
          const page = await listed(fixture.store, {
            limit: size,
            ...(after === undefined ? {} : { after }),
          });
          if (page.length === 0) break;
          assert.ok(page.length <= size);
          seen.push(...page.map((entry) => entry.sessionId));
          after = page.at(-1)?.cursor;
        }
        assert.deepEqual(seen, expected, `pages of ${size}`);
      }
    });
  });

  law("a cursor survives reopening and its session being committed again or deleted", async (fixture) => {
    for (const id of ["a", "b", "c", "d"]) await touch(fixture, id);
    const entries = await listed(fixture.store);
    const after = entries[1]?.cursor;
    assert.equal(entries[1]?.sessionId, "c");
    assert.ok(after);
    await fixture.reopen();
    await touch(fixture, "c");
    await fixture.holds(async () => assert.deepEqual(await ids(fixture, { after }), ["b", "a"]));
    await fixture.store.deleteSession("c");
    await fixture.holds(async () => assert.deepEqual(await ids(fixture, { after }), ["b", "a"]));
  });

  law("the list can be left early and read twice", async (fixture) => {
    for (const id of ["a", "b", "c"]) await touch(fixture, id);
    const list = fixture.store.listSessions();
    for await (const entry of list) {
      assert.equal(entry.sessionId, "c");
      break;
    }
    assert.deepEqual(await ids(fixture), ["c", "b", "a"]);
  });

  law("commits made before the call are in the list", async (fixture) => {
    for (let index = 0; index < 10; index++) {
      await touch(fixture, `s${index}`);
      assert.equal((await listed(fixture.store, { limit: 1 }))[0]?.sessionId, `s${index}`);
    }
  });

  law("wrong options are INVALID_ARGUMENT", async (fixture) => {
    await touch(fixture, "a");
    const wrong = [
      { limit: -1 },
      { limit: 0.5 },
      { limit: "1" },
      { after: 5 },
      { after: "not a cursor of ours" },
      { includeChildren: "yes" },
    ];
    for (const options of wrong) {
      await refuses(listed(fixture.store, options as never), "INVALID_ARGUMENT");
    }
  });

  law("a limit of zero lists nothing", async (fixture) => {
    await touch(fixture, "a");
    assert.deepEqual(await listed(fixture.store, { limit: 0 }), []);
  });

  law("an entry's size does not grow with its session", async (fixture) => {
    await fixture.session("long").commitRuntimeState(
      commit({
        sessionId: "long",
        graph: append(chain(...Array.from({ length: 300 }, (_, i) => `n${i}`)), "n299"),
      }),
    );
    await fixture.holds(async () => {
      const [entry] = await listed(fixture.store);
      assert.deepEqual(
        [entry?.firstUserMessage, entry?.userMessageCount, entry?.headRevision],
        ["text of n0", 300, 1],
      );
    });
  });
};
