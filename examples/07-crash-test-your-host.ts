/** A host's own promises, crash-tested: one that answers its user too early is found, its mended twin passes. */
import assert from "node:assert/strict";
import { defaultSessionConfig, openStore, type RuntimeCommit, type Store } from "../src/index.ts";
import { type CrashSubject, explainState, exploreCrashes, reduceFailure } from "../src/testing/index.ts";

/** Small segments make a crash state quick to build and to open; nothing runs that the host did not ask for. */
const OPTIONS = { segmentBytes: 64 * 1024, snapshot: false, gc: false } as const;
const TOKENS = { inputTokens: 10, outputTokens: 1, cachedInputTokens: 0, reasoningTokens: 0 };

/** The host under test. It books orders in a session, one a turn, and tells its customer "booked". */
class OrderDesk {
  readonly #store: Store;
  readonly #tell: (order: string) => void;

  constructor(store: Store, tell: (order: string) => void) {
    this.#store = store;
    this.#tell = tell;
  }

  async book(order: string, turnIndex: number, manners: "early" | "careful"): Promise<void> {
    const committed = this.#store.session("orders").commitRuntimeState(bookingOf(order, turnIndex));
    // The bug: the commit is under way, so what could go wrong? A power cut.
    if (manners === "early") this.#tell(order);
    await committed;
    if (manners === "careful") this.#tell(order);
  }
}

/** What the kit needs to know of it: how to run it, what it has promised, and how to see that kept. */
function orderDesk(manners: "early" | "careful"): CrashSubject<readonly string[]> {
  let told: readonly string[] = [];
  return {
    known: () => told,
    async run(vfs) {
      const store = await openStore("/orders", { vfs, ...OPTIONS });
      const desk = new OrderDesk(store, (order) => {
        told = [...told, order];
      });
      for (const [index, order] of ["tea", "bread", "jam"].entries())
        await desk.book(order, index + 1, manners);
      await store.close();
    },
    async check({ vfs, known }) {
      const store = await openStore("/orders", { vfs, ...OPTIONS });
      const found = await store.session("orders").loadSession();
      await store.close();
      const booked = found?.graph.nodes.map(({ nodeId }) => nodeId) ?? [];
      for (const order of known) assert.ok(booked.includes(order), `told of ${order}, and it is not booked`);
    },
  };
}

function bookingOf(order: string, turnIndex: number): RuntimeCommit {
  return {
    sessionId: "orders",
    expectedHeadRevision: turnIndex - 1,
    config: defaultSessionConfig(),
    graph: {
      kind: "append",
      nodes: [{ nodeId: order, timestamp: "2026-01-01T00:00:00Z", kind: "event", event: { order } }],
      leafNodeId: order,
    },
    checkpoint: {
      turnState: { turnIndex, tokenUsage: TOKENS, modeTurnOptions: { modeId: "standard", payload: {} } },
    },
    usageDeltas: [],
  };
}

const limits = { seed: 1, workloads: 1, states: 500, depth: 1 } as const;

const { failure } = await exploreCrashes(() => orderDesk("early"), limits);
assert.ok(failure !== undefined, "the bug was not found");
console.log(`found: ${failure.error instanceof Error ? failure.error.message : failure.error}`);
const simplest = await reduceFailure(() => orderDesk("early"), failure.state);
for (const line of await explainState(() => orderDesk("early"), simplest)) console.log(`  ${line}`);

const careful = await exploreCrashes(() => orderDesk("careful"), limits);
assert.equal(careful.failure, undefined);
console.log(`the mended host kept its word in ${careful.states} crash states`);
