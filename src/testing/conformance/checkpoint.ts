/** Laws of a commit's checkpoint: values, refs, what wins, what is carried, what is dropped. */
import assert from "node:assert/strict";
import type { RuntimePersistence } from "../../contract.ts";
import type { BlobRef } from "../../ids.ts";
import type { HydratedSessionCheckpoint, RuntimeCommitResult } from "../../session/types.ts";
import { checkpoint, commit, noise, pluginSnapshot, toolState, turnState, usage } from "./builders.ts";
import { read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

const ABSENT = "a".repeat(64) as BlobRef;

function send(
  session: RuntimePersistence,
  fields: Partial<HydratedSessionCheckpoint>,
): Promise<RuntimeCommitResult> {
  return session.commitRuntimeState(commit({ sessionId: session.sessionId, checkpoint: checkpoint(fields) }));
}

export const checkpointLaws: Area = ({ law }) => {
  law("turn state is copied with every field", async (fixture) => {
    const state = turnState({
      turnIndex: 2 ** 53 - 1,
      tokenUsage: usage(1, 2, 3, 4),
      lastPromptUsage: {
        promptContextTokens: 5,
        inputTokens: 6,
        cachedInputTokens: 7,
        contextBudgetTokens: 8,
      },
      modeTurnOptions: { modeId: "rlm", payload: { deep: [1, { x: null }] } },
    });
    const answer = await send(fixture.session(), { turnState: state });
    assert.deepEqual(answer.manifest, { turnState: state });
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session())).checkpoint, { turnState: state });
    });
  });

  law("missing usage counters count as zero", async (fixture) => {
    const partial = { ...turnState(), tokenUsage: { inputTokens: 3 } };
    const answer = await send(fixture.session(), { turnState: partial as never });
    assert.deepEqual(answer.manifest.turnState.tokenUsage, usage(3));
    const same = await send(fixture.session(), { turnState: turnState({ tokenUsage: usage(3) }) });
    assert.equal(same.checkpointRef, answer.checkpointRef);
  });

  law("a plugin revision is any unsigned 64-bit number, with or without a snapshot", async (fixture) => {
    for (const revision of [0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
      await send(fixture.session(), { pluginSnapshotRevision: revision });
      await fixture.holds(async () => {
        const found = await read(fixture.session());
        assert.deepEqual(found.checkpoint, { turnState: turnState(), pluginSnapshotRevision: revision });
      });
    }
  });

  law("hydrated values come back beside their refs", async (fixture) => {
    const { manifest } = await send(fixture.session(), {
      toolState: toolState(3),
      pluginSnapshot: pluginSnapshot([1, "two"]),
      executionState: noise(5_000),
    });
    await fixture.holds(async () => {
      const { checkpoint: found } = await read(fixture.session());
      assert.deepEqual(found.toolState, toolState(3));
      assert.deepEqual(found.pluginSnapshot, pluginSnapshot([1, "two"]));
      assert.deepEqual(found.executionState, noise(5_000));
      assert.equal(found.toolStateRef, manifest.toolStateRef);
      assert.equal(found.pluginSnapshotRef, manifest.pluginSnapshotRef);
      assert.equal(found.executionStateRef, manifest.executionStateRef);
    });
  });

  law("an empty execution state is a value", async (fixture) => {
    const { manifest } = await send(fixture.session(), { executionState: new Uint8Array() });
    assert.ok(manifest.executionStateRef);
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session())).checkpoint.executionState, new Uint8Array());
    });
  });

  law("an empty tool state and an empty plugin snapshot are values", async (fixture) => {
    await send(fixture.session(), {
      toolState: { generation: 0, tools: {} },
      pluginSnapshot: { plugins: {} },
    });
    await fixture.holds(async () => {
      const { checkpoint: found } = await read(fixture.session());
      assert.deepEqual(found.toolState, { generation: 0, tools: {} });
      assert.deepEqual(found.pluginSnapshot, { plugins: {} });
    });
  });

  law("a value wins over any ref that is passed with it", async (fixture) => {
    const session = fixture.session();
    const first = await send(session, { toolState: toolState(1) });
    const stale = first.manifest.toolStateRef as BlobRef;
    const second = await send(session, { toolState: toolState(2), toolStateRef: stale });
    assert.notEqual(second.manifest.toolStateRef, stale);
    const third = await send(session, { toolState: toolState(3), toolStateRef: ABSENT });
    assert.notEqual(third.manifest.toolStateRef, ABSENT);
    await fixture.holds(async () => {
      assert.deepEqual((await read(fixture.session())).checkpoint.toolState, toolState(3));
    });
  });

  law("a ref alone is carried and reads back hydrated", async (fixture) => {
    const { manifest } = await send(fixture.session(), {
      toolState: toolState(1),
      pluginSnapshot: pluginSnapshot(1),
      executionState: noise(100),
    });
    const refs = {
      toolStateRef: manifest.toolStateRef as BlobRef,
      pluginSnapshotRef: manifest.pluginSnapshotRef as BlobRef,
      executionStateRef: manifest.executionStateRef as BlobRef,
    };
    await fixture.reopen();
    const carried = await send(fixture.session(), { turnState: turnState({ turnIndex: 2 }), ...refs });
    assert.deepEqual(carried.manifest, { turnState: turnState({ turnIndex: 2 }), ...refs });
    await fixture.holds(async () => {
      const { checkpoint: found } = await read(fixture.session());
      assert.deepEqual(found.toolState, toolState(1));
      assert.deepEqual(found.pluginSnapshot, pluginSnapshot(1));
      assert.deepEqual(found.executionState, noise(100));
    });
  });

  law("neither value nor ref drops the component", async (fixture) => {
    const session = fixture.session();
    await send(session, { toolState: toolState(1), pluginSnapshot: pluginSnapshot(1) });
    const answer = await send(session, { pluginSnapshot: pluginSnapshot(1) });
    assert.deepEqual(Object.keys(answer.manifest).sort(), ["pluginSnapshotRef", "turnState"]);
    await fixture.holds(async () => {
      const found = (await read(fixture.session())).checkpoint;
      assert.equal(Object.hasOwn(found, "toolState"), false);
      assert.equal(Object.hasOwn(found, "toolStateRef"), false);
    });
  });

  law("a ref that was never stored is BLOB_MISSING with component and ref", async (fixture) => {
    await fixture.session().commitRuntimeState(commit());
    await fixture.holds(async () => {
      for (const component of ["toolState", "pluginSnapshot", "executionState"]) {
        await refuses(send(fixture.session(), { [`${component}Ref`]: ABSENT }), "BLOB_MISSING", {
          component,
          ref: ABSENT,
          retry: "reload",
        });
      }
    });
  });

  law("a ref of another component's kind is BLOB_MISSING, a manifest's too", async (fixture) => {
    const answer = await send(fixture.session(), {
      toolState: toolState(1),
      pluginSnapshot: pluginSnapshot(1),
      executionState: noise(10),
    });
    const tool = answer.manifest.toolStateRef as BlobRef;
    const plugin = answer.manifest.pluginSnapshotRef as BlobRef;
    await fixture.holds(async () => {
      const session = fixture.session();
      await refuses(send(session, { toolStateRef: plugin }), "BLOB_MISSING", {
        component: "toolState",
        ref: plugin,
      });
      await refuses(send(session, { pluginSnapshotRef: tool }), "BLOB_MISSING", {
        component: "pluginSnapshot",
      });
      await refuses(send(session, { executionStateRef: tool }), "BLOB_MISSING", {
        component: "executionState",
      });
      await refuses(send(session, { toolStateRef: answer.checkpointRef }), "BLOB_MISSING", {
        component: "toolState",
      });
    });
  });

  law("blobs are shared by all sessions of a store", async (fixture) => {
    const { manifest } = await send(fixture.session("one"), { toolState: toolState(1) });
    await fixture.holds(async () => {
      const ref = manifest.toolStateRef as BlobRef;
      await send(fixture.session("two"), { toolStateRef: ref });
      assert.deepEqual((await read(fixture.session("two"))).checkpoint.toolState, toolState(1));
    });
  });

  law(
    "equal values have equal refs whatever the order of their keys, and come back sorted",
    async (fixture) => {
      const one = {
        generation: 1,
        tools: { b: { sourceId: "s", manifest: { y: 1, x: 2 } }, a: { manifest: 0, sourceId: "s" } },
      };
      const two = {
        tools: { a: { sourceId: "s", manifest: 0 }, b: { manifest: { x: 2, y: 1 }, sourceId: "s" } },
        generation: 1,
      };
      const first = await send(fixture.session("one"), { toolState: one });
      const second = await send(fixture.session("two"), { toolState: two });
      assert.equal(first.manifest.toolStateRef, second.manifest.toolStateRef);
      assert.equal(first.checkpointRef, second.checkpointRef);
      await fixture.holds(async () => {
        const found = (await read(fixture.session("one"))).checkpoint.toolState;
        assert.deepEqual(found, one);
        assert.deepEqual(Object.keys(found?.tools ?? {}), ["a", "b"]);
        assert.deepEqual(Object.keys((found?.tools.b?.manifest ?? {}) as object), ["x", "y"]);
      });
    },
  );

  law("keys are sorted by code point, so that a ref does not depend on UTF-16", async (fixture) => {
    const low = "\uffff";
    const high = "\u{10000}";
    await send(fixture.session(), { pluginSnapshot: { plugins: { [high]: 1, [low]: 2 } } });
    await fixture.holds(async () => {
      const found = (await read(fixture.session())).checkpoint.pluginSnapshot;
      assert.deepEqual(Object.keys(found?.plugins ?? {}), [low, high]);
    });
  });

  law("different values have different refs", async (fixture) => {
    const refs = new Set<unknown>();
    const values = [0, 1, "1", null, true, [], {}, 1n, new Uint8Array(), new Uint8Array([0]), ""];
    for (const value of values) {
      refs.add(
        (await send(fixture.session(), { pluginSnapshot: { plugins: { a: value } } })).manifest
          .pluginSnapshotRef,
      );
    }
    assert.equal(refs.size, values.length);
  });

  law(
    "compression changes no ref and no value",
    async (fixture) => {
      const big = toolState(1, "repeat me ".repeat(5_000));
      const { manifest } = await send(fixture.session(), { toolState: big, executionState: noise(20_000) });
      for (const blobCompression of ["compact", "balanced", "none"] as const) {
        await fixture.store.snapshot();
        await fixture.reopen({ blobCompression });
        const again = await send(fixture.session(), { toolState: big, executionState: noise(20_000) });
        assert.equal(again.manifest.toolStateRef, manifest.toolStateRef);
        const found = (await read(fixture.session())).checkpoint;
        assert.deepEqual(found.toolState, big);
        assert.deepEqual(found.executionState, noise(20_000));
      }
    },
    { blobCompression: "none" },
  );

  law("a component of several megabytes travels whole", async (fixture) => {
    const value = noise(3 * 1024 * 1024 + 17);
    await send(fixture.session(), { executionState: value });
    await fixture.holds(async () => {
      const found = (await read(fixture.session())).checkpoint.executionState;
      assert.equal(Buffer.compare(found ?? new Uint8Array(), value), 0);
    });
  });
};
