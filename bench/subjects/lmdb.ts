/**
 * lmdb-js as its documentation says for conditional writes and durability: versions with `ifVersion`, writes
 * batched by the library, and the commit's own `flushed` promise awaited, which is the moment it is on disk.
 */
import { commitOf, sessionOf } from "../support/commits.ts";
import { loadPeer } from "../support/peers.ts";
import { DURABILITY, expectEqual, type OpenSubject, sampleOf } from "../support/subject.ts";

interface Written extends Promise<boolean> {
  readonly flushed?: Promise<unknown>;
}
interface Database {
  get(key: unknown): unknown;
  put(key: unknown, value: unknown, version?: number): Written;
  ifVersion(key: unknown, version: number, work: () => void): Written;
  ifNoExists(key: unknown, work: () => void): Written;
  getCount(range: object): number;
  readonly flushed: Promise<unknown>;
  close(): Promise<void>;
}
export interface Lmdb {
  open(options: object): Database & { openDB(options: object): Database };
}

export const loadLmdb = () => loadPeer<Lmdb>("lmdb", ["open"]);

export function lmdb({ open }: Lmdb): OpenSubject {
  return (directory) => {
    const options = { path: `${directory}/store`, noSubdir: false, separateFlushed: true };
    const root = open(options);
    const heads = root.openDB({ name: "heads", useVersions: true });
    const nodes = root.openDB({ name: "nodes" });
    return {
      name: "lmdb, flushed",
      durability: DURABILITY.power,
      commit: async (committer, step) => {
        const { sessionId, config, checkpoint, graph } = commitOf(sessionOf(committer), step);
        if (graph.kind !== "append") return;
        const write = (): void => {
          void heads.put(sessionId, { leaf: graph.leafNodeId, config, checkpoint }, step + 1);
          for (const node of graph.nodes) void nodes.put([sessionId, step], node);
        };
        const written =
          step === 0 ? heads.ifNoExists(sessionId, write) : heads.ifVersion(sessionId, step, write);
        expectEqual("lmdb's compare-and-set", await written, true);
        await (written.flushed ?? root.flushed);
      },
      close: () => root.close(),
      verify: async (steps) => {
        const again = open(options);
        const counted = again.openDB({ name: "nodes" });
        for (const committer of sampleOf(steps)) {
          const session = sessionOf(committer);
          const range = { start: [session, 0], end: [session, Number.MAX_SAFE_INTEGER] };
          expectEqual(`lmdb's ${session}`, counted.getCount(range), steps[committer]);
        }
        await again.close();
      },
    };
  };
}
