/**
 * Does disk come back? A store of sessions, each with messages of its own; nine of ten sessions are deleted, then one gc
 * and two snapshots. What is on disk then, the preallocated log apart, for each byte that lives, beside a store that never
 * held anything else.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openStore, type Store } from "../src/index.ts";
import type { Bench, BenchRun } from "./support/bench.ts";
import { commitOf, nodeOf, sessionOf } from "./support/commits.ts";
import { bytesWithoutLog } from "./support/disk.ts";
import { noiseText } from "./support/noise.ts";
import { type Case, interleave, type Sample } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY, expectEqual } from "./support/subject.ts";

const NODES = 5;
const TEXT_CHARS = 400;
/** One session in so many stays. */
const STAYS_EVERY = 10;
const AT_ONCE = 1_000;

export const diskAfterDeletes: Bench = {
  name: "disk-after-deletes",
  question: "Does disk come back after deletions?",
  baseline: "a store that never held anything but the sessions that are left",
  notMeasured:
    "Time. The log's segments, which are preallocated and reused. Sessions that share values with those deleted. A store that is never told to collect: then the automatic gc decides when.",
  async run(run) {
    const sessions = pick(run, 20_000, 40);
    const subjects: Readonly<Record<string, (store: Store) => Promise<void>>> = {
      "only what is left": (store) => fill(store, stays(sessions)),
      "after deleting 90 %": async (store) => {
        await fill(store, all(sessions));
        await store.snapshot();
        await each(
          all(sessions).filter((number) => number % STAYS_EVERY !== 0),
          (number) => store.deleteSession(sessionOf(number)),
        );
      },
    };
    const cases = Object.entries(subjects).map(
      ([subject, write], index): Case => ({
        subject,
        at: `${sessions.toLocaleString("en")} sessions`,
        x: sessions,
        durability: DURABILITY.power,
        isBaseline: index === 0,
        measure: () => measure(run, sessions, write),
      }),
    );
    return {
      rows: await interleave(run, cases, { warmUp: 0 }),
      verified: ["every session that is left read back after reopening, and none that was deleted"],
      absent: [],
      plots: [{ kind: "dots", title: "Bytes on disk per live byte, log apart", metric: "storedPerByte" }],
    };
  },
};

async function measure(
  run: BenchRun,
  sessions: number,
  write: (store: Store) => Promise<void>,
): Promise<Sample> {
  const directory = join(run.directory, "deletes");
  mkdirSync(directory);
  const options = { ...sized(run), sync: "never", snapshot: false, gc: false } as const;
  try {
    const store = await openStore(directory, options);
    await write(store);
    await store.gc();
    await store.snapshot();
    await store.snapshot();
    const stored = bytesWithoutLog(directory);
    await store.close();
    const live = await readBack(directory, sessions);
    return { figures: { storedPerByte: stored / live } };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Bytes of the nodes that are there, as JSON. */
async function readBack(directory: string, sessions: number): Promise<number> {
  const store = await openStore(directory, { snapshot: false, gc: false });
  let bytes = 0;
  try {
    for (const number of all(sessions)) {
      const read = await store.session(sessionOf(number)).loadSession();
      expectEqual(
        `nodes of ${sessionOf(number)}`,
        read?.graph.nodes.length,
        number % STAYS_EVERY === 0 ? NODES : undefined,
      );
      for (const node of read?.graph.nodes ?? []) bytes += Buffer.byteLength(JSON.stringify(node));
    }
  } finally {
    await store.close();
  }
  return bytes;
}

function fill(store: Store, numbers: readonly number[]): Promise<void> {
  return each(numbers, (number) => {
    const id = sessionOf(number);
    const nodes = Array.from({ length: NODES }, (_, step) =>
      nodeOf(step, TEXT_CHARS, noiseText(TEXT_CHARS, number * NODES + step)),
    );
    const graph = { kind: "append", nodes, leafNodeId: `m${NODES - 1}` } as const;
    return store.session(id).commitRuntimeState({ ...commitOf(id, 0), graph });
  });
}

async function each(numbers: readonly number[], work: (number: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < numbers.length; from += AT_ONCE)
    await Promise.all(numbers.slice(from, from + AT_ONCE).map(work));
}

function all(sessions: number): number[] {
  return Array.from({ length: sessions }, (_, number) => number);
}

function stays(sessions: number): number[] {
  return all(sessions).filter((number) => number % STAYS_EVERY === 0);
}
