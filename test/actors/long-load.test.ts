/**
 * The first use of a long session: its pages are read a step a turn, so that the host goes on. The story: a session of
 * 100,000 nodes stopped its host for six seconds. Whatever comes meanwhile (commits, reads, snapshots that take
 * its records out of the log, a gc, the end of the store) finds the session as if it had been there.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { DECODE_STEP_BYTES, KIB, LOAD_STEP_BYTES, PAGE_BYTES } from "../../src/limits.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { keepEverything } from "../../src/vfs/memory-crash.ts";
import { append, commit, messageNode, unchanged } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";
import { CountedTurns } from "../support/turns.ts";
import { add, IN_LOG, idsOf, idsUpTo, longSession, NODE_BYTES, OPTIONS, STORED } from "./long-session.ts";

test("the first use of a long session reads some pages, or some of its log, a turn", async () => {
  const counted = new CountedTurns(await longSession());
  const store = await openStore("/store", { ...OPTIONS, vfs: counted, clock: counted.clock });
  const before = counted.turns.length;
  assert.deepEqual(await idsOf(store), idsUpTo(STORED + IN_LOG));
  const turns = counted.ofMainThread.filter((turn) => counted.turns.indexOf(turn) >= before);
  const most = Math.max(...turns.map(({ read }) => read));
  // A step ends behind the page that fills it, and a page behind the node that does.
  assert.ok(most <= LOAD_STEP_BYTES + PAGE_BYTES + 2 * NODE_BYTES, `${most} bytes in one turn`);
  assert.ok(turns.filter(({ read }) => read > 0).length > 10);
  await store.close();
});

/** Everything that may happen between two steps of a load. */
const MEANWHILE: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  "a snapshot": (store) => store.snapshot(),
  "two snapshots": async (store) => {
    await store.snapshot();
    await store.snapshot();
  },
  "a gc": (store) => store.gc(),
  "a commit": (store) => add(store, STORED + IN_LOG + 1),
  // The commit that has the session loaded is not acknowledged yet, but it may be by then.
  "a read": async (store) => {
    const ids = (await idsOf(store)) ?? [];
    assert.ok(ids.length === STORED + IN_LOG || ids.length === STORED + IN_LOG + 1);
    assert.deepEqual(ids, idsUpTo(ids.length));
  },
  "the newest node": async (store) => {
    const read = await store.session("root").loadSession({ kind: "activePath", limit: 1 });
    assert.ok([STORED + IN_LOG - 1, STORED + IN_LOG].some((n) => read?.graph.leafNodeId === `n${n}`));
  },
  "the end": (store) => store.close(),
};

/** What has the session loaded, and how many turns that takes at least: a read all of it, a commit its index and newest pages. */
const FIRST: Readonly<Record<string, { turns: number; use: (store: Store) => Promise<unknown> }>> = {
  "a long load": {
    turns: 10,
    use: async (store) => {
      const read = idsOf(store);
      await add(store, STORED + IN_LOG);
      assert.deepEqual(await read, idsUpTo(STORED + IN_LOG));
    },
  },
  "a load for a commit": { turns: 3, use: (store) => add(store, STORED + IN_LOG) },
};

for (const [what, { turns, use }] of Object.entries(FIRST)) {
  for (const [name, meanwhile] of Object.entries(MEANWHILE)) {
    test(`${name} in any turn of ${what} finds the session as it is, and harms nothing`, async () => {
      const image = await longSession();
      let isOver = false;
      for (let turn = 1; !isOver; turn += Math.ceil(turns / 2)) {
        const counted = new CountedTurns(image.crash(keepEverything));
        const store = await openStore("/store", { ...OPTIONS, vfs: counted, clock: counted.clock });
        let beside: Promise<unknown> | undefined;
        let loadingTurns = 0;
        counted.onTurn = (taker) => {
          if (taker === "loading" && ++loadingTurns === turn) beside = meanwhile(store);
        };
        await use(store);
        isOver = beside === undefined;
        await beside;
        await store.close();
        const again = await openStore("/store", { ...OPTIONS, vfs: counted });
        const count = STORED + IN_LOG + (name === "a commit" && !isOver ? 2 : 1);
        assert.deepEqual(await idsOf(again), idsUpTo(count), `turn ${turn}`);
        assert.deepEqual(await again.verify(), { ok: true, problems: [] });
        await again.close();
        assert.ok(turn > 1 || loadingTurns > turns, `${loadingTurns} turns`);
      }
    });
  }
}

