/**
 * Opening a store: own the directory, choose the generation, replay the tail, join the parts.
 *
 * 1. The lock is taken before anything is read that a decision rests on, and freed when opening fails.
 * 2. Nothing is removed before the tail has been replayed.
 * 3. The work depends on manifest, footers and tail, not on how many sessions are stored.
 */
import { createActor } from "xstate";
import { nextTurn } from "../clock.ts";
import type { RecoveryReport } from "../contract.ts";
import { storeError, toStoreError } from "../errors.ts";
import { runInTurns } from "../steps.ts";
import {
  type ComingLog,
  createLogInSteps,
  type Log,
  type LogConfig,
  type LogListener,
  prepareLog,
} from "../wal/log.ts";
import { throwIfAborted } from "./ask.ts";
import { existingAncestor, type Ownership, ownDirectoryWithin } from "./directory.ts";
import { Engine } from "./engine.ts";
import { chooseGenerationInSteps, createFirstGeneration, type Generations } from "./generations.ts";
import type { StoreLife } from "./lifecycle.ts";
import { type LogWriterRef, logWriterLogic, WriteQueue } from "./log-writer.ts";
import type { ResolvedOptions } from "./options.ts";
import { Publisher } from "./publisher.ts";
import { TailReplay } from "./replay.ts";
import { Source } from "./source.ts";
import { Tail } from "./tail.ts";

export interface OpenInput {
  readonly root: string;
  readonly options: ResolvedOptions;
  readonly signal: AbortSignal | undefined;
  readonly life: StoreLife;
}

export async function openEngine(input: OpenInput): Promise<Engine> {
  const { root, options, signal } = input;
  refuseNetwork(options, root);
  const { clock } = options;
  const ownership = await ownDirectoryWithin(options.vfs, root, {
    ms: options.lockWaitMs,
    now: () => clock.now(),
    random: options.random,
    signal,
  });
  try {
    throwIfAborted(signal);
    return await openOwned(input, ownership);
  } catch (error) {
    ownership.release();
    throw toStoreError(error);
  }
}

async function openOwned(input: OpenInput, ownership: Ownership): Promise<Engine> {
  const { root, options } = input;
  const config = {
    ...logConfig(options, root, ownership.storeId),
    onProgress: (doneBytes: number, totalBytes: number) =>
      options.onEvent({ type: "progress", job: "recovery", step: "replay", doneBytes, totalBytes }),
  };
  const started = options.clock.now();
  const comingLog = prepareLog(config);
  let generations: Generations;
  try {
    // Starting a thread is a turn's work of its own.
    await nextTurn(options.clock, "opening");
    generations = await findGenerations(input, ownership, config);
  } catch (error) {
    await comingLog.abandon();
    throw error;
  }
  return await replayTail(input, { ownership, generations, comingLog, config, started });
}

/** What the newest manifest names; the first of a new store is made. */
async function findGenerations(
  { root, options }: OpenInput,
  ownership: Ownership,
  config: LogConfig,
): Promise<Generations> {
  if (ownership.isNew) {
    const start = await runInTurns(createLogInSteps(config), options.clock, "opening");
    createFirstGeneration(options.vfs, root, ownership.storeId, start);
  } else {
    // A manifest that is seen may not be durable: who renamed it was killed before the sync. What is acknowledged
    // from now on rests on its name.
    options.vfs.syncDirectory(root);
  }
  const steps = chooseGenerationInSteps(options.vfs, root, ownership.storeId);
  return await runInTurns(steps, options.clock, "opening");
}

interface Found {
  readonly ownership: Ownership;
  readonly generations: Generations;
  readonly comingLog: ComingLog;
  readonly config: LogConfig;
  /** Milliseconds of the clock at which the opening began. */
  readonly started: number;
}

async function replayTail(input: OpenInput, found: Found): Promise<Engine> {
  const { options, life } = input;
  const { ownership, generations, comingLog, config, started } = found;
  const tail = new Tail();
  const replay = new TailReplay(tail, config.directory);
  const listener = new WriterListener(options.onEvent);
  let log: Log | undefined;
  let publisher: Publisher | undefined;
  try {
    const opened = await comingLog.open(generations.manifest.log, replay.onRecord, listener);
    log = opened.log;
    replay.finish();
    const recovery: RecoveryReport = {
      // A new store has nothing to recover.
      cleanClose: ownership.isNew || opened.recovery.cleanClose,
      replayedRecords: opened.recovery.replayedRecords,
      replayedBytes: opened.recovery.replayedBytes,
      tornBytes: opened.recovery.tornBytes,
      durationMs: options.clock.now() - started,
    };
    const joined = join(input, { ownership, generations, tail, log, listener, recovery, config });
    publisher = joined.publisher;
    await publisher.tidy();
    if (life.error !== undefined) throw life.error;
    const warnings = [...generations.warnings, ...opened.recovery.warnings];
    if (!recovery.cleanClose || warnings.length > 0)
      options.onEvent({ type: "recovered", report: recovery, warnings });
    joined.engine.start();
    return joined.engine;
  } catch (error) {
    try {
      if (publisher === undefined) generations.view.release();
      else await publisher.close();
    } finally {
      await log?.close();
    }
    throw life.error ?? error;
  }
}

