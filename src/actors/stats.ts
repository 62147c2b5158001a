/** The figures of a running store, read from its parts; nothing is counted here. */
import type { LastJob, StoreStats } from "../contract.ts";
import type { Collector } from "./collector.ts";
import type { EngineParts } from "./engine.ts";
import type { SessionRegistry } from "./registry.ts";
import type { Snapshotter } from "./snapshotter.ts";

export function collectStats(
  parts: EngineParts & {
    sessions: SessionRegistry;
    snapshotter: Snapshotter;
    collector: Collector;
    isSnapshotRunning: boolean;
    isGcRunning: boolean;
    commits: number;
  },
): StoreStats {
  const { options, life, log, tail, publisher, sessions } = parts;
  const { frames, bytes, batches, syncs, fileBytes } = log.stats();
  const { manifest } = publisher;
  return {
    sync: options.sync,
    mayLose: mayLose(options.sync, options.syncIntervalMs),
    state: life.status === "opening" ? "open" : life.status,
    residentSessions: sessions.size,
    residentBytes: sessions.bytes + tail.memoryBytes,
    log: {
      lastLsn: log.lastLsn,
      durableLsn: log.durableLsn,
      queuedBytes: log.queuedBytes,
      queuedFrames: log.lastLsn - log.durableLsn,
      frames,
      bytes,
      batches,
      syncs,
      unfoldedBytes: tail.bytes,
      fileBytes,
    },
    commits: parts.commits,
    commitsPerSync: syncs === 0 ? 0 : parts.commits / syncs,
    snapshot: {
      manifest: manifest.number,
      headsFiles: manifest.heads.length,
      headsBytes: sumBytes(manifest.heads),
      heads: manifest.heads.reduce((sum, file) => sum + file.count, 0),
      packs: manifest.packs.length,
      packBytes: sumBytes(manifest.packs),
      deadBytes: manifest.deadBytes,
      ...parts.snapshotter.counters,
      isRunning: parts.isSnapshotRunning,
      ...lastOf(parts.snapshotter),
    },
    gc: { ...parts.collector.counters, isRunning: parts.isGcRunning, ...lastOf(parts.collector) },
  };
}

/** A copy: what a caller does to it changes nothing. */
function lastOf<Reason>({ last }: { readonly last: LastJob<Reason> | undefined }): {
  last?: LastJob<Reason>;
} {
  return last === undefined ? {} : { last: { ...last } };
}

function sumBytes(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}

function mayLose(sync: StoreStats["sync"], syncIntervalMs: number): string {
  if (sync === "always") return "nothing";
  if (sync === "interval") return `commits of the last ${syncIntervalMs} ms`;
  return "commits since the last roll, snapshot or close";
}
