/**
 * An open store's parts and how they are joined: log writer, sessions, snapshots, collection. It decides
 * nothing about sessions and writes no byte itself.
 *
 * 1. A write is admitted (open, not poisoned, room in queue and on disk) before it is planned, so a refusal
 *    for want of room leaves no trace.
 * 2. `drain` runs in one order: sessions answered, jobs ended, log sealed, threads gone, lock freed last.
 */
import type { GcReason, RecoveryReport, SnapshotReason, StoreStats, VerifyReport } from "../contract.ts";
import { type StoreError, storeError, toStoreError } from "../errors.ts";
import { CLOSE_FOLD_BYTES, DEFAULT_SNAPSHOT_LOG_BYTES, LOG_BACKLOG_FACTOR } from "../limits.ts";
import type { GcReport } from "../session/types.ts";
import type { Log } from "../wal/log.ts";
import { bringBack } from "./bring-back.ts";
import { Collector } from "./collector.ts";
import type { Ownership } from "./directory.ts";
import type { StoreLife } from "./lifecycle.ts";
import { type LogWriterRef, poisonedError, type WriteQueue } from "./log-writer.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Publisher } from "./publisher.ts";
import { SessionRegistry } from "./registry.ts";
import { SerialJob } from "./serial-job.ts";
import { Snapshotter } from "./snapshotter.ts";
import type { Source } from "./source.ts";
import { collectStats } from "./stats.ts";
import type { Tail } from "./tail.ts";

export interface EngineParts {
  readonly options: ResolvedOptions;
  readonly ownership: Ownership;
  readonly life: StoreLife;
  readonly log: Log;
  readonly writer: LogWriterRef;
  /** What the writer tells of; sessions append to it. */
  readonly queue: WriteQueue;
  readonly tail: Tail;
  readonly source: Source;
  readonly publisher: Publisher;
  readonly recovery: RecoveryReport;
}