interface Opened {
  readonly ownership: Ownership;
  readonly generations: Generations;
  readonly tail: Tail;
  readonly log: Log;
  readonly listener: WriterListener;
  readonly recovery: RecoveryReport;
  readonly config: LogConfig;
}

function join({ root, options, life }: OpenInput, opened: Opened): { engine: Engine; publisher: Publisher } {
  const { ownership, generations, tail, log, listener, recovery, config } = opened;
  const onFailed = (error: ReturnType<typeof toStoreError>): void => {
    options.onEvent({ type: "poisoned", error });
    life.failed(error);
  };
  const queue = new WriteQueue({ log, tail, onFailed });
  const writer = createActor(logWriterLogic, { input: { queue } });
  writer.subscribe({ error: (error) => onFailed(toStoreError(error)) });
  writer.start();
  listener.attach(writer);
  const poison = (error: ReturnType<typeof toStoreError>): void => writer.send({ type: "log.failed", error });
  const publisher = new Publisher({ root, options, generations, log, poison });
  const source = new Source({
    view: () => publisher.view,
    tail,
    readFrame: (segment, offset) => log.read(segment, offset),
    segmentName: (segment) => segmentPath(config.directory, segment),
    receiptsKept: options.receiptsKept,
    isCondemned: (ref) => publisher.isCondemned(ref),
  });
  const engine = new Engine({
    options,
    ownership,
    life,
    log,
    writer,
    queue,
    tail,
    source,
    publisher,
    recovery,
  });
  return { engine, publisher };
}

/** Hands what the log tells to the log writer, one event a batch; the writer exists only after the log does. */
class WriterListener implements LogListener {
  #writer: LogWriterRef | undefined;
  #failure: ReturnType<typeof toStoreError> | undefined;
  /** Pairs (segment, offset) of the batch's frames, flat. */
  #positions: number[] = [];
  readonly #onEvent: ResolvedOptions["onEvent"];

  constructor(onEvent: ResolvedOptions["onEvent"]) {
    this.#onEvent = onEvent;
  }

  attach(writer: LogWriterRef): void {
    this.#writer = writer;
    if (this.#failure !== undefined) this.failed(this.#failure);
  }
  durable(_lsn: number, segment: number, offset: number): void {
    this.#positions.push(segment, offset);
  }
  batchEnd(lastLsn: number): void {
    const positions = this.#positions;
    this.#positions = [];
    this.#writer?.send({ type: "log.batch", lastLsn, positions });
  }
  slowSync(durationMs: number): void {
    this.#onEvent({ type: "slowSync", durationMs });
  }
  failed(error: ReturnType<typeof toStoreError>): void {
    this.#failure = error;
    this.#writer?.send({ type: "log.failed", error });
  }
}

function logConfig(options: ResolvedOptions, root: string, storeId: Uint8Array): LogConfig {
  const { vfs, segmentBytes, sync, syncIntervalMs, clock } = options;
  const mode = vfs.kind === "disk" ? "thread" : "inline";
  const salt = (): bigint => Buffer.from(options.random(8)).readBigUInt64LE();
  return { vfs, directory: `${root}/wal`, storeId, segmentBytes, sync, syncIntervalMs, mode, clock, salt };
}

function segmentPath(directory: string, segment: number): string {
  return `${directory}/${segment.toString(16).padStart(16, "0")}.wal`;
}

function refuseNetwork({ vfs, allowNetworkFileSystem }: ResolvedOptions, root: string): void {
  const { name, network } = vfs.fileSystem(existingAncestor(vfs, root));
  if (!network || allowNetworkFileSystem) return;
  throw storeError(
    "UNSAFE_FILE_SYSTEM",
    { path: root, fileSystem: name },
    `${root} is on ${name}, where locks and syncs cannot be trusted; use a local disk, or set allowNetworkFileSystem`,
  );
}
