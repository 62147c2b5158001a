/**
 * How long does a snapshot, a gc, a merge, an open, a close or the read of a long session stop the event loop? Stores
 * nodes (100,000, or `--nodes N` over `--sessions S`), then does each while light commits go on, and reports the longest
 * stalls of the main thread's loop: busy (processor time) and held (that and waiting for disk or memory). On a machine
 * that does other things believe "busy". `--why` profiles and names what ran. Then the same nodes in one session, which
 * is read from the disk, and again after its bodies were shed. `--only maintenance` or `--only long` takes one half.
 *
 * Baseline in the same run: the same commits with nothing else going on. Not measured: how the commits themselves fare
 * meanwhile (`tail.ts`).
 */
import { cpSync } from "node:fs";
import { basename } from "node:path";
import { openStore, type RuntimeCommit, type Store, type StoreOptions } from "../src/index.ts";
import { appendCommit, isSmall, temporaryDirectory } from "./support.ts";
import { profileMain } from "./support-profile.ts";
import { watchTurns } from "./support-turns.ts";

const nodes = numberFlag("--nodes", isSmall ? 1_000 : 100_000);
const sessions = numberFlag("--sessions", 100);
const why = process.argv.includes("--why");
/** Nodes between two turns of the writers' loops while the store is filled: enough to fill batches. */
const COMMITTERS = 100;
/** Nodes of one commit of the long session. */
const NODES_A_COMMIT = 100;
/** Memory in which a session of 100,000 nodes is kept without their bodies only. */
const LITTLE_MEMORY = isSmall ? 1 << 19 : 32 << 20;
/** Log that a killed owner leaves. */
const KILLED_LOG_BYTES = isSmall ? 1 << 20 : 64 << 20;
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

const manual = { snapshot: false, gc: false } as const;

async function measureMaintenance(directory: string): Promise<void> {
  const each = Math.ceil(nodes / sessions);
  const more = Math.ceil(each / 10);
  const store = await openStore(directory, manual);
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
    again = await openStore(directory, { gc: false, snapshot: { logBytes: 1024 ** 4 } });
  };
  await measure("open, long tail", undefined, reopen);
  await measure("close with fold", undefined, async () => again?.close());
  await measure("open, no tail", undefined, reopen);
  await again?.close();
}

/** Appends nodes `from` to `to` of one session. */
async function fillLong(store: Store, from: number, to: number): Promise<void> {
  for (let step = from; step < to; step += NODES_A_COMMIT) {
    const commits = Array.from({ length: NODES_A_COMMIT }, (_, n) =>
      appendCommit("long", step + n, step + n === 0 ? undefined : `m${step + n - 1}`),
    );
    const leafNodeId = `m${step + NODES_A_COMMIT - 1}`;
    const added = commits.flatMap(({ graph }) => (graph.kind === "append" ? graph.nodes : []));
    const graph = { kind: "append" as const, nodes: added, leafNodeId };
    const expectedHeadRevision = step / NODES_A_COMMIT;
    await store
      .session("long")
      .commitRuntimeState({ ...appendCommit("long", 0, undefined), expectedHeadRevision, graph });
  }
}

async function readLong(store: Store, count: number): Promise<void> {
  const read = await store.session("long").loadSession();
  if (read?.graph.nodes.length !== count) throw new Error("not all nodes were read");
}

/** The bodies of the session's nodes leave memory with its next commit, because there is too little. */
async function shed(store: Store, step: number, wasShed: () => boolean): Promise<void> {
  await fillLong(store, step, step + NODES_A_COMMIT);
  if (!wasShed()) throw new Error("nothing was shed");
}

async function measureLong(directory: string): Promise<void> {
  const killed = `${directory}-killed`;
  const owner = await openStore(directory, manual);
  let count = Math.ceil(nodes / NODES_A_COMMIT) * NODES_A_COMMIT;
  await fillLong(owner, 0, count);
  await owner.snapshot();
  await owner.close();
  const opened = async (options: StoreOptions, work: (store: Store) => Promise<void>): Promise<void> => {
    const store = await openStore(directory, { ...manual, ...options });
    await work(store);
    await store.close();
  };
  await opened({}, (store) => measure("long, one node", store, () => store.session("long").loadNode("m7")));
  await opened({}, (store) => measure("long, all nodes", store, () => readLong(store, count)));
  for (const what of ["one node", "all nodes"]) {
    let events = 0;
    const onEvent = ({ type }: { type: string }): void => {
      if (type === "shed") events++;
    };
    await opened({ maxResidentBytes: LITTLE_MEMORY, onEvent }, async (store) => {
      await shed(store, count, () => events > 0);
      count += NODES_A_COMMIT;
      const read = () =>
        what === "one node" ? store.session("long").loadNode("m7") : readLong(store, count);
      await measure(`shed, ${what}`, store, read);
    });
  }
  await opened({}, async (store) => {
    let step = 0;
    for (; store.stats().log.unfoldedBytes < KILLED_LOG_BYTES; step++) await fill(store, step, step + 1);
    // What a process that dies leaves; threads may be at work on spares, and a store does without.
    cpSync(directory, killed, { recursive: true, filter: (path) => !basename(path).startsWith("spare") });
  });
  let again: Store | undefined;
  await measure("open, killed", undefined, async () => {
    again = await openStore(killed, manual);
  });
  await again?.close();
}

const only = process.argv.includes("--only") ? process.argv[process.argv.indexOf("--only") + 1] : undefined;
for (const [name, half] of Object.entries({ maintenance: measureMaintenance, long: measureLong })) {
  if (only !== undefined && only !== name) continue;
  const directory = temporaryDirectory();
  try {
    await half(`${directory.path}/store`);
  } finally {
    directory.remove();
  }
}
