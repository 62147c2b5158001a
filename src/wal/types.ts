/** What the log is given and what it tells: the words of its door. */
import type { Clock } from "../clock.ts";
import type { StoreError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import type { Vfs } from "../vfs/vfs.ts";

/** What an acknowledgement promises: power loss, power loss up to an interval, or a crash of the process. */
export type SyncPolicy = "always" | "interval" | "never";

export interface LogConfig {
  /** In thread mode the threads open the disk themselves; this one then reads, and serves recovery. */
  readonly vfs: Vfs;
  /** The `wal/` directory of the store; cut tails go to `quarantine/` beside it. */
  readonly directory: string;
  /** 16 bytes that every segment of this store carries. */
  readonly storeId: Uint8Array;
  readonly segmentBytes: number;
  readonly sync: SyncPolicy;
  readonly syncIntervalMs: number;
  readonly mode: "thread" | "inline";
  /** Inline: turns in which queued frames are written, time for `interval` and for a full disk. */
  readonly clock?: Clock;
  /** Inline, and for the segments made while opening: salts of new segments. Default random. */
  readonly salt?: () => bigint;
  /** How far the replay of a long log is while it is opened. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Size of the ring; a power of two. */
  readonly ringBytes?: number;
}

export interface LogListener {
  /** Every DATA frame in LSN order, once the sync policy's promise holds. */
  durable(lsn: Lsn, segment: number, offset: number): void;
  batchEnd(lastLsn: Lsn): void;
  /** A sync took long; the longest of those since the last time, see `sync-watch.ts`. */
  slowSync(durationMs: number): void;
  /** At most once; the log is dead. Nothing is `durable` afterwards. */
  failed(error: StoreError): void;
}

export interface LogStats {
  /** Since opening: frames and their bytes made durable, batches, syncs of segment files. */
  readonly frames: number;
  readonly bytes: number;
  readonly batches: number;
  readonly syncs: number;
  /** Segment files there are, spares included, and their bytes. */
  readonly segments: number;
  readonly fileBytes: number;
  readonly activeSegment: number;
}