export class Engine {
  readonly options: ResolvedOptions;
  readonly source: Source;
  readonly recovery: RecoveryReport;
  readonly sessions: SessionRegistry;
  readonly #parts: EngineParts;
  readonly #snapshotter: Snapshotter;
  readonly #collector: Collector;
  readonly #snapshots: SerialJob<SnapshotReason, void>;
  readonly #collections: SerialJob<GcReason, GcReport>;
  #commits = 0;
  #intervalTimer: unknown;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.options = parts.options;
    this.source = parts.source;
    this.recovery = parts.recovery;
    this.sessions = this.#createRegistry();
    const { onEvent } = this.options;
    this.#snapshotter = new Snapshotter({ ...parts, checkOwnership: () => parts.ownership.check() }, () =>
      this.#collectIfDirty(),
    );
    this.#collector = new Collector(parts, this.#snapshotter);
    this.#snapshots = new SerialJob(
      (reason, signal) => this.#snapshotter.run(reason, signal),
      (error) =>
        onEvent(
          isAborted(error) ? { type: "cancelled", job: "snapshot" } : { type: "snapshotFailed", error },
        ),
    );
    this.#collections = new SerialJob(
      (reason, signal) => this.#collector.run(reason, signal),
      (error) => onEvent(isAborted(error) ? { type: "cancelled", job: "gc" } : { type: "gcFailed", error }),
    );
  }

  /** Call once the store is open: an opening that fails must leave nothing that goes on. */
  start(): void {
    this.#armInterval();
    if (this.options.snapshot !== undefined && this.#snapshotter.hasManySegments)
      this.#snapshots.request("logBytes");
  }

  #createRegistry(): SessionRegistry {
    const { writer, queue, source, options } = this.#parts;
    return new SessionRegistry({
      maxResidentBytes: options.maxResidentBytes,
      progress: queue,
      clock: options.clock,
      onPassivated: (sessions, bytes) => options.onEvent({ type: "passivated", sessions, bytes }),
      onShed: (sessions, bytes) => options.onEvent({ type: "shed", sessions, bytes }),
      services: {
        load: (sessionId, nodes) => source.loadInSteps(sessionId, nodes),
        loadAtOnce: (sessionId) => source.loadAtOnce(sessionId),
        bringBack: (sessionId, nodes) => bringBack(source, sessionId, nodes),
        blobKind: (ref) => source.blobKind(ref),
        damageHiding: (ref, sessionId) => source.damageHiding(ref, sessionId),
        pin: (refs) => this.#collector.pin(refs),
        append: (write, record, blobs) => queue.append(write, record, blobs),
        after: (settle) => writer.send({ type: "after", settle }),
        poison: (error) => writer.send({ type: "log.failed", error }),
        committed: () => {
          this.#commits++;
        },
        planOptions: {
          graphPolicy: options.graphPolicy,
          maxCommitBytes: options.maxCommitBytes,
          isStoredLive: (sessionId, leafNodeId) => {
            const found = source.newestOfPath(sessionId, { leafNodeId, limit: 1 });
            return found && found.read.graph.nodes.length > 0;
          },
        },
      },
    });
  }

  /** Throws unless the store may be read. */
  checkReadable(): void {
    const { status } = this.#parts.life;
    if (status !== "open" && status !== "poisoned") throw closedError();
  }

  /** Throws unless the store accepts writes. */
  checkOpen(): void {
    const { life } = this.#parts;
    if (life.status === "open") return;
    if (life.status === "poisoned" && life.error !== undefined) throw poisonedError(life.error);
    throw closedError();
  }

  /** Throws STORE_BUSY while snapshots are too far behind: asked before a commit is encoded for nothing. */
  checkBacklog(): void {
    const logBytes = this.options.snapshot?.logBytes;
    if (logBytes !== undefined) this.#admitBacklog(logBytes, this.#parts.log.queuedBytes);
  }

  /** Throws STORE_BUSY or STORE_FULL when a write of about this size cannot be taken now. */
  admit(bytes: number): void {
    const { log, options } = this.#parts;
    const queued = log.queuedBytes + this.sessions.waitingBytes;
    if (queued > 0 && queued + bytes > options.maxQueuedBytes) throw busyError(queued, "the queue is full");
    const logBytes = options.snapshot?.logBytes;
    this.#parts.publisher.pace.follow(this.#parts.tail.bytes, logBytes ?? DEFAULT_SNAPSHOT_LOG_BYTES);
    if (logBytes !== undefined) this.#admitBacklog(logBytes, queued);
    if (!log.hasRoom(bytes + this.sessions.waitingBytes)) {
      options.onEvent({ type: "full", neededBytes: bytes });
      throw storeError(
        "STORE_FULL",
        { neededBytes: bytes },
        `the disk has no room for ${bytes} more bytes of log; free some and send it again`,
      );
    }
  }

  /**
   * Commits wait for a snapshot that is merely slower than they are. For one that keeps failing they do not:
   * it might never come, and the log has room until the disk is full.
   */
  #admitBacklog(logBytes: number, queued: number): void {
    const unfolded = this.#parts.tail.bytes;
    const { retryAt } = this.#snapshotter;
    if (unfolded < Math.max(logBytes, retryAt)) return;
    if (this.#snapshots.isRunning) this.#snapshotter.sealPiece(logBytes);
    else this.#snapshots.request("logBytes");
    if (unfolded < logBytes * LOG_BACKLOG_FACTOR || retryAt > 0 || !this.#snapshots.isRunning) return;
    throw busyError(queued, "snapshots have fallen behind the log");
  }

  snapshot(signal: AbortSignal | undefined): Promise<void> {
    return this.#whenOpen(() => this.#snapshots.ask("call", signal));
  }

  gc(signal: AbortSignal | undefined): Promise<GcReport> {
    return this.#whenOpen(() => this.#collections.ask("call", signal));
  }

  async #whenOpen<Value>(start: () => Promise<Value>): Promise<Value> {
    this.checkOpen();
    return await start();
  }

  async verify(): Promise<VerifyReport> {
    this.checkReadable();
    return await this.#parts.publisher.verify();
  }

  stats(): StoreStats {
    return collectStats({
      ...this.#parts,
      sessions: this.sessions,
      snapshotter: this.#snapshotter,
      collector: this.#collector,
      isSnapshotRunning: this.#snapshots.isRunning,
      isGcRunning: this.#collections.isRunning,
      commits: this.#commits,
    });
  }

  /** Finishes what was accepted, then ends everything; the lock is freed last, whatever fails. */
  async drain(): Promise<void> {
    const { writer, life, options } = this.#parts;
    const started = options.clock.now();
    options.clock.clearTimeout(this.#intervalTimer);
    this.#parts.publisher.pace.hurry();
    try {
      await this.sessions.idle();
      await new Promise<void>((resolve) => writer.send({ type: "after", settle: () => resolve() }));
      // What nobody waits for: its marks and a slice are many megabytes. A fold goes on, it would only be done again.
      this.#collections.giveUp();
      await Promise.all([this.#collections.stop(), this.#snapshots.stop()]);
      if (life.error === undefined) await this.#foldLongTail();
    } finally {
      await this.#end();
    }
    options.onEvent({ type: "closed", durationMs: options.clock.now() - started });
  }

  async #end(): Promise<void> {
    const { log, writer, publisher, ownership } = this.#parts;
    await this.sessions.stop();
    try {
      await publisher.close();
    } finally {
      try {
        await log.close();
      } finally {
        writer.stop();
        ownership.release();
      }
    }
  }

  /** A long tail would make the next open slow. A fold that fails costs only that. */
  async #foldLongTail(): Promise<void> {
    const { tail, options } = this.#parts;
    if (options.snapshot === undefined || tail.bytes <= CLOSE_FOLD_BYTES) return;
    try {
      await this.#snapshotter.run("close");
    } catch (error) {
      options.onEvent({ type: "snapshotFailed", error: toStoreError(error) });
    }
  }

  #collectIfDirty(): void {
    const { gc } = this.options;
    const { deadBytes, packs } = this.#parts.publisher.manifest;
    const packBytes = packs.reduce((sum, pack) => sum + pack.bytes, 0);
    if (gc === undefined || this.#parts.life.status !== "open") return;
    if (deadBytes >= gc.minBytes && deadBytes >= gc.garbageRatio * packBytes)
      this.#collections.request("garbage");
  }

  #armInterval(): void {
    const intervalMs = this.options.snapshot?.intervalMs;
    if (intervalMs === undefined) return;
    this.#intervalTimer = this.options.clock.setTimeout(() => {
      if (this.#parts.life.status === "open" && !this.#parts.tail.isEmpty)
        this.#snapshots.request("interval");
      this.#armInterval();
    }, intervalMs);
  }
}

function isAborted(error: StoreError): boolean {
  return error.code === "ABORTED";
}

function closedError(): StoreError {
  return storeError("STORE_CLOSED", {}, "the store is closed; open it again");
}

function busyError(queuedBytes: number, why: string): StoreError {
  return storeError(
    "STORE_BUSY",
    { queuedBytes },
    `${why} (${queuedBytes} bytes wait); send it again a little later`,
  );
}
