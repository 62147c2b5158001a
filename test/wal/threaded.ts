/** A log on its own threads and the real disk, with what its listener heard. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Worker } from "node:worker_threads";
import type { StoreError } from "../../src/errors.ts";
import { createDiskVfs } from "../../src/vfs/disk.ts";
import { type Log, type LogConfig, type LogStart, openLog } from "../../src/wal/log.ts";
import { STORE_ID } from "./fixture.ts";

export interface Opened {
  readonly log: Log;
  readonly config: LogConfig;
  readonly start: LogStart;
  readonly durable: Map<number, { segment: number; offset: number }>;
  readonly failures: StoreError[];
  readonly found: number[];
  /** Resolves when that LSN is durable. */
  until(lsn: number): Promise<void>;
}

export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "varve-log-"));
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  return directory;
}

/** The threads that are started from now on, and how many of them have ended. */
export function watchThreads(t: TestContext): { readonly started: Worker[]; ended: number } {
  const threads = { started: [] as Worker[], ended: 0 };
  const onWorker = (worker: Worker): void => {
    threads.started.push(worker);
    worker.once("exit", () => {
      threads.ended += 1;
    });
  };
  process.on("worker", onWorker);
  t.after(() => void process.off("worker", onWorker));
  return threads;
}

export function configOf(directory: string, options: Partial<LogConfig> = {}): LogConfig {
  return {
    vfs: createDiskVfs(),
    directory: `${directory}/wal`,
    storeId: STORE_ID,
    segmentBytes: 65536,
    sync: "always",
    syncIntervalMs: 20,
    mode: "thread",
    ...options,
  };
}

export async function open(t: TestContext, config: LogConfig, start: LogStart): Promise<Opened> {
  const durable = new Map<number, { segment: number; offset: number }>();
  const failures: StoreError[] = [];
  const found: number[] = [];
  const waiting: { lsn: number; resolve: () => void }[] = [];
  const { log } = await openLog(config, start, (lsn) => void found.push(lsn), {
    durable: (lsn, segment, offset) => void durable.set(lsn, { segment, offset }),
    batchEnd: (last) => {
      while (waiting[0] !== undefined && waiting[0].lsn <= last) waiting.shift()?.resolve();
    },
    slowSync: () => {},
    failed: (error) => {
      failures.push(error);
      for (const { resolve } of waiting.splice(0)) resolve();
    },
  });
  t.after(() => log.close());
  const until = (lsn: number): Promise<void> =>
    log.durableLsn >= lsn ? Promise.resolve() : new Promise((resolve) => waiting.push({ lsn, resolve }));
  return { log, config, start, durable, failures, found, until };
}

/** Waits until it is so; a test that waits in vain ends by its timeout. */
export async function eventually(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}
