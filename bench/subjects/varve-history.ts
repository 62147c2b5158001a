/**
 * The store with a past: the measured session already holds so many nodes, or the store so many other sessions,
 * all written beforehand and untimed.
 */
import { openStore, type SessionNodeRecord } from "../../src/index.ts";
import type { BenchRun } from "../support/bench.ts";
import { commitOf, nodeOf, sessionOf } from "../support/commits.ts";
import { sized } from "../support/sizes.ts";
import { DURABILITY, expectEqual, type OpenSubject } from "../support/subject.ts";

/** Nodes in one commit of the past: about 1 MB. */
const NODES_PER_COMMIT = 1000;
const COMMITS_AT_ONCE = 1024;

export function varveWithHistory(
  run: BenchRun,
  past: { nodes: number; otherSessions?: number },
): OpenSubject {
  return async (directory) => {
    const store = await openStore(directory, { ...sized(run), snapshot: false, gc: false });
    const sessionId = sessionOf(0);
    const session = store.session(sessionId);
    let revision = 0;
    for (let at = 0; at < past.nodes; at += NODES_PER_COMMIT) {
      const nodes: SessionNodeRecord[] = [];
      for (let node = at; node < Math.min(past.nodes, at + NODES_PER_COMMIT); node += 1)
        nodes.push(nodeOf(node));
      const graph = { kind: "append", nodes, leafNodeId: nodes.at(-1)?.nodeId ?? "" } as const;
      await session.commitRuntimeState({ ...commitOf(sessionId, revision), graph });
      revision += 1;
    }
    for (let at = 0; at < (past.otherSessions ?? 0); at += COMMITS_AT_ONCE) {
      const ids = Array.from(
        { length: Math.min(COMMITS_AT_ONCE, (past.otherSessions ?? 0) - at) },
        (_, index) => at + index,
      );
      await Promise.all(
        ids.map((id) => store.session(`other-${id}`).commitRuntimeState(commitOf(`other-${id}`, 0))),
      );
    }
    const base = revision;
    return {
      name: "varve",
      durability: DURABILITY.power,
      commit: (_, step) => {
        const commit = commitOf(sessionId, past.nodes + step);
        return session.commitRuntimeState({ ...commit, expectedHeadRevision: base + step });
      },
      syncs: () => store.stats().log.syncs,
      close: () => store.close(),
      verify: async ([steps = 0]) => {
        const again = await openStore(directory, { ...sized(run), snapshot: false, gc: false });
        const read = await again.session(sessionId).loadSession();
        expectEqual("revision", read?.headRevision, base + steps);
        expectEqual("nodes", read?.graph.nodes.length, past.nodes + steps);
        await again.close();
      },
    };
  };
}
