/**
 * How long does a snapshot, a gc, a merge, an open or a close stop the event loop? Stores nodes (100,000, or
 * `--nodes N` over `--sessions S`), then does each while light commits go on, and reports the longest stalls of
 * the main thread's loop: busy (processor time) and held (that and waiting for disk or memory). On a machine that
 * does other things believe "busy". `--why` profiles and names what ran.
 *
 * Baseline in the same run: the same commits with nothing else going on. Not measured: how the commits
 * themselves fare meanwhile (`tail-under-maintenance.ts`), and stalls of the reads of long sessions.
 */
import { openStore, type RuntimeCommit, type Store } from "../src/index.ts";
import { appendCommit, isSmall, temporaryDirectory } from "./support.ts";
import { profileMain } from "./support-profile.ts";
import { watchTurns } from "./support-turns.ts";

const nodes = numberFlag("--nodes", isSmall ? 1_000 : 100_000);
const sessions = numberFlag("--sessions", 100);
const why = process.argv.includes("--why");
/** Nodes between two turns of the writers' loops while the store is filled: enough to fill batches. */
const COMMITTERS = 100;
/** Milliseconds of the idle baseline. */
const IDLE_MS = isSmall ? 50 : 1_000;

function numberFlag(name: string, otherwise: number): number {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

/** Runs `work` beside light commits (one after the other on a session of its own) and reports the loop. */
async function measure(label: string, store: Store | undefined, work: () => Promise<unknown>): Promise<void> {
  const load = store === undefined ? undefined : lightLoad(store, `light-${label}`);
  const profile = why ? await profileMain() : undefined;
  const stop = watchTurns();
  const started = performance.now();
  await work();
  const tookMs = performance.now() - started;
  const { held, busy, loopDelayMs } = stop();
  const commits = await load?.();
  const figures = (values: readonly number[]): string => values.map((ms) => ms.toFixed(1)).join(" ");
  console.log(
    `${label.padEnd(16)} took ${tookMs.toFixed(0).padStart(6)} ms, busy for ${figures(busy.map((stall) => stall.busyMs))} ms, held for ${figures(held.map((stall) => stall.heldMs))} ms, loop delay ${loopDelayMs.toFixed(1)} ms${commits === undefined ? "" : `, commits meanwhile ${commits}`}`,
  );
  if (profile === undefined) return;
  const during = await profile();
  for (const { endedAt, wallMs, heldMs, busyMs } of new Set([...busy.slice(0, 3), ...held.slice(0, 3)])) {
    console.log(`  busy ${busyMs.toFixed(1)} ms, held ${heldMs.toFixed(1)} ms:`);
    for (const line of during(endedAt - wallMs, endedAt)) console.log(`    ${line}`);
  }
}

/** Commits until it is stopped; answers how many there were. */
function lightLoad(store: Store, sessionId: string): () => Promise<number> {
  const session = store.session(sessionId);
  let going = true;
  let step = 0;
  const done = (async () => {
    while (going) {
      await session.commitRuntimeState(
        appendCommit(sessionId, step, step === 0 ? undefined : `m${step - 1}`),
      );
      step++;
    }
  })();
  return async () => {
    going = false;
    await done;
    return step;
  };
}

/** Each commit has a tool state of its own, so most of them are dead at the end. */
function withTools(commit: RuntimeCommit, step: number): RuntimeCommit {
  const toolState = {
    generation: step,
    tools: { t: { manifest: { text: "x".repeat(2_000), step }, sourceId: commit.sessionId } },
  };
  return { ...commit, checkpoint: { ...commit.checkpoint, toolState } };
}

/** Appends nodes `from` to `to` of every session. */
async function fill(store: Store, from: number, to: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(COMMITTERS, sessions) }, async () => {
      for (let index = next++; index < sessions; index = next++) {
        const id = `s${index}`;
        const session = store.session(id);
        for (let step = from; step < to; step++) {
          await session.commitRuntimeState(
            withTools(appendCommit(id, step, step === 0 ? undefined : `m${step - 1}`), step),
          );
        }
      }
    }),
  );
}

const directory = temporaryDirectory();
const each = Math.ceil(nodes / sessions);
const more = Math.ceil(each / 10);
const manual = { snapshot: false, gc: false } as const;
try {
  const store = await openStore(directory.path, manual);
  await fill(store, 0, each);
  await measure("idle", store, () => new Promise((resolve) => setTimeout(resolve, IDLE_MS)));
  await measure("snapshot, first", store, () => store.snapshot());
  await fill(store, each, each + more);
  await measure("snapshot, next", store, () => store.snapshot());
  await measure("gc", store, () => store.gc());
  await fill(store, each + more, each + 2 * more);
  await measure("close, no fold", undefined, () => store.close());
  let again: Store | undefined;
  const reopen = async (): Promise<void> => {
    again = await openStore(directory.path, { gc: false, snapshot: { logBytes: 1024 ** 4 } });
  };
  await measure("open, long tail", undefined, reopen);
  await measure("close with fold", undefined, async () => again?.close());
  await measure("open, no tail", undefined, reopen);
  await again?.close();
} finally {
  directory.remove();
}
