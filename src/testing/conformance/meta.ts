/** Laws of `saveSessionMeta` and `loadSessionMeta`. */
import assert from "node:assert/strict";
import { commit, meta } from "./builders.ts";
import { read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

export const metaLaws: Area = ({ law }) => {
  law("meta is kept apart from the head and neither creates the other", async (fixture) => {
    await fixture.session("described").saveSessionMeta(meta("described"));
    await fixture.session("committed").commitRuntimeState(commit({ sessionId: "committed" }));
    await fixture.holds(async () => {
      assert.deepEqual(await fixture.session("described").loadSessionMeta(), meta("described"));
      assert.equal(await fixture.session("described").loadSession(), undefined);
      assert.equal(await fixture.session("committed").loadSessionMeta(), undefined);
    });
    const first = await fixture
      .session("described")
      .commitRuntimeState(commit({ sessionId: "described", expectedHeadRevision: 0 }));
    assert.equal(first.headRevision, 1);
    await fixture.holds(async () => {
      assert.deepEqual(await fixture.session("described").loadSessionMeta(), meta("described"));
    });
  });

  law("saving meta replaces the whole record", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit());
    await session.saveSessionMeta(meta("root", { cwd: "/one", parentSessionId: "mother" }));
    await session.saveSessionMeta(meta("root", { sessionName: "", createdAt: "yesterday", model: "" }));
    await fixture.holds(async () => {
      const found = await fixture.session().loadSessionMeta();
      assert.deepEqual(found, { sessionId: "root", sessionName: "", createdAt: "yesterday", model: "" });
      assert.equal((await read(fixture.session())).headRevision, 1);
    });
  });

  law("meta of another session is SESSION_BINDING_MISMATCH and changes nothing", async (fixture) => {
    await refuses(fixture.session("mine").saveSessionMeta(meta("yours")), "SESSION_BINDING_MISMATCH", {
      boundSessionId: "mine",
      attemptedSessionId: "yours",
    });
    assert.equal(await fixture.session("mine").loadSessionMeta(), undefined);
    assert.equal(await fixture.session("yours").loadSessionMeta(), undefined);
  });

  law("meta with a wrong, missing or unknown field is INVALID_ARGUMENT", async (fixture) => {
    const { model: _model, ...withoutModel } = meta();
    const wrong = [
      { ...meta(), sessionName: 5 },
      { ...meta(), sessionId: "" },
      { ...meta(), cwd: 5 },
      { ...meta(), cwd: null },
      { ...meta(), parentSessionId: "" },
      { ...meta(), extra: "field" },
      withoutModel,
      null,
      undefined,
      "root",
      [],
    ];
    for (const value of wrong) {
      await refuses(fixture.session().saveSessionMeta(value as never), "INVALID_ARGUMENT");
    }
    assert.equal(await fixture.session().loadSessionMeta(), undefined);
  });

  law("a key of the meta whose value is undefined is absent", async (fixture) => {
    await fixture.session().saveSessionMeta({ ...meta(), cwd: undefined } as never);
    const found = await fixture.session().loadSessionMeta();
    assert.equal(Object.hasOwn(found ?? {}, "cwd"), false);
  });

  law("any text survives in meta", async (fixture) => {
    const odd = meta("root", { sessionName: "\u0000\ud800 \udfff 😀", createdAt: "", cwd: "__proto__" });
    await fixture.session().saveSessionMeta(odd);
    await fixture.holds(async () => assert.deepEqual(await fixture.session().loadSessionMeta(), odd));
  });

  law("meta writes take effect in call order among commits", async (fixture) => {
    const session = fixture.session();
    const calls: Promise<unknown>[] = [];
    for (let index = 0; index < 20; index++) {
      calls.push(session.saveSessionMeta(meta("root", { sessionName: `name ${index}` })));
      calls.push(session.commitRuntimeState(commit({ expectedHeadRevision: index })));
    }
    await Promise.all(calls);
    await fixture.holds(async () => {
      assert.equal((await fixture.session().loadSessionMeta())?.sessionName, "name 19");
      assert.equal((await read(fixture.session())).headRevision, 20);
    });
  });
};
