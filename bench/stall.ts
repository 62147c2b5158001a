/**
 * How long does a snapshot or a gc stop the event loop? Stores 100,000 nodes, then takes a snapshot and a gc
 * while light commits go on, and reports the longest time between two turns of the loop.
 *
 * Baseline in the same run: the longest stall under the same commits with nothing else going on.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { openStore, type RuntimeCommit, type Store } from "../src/index.ts";
import { appendCommit, isSmall, temporaryDirectory } from "./support.ts";

const SESSIONS = 100;
const NODES = isSmall ? 1_000 : 100_000;

/** Light load: one commit after the other on one session until `work` is done. */
async function longestStall(store: Store, label: string, work: () => Promise<unknown>): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const session = store.session(label);
  let going = true;
  let step = 0;
  const load = (async () => {
    while (going) {
      await session.commitRuntimeState(appendCommit(label, step, step === 0 ? undefined : `m${step - 1}`));
      step++;
    }
  })();
  delay.enable();
  const started = performance.now();
  await work();
  const ms = performance.now() - started;
  delay.disable();
  going = false;
  await load;
  console.log(
    `${label.padEnd(10)} took ${ms.toFixed(0).padStart(6)} ms, longest stall ${(delay.max / 1e6).toFixed(1)} ms, commits meanwhile ${step}`,
  );
}

function withTools(commit: RuntimeCommit, step: number): RuntimeCommit {
  const toolState = {
    generation: step,
    tools: { t: { manifest: { text: "x".repeat(2_000), step }, sourceId: commit.sessionId } },
  };
  return { ...commit, checkpoint: { ...commit.checkpoint, toolState } };
}

const directory = temporaryDirectory();
const store = await openStore(directory.path, { snapshot: false, gc: false });
try {
  const each = Math.ceil(NODES / SESSIONS);
  await Promise.all(
    Array.from({ length: SESSIONS }, async (_, index) => {
      const id = `s${index}`;
      const session = store.session(id);
      for (let step = 0; step < each; step++) {
        await session.commitRuntimeState(
          withTools(appendCommit(id, step, step === 0 ? undefined : `m${step - 1}`), step),
        );
      }
    }),
  );
  await longestStall(store, "idle", () => new Promise((resolve) => setTimeout(resolve, 1_000)));
  await longestStall(store, "snapshot", () => store.snapshot());
  await longestStall(store, "gc", () => store.gc());
} finally {
  await store.close();
  directory.remove();
}
