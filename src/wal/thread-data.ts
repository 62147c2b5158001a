/** What the log's two threads are started with, and how: a `.ts` entry needs a bootstrap, `.js` none. */
import { fileURLToPath } from "node:url";
import { type MessagePort, Worker } from "node:worker_threads";
import type { SupplyState } from "./supply.ts";
import type { SyncPolicy } from "./types.ts";

export interface CommonData {
  readonly directory: string;
  readonly storeId: Uint8Array;
  readonly segmentBytes: number;
  readonly words: Int32Array<SharedArrayBuffer>;
}

export interface LogThreadData extends CommonData {
  readonly ring: SharedArrayBuffer;
  readonly answerRing: SharedArrayBuffer;
  /** Where answers are posted that the ring cannot carry, and wake-ups for those it does. */
  readonly answers: MessagePort;
  readonly sync: SyncPolicy;
  readonly syncIntervalMs: number;
}

export interface SupplyThreadData extends CommonData, SupplyState {}

// A bare `new Worker("x.ts")` does not pass through tsx on Node 20, and `--import tsx` does not reach an
// evaluated worker: it registers tsx itself, if there is one (a newer Node can do without).
const BOOTSTRAP = `
  const { entry } = require("node:worker_threads").workerData;
  const load = require("node:module").createRequire(entry);
  try { load("tsx/cjs/api").register(); } catch {}
  load(entry);
`;

// Flags of the program (`--input-type`, loaders, inspectors) are not for these threads.
const NO_FLAGS: string[] = [];

export function startThread(name: "log-thread", data: LogThreadData): Worker;
export function startThread(name: "supply-thread", data: SupplyThreadData): Worker;
export function startThread(name: string, data: LogThreadData | SupplyThreadData): Worker {
  const common = {
    name: `varve ${name}`,
    execArgv: NO_FLAGS,
    transferList: "answers" in data ? [data.answers] : [],
  };
  if (!import.meta.url.endsWith(".ts")) {
    return new Worker(new URL(`./${name}.js`, import.meta.url), { ...common, workerData: data });
  }
  const entry = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  return new Worker(BOOTSTRAP, { ...common, eval: true, workerData: { ...data, entry } });
}
