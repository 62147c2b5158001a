/**
 * How fast are loads? A session of 100 to 100,000 nodes of 1 KB of which a tenth is the active path: the full
 * graph, the active path and its newest 100 nodes, and the head alone, from a session in memory; and the full graph,
 * and the newest 100 nodes, first thing after opening. The path is the oldest tenth of the nodes: the worst case for a
 * look at the newest pages (`endless-session` has the best). Beside reading and parsing a JSONL file that holds the same
 * nodes, and selecting them from SQLite, as JSON and as the very msgpack of the store.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeValue, encodeValue } from "../src/codec.ts";
import { openStore, type SessionNodeRecord, type Store } from "../src/index.ts";
import { type Database, loadSqlite, type Sqlite } from "./subjects/sqlite.ts";
import type { Bench, BenchRun, Row } from "./support/bench.ts";
import { commitOf, nodeOf, sessionOf } from "./support/commits.ts";
import { type Case, interleave } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY, expectEqual } from "./support/subject.ts";

const ID = sessionOf(0);
/** Nodes a host shows first. */
const NEWEST = 100;

export const loads: Bench = {
  name: "loads",
  question: "How fast are loads, full and active path?",
  baseline: "reading and parsing a JSONL file of the same nodes",
  notMeasured:
    "Cold disks: files lie in the kernel's cache. Single nodes, listings. The event loop stands still while a load decodes, so these are stalls as well.",
  async run(run) {
    const sqlite = await loadSqlite();
    const rows: Row[] = [];
    const verified: string[] = [];
    for (const count of pick(run, [100, 1_000, 5_000, 10_000, 100_000], [100, 1_000])) {
      run.say(`${count} nodes`);
      rows.push(...(await measureLoads(run, count, "absent" in sqlite ? undefined : sqlite.module)));
      verified.push(`${count.toLocaleString("en")} nodes: every load was counted and its leaf compared`);
    }
    return {
      rows,
      verified,
      absent: "absent" in sqlite ? [sqlite.absent] : [],
      plots: [
        {
          kind: "lines",
          title: "Time of a load over the nodes of the session",
          metric: "millis",
          xLabel: "nodes in the session",
          xScale: "log",
          yScale: "log",
        },
      ],
    };
  },
};

/** The first tenth is a chain, the active path; the rest hangs off it in branches of one. */
function forest(count: number): SessionNodeRecord[] {
  const path = Math.max(1, Math.floor(count / 10));
  return Array.from({ length: count }, (_, index) => {
    const node = nodeOf(index);
    return index < path ? node : { ...node, parentNodeId: `m${index % path}` };
  });
}

