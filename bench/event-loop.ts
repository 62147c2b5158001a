/**
 * How long do snapshots and gc stop the event loop? Writes many nodes, then takes a snapshot, then a gc, while
 * one session goes on committing, and watches the most processor time that the main thread took between two turns. `stall.ts` beside it is the tool that also profiles and names what held it.
 */
import { openStore, type Store } from "../src/index.ts";
import type { Bench } from "./support/bench.ts";
import { commitOf } from "./support/commits.ts";
import { interleave, type Sample } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY, expectEqual } from "./support/subject.ts";
import { watchTurns } from "./support-turns.ts";

const SESSIONS = 100;

export const eventLoop: Bench = {
  name: "event-loop",
  question: "How long do snapshots and gc stop the event loop?",
  baseline: "the same commits with nothing beside them for a second",
  notMeasured:
    "Loads of long sessions, which read on the main thread (loads), the host's own work, and garbage collection of its heap.",
  async run(run) {
    const each = Math.ceil(pick(run, 20_000, 1_000) / SESSIONS);
    const store = await openStore(`${run.directory}/store`, { ...sized(run), snapshot: false, gc: false });
    const revisions = new Map<string, number>();
    const rows = await interleave(
      run,
      (["nothing", "snapshot", "gc"] as const).map((what) => ({
        subject: `varve, ${what}`,
        durability: DURABILITY.power,
        at: what,
        x: 0,
        isBaseline: what === "nothing",
        measure: async () => {
          await write(store, revisions, each);
          run.say(`${what} over ${store.stats().log.unfoldedBytes} unfolded bytes`);
          if (what === "snapshot") return watch(store, revisions, () => store.snapshot());
          if (what === "gc") return watch(store, revisions, () => store.gc());
          return watch(store, revisions, () => pause(pick(run, 1000, 50)));
        },
      })),
    );
    let commits = 0;
    for (const [sessionId, revision] of revisions) {
      expectEqual(sessionId, (await store.session(sessionId).loadSession())?.headRevision, revision);
      commits += revision;
    }
    await store.close();
    return {
      rows,
      verified: [`${commits} commits read back`],
      absent: [],
      plots: [{ kind: "dots", title: "Longest stall of the event loop", metric: "stallMillis" }],
    };
  },
};

/** So many commits in each session, each with a tool state of its own that the next makes garbage. */
async function write(store: Store, revisions: Map<string, number>, each: number): Promise<void> {
  await Promise.all(
    Array.from({ length: SESSIONS }, async (_, index) => {
      for (let step = 0; step < each; step += 1) await commitNext(store, revisions, `session-${index}`);
    }),
  );
}

async function commitNext(store: Store, revisions: Map<string, number>, sessionId: string): Promise<void> {
  const step = revisions.get(sessionId) ?? 0;
  const commit = commitOf(sessionId, step);
  const manifest = { text: "x".repeat(2_000), step };
  const toolState = { generation: step, tools: { tool: { manifest, sourceId: sessionId } } };
  const checkpoint = { ...commit.checkpoint, toolState };
  await store.session(sessionId).commitRuntimeState({ ...commit, checkpoint });
  revisions.set(sessionId, step + 1);
}

/** Commits go on one behind the other until the work is done. */
async function watch(
  store: Store,
  revisions: Map<string, number>,
  work: () => Promise<unknown>,
): Promise<Sample> {
  let going = true;
  const load = (async () => {
    while (going) await commitNext(store, revisions, "light-load");
  })();
  const stop = watchTurns();
  const started = performance.now();
  await work();
  const busyMillis = performance.now() - started;
  const { busy } = stop();
  going = false;
  await load;
  return { figures: { stallMillis: busy[0]?.busyMs ?? 0, busyMillis } };
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
