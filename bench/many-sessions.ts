/**
 * What does the number of sessions cost? Stores of 1,000 to 100,000 sessions of five nodes, closed cleanly: opening
 * them, the first load of a random session, the first page of a listing, and the bytes a session takes in heads files
 * and packs; and opening them after an owner died with so many commits behind the snapshot. Beside the same of the smallest store. `VARVE_BENCH_SESSIONS=1000,1000000` asks for other numbers: to write a
 * million takes minutes.
 */
import { existsSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { openStore, type Store } from "../src/index.ts";
import { apart } from "./support/apart.ts";
import type { Bench, BenchRun, Row } from "./support/bench.ts";
import { commitOf, nodeOf, sessionOf } from "./support/commits.ts";
import { copyStore } from "./support/copy-store.ts";
import type { Opened, Opening } from "./support/opener.ts";
import { patiently } from "./support/patiently.ts";
import { type Case, interleave, type Sample } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY, expectEqual } from "./support/subject.ts";

const NODES = 5;
/** With ids and fields around it a node is about 400 bytes. */
const TEXT_CHARS = 200;
const AT_ONCE = 1_000;
const PAGE = 50;

export const manySessions: Bench = {
  name: "many-sessions",
  question: "What does the number of sessions cost?",
  baseline: "the same store with the fewest sessions",
  notMeasured:
    "A million sessions, unless they are asked for. Sessions of different texts: all hold the same nodes, so they share one page. Cold disks: files lie in the kernel's cache. Commits over more sessions than fit in memory. Segments of the log, which are there whatever is stored.",
  async run(run) {
    const counts = pick(run, asked() ?? [1_000, 10_000, 100_000], [20, 40]);
    for (const count of counts) {
      run.say(`writing ${count} sessions`);
      await fill(run, count);
    }
    const rows: Row[] = [];
    for (const [subject, measure] of Object.entries(SUBJECTS)) {
      run.say(subject);
      const cases = counts.map(
        (count, index): Case => ({
          subject,
          at: `${count.toLocaleString("en")} sessions`,
          x: count,
          durability: DURABILITY.power,
          isBaseline: index === 0,
          measure: () => measure(run, count),
        }),
      );
      rows.push(...(await interleave(run, cases)));
    }
    for (const count of counts)
      for (const left of ["", "-left"]) rmSync(`${directoryOf(run, count)}${left}`, { recursive: true });
    const plot = { xLabel: "sessions", xScale: "log", yScale: "log" } as const;
    return {
      rows,
      verified: [
        "every session that was loaded has its nodes, and every page its entries",
        `after every crash all of ${tailCommits(run).toLocaleString("en")} commits were replayed`,
      ],
      absent: [],
      plots: [{ kind: "lines", title: "Time over the number of sessions", metric: "millis", ...plot }],
    };
  },
};

const SUBJECTS: Readonly<Record<string, (run: BenchRun, count: number) => Promise<Sample>>> = {
  "open after close()": async (run, count) => {
    const { millis, beforeMib, openMib, cleanClose } = await openApart(run, directoryOf(run, count));
    expectEqual("clean close", cleanClose, true);
    run.say(
      `${count} sessions: ${Math.round(millis)} ms, ${Math.round(beforeMib)} MiB before, ${Math.round(openMib)} MiB open`,
    );
    return { figures: { millis, rssMib: openMib } };
  },
  "first load of a session": (run, count) =>
    using(run, count, async (store) => {
      const micros: number[] = [];
      const loads = pick(run, 500, 5);
      for (let turn = 0; turn < loads; turn++) {
        // A stride that is prime to the count: no session comes twice, neighbours are far apart.
        const sessionId = sessionOf((turn * 7919) % count);
        const started = performance.now();
        const read = await store.session(sessionId).loadSession();
        micros.push((performance.now() - started) * 1000);
        expectEqual(`nodes of ${sessionId}`, read?.graph.nodes.length, NODES);
      }
      micros.sort((a, b) => a - b);
      const at = (share: number) => micros[Math.floor(micros.length * share)] ?? 0;
      return { figures: { p50: at(0.5), p99: at(0.99) } };
    }),
  "first page of 50 sessions": (run, count) =>
    using(run, count, async (store) => {
      const expected = Math.min(PAGE, count);
      const started = performance.now();
      let listed = 0;
      for await (const { headRevision } of store.listSessions({ limit: PAGE })) listed += headRevision ?? 0;
      const millis = performance.now() - started;
      expectEqual("sessions listed", listed, expected);
      return { figures: { millis } };
    }),
  "heads files and packs": (run, count) =>
    using(run, count, async (store) => {
      const { headsBytes, packBytes } = store.stats().snapshot;
      return { figures: { bytesPerSession: (headsBytes + packBytes) / count } };
    }),
  // Last: the store has those commits from here on.
  "open after a crash": async (run, count) => {
    const left = await leftBehind(run, count);
    const crashed = join(run.directory, "crashed");
    copyStore(left, crashed);
    const { millis, openMib, replayed, cleanClose } = await openApart(run, crashed);
    rmSync(crashed, { recursive: true });
    expectEqual("clean close", cleanClose, false);
    expectEqual("commits replayed", replayed, tailCommits(run));
    return { figures: { millis, rssMib: openMib } };
  },
};