async function measureLoads(run: BenchRun, count: number, sqlite: Sqlite | undefined): Promise<Row[]> {
  const directory = join(run.directory, `nodes-${count}`);
  const nodes = forest(count);
  const path = Math.max(1, Math.floor(count / 10));
  const leafNodeId = `m${path - 1}`;
  let store = await openStore(directory, { ...sized(run), snapshot: false, gc: false });
  await fill(store, nodes, { path, perCommit: pick(run, 1000, 50) });
  await store.snapshot();
  const jsonl = join(run.directory, `nodes-${count}.jsonl`);
  writeFileSync(jsonl, nodes.map((node) => `${JSON.stringify(node)}\n`).join(""));
  const db =
    sqlite === undefined ? undefined : fillSqlite(sqlite, join(run.directory, `nodes-${count}.db`), nodes);
  const select = db?.prepare("SELECT body FROM nodes ORDER BY id");
  const selectPacked = db?.prepare("SELECT node, parent, body FROM packed ORDER BY id");

  /** Repeats short loads, so that a sample is at least some milliseconds. */
  const repeats = pick(run, Math.max(1, Math.round(2_000 / count)), 1);
  const timed = async (expected: number, load: () => Promise<number> | number) => {
    const started = performance.now();
    for (let turn = 0; turn < repeats; turn += 1) expectEqual("nodes loaded", await load(), expected);
    return { figures: { millis: (performance.now() - started) / repeats } };
  };
  /** What takes a fraction of a millisecond, whatever the session's length. */
  const timedOften = async (expected: number, load: () => Promise<number>) => {
    const times = pick(run, 200, 2);
    const started = performance.now();
    for (let turn = 0; turn < times; turn += 1) expectEqual("nodes loaded", await load(), expected);
    return { figures: { millis: (performance.now() - started) / times } };
  };
  const newest = Math.min(NEWEST, path);
  const loadNewest = async (): Promise<number> => {
    const read = await store.session(ID).loadSession({ kind: "activePath", limit: NEWEST });
    expectEqual("leaf", read?.graph.nodes.at(-1)?.nodeId, leafNodeId);
    return read?.graph.nodes.length ?? 0;
  };
  const loadFull = async (): Promise<number> => {
    const read = await store.session(ID).loadSession();
    expectEqual("leaf", read?.graph.leafNodeId, leafNodeId);
    return read?.graph.nodes.length ?? 0;
  };
  const afterOpening = async (expected: number, load: () => Promise<number>) => {
    await store.close();
    store = await openStore(directory, { ...sized(run), snapshot: false, gc: false });
    const started = performance.now();
    expectEqual("nodes loaded", await load(), expected);
    return { figures: { millis: performance.now() - started } };
  };
  const point = { at: `${count.toLocaleString("en")} nodes`, x: count, durability: DURABILITY.power };
  const cases: Case[] = [
    {
      ...point,
      subject: "JSONL, read and parse",
      durability: DURABILITY.none,
      isBaseline: true,
      measure: () =>
        timed(count, () => {
          const lines = readFileSync(jsonl, "utf8").split("\n");
          lines.pop();
          return lines.map((line): unknown => JSON.parse(line)).length;
        }),
    },
    { ...point, subject: "varve, full graph", measure: () => timed(count, loadFull) },
    {
      ...point,
      subject: "varve, active path (a tenth)",
      measure: () =>
        timed(path, async () => {
          const read = await store.session(ID).loadSession({ kind: "activePath" });
          return read?.graph.nodes.length ?? 0;
        }),
    },
    {
      ...point,
      subject: "varve, full graph after opening",
      measure: () => afterOpening(count, loadFull),
    },
    {
      ...point,
      subject: `varve, newest ${NEWEST} of the path`,
      measure: () => timedOften(newest, loadNewest),
    },
    {
      ...point,
      subject: `varve, newest ${NEWEST} after opening`,
      measure: () => afterOpening(newest, loadNewest),
    },
    {
      ...point,
      subject: "varve, head meta",
      measure: () =>
        timedOften(count, async () => (await store.session(ID).loadSessionHeadMeta())?.graphNodeCount ?? 0),
    },
  ];
  if (select !== undefined) {
    cases.push({
      ...point,
      subject: "SQLite, select and parse",
      measure: () =>
        timed(count, () => {
          const bodies = select.all() as { body: string }[];
          return bodies.map(({ body }): unknown => JSON.parse(body)).length;
        }),
    });
  }
  if (selectPacked !== undefined) {
    cases.push({
      ...point,
      subject: "SQLite, select and decode msgpack",
      measure: () =>
        timed(count, () => {
          const rows = selectPacked.all() as { node: string; parent: string | null; body: Uint8Array }[];
          return rows.map(({ node, parent, body }) => {
            const ids = parent === null ? { nodeId: node } : { nodeId: node, parentNodeId: parent };
            return Object.assign(ids, decodeValue(body));
          }).length;
        }),
    });
  }
  const rows = await interleave(run, cases);
  await store.close();
  db?.close();
  return rows;
}

/** The leaf is the end of the path as far as it is written. */
async function fill(
  store: Store,
  nodes: readonly SessionNodeRecord[],
  { path, perCommit }: { path: number; perCommit: number },
): Promise<void> {
  for (let at = 0; at < nodes.length; at += perCommit) {
    const some = nodes.slice(at, at + perCommit);
    const leafNodeId = `m${Math.min(path, at + some.length) - 1}`;
    const graph = { kind: "append", nodes: some, leafNodeId } as const;
    await store.session(ID).commitRuntimeState({ ...commitOf(ID, at / perCommit), graph });
  }
}

function fillSqlite(
  { default: Sqlite }: Sqlite,
  path: string,
  nodes: readonly SessionNodeRecord[],
): Database {
  const db = new Sqlite(path);
  db.pragma("journal_mode = WAL");
  db.exec("CREATE TABLE nodes (id INTEGER PRIMARY KEY, body TEXT NOT NULL)");
  const insert = db.prepare("INSERT INTO nodes (body) VALUES (?)");
  db.exec(
    "CREATE TABLE packed (id INTEGER PRIMARY KEY, node TEXT NOT NULL, parent TEXT, body BLOB NOT NULL)",
  );
  const insertPacked = db.prepare("INSERT INTO packed (node, parent, body) VALUES (?, ?, ?)");
  db.transaction(() => {
    for (const node of nodes) {
      insert.run(JSON.stringify(node));
      const { nodeId, parentNodeId, ...rest } = node;
      insertPacked.run(nodeId, parentNodeId ?? null, encodeValue(rest));
    }
  }).immediate();
  return db;
}
