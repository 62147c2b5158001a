/**
 * classic-level with `sync: true`: one batch per commit, LevelDB joins batches that wait for the same sync. It
 * has no compare-and-set; the host's own map of revisions stands in for one.
 */
import { commitOf, sessionOf } from "../support/commits.ts";
import { loadPeer } from "../support/peers.ts";
import { DURABILITY, expectEqual, type OpenSubject, sampleOf } from "../support/subject.ts";

interface Database {
  open(): Promise<void>;
  batch(operations: object[], options: object): Promise<void>;
  keys(range: object): AsyncIterable<string>;
  close(): Promise<void>;
}
export interface Level {
  ClassicLevel: new (path: string, options: object) => Database;
}

export const loadLevel = () => loadPeer<Level>("classic-level", ["ClassicLevel"]);

export function level({ ClassicLevel }: Level): OpenSubject {
  return async (directory) => {
    const path = `${directory}/store`;
    const db = new ClassicLevel(path, { valueEncoding: "json" });
    await db.open();
    const revisions = new Map<string, number>();
    return {
      name: "LevelDB, sync",
      durability: DURABILITY.power,
      commit: async (committer, step) => {
        const { sessionId, config, checkpoint, graph } = commitOf(sessionOf(committer), step);
        if (graph.kind !== "append") return;
        expectEqual("revision", revisions.get(sessionId) ?? 0, step);
        revisions.set(sessionId, step + 1);
        const head = { revision: step + 1, leaf: graph.leafNodeId, config, checkpoint };
        const [node] = graph.nodes;
        await db.batch(
          [
            { type: "put", key: `head!${sessionId}`, value: head },
            { type: "put", key: `node!${sessionId}!${String(step).padStart(9, "0")}`, value: node },
          ],
          { sync: true },
        );
      },
      close: () => db.close(),
      verify: async (steps) => {
        const again = new ClassicLevel(path, { valueEncoding: "json" });
        await again.open();
        for (const committer of sampleOf(steps)) {
          const session = sessionOf(committer);
          let count = 0;
          for await (const key of again.keys({ gt: `node!${session}!`, lt: `node!${session}"` })) {
            if (key !== "") count += 1;
          }
          expectEqual(`LevelDB's ${session}`, count, steps[committer]);
        }
        await again.close();
      },
    };
  };
}