const tailCommits = (run: BenchRun): number => pick(run, 50_000, 50);

function openApart(run: BenchRun, directory: string): Promise<Opened> {
  const entry = new URL(`./support/opener${extname(import.meta.url)}`, import.meta.url);
  const input: Opening = { directory, options: options(run) };
  return apart<Opened>(entry, input);
}

/** The store as an owner leaves it that committed to sessions far apart since the snapshot, and died. Made once. */
async function leftBehind(run: BenchRun, count: number): Promise<string> {
  const left = `${directoryOf(run, count)}-left`;
  if (existsSync(left)) return left;
  const store = await openStore(directoryOf(run, count), options(run));
  for (let from = 0; from < tailCommits(run); from += AT_ONCE) {
    const turns = Array.from({ length: Math.min(AT_ONCE, tailCommits(run) - from) }, (_, n) => from + n);
    await Promise.all(turns.map((turn) => commitBehind(store, turn, count)));
  }
  copyStore(directoryOf(run, count), left);
  await store.close();
  return left;
}

/** The sessions have one commit of all their nodes; every course over all of them adds a node to each. */
function commitBehind(store: Store, turn: number, count: number): Promise<unknown> {
  const id = sessionOf((turn * 7919) % count);
  const course = Math.floor(turn / count);
  return store
    .session(id)
    .commitRuntimeState({ ...commitOf(id, NODES + course), expectedHeadRevision: 1 + course });
}

/** Numbers of sessions that the environment asks for. */
function asked(): number[] | undefined {
  const counts = process.env.VARVE_BENCH_SESSIONS?.split(",").map(Number);
  return counts?.every((count) => Number.isSafeInteger(count) && count > 0) === true ? counts : undefined;
}

function directoryOf(run: BenchRun, count: number): string {
  return join(run.directory, `sessions-${count}`);
}

function options(run: BenchRun) {
  return { ...sized(run), snapshot: false, gc: false } as const;
}

async function using(
  run: BenchRun,
  count: number,
  measure: (store: Store) => Promise<Sample>,
): Promise<Sample> {
  const store = await openStore(directoryOf(run, count), options(run));
  try {
    return await measure(store);
  } finally {
    await store.close();
  }
}

async function fill(run: BenchRun, count: number): Promise<void> {
  const store = await openStore(directoryOf(run, count), { ...sized(run), sync: "never", gc: false });
  const nodes = Array.from({ length: NODES }, (_, step) => nodeOf(step, TEXT_CHARS));
  const graph = { kind: "append", nodes, leafNodeId: `m${NODES - 1}` } as const;
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, n) => sessionOf(from + n));
    await Promise.all(
      some.map((id) => {
        const commit = { ...commitOf(id, 0), graph };
        return patiently(() => store.session(id).commitRuntimeState(commit));
      }),
    );
  }
  await store.snapshot();
  await store.close();
}
