/** Playing against a store that refuses for a while, or that answers what it should not. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Histogram } from "../../src/cli/replay/histogram.ts";
import { nothingPlayed, playSession, type Stage } from "../../src/cli/replay/play.ts";
import type { ResumedSession } from "../../src/cli/replay/resume.ts";
import { SessionScript } from "../../src/cli/replay/script.ts";
import { generatedSource } from "../../src/cli/replay/source.ts";
import { verifyStore } from "../../src/cli/replay/verify.ts";
import type { RuntimePersistence, Store } from "../../src/contract.ts";
import { storeError } from "../../src/errors.ts";
import { openMemoryStore } from "../../src/index.ts";

const SOURCE = generatedSource(1);
const STEPS = 120;

type Alter = (session: RuntimePersistence) => Partial<RuntimePersistence>;

/** A memory store whose sessions have some operations replaced, and a stage around it. */
async function stage(t: TestContext, alter: Alter): Promise<Stage> {
  const real = await openMemoryStore();
  t.after(() => real.close());
  const session = (id: string) => {
    const handle: RuntimePersistence = real.session(id);
    return new Proxy(handle, {
      get: (target, key) => {
        const replaced = alter(handle)[key as keyof RuntimePersistence];
        const own: unknown = replaced ?? Reflect.get(target, key, target);
        return typeof own === "function" ? own.bind(target) : own;
      },
    });
  };
  const store = new Proxy(real, {
    get: (target, key) => {
      const own: unknown = key === "session" ? session : Reflect.get(target, key, target);
      return typeof own === "function" ? own.bind(target) : own;
    },
  }) as Store;
  const { signal } = new AbortController();
  return { store, counts: nothingPlayed(), latency: new Histogram(), signal };
}

function fresh(): ResumedSession {
  return { session: 2, script: new SessionScript(SOURCE, 2), revision: 0, refs: {}, last: undefined };
}

test("every call that is refused for the moment is sent again, and nothing is lost", async (t) => {
  let calls = 0;
  const sometimes = <Answer>(call: () => Promise<Answer>): Promise<Answer> => {
    calls += 1;
    if (calls % 3 !== 0) return call();
    return Promise.reject(storeError("STORE_BUSY", { queuedBytes: 1 }, "the queue is full"));
  };
  const busy = await stage(t, (real) => ({
    commitRuntimeState: (commit) => sometimes(() => real.commitRuntimeState(commit)),
    tombstoneNodes: (ids) => sometimes(() => real.tombstoneNodes(ids)),
    saveSessionMeta: (meta) => sometimes(() => real.saveSessionMeta(meta)),
    vacuum: () => sometimes(() => real.vacuum()),
  }));
  const revision = await playSession(busy, fresh(), STEPS);
  assert.equal(revision, STEPS);
  assert.ok(busy.counts.busy > 0);
  const { problems } = await verifyStore(busy.store, SOURCE, [{ session: 2, revision }], busy.signal);
  assert.deepEqual(problems, []);
});

test("a refusal that is not for the moment ends the session", async (t) => {
  const full = await stage(t, () => ({
    commitRuntimeState: () => Promise.reject(storeError("STORE_POISONED", {}, "a sync failed")),
  }));
  await assert.rejects(playSession(full, fresh(), STEPS), /a sync failed/);
});

test("a retry that is not answered as one is noticed", async (t) => {
  const forgetful = await stage(t, (real) => ({
    commitRuntimeState: async (commit) => ({ ...(await real.commitRuntimeState(commit)), replayed: false }),
  }));
  await assert.rejects(
    playSession(forgetful, fresh(), STEPS),
    /^Error: replay-0002: the answer to a retry differs/,
  );
});

test("an acknowledged commit that is not there is noticed", async (t) => {
  const honest = await stage(t, () => ({}));
  const revision = await playSession(honest, fresh(), STEPS);
  const expected = [{ session: 2, revision: revision + 1 }];
  const { problems } = await verifyStore(honest.store, SOURCE, expected, honest.signal);
  assert.ok(problems.includes(`replay-0002: headRevision is ${revision} but ${revision + 1} was sent`));
});
