/** Laws of `gc` and `gcUnreachable`: roots, counts, what stays usable until then and what does not after. */
import assert from "node:assert/strict";
import { isStoreError } from "../../errors.ts";
import type { BlobRef } from "../../ids.ts";
import type { HydratedSessionCheckpoint, RuntimeCommitResult } from "../../session/types.ts";
import {
  append,
  chain,
  checkpoint,
  commit,
  noise,
  pluginSnapshot,
  toolState,
  turnState,
} from "./builders.ts";
import { nodeIds, read, refuses } from "./expect.ts";
import type { Area, Fixture } from "./suite.ts";

function send(
  fixture: Fixture,
  fields: Partial<HydratedSessionCheckpoint>,
  sessionId = "root",
): Promise<RuntimeCommitResult> {
  return fixture.session(sessionId).commitRuntimeState(commit({ sessionId, checkpoint: checkpoint(fields) }));
}

const NOTHING = { rootCount: 0, retainedBlobCount: 0, deletedBlobCount: 0 };

export const gcLaws: Area = ({ law }) => {
  law("gc of an empty store sees and does nothing", async (fixture) => {
    assert.deepEqual(await fixture.store.gc(), NOTHING);
    await fixture
      .session()
      .saveSessionMeta({ sessionId: "root", sessionName: "n", createdAt: "t", model: "m" });
    assert.deepEqual(await fixture.store.gc(), NOTHING);
  });

  law("gc keeps what current heads reach, deletes the rest once, and counts both", async (fixture) => {
    // Two manifests, two tool states, one plugin snapshot: the first manifest and tool state are superseded.
    await send(fixture, { toolState: toolState(1), pluginSnapshot: pluginSnapshot(1) });
    await send(fixture, { toolState: toolState(2), pluginSnapshot: pluginSnapshot(1) });
    assert.deepEqual(await fixture.store.gc(), { rootCount: 1, retainedBlobCount: 3, deletedBlobCount: 2 });
    assert.deepEqual(await fixture.session().gcUnreachable(), {
      rootCount: 1,
      retainedBlobCount: 3,
      deletedBlobCount: 0,
    });
    await fixture.holds(async () => {
      const found = (await read(fixture.session())).checkpoint;
      assert.deepEqual(found.toolState, toolState(2));
      assert.deepEqual(found.pluginSnapshot, pluginSnapshot(1));
    });
  });

  law("gc counts the same whether blobs lie in the log or in a snapshot", async (fixture) => {
    await send(fixture, { toolState: toolState(1), executionState: noise(10) });
    await fixture.store.snapshot();
    await fixture.reopen();
    await send(fixture, { toolState: toolState(2), executionState: noise(10) });
    assert.deepEqual(await fixture.store.gc(), { rootCount: 1, retainedBlobCount: 3, deletedBlobCount: 2 });
    await fixture.reopen();
    assert.deepEqual(await fixture.store.gc(), { rootCount: 1, retainedBlobCount: 3, deletedBlobCount: 0 });
  });

  law("every head with a checkpoint is a root, and shared blobs count once", async (fixture) => {
    await send(fixture, { toolState: toolState(1) }, "one");
    await send(fixture, { toolState: toolState(1) }, "two");
    await send(fixture, { toolState: toolState(1), turnState: turnState({ turnIndex: 9 }) }, "three");
    await fixture.session("meta-only").saveSessionMeta({
      sessionId: "meta-only",
      sessionName: "n",
      createdAt: "t",
      model: "m",
    });
    // "one" and "two" have the same manifest: two manifests and one tool state in all.
    assert.deepEqual(await fixture.store.gc(), { rootCount: 3, retainedBlobCount: 3, deletedBlobCount: 0 });
  });

  law(
    "a dropped blob may be named by ref again until gc, across snapshots and reopening",
    async (fixture) => {
      const first = await send(fixture, { toolState: toolState(1) });
      const ref = first.manifest.toolStateRef as BlobRef;
      await send(fixture, {});
      await fixture.holds(async () => {
        await send(fixture, { toolStateRef: ref });
        assert.deepEqual((await read(fixture.session())).checkpoint.toolState, toolState(1));
        await send(fixture, {});
      });
    },
  );

  law("a blob no head reaches is gone after gc, wherever its bytes still lie", async (fixture) => {
    const inLog = await send(fixture, { toolState: toolState(1) });
    await send(fixture, {});
    await fixture.store.gc();
    await fixture.holds(async () => {
      await refuses(send(fixture, { toolStateRef: inLog.manifest.toolStateRef as BlobRef }), "BLOB_MISSING", {
        component: "toolState",
        ref: inLog.manifest.toolStateRef,
      });
    });
    const inPack = await send(fixture, { toolState: toolState(2) });
    await fixture.store.snapshot();
    await send(fixture, {});
    await fixture.session().gcUnreachable();
    await fixture.holds(async () => {
      await refuses(send(fixture, { toolStateRef: inPack.manifest.toolStateRef as BlobRef }), "BLOB_MISSING");
    });
  });

  law("a value that gc deleted can be stored again under the same ref", async (fixture) => {
    const first = await send(fixture, { toolState: toolState(1), executionState: noise(5_000) });
    await send(fixture, {});
    await fixture.store.gc();
    const second = await send(fixture, { toolState: toolState(1), executionState: noise(5_000) });
    assert.deepEqual(second.manifest, first.manifest);
    await fixture.holds(async () => {
      const found = (await read(fixture.session())).checkpoint;
      assert.deepEqual(found.toolState, toolState(1));
      assert.deepEqual(found.executionState, noise(5_000));
    });
  });

  law("gc after gc after reopening keeps every reachable value readable", async (fixture) => {
    for (let round = 1; round <= 4; round++) {
      await send(fixture, { toolState: toolState(round), executionState: noise(3_000, 1) }, "one");
      await send(fixture, { toolState: toolState(round + 1), pluginSnapshot: pluginSnapshot(round) }, "two");
      await fixture.store.gc();
      await fixture.reopen();
      const one = (await read(fixture.session("one"))).checkpoint;
      const two = (await read(fixture.session("two"))).checkpoint;
      assert.deepEqual([one.toolState, one.executionState], [toolState(round), noise(3_000, 1)]);
      assert.deepEqual([two.toolState, two.pluginSnapshot], [toolState(round + 1), pluginSnapshot(round)]);
    }
    assert.equal((await fixture.store.verify()).ok, true);
  });

  law("blobs of a deleted session go with the next gc, shared ones stay", async (fixture) => {
    await send(fixture, { toolState: toolState(1), pluginSnapshot: pluginSnapshot("mine") }, "one");
    await send(fixture, { toolState: toolState(1) }, "two");
    await fixture.store.deleteSession("one");
    assert.deepEqual(await fixture.store.gc(), { rootCount: 1, retainedBlobCount: 2, deletedBlobCount: 2 });
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session("two"))).checkpoint.toolState, toolState(1));
    });
  });

  law("vacuum and tombstones delete no blob, gc deletes no node", async (fixture) => {
    await send(fixture, { toolState: toolState(1) });
    await fixture.session().commitRuntimeState(commit({ graph: append(chain("a", "b"), "a") }));
    await fixture.session().tombstoneNodes(["b"]);
    await fixture.session().vacuum();
    assert.equal((await fixture.store.gc()).deletedBlobCount, 2);
    await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), ["a"]));
  });

  law("what a commit accepted while gc runs refers to is never deleted", async (fixture) => {
    const refs: BlobRef[] = [];
    for (let index = 0; index < 40; index++) {
      const { manifest } = await send(fixture, { toolState: toolState(index) }, `s${index}`);
      refs.push(manifest.toolStateRef as BlobRef);
      await send(fixture, {}, `s${index}`);
    }
    const collected = fixture.store.gc();
    const outcomes = await Promise.all(
      refs.map(async (toolStateRef, index) => {
        for (let turn = 0; turn < index; turn++) await new Promise(setImmediate);
        try {
          await send(fixture, { toolStateRef }, `s${index}`);
          return "accepted";
        } catch (error) {
          assert.ok(isStoreError(error, "BLOB_MISSING"), String(error));
          return "missing";
        }
      }),
    );
    await collected;
    await fixture.holds(async () => {
      for (const [index, outcome] of outcomes.entries()) {
        const found = (await read(fixture.session(`s${index}`))).checkpoint;
        assert.deepEqual(found.toolState, outcome === "accepted" ? toolState(index) : undefined, `s${index}`);
      }
    });
  });

  law("a value stored anew while gc runs is there afterwards", async (fixture) => {
    for (let index = 0; index < 20; index++) {
      await send(fixture, { toolState: toolState(index) }, `s${index}`);
      await send(fixture, {}, `s${index}`);
    }
    const collected = fixture.store.gc();
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        for (let turn = 0; turn < index; turn++) await new Promise(setImmediate);
        await send(fixture, { toolState: toolState(index) }, `s${index}`);
      }),
    );
    await collected;
    await fixture.holds(async () => {
      for (let index = 0; index < 20; index++) {
        assert.deepEqual((await read(fixture.session(`s${index}`))).checkpoint.toolState, toolState(index));
      }
    });
    await fixture.store.gc();
    assert.deepEqual((await read(fixture.session("s7"))).checkpoint.toolState, toolState(7));
  });

  law("commits go on while gc works", async (fixture) => {
    await send(fixture, { toolState: toolState(1) });
    const collected = fixture.store.gc();
    for (let turn = 2; turn <= 30; turn++) await send(fixture, { toolState: toolState(turn) });
    await collected;
    assert.equal((await read(fixture.session())).headRevision, 30);
    assert.deepEqual((await read(fixture.session())).checkpoint.toolState, toolState(30));
  });

  law("several gc calls at once all answer", async (fixture) => {
    await send(fixture, { toolState: toolState(1) });
    await send(fixture, {});
    const reports = await Promise.all([
      fixture.store.gc(),
      fixture.session().gcUnreachable(),
      fixture.store.gc(),
    ]);
    for (const report of reports) assert.equal(report.rootCount, 1);
    assert.equal(
      reports.reduce((sum, report) => sum + report.deletedBlobCount, 0),
      2,
    );
  });

  law(
    "a store collects on its own when enough of its blobs are dead",
    async (fixture) => {
      for (let turn = 0; turn < 40; turn++) {
        await send(fixture, { executionState: noise(20_000, turn + 1) });
        if (turn % 5 === 4) await fixture.store.snapshot();
      }
      for (let turn = 0; turn < 500 && fixture.store.stats().gc.count === 0; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const { gc } = fixture.store.stats();
      assert.ok(gc.automatic >= 1);
      assert.ok(gc.deletedBlobs >= 1);
      await fixture.holds(async () => {
        assert.deepEqual((await read(fixture.session())).checkpoint.executionState, noise(20_000, 40));
      });
    },
    { gc: { garbageRatio: 0.5, minBytes: 100_000 } },
  );
};
