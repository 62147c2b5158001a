/** A session of many pages, with many records behind them. */
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { KIB } from "../../src/limits.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, commit, noise, pluginNode } from "../support/builders.ts";

export const OPTIONS: StoreOptions = { segmentBytes: 1024 * KIB, snapshot: false, gc: false };
export const NODE_BYTES = 32 * KIB;
/** In pages. */
export const STORED = 80;
/** Behind them in the log. */
export const IN_LOG = 40;

export const idsUpTo = (count: number): string[] => Array.from({ length: count }, (_, n) => `n${n}`);

export async function add(store: Store, n: number): Promise<unknown> {
  const node = pluginNode(`n${n}`, n === 0 ? undefined : `n${n - 1}`, noise(NODE_BYTES, n + 1));
  return store
    .session("root")
    .commitRuntimeState(commit({ expectedHeadRevision: n, graph: append([node], `n${n}`) }));
}

export async function longSession(): Promise<MemoryVfs> {
  const vfs = new MemoryVfs();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  for (let n = 0; n < STORED; n++) await add(store, n);
  await store.snapshot();
  for (let n = STORED; n < STORED + IN_LOG; n++) await add(store, n);
  await store.close();
  return vfs;
}

export async function idsOf(store: Store): Promise<string[] | undefined> {
  return (await store.session("root").loadSession())?.graph.nodes.map(({ nodeId }) => nodeId);
}
