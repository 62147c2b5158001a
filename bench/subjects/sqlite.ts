/**
 * better-sqlite3 as its documentation says: WAL, prepared statements, one transaction per commit with the same
 * compare-and-set. `FULL` syncs the WAL at every commit; `NORMAL` only at checkpoints, so a power loss takes
 * the latest commits. Calls are synchronous: committers wait for each other and there is no group commit.
 */
import { join } from "node:path";
import { commitOf, sessionOf } from "../support/commits.ts";
import { loadPeer } from "../support/peers.ts";
import { DURABILITY, expectEqual, type OpenSubject, sampleOf } from "../support/subject.ts";

interface Statement {
  run(...values: unknown[]): { changes: number };
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
}
export interface Database {
  pragma(text: string): unknown;
  exec(text: string): void;
  prepare(text: string): Statement;
  transaction<Arguments extends unknown[]>(
    work: (...values: Arguments) => void,
  ): { immediate(...values: Arguments): void };
  close(): void;
}
export interface Sqlite {
  default: new (path: string) => Database;
}

export const loadSqlite = () => loadPeer<Sqlite>("better-sqlite3", ["default"]);

const SCHEMA = `
CREATE TABLE heads (session TEXT PRIMARY KEY, revision INTEGER NOT NULL, leaf TEXT, config TEXT, checkpoint TEXT) WITHOUT ROWID;
CREATE TABLE nodes (id INTEGER PRIMARY KEY, session TEXT NOT NULL, node TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX nodes_of_session ON nodes (session, node);
`;

export function sqlite({ default: Sqlite }: Sqlite, synchronous: "FULL" | "NORMAL"): OpenSubject {
  return (directory) => {
    const path = join(directory, "store.db");
    const db = new Sqlite(path);
    db.pragma("journal_mode = WAL");
    db.pragma(`synchronous = ${synchronous}`);
    db.exec(SCHEMA);
    const create = db.prepare("INSERT INTO heads VALUES (?, 1, ?, ?, ?)");
    const move = db.prepare(
      "UPDATE heads SET revision = revision + 1, leaf = ?, config = ?, checkpoint = ? WHERE session = ? AND revision = ?",
    );
    const insert = db.prepare("INSERT INTO nodes (session, node, body) VALUES (?, ?, ?)");
    const commit = db.transaction((committer: number, step: number) => {
      const { sessionId, config, checkpoint, graph } = commitOf(sessionOf(committer), step);
      if (graph.kind !== "append") return;
      const head = [graph.leafNodeId, JSON.stringify(config), JSON.stringify(checkpoint)];
      const moved = step === 0 ? create.run(sessionId, ...head) : move.run(...head, sessionId, step);
      expectEqual("rows of the compare-and-set", moved.changes, 1);
      for (const node of graph.nodes) insert.run(sessionId, node.nodeId, JSON.stringify(node));
    });
    return {
      name: `SQLite ${synchronous}`,
      durability: synchronous === "FULL" ? DURABILITY.power : DURABILITY.kernel,
      commit: (committer, step) => commit.immediate(committer, step),
      // What NORMAL left unsynced must not slow the next subject.
      settle: () => void db.pragma("wal_checkpoint(PASSIVE)"),
      close: () => db.close(),
      verify: (steps) => {
        const again = new Sqlite(path);
        const head = again.prepare(
          "SELECT revision AS found FROM heads WHERE session = ? UNION ALL SELECT count(*) FROM nodes WHERE session = ?",
        );
        for (const committer of sampleOf(steps)) {
          const session = sessionOf(committer);
          for (const row of head.all(session, session)) {
            expectEqual(`SQLite's ${session}`, (row as { found: number }).found, steps[committer]);
          }
        }
        again.close();
      },
    };
  };
}
