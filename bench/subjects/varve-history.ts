/**
 * The store with a past: the measured sessions already hold so many nodes, or the store so many other sessions,
 * all written beforehand and untimed.
 */
import { openStore, type SessionNodeRecord, type Store } from "../../src/index.ts";
import type { BenchRun } from "../support/bench.ts";
import { commitOf, nodeOf, sessionOf } from "../support/commits.ts";
import { sized } from "../support/sizes.ts";
import { DURABILITY, expectEqual, type OpenSubject } from "../support/subject.ts";

/** Nodes in one commit of the past: about 1 MB. */
const NODES_PER_COMMIT = 1000;
const COMMITS_AT_ONCE = 1024;

export interface Past {
  /** Nodes of each measured session. */
  readonly nodes: number;
  /** Measured sessions, which take commits in turn; one when absent. */
  readonly inTurn?: number;
  /** Others in the store. */
  readonly otherSessions?: number;
  readonly maxResidentBytes?: number;
}

export function varveWithHistory(run: BenchRun, past: Past): OpenSubject {
  return async (directory) => {
    const { nodes, inTurn = 1, otherSessions = 0, maxResidentBytes } = past;
    const memory = maxResidentBytes === undefined ? {} : { maxResidentBytes };
    const store = await openStore(directory, { ...sized(run), ...memory, snapshot: false, gc: false });
    const ids = Array.from({ length: inTurn }, (_, index) => sessionOf(index));
    for (const id of ids) await fill(store, id, nodes);
    const base = Math.ceil(nodes / NODES_PER_COMMIT);
    await fillOthers(store, otherSessions);
    return {
      name: "varve",
      durability: DURABILITY.power,
      commit: (_, step) => {
        const id = ids[step % inTurn] as string;
        const turn = Math.floor(step / inTurn);
        return store.session(id).commitRuntimeState({
          ...commitOf(id, nodes + turn),
          expectedHeadRevision: base + turn,
        });
      },
      syncs: () => store.stats().log.syncs,
      close: () => store.close(),
      verify: async ([steps = 0]) => {
        const again = await openStore(directory, { ...sized(run), snapshot: false, gc: false });
        for (const [index, id] of ids.entries()) {
          const commits = Math.ceil((steps - index) / inTurn);
          const read = await again.session(id).loadSession();
          expectEqual("revision", read?.headRevision, base + commits);
          expectEqual("nodes", read?.graph.nodes.length, nodes + commits);
        }
        await again.close();
      },
    };
  };
}

async function fill(store: Store, id: string, count: number): Promise<void> {
  for (let at = 0; at < count; at += NODES_PER_COMMIT) {
    const nodes: SessionNodeRecord[] = [];
    for (let node = at; node < Math.min(count, at + NODES_PER_COMMIT); node += 1) nodes.push(nodeOf(node));
    const graph = { kind: "append", nodes, leafNodeId: nodes.at(-1)?.nodeId ?? "" } as const;
    await store.session(id).commitRuntimeState({ ...commitOf(id, at / NODES_PER_COMMIT), graph });
  }
}

async function fillOthers(store: Store, count: number): Promise<void> {
  for (let at = 0; at < count; at += COMMITS_AT_ONCE) {
    const ids = Array.from(
      { length: Math.min(COMMITS_AT_ONCE, count - at) },
      (_, index) => `other-${at + index}`,
    );
    await Promise.all(ids.map((id) => store.session(id).commitRuntimeState(commitOf(id, 0))));
  }
}
