/** Laws of the store's life: options, close, signals, snapshots on request, verify and stats. */
import assert from "node:assert/strict";
import type { StoreEvent, StoreOptions } from "../../contract.ts";
import { append, chain, checkpoint, commit, messageNode, meta, toolState } from "./builders.ts";
import { listed, nodeIds, read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

const WRONG_OPTIONS: [string, unknown][] = [
  ["sync", "sometimes"],
  ["sync", true],
  ["syncIntervalMs", 0],
  ["syncIntervalMs", "100"],
  ["segmentBytes", 1024],
  ["segmentBytes", Number.NaN],
  ["snapshot", true],
  ["snapshot", { logBytes: -1 }],
  ["snapshot", { every: 5 }],
  ["gc", { garbageRatio: 2 }],
  ["gc", "often"],
  ["workers", 0],
  ["workers", 1.5],
  ["blobCompression", "zip"],
  ["graphPolicy", "loose"],
  ["maxCommitBytes", -1],
  ["maxQueuedBytes", 0],
  ["maxResidentBytes", "256 MiB"],
  ["receiptsKept", -1],
  ["lockWaitMs", -1],
  ["allowNetworkFileSystem", 1],
  ["onEvent", "log"],
  ["unknownOption", 1],
];

export const lifecycleLaws: Area = ({ law, capabilities }) => {
  law("every wrong option is INVALID_OPTION and names itself", async (fixture) => {
    for (const [option, value] of WRONG_OPTIONS) {
      const error = await refuses(
        fixture.openAnother({ [option]: value } as StoreOptions),
        "INVALID_OPTION",
        {
          retry: "never",
        },
      ).catch((cause: unknown) => {
        throw new Error(`option ${option}: ${String(value)}`, { cause });
      });
      assert.ok(error.code === "INVALID_OPTION" && error.option.startsWith(option), error.message);
    }
  });

  law("close is idempotent and always the same promise", async (fixture) => {
    const first = fixture.store.close();
    assert.equal(fixture.store.close(), first);
    await first;
    assert.equal(fixture.store.close(), first);
  });

  law("every operation after close is STORE_CLOSED, and a handle is still answered", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit());
    const { store } = fixture;
    const closing = store.close();
    const calls = (): Promise<unknown>[] => [
      session.commitRuntimeState(commit()),
      session.loadSession(),
      session.loadNode("a"),
      session.saveSessionMeta(meta()),
      session.loadSessionMeta(),
      session.tombstoneNodes(["a"]),
      session.vacuum(),
      session.gcUnreachable(),
      store.session("another").loadSession(),
      listed(store),
      store.deleteSession("root"),
      store.snapshot(),
      store.gc(),
      store.verify(),
    ];
    for (const call of calls()) await refuses(call, "STORE_CLOSED", { retry: "reopen" });
    await closing;
    for (const call of calls()) await refuses(call, "STORE_CLOSED");
    assert.equal(store.stats().state, "closed");
  });

  law("close finishes every call made before it", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("r"), "r") }));
    const calls: Promise<unknown>[] = [];
    for (let index = 0; index < 50; index++) {
      calls.push(session.commitRuntimeState(commit({ graph: append([messageNode(`n${index}`, "r")], "r") })));
    }
    calls.push(fixture.store.snapshot());
    calls.push(session.loadSession());
    calls.push(session.saveSessionMeta(meta()));
    calls.push(fixture.store.gc());
    // These wait behind the ones that run.
    calls.push(fixture.store.snapshot());
    calls.push(fixture.store.gc());
    calls.push(fixture.store.verify());
    const closing = fixture.store.close();
    await Promise.all(calls);
    await closing;
    await fixture.reopen();
    if (capabilities.reopen) {
      assert.equal((await nodeIds(fixture.session())).length, 51);
      assert.deepEqual(await fixture.session().loadSessionMeta(), meta());
    }
  });

  law("a store disposes itself by closing", async (fixture) => {
    await fixture.store[Symbol.asyncDispose]();
    await refuses(fixture.store.snapshot(), "STORE_CLOSED");
  });

  law("a signal that is aborted already stops every call with ABORTED", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append(chain("a", "b"), "a") }));
    const options = { signal: AbortSignal.abort() };
    const calls = [
      session.commitRuntimeState(commit(), options),
      session.loadSession(undefined, options),
      session.loadNode("a", options),
      session.saveSessionMeta(meta(), options),
      session.loadSessionMeta(options),
      session.tombstoneNodes(["b"], options),
      session.vacuum(options),
      session.gcUnreachable(options),
      listed(fixture.store, options),
      fixture.store.snapshot(options),
      fixture.store.gc(options),
      fixture.store.verify(options),
      fixture.openAnother(options as StoreOptions),
    ];
    for (const call of calls) await refuses(call, "ABORTED");
    await fixture.holds(async () => {
      assert.deepEqual(await nodeIds(fixture.session()), ["a", "b"]);
      assert.equal((await read(fixture.session())).headRevision, 1);
      assert.equal(await fixture.session().loadSessionMeta(), undefined);
    });
  });

  law("a signal after a commit was accepted changes nothing", async (fixture) => {
    const controller = new AbortController();
    const sent = fixture.session().commitRuntimeState(commit(), { signal: controller.signal });
    controller.abort();
    assert.equal((await sent).headRevision, 1);
    await fixture.holds(async () => assert.equal((await read(fixture.session())).headRevision, 1));
  });

  law("a signal during a snapshot or gc leaves the store whole", async (fixture) => {
    for (let turn = 0; turn < 20; turn++) {
      await fixture
        .session()
        .commitRuntimeState(commit({ checkpoint: checkpoint({ toolState: toolState(turn) }) }));
    }
    for (const call of ["snapshot", "gc", "verify"] as const) {
      const controller = new AbortController();
      const running = fixture.store[call]({ signal: controller.signal }).then(
        () => undefined,
        (error: { code?: string }) => assert.equal(error.code, "ABORTED"),
      );
      controller.abort();
      await running;
      await fixture.session().commitRuntimeState(commit());
    }
    await fixture.store.snapshot();
    await fixture.holds(async () => assert.equal((await read(fixture.session())).headRevision, 23));
    assert.equal((await fixture.store.verify()).ok, true);
  });

  law("snapshot covers every commit acknowledged before the call", async (fixture) => {
    for (let turn = 0; turn < 5; turn++) await fixture.session().commitRuntimeState(commit());
    await fixture.store.snapshot();
    assert.equal(fixture.store.stats().log.unfoldedBytes, 0);
    await fixture.reopen();
    assert.equal(fixture.store.recovery.replayedRecords, 0);
  });

  law("snapshots may overlap commits, each other and themselves", async (fixture) => {
    const calls: Promise<unknown>[] = [];
    for (let turn = 0; turn < 30; turn++) {
      calls.push(
        fixture.session().commitRuntimeState(
          commit({
            graph: append([messageNode(`n${turn}`, turn === 0 ? undefined : `n${turn - 1}`)], `n${turn}`),
          }),
        ),
      );
      if (turn % 5 === 0) calls.push(fixture.store.snapshot());
    }
    await Promise.all(calls);
    await fixture.holds(async () => assert.equal((await nodeIds(fixture.session())).length, 30));
  });

  law("a snapshot of an unchanged store is welcome any number of times", async (fixture) => {
    for (let round = 0; round < 3; round++) await fixture.store.snapshot();
    await fixture.session().commitRuntimeState(commit());
    for (let round = 0; round < 3; round++) await fixture.store.snapshot();
    await fixture.holds(async () => assert.equal((await read(fixture.session())).headRevision, 1));
  });

  law(
    "a store takes snapshots on its own when its log has grown",
    async (fixture) => {
      for (let turn = 0; turn < 60; turn++) {
        await fixture
          .session()
          .commitRuntimeState(
            commit({ graph: append([messageNode(`n${turn}`, undefined, "x".repeat(4_000))]) }),
          );
      }
      for (let turn = 0; turn < 500 && fixture.store.stats().snapshot.count === 0; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.ok(fixture.store.stats().snapshot.automatic >= 1);
      await fixture.holds(async () => assert.equal((await nodeIds(fixture.session())).length, 60));
    },
    { snapshot: { logBytes: 100_000 } },
  );

  law("verify of a healthy store is ok, whatever happened to it", async (fixture) => {
    assert.deepEqual(await fixture.store.verify(), { ok: true, problems: [] });
    await fixture.session().saveSessionMeta(meta());
    for (let turn = 0; turn < 10; turn++) {
      await fixture.session().commitRuntimeState(
        commit({
          graph: append([messageNode(`n${turn}`, undefined, "x".repeat(3_000))]),
          checkpoint: checkpoint({ toolState: toolState(turn) }),
        }),
      );
      if (turn === 4) await fixture.store.snapshot();
      if (turn === 7) await fixture.session().tombstoneNodes(["n1", "n6"]);
    }
    await fixture.store.gc();
    await fixture.store.deleteSession("never");
    await fixture.holds(async () =>
      assert.deepEqual(await fixture.store.verify(), { ok: true, problems: [] }),
    );
  });

  law(
    "passivation of sessions is not to be seen",
    async (fixture) => {
      const many = 40;
      for (let turn = 1; turn <= 3; turn++) {
        for (let index = 0; index < many; index++) {
          const id = `s${index}`;
          const node = messageNode(
            `n${turn}`,
            turn === 1 ? undefined : `n${turn - 1}`,
            `${id} ${"x".repeat(500)}`,
          );
          await fixture.session(id).commitRuntimeState(
            commit({
              sessionId: id,
              expectedHeadRevision: turn - 1,
              graph: append([node], node.nodeId),
              operationId: `op-${turn}`,
            }),
          );
        }
        if (turn === 2) await fixture.store.snapshot();
      }
      await fixture.holds(async () => {
        for (let index = 0; index < many; index++) {
          assert.deepEqual(await nodeIds(fixture.session(`s${index}`)), ["n1", "n2", "n3"]);
          const id = `s${index}`;
          const node = messageNode("n3", "n2", `${id} ${"x".repeat(500)}`);
          const again = await fixture.session(id).commitRuntimeState(
            commit({
              sessionId: id,
              expectedHeadRevision: 2,
              graph: append([node], "n3"),
              operationId: "op-3",
            }),
          );
          assert.deepEqual([again.replayed, again.headRevision], [true, 3]);
        }
      });
    },
    { maxResidentBytes: 20_000 },
  );

  law(
    "sessions that have to leave memory while their calls are in flight lose nothing",
    async (fixture) => {
      const calls: Promise<number>[] = [];
      for (let turn = 1; turn <= 5; turn++) {
        for (let index = 0; index < 20; index++) {
          const sent = commit({
            sessionId: `s${index}`,
            expectedHeadRevision: turn - 1,
            graph: append([messageNode(`n${turn}`, turn === 1 ? undefined : `n${turn - 1}`)], `n${turn}`),
          });
          const answer = fixture.session(`s${index}`).commitRuntimeState(sent);
          calls.push(answer.then(({ headRevision }) => headRevision));
        }
      }
      assert.deepEqual(
        await Promise.all(calls),
        Array.from({ length: 100 }, (_, index) => Math.floor(index / 20) + 1),
      );
      await fixture.holds(async () => {
        for (let index = 0; index < 20; index++) {
          assert.deepEqual(await nodeIds(fixture.session(`s${index}`)), ["n1", "n2", "n3", "n4", "n5"]);
        }
      });
    },
    { maxResidentBytes: 1024 },
  );

  law(
    "a full queue is STORE_BUSY, nothing of that call is written, and sending it again works",
    async (fixture) => {
      const session = fixture.session();
      const calls: Promise<unknown>[] = [];
      for (let index = 0; index < 64; index++) {
        calls.push(
          session.commitRuntimeState(
            commit({ graph: append([messageNode(`n${index}`, undefined, "x".repeat(8_000))]) }),
          ),
        );
      }
      const outcomes = await Promise.allSettled(calls);
      const accepted: string[] = [];
      let busy: { code?: string; retry?: string } | undefined;
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.status === "fulfilled") accepted.push(`n${index}`);
        else busy = outcome.reason;
      }
      assert.deepEqual([busy?.code, busy?.retry], ["STORE_BUSY", "same"]);
      assert.ok(accepted.length > 0);
      await fixture.holds(async () => assert.deepEqual(await nodeIds(fixture.session()), accepted));
      await fixture.session().commitRuntimeState(commit({ graph: append([messageNode("n63")]) }));
    },
    { maxQueuedBytes: 40_000 },
  );

  law("events tell what happened, and a listener that throws harms nothing", async (fixture) => {
    const seen: StoreEvent["type"][] = [];
    const another = await fixture.openAnother({
      onEvent: (event) => {
        seen.push(event.type);
        throw new Error("a host's bug");
      },
    });
    try {
      await another.session().commitRuntimeState(commit());
      await another.store.snapshot();
      await another.store.gc();
      assert.equal((await read(another.session())).headRevision, 1);
    } finally {
      await another.discard();
    }
    for (const type of ["opened", "snapshot", "gc", "closed"] as const) assert.ok(seen.includes(type), type);
  });

  for (const [sync, mayLose] of [
    ["always", /nothing/],
    ["interval", /./],
    ["never", /./],
  ] as const) {
    law(
      `sync "${sync}" says so in the stats and keeps everything over a close`,
      async (fixture) => {
        for (let turn = 0; turn < 5; turn++) await fixture.session().commitRuntimeState(commit());
        const stats = fixture.store.stats();
        assert.equal(stats.sync, sync);
        assert.match(stats.mayLose, mayLose);
        if (sync !== "always") assert.doesNotMatch(stats.mayLose, /^nothing$/);
        assert.deepEqual([stats.state, stats.commits], ["open", 5]);
        await fixture.holds(async () => assert.equal((await read(fixture.session())).headRevision, 5));
      },
      { sync, syncIntervalMs: 20 },
    );
  }

  law("recovery tells how the last owner left", async (fixture) => {
    await fixture.session().commitRuntimeState(commit());
    await fixture.reopen();
    if (!capabilities.reopen) return;
    const { recovery } = fixture.store;
    assert.equal(recovery.cleanClose, true);
    assert.equal(recovery.tornBytes, 0);
    assert.ok(recovery.durationMs >= 0);
  });
};
