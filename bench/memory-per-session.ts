/**
 * What does a session cost in memory? Many sessions of 1, 10 and 100 nodes of 1 KB, all in use at once: what the
 * process holds more (heap and buffers, after a full collection), beside the same nodes as plain objects, and
 * beside what the store itself reports and budgets with.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openStore, type SessionNodeRecord } from "../src/index.ts";
import type { Bench, BenchRun, Row } from "./support/bench.ts";
import { commitOf, nodeOf, sessionOf } from "./support/commits.ts";
import { interleave, type Sample } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY, expectEqual } from "./support/subject.ts";

/** Sessions written at once: a hundred of 100 KB stay far below what a store queues. */
const AT_ONCE = 100;

export const memoryPerSession: Bench = {
  name: "memory-per-session",
  question: "What does a session cost in memory?",
  baseline: "the same nodes as plain objects in a map",
  notMeasured:
    "The threads and the ring of an open store, which are there once (about 8 MiB of ring). Memory that the allocator keeps. Sessions that were passivated, which cost some bytes each.",
  async run(run) {
    const rows: Row[] = [];
    const verified: string[] = [];
    let round = 0;
    for (const nodes of [1, 10, 100]) {
      const sessions = pick(run, nodes === 100 ? 1_000 : 4_000, 50);
      run.say(`${sessions} sessions of ${nodes} nodes`);
      const point = { at: nodes === 1 ? "1 node" : `${nodes} nodes`, x: nodes };
      rows.push(
        ...(await interleave(run, [
          {
            ...point,
            subject: "plain objects",
            durability: DURABILITY.none,
            isBaseline: true,
            measure: async () => plainObjects(sessions, nodes),
          },
          {
            ...point,
            subject: "varve",
            durability: DURABILITY.power,
            measure: async () => {
              round += 1;
              const directory = join(run.directory, `store-${round}`);
              const sample = await residentSessions(run, directory, sessions, nodes);
              rmSync(directory, { recursive: true });
              return sample;
            },
          },
        ])),
      );
      verified.push(`${point.at}: all ${sessions} sessions were in memory when it was measured`);
    }
    return {
      rows,
      verified,
      absent: [],
      plots: [
        {
          kind: "lines",
          title: "Memory of one session over its nodes",
          metric: "bytesPerSession",
          xLabel: "nodes in the session",
          xScale: "log",
          yScale: "log",
        },
      ],
    };
  },
};

/** Text that no two nodes share, as in life. */
function ownNode(session: number, step: number): SessionNodeRecord {
  const node = nodeOf(step);
  return JSON.parse(JSON.stringify(node).replace("The quick", `The ${session} quick`)) as SessionNodeRecord;
}

async function plainObjects(sessions: number, nodes: number): Promise<Sample> {
  const held = new Map<string, SessionNodeRecord[]>();
  const before = bytesHeld();
  for (let session = 0; session < sessions; session += 1) {
    held.set(
      sessionOf(session),
      Array.from({ length: nodes }, (_, step) => ownNode(session, step)),
    );
  }
  const bytes = bytesHeld() - before;
  expectEqual("sessions held", held.size, sessions);
  return { figures: { bytesPerSession: bytes / sessions } };
}

async function residentSessions(
  run: BenchRun,
  directory: string,
  sessions: number,
  nodes: number,
): Promise<Sample> {
  const store = await openStore(directory, {
    ...sized(run),
    snapshot: false,
    gc: false,
    maxResidentBytes: 2 ** 31,
  });
  // The first commit brings up what an open store needs once.
  await store.session("first").commitRuntimeState(commitOf("first", 0));
  const reportedBefore = store.stats().residentBytes;
  const before = bytesHeld();
  for (let from = 0; from < sessions; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, sessions - from) }, (_, index) => from + index);
    await Promise.all(
      some.map((session) => {
        const own = Array.from({ length: nodes }, (_, step) => ownNode(session, step));
        const graph = { kind: "append", nodes: own, leafNodeId: `m${nodes - 1}` } as const;
        const id = sessionOf(session);
        return store.session(id).commitRuntimeState({ ...commitOf(id, 0), graph });
      }),
    );
  }
  const bytes = bytesHeld() - before;
  const { residentBytes, residentSessions } = store.stats();
  expectEqual("sessions in memory", residentSessions, sessions + 1);
  await store.close();
  return {
    figures: {
      bytesPerSession: bytes / sessions,
      reportedBytes: (residentBytes - reportedBefore) / sessions,
    },
  };
}

let collect: (() => void) | undefined;

/** Heap and buffers after a full collection. */
function bytesHeld(): number {
  if (collect === undefined) {
    setFlagsFromString("--expose_gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