const SMALL = 10_000;

/** A session of many small nodes, in memory. */
async function manyNodes(counted: CountedTurns): Promise<Store> {
  const store = await openStore("/store", { ...OPTIONS, vfs: counted, clock: counted.clock });
  const nodes = Array.from({ length: SMALL }, (_, n) =>
    messageNode(`n${n}`, n === 0 ? undefined : `n${n - 1}`, "x".repeat(200)),
  );
  await store.session("root").commitRuntimeState(commit({ graph: append(nodes, `n${SMALL - 1}`) }));
  return store;
}

test("a read of many nodes decodes some of them a turn, whichever it reads", async () => {
  const counted = new CountedTurns(new MemoryVfs({ crashable: false }));
  const store = await manyNodes(counted);
  for (const scope of [
    { kind: "fullGraph" },
    { kind: "activePath" },
    { kind: "changesSince", headRevision: 0 },
  ] as const) {
    const before = counted.turns.length;
    const read = await store.session("root").loadSession(scope);
    assert.equal(read?.graph.nodes.length, SMALL);
    const turns = counted.turns.slice(before).filter(({ taker }) => taker === "loading").length;
    // A node counts as some 700 bytes at least.
    assert.ok(turns >= Math.floor((SMALL * 700) / DECODE_STEP_BYTES), `${turns} turns`);
  }
  await store.close();
});

test("a read over several turns answers one state, whatever is hidden, removed and appended meanwhile", async () => {
  const counted = new CountedTurns(new MemoryVfs({ crashable: false }));
  const store = await manyNodes(counted);
  const session = store.session("root");
  assert.deepEqual(await idsOf(store), idsUpTo(SMALL), "from here on its bodies are its own");
  const done: Promise<unknown>[] = [];
  let turns = 0;
  counted.onTurn = (taker) => {
    if (taker !== "loading" || ++turns !== 3) return;
    done.push(
      session.commitRuntimeState(commit({ graph: unchanged("n9") })),
      session.tombstoneNodes(idsUpTo(SMALL).slice(10)),
      session.vacuum(),
      session.commitRuntimeState(commit({ graph: append([messageNode("after", "n9")], "after") })),
    );
  };
  assert.deepEqual(await idsOf(store), idsUpTo(SMALL));
  await Promise.all(done);
  assert.equal(done.length, 4);
  assert.deepEqual(await idsOf(store), [...idsUpTo(10), "after"]);
  await store.close();
});

test("a store that is closed while it reads many nodes answers first", async () => {
  const counted = new CountedTurns(new MemoryVfs({ crashable: false }));
  const store = await manyNodes(counted);
  const order: string[] = [];
  const read = idsOf(store).then((ids) => {
    order.push("read");
    return ids;
  });
  await store.close().then(() => order.push("closed"));
  assert.deepEqual(await read, idsUpTo(SMALL));
  assert.deepEqual(order, ["read", "closed"]);
});

test("commits that wait for a long load are bounded as those in the queue of the log", async () => {
  const vfs = await longSession();
  const store = await openStore("/store", { ...OPTIONS, vfs, maxQueuedBytes: 128 * KIB });
  const sent = Array.from({ length: 3 }, (_, n) => add(store, STORED + IN_LOG + n));
  await refuses(add(store, STORED + IN_LOG + 3), "STORE_BUSY");
  await Promise.all(sent);
  assert.deepEqual(await idsOf(store), idsUpTo(STORED + IN_LOG + 3));
  await store.close();
});
