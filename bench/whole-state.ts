/**
 * What does it cost to give the whole state at every step, as LangGraph does? 800 steps of one session, each with one
 * message of 1 KB more: as an append, and as a `replaceFull` of all messages so far with a checkpoint that does not
 * change. Counted are bytes of log and bytes on disk after a snapshot, for each byte of message, the preallocated log
 * apart. A store that writes the difference stays at the append; one that writes the state grows with the square.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openStore, type RuntimeCommit, type SessionNodeRecord } from "../src/index.ts";
import type { Bench, BenchRun } from "./support/bench.ts";
import { commitOf, nodeOf, sessionOf } from "./support/commits.ts";
import { bytesWithoutLog } from "./support/disk.ts";
import { noiseText } from "./support/noise.ts";
import { type Case, interleave, type Sample } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY, expectEqual } from "./support/subject.ts";

/** Of text; with ids and fields around it a message is 1 KB. */
const TEXT_CHARS = 780;
const SESSION = sessionOf(0);

type GraphOf = (nodes: readonly SessionNodeRecord[]) => RuntimeCommit["graph"];

const WAYS: Readonly<Record<string, GraphOf>> = {
  append: (nodes) => ({ kind: "append", nodes: nodes.slice(-1), leafNodeId: leafOf(nodes) }),
  "replaceFull of everything": (nodes) => ({
    kind: "replaceFull",
    graph: { nodes: [...nodes], leafNodeId: leafOf(nodes) },
  }),
};

export const wholeState: Bench = {
  name: "whole-state",
  question: "What does it cost to give the whole state at every step?",
  baseline: "the same steps as appends",
  notMeasured:
    "Time: the host builds, and the store compares, all nodes at every step. States whose older messages change. The preallocated segments of the log, which are there whatever is stored. LangGraph's own saver, which `growth` has beside a store.",
  async run(run) {
    const steps = pick(run, 800, 40);
    const cases = Object.entries(WAYS).map(
      ([subject, graphOf], index): Case => ({
        subject,
        at: `${steps} steps`,
        x: steps,
        durability: DURABILITY.power,
        isBaseline: index === 0,
        measure: () => measure(run, steps, graphOf),
      }),
    );
    return {
      rows: await interleave(run, cases, { warmUp: 0 }),
      verified: [`${steps} messages of each read back after reopening, in every round`],
      absent: [],
      plots: [{ kind: "dots", title: "Bytes on disk per new byte, log apart", metric: "storedPerByte" }],
      notes: ["written/byte: bytes of log records; on disk/byte: files without the log, after one snapshot."],
    };
  },
};

async function measure(run: BenchRun, steps: number, graphOf: GraphOf): Promise<Sample> {
  const directory = join(run.directory, "whole-state");
  mkdirSync(directory);
  try {
    const options = { ...sized(run), gc: false } as const;
    const store = await openStore(directory, options);
    const session = store.session(SESSION);
    const nodes: SessionNodeRecord[] = [];
    let newBytes = 0;
    for (let step = 0; step < steps; step += 1) {
      const node = messageOf(step);
      nodes.push(node);
      newBytes += Buffer.byteLength(JSON.stringify(node));
      const { checkpoint } = commitOf(SESSION, 0);
      await session.commitRuntimeState({ ...commitOf(SESSION, step), checkpoint, graph: graphOf(nodes) });
    }
    await store.snapshot();
    const writtenPerByte = store.stats().log.bytes / newBytes;
    const storedPerByte = bytesWithoutLog(directory) / newBytes;
    await store.close();
    const again = await openStore(directory, options);
    const read = await again.session(SESSION).loadSession();
    await again.close();
    expectEqual("messages", read?.graph.nodes.length, steps);
    expectEqual("the last message", JSON.stringify(read?.graph.nodes.at(-1)), JSON.stringify(nodes.at(-1)));
    return { figures: { writtenPerByte, storedPerByte } };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function messageOf(step: number): SessionNodeRecord {
  return nodeOf(step, TEXT_CHARS, noiseText(TEXT_CHARS, step));
}

function leafOf(nodes: readonly SessionNodeRecord[]): string {
  return nodes.at(-1)?.nodeId ?? "";
}
