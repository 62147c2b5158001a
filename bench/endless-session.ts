/**
 * What does one endless session cost? A session of 1,000 and one of 1,000,000 nodes of 1 KB, one chain, each in a store
 * of its own: the newest 100 nodes of paths from the newest and from an old leaf while it is not in memory, its first commit after opening, then
 * more of them, and a snapshot after a hundred. Beside the same of the short session.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { openStore, type SessionNodeRecord, type Store } from "../src/index.ts";
import type { Bench, BenchRun, Row } from "./support/bench.ts";
import { commitOf, nodeOf, sessionOf } from "./support/commits.ts";
import { Latency } from "./support/latency.ts";
import { type Case, interleave, type Sample } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY, expectEqual } from "./support/subject.ts";

const ID = sessionOf(0);
const NEWEST = 100;
const NODES_PER_COMMIT = 1_000;
const COMMITS_PER_SNAPSHOT = 100;
/** Of the past: about 50 MB of log. */
const COMMITS_PER_FOLD = 50;

export const endlessSession: Bench = {
  name: "endless-session",
  question: "What does one endless session cost?",
  baseline: "the same of a session of 1,000 nodes",
  notMeasured:
    "Branches: the session is one chain, so its newest path lies in its newest pages (loads has an old leaf). Nodes of different texts: these deflate well. Cold disks: files lie in the kernel's cache.",
  async run(run) {
    const lengths = pick(run, [1_000, 1_000_000], [100, 1_000]).map((nodes) => new Endless(run, nodes));
    for (const length of lengths) await length.fill();
    const rows: Row[] = [];
    for (const [subject, measure] of SUBJECTS) {
      run.say(subject);
      const cases = lengths.map(
        (length, index): Case => ({
          subject,
          at: `${length.nodes.toLocaleString("en")} nodes`,
          x: length.nodes,
          durability: DURABILITY.power,
          isBaseline: index === 0,
          measure: () => measure(run, length),
        }),
      );
      rows.push(...(await interleave(run, cases)));
    }
    const verified: string[] = [];
    for (const length of lengths) {
      verified.push(await length.verify());
      rmSync(length.directory, { recursive: true });
    }
    return { rows, verified, absent: [], plots: [] };
  },
};

/** In this order: commits bring the session into memory. */
const SUBJECTS: readonly [string, (run: BenchRun, session: Endless) => Promise<Sample>][] = [
  [
    `newest ${NEWEST} nodes, not in memory`,
    async (run, session) => {
      const latency = new Latency();
      const turns = pick(run, 100, 2);
      const store = await session.store();
      for (let turn = 0; turn < turns; turn++) {
        const started = performance.now();
        const read = await store.session(ID).loadSession({ kind: "activePath", limit: NEWEST });
        latency.record(performance.now() - started);
        expectEqual("nodes", read?.graph.nodes.length, NEWEST);
        expectEqual("leaf", read?.graph.nodes.at(-1)?.nodeId, session.leaf);
      }
      expectEqual("sessions in memory", store.stats().residentSessions, 0);
      return { figures: latency.figures(), latency };
    },
  ],
  [
    `newest ${NEWEST} nodes of a path from an old leaf, not in memory`,
    async (run, session) => {
      const latency = new Latency();
      const store = await session.store();
      const leafNodeId = `m${session.nodes / 2}`;
      for (let turn = 0; turn < pick(run, 20, 2); turn++) {
        const started = performance.now();
        const read = await store.session(ID).loadSession({ kind: "activePath", leafNodeId, limit: NEWEST });
        latency.record(performance.now() - started);
        expectEqual("leaf", read?.graph.nodes.at(-1)?.nodeId, leafNodeId);
      }
      return { figures: latency.figures(), latency };
    },
  ],
  [
    "first commit after opening",
    async (run, session) => {
      const latency = new Latency();
      for (let turn = 0; turn < pick(run, 5, 1); turn++) {
        await session.close();
        await session.store();
        const started = performance.now();
        await session.commit();
        latency.record(performance.now() - started);
      }
      return { figures: latency.figures(), latency };
    },
  ],
  [
    "commit of one node",
    async (run, session) => {
      const latency = new Latency();
      await session.commit();
      const end = performance.now() + pick(run, 1_500, 20);
      for (let before = performance.now(); before < end; ) {
        await session.commit();
        const now = performance.now();
        latency.record(now - before);
        before = now;
      }
      return { figures: latency.figures(), latency };
    },
  ],
  [
    `snapshot after ${COMMITS_PER_SNAPSHOT} commits`,
    async (run, session) => {
      const store = await session.store();
      let millis = 0;
      const snapshots = pick(run, 8, 1);
      for (let snapshot = 0; snapshot < snapshots; snapshot++) {
        for (let n = 0; n < COMMITS_PER_SNAPSHOT; n++) await session.commit();
        const started = performance.now();
        await store.snapshot();
        millis += performance.now() - started;
      }
      return { figures: { millis: millis / snapshots } };
    },
  ],
];

class Endless {
  readonly nodes: number;
  readonly directory: string;
  readonly #run: BenchRun;
  #store: Store | undefined;
  #written = 0;
  #revision = 0;

  constructor(run: BenchRun, nodes: number) {
    this.#run = run;
    this.nodes = nodes;
    this.directory = join(run.directory, `nodes-${nodes}`);
  }

  get leaf(): string {
    return `m${this.#written - 1}`;
  }

  async store(): Promise<Store> {
    this.#store ??= await openStore(this.directory, {
      ...sized(this.#run),
      snapshot: false,
      gc: false,
    });
    return this.#store;
  }

  async close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }

  async fill(): Promise<void> {
    this.#run.say(`writing ${this.nodes} nodes`);
    const options = { ...sized(this.#run), sync: "never", snapshot: false, gc: false } as const;
    const store = await openStore(this.directory, options);
    while (this.#written < this.nodes) {
      await this.#append(store, Math.min(NODES_PER_COMMIT, this.nodes - this.#written));
      // Before the log grows so long that commits are refused.
      if (this.#revision % COMMITS_PER_FOLD === 0) await store.snapshot();
    }
    await store.snapshot();
    await store.close();
  }

  async commit(): Promise<void> {
    await this.#append(await this.store(), 1);
  }

  async #append(store: Store, count: number): Promise<void> {
    const nodes: SessionNodeRecord[] = [];
    for (let n = 0; n < count; n++) nodes.push(nodeOf(this.#written + n));
    const leafNodeId = `m${this.#written + count - 1}`;
    const graph = { kind: "append", nodes, leafNodeId } as const;
    await store.session(ID).commitRuntimeState({ ...commitOf(ID, this.#revision), graph });
    this.#written += count;
    this.#revision += 1;
  }

  async verify(): Promise<string> {
    await this.close();
    const store = await this.store();
    const head = await store.session(ID).loadSessionHeadMeta();
    expectEqual("nodes", head?.graphNodeCount, this.#written);
    expectEqual("leaf", head?.leafNodeId, this.leaf);
    const read = await store.session(ID).loadSession({ kind: "activePath", limit: NEWEST });
    expectEqual("newest nodes", read?.graph.nodes.length, Math.min(NEWEST, this.#written));
    await store.close();
    return `${this.nodes.toLocaleString("en")} nodes: head, count and newest nodes read back after reopening`;
  }
}
