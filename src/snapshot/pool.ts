/**
 * Where tasks run: on Piscina threads for a store on disk, in this process for one in memory. The only
 * importer of piscina.
 *
 * 1. Threads start with the first task and end when they were idle for a while, or with `close`.
 * 2. An idle pool does not keep the process alive; a running task does.
 * 3. After `close` nothing is accepted: Piscina itself would silently take work again.
 * 4. A task in this process is one turn: it is stopped before it begins, or not at all.
 */
import { Piscina } from "piscina";
import { type Clock, systemClock } from "../clock.ts";
import { type ErrorData, errorFromData, storeError, toStoreError } from "../errors.ts";
import { PROGRESS_MS } from "../limits.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { Pace } from "./pace.ts";
import { tasksOn } from "./run-task.ts";
import { type ControlWords, stoppedError, TaskControl } from "./task-control.ts";
import type { TaskName, Tasks } from "./tasks.ts";

/** Milliseconds without work after which a thread ends. */
const IDLE_MS = 10_000;
/** MiB of a thread's heap for what dies young, a quarter of V8's default: one run of random sessions took 733 MiB instead of 798. */
const YOUNG_MIB = 12;
/** Tasks that may wait; publications are serial, so more means a bug. */
const MAX_QUEUE = 64;

export interface WorkOrder {
  readonly name: TaskName;
  readonly input: unknown;
  /** The pace's words. */
  readonly pace: Int32Array<SharedArrayBuffer>;
  /** Words of a task that may be stopped and tells how far it is. */
  readonly control: ControlWords | undefined;
}
export type WorkAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: ErrorData };

/** For whoever waits for a long task. */
export interface Watch {
  /** Stops the task, which then fails with ABORTED; one that has done its work meanwhile is answered as always. */
  readonly signal?: AbortSignal | undefined;
  /** Told every second or so how much the task has read. Never of a task in this process. */
  readonly onProgress?: ((readBytes: number) => void) | undefined;
  /** Told when such a task has done its work. */
  readonly onDone?: (() => void) | undefined;
}

export interface WorkPool {
  run<Name extends TaskName>(
    name: Name,
    input: Parameters<Tasks[Name]>[0],
    watch?: Watch,
  ): Promise<ReturnType<Tasks[Name]>>;
  close(): Promise<void>;
}

/** Tasks in this process take their turns from `clock`, and no pace: nothing waits for their disk. */
export function createWorkPool(
  vfs: Vfs,
  threads: number,
  clock: Clock = systemClock,
  pace = new Pace(),
): WorkPool {
  return vfs.kind === "disk" ? new ThreadPool(threads, pace, clock) : new InlinePool(vfs, clock);
}

class ThreadPool implements WorkPool {
  readonly #threads: number;
  readonly #pace: Pace;
  readonly #clock: Clock;
  #piscina: Piscina<WorkOrder, WorkAnswer> | undefined;
  #isClosed = false;

  constructor(threads: number, pace: Pace, clock: Clock) {
    this.#threads = threads;
    this.#pace = pace;
    this.#clock = clock;
  }

  async run<Name extends TaskName>(
    name: Name,
    input: Parameters<Tasks[Name]>[0],
    watch?: Watch,
  ): Promise<ReturnType<Tasks[Name]>> {
    if (this.#isClosed) throw closedError();
    this.#piscina ??= startPiscina(this.#threads);
    const control = watch === undefined ? undefined : new TaskControl();
    const order: WorkOrder = { name, input, pace: this.#pace.words, control: control?.words };
    const unwatch = control === undefined || watch === undefined ? undefined : this.#watch(control, watch);
    let answer: WorkAnswer;
    try {
      answer = await this.#piscina.run(order, { name: "work" });
    } catch (error) {
      throw toStoreError(error);
    } finally {
      unwatch?.();
    }
    if (!answer.ok) throw errorFromData(answer.error);
    watch?.onDone?.();
    // Our own worker answered the task of this name.
    return answer.value as ReturnType<Tasks[Name]>;
  }

  /** Until the function it answers is called. */
  #watch(control: TaskControl, { signal, onProgress }: Watch): () => void {
    const stop = (): void => control.stop();
    if (signal?.aborted === true) stop();
    signal?.addEventListener("abort", stop, { once: true });
    let timer: unknown;
    const tell = (): void => {
      onProgress?.(control.readBytes);
      timer = this.#clock.setTimeout(tell, PROGRESS_MS);
    };
    timer = this.#clock.setTimeout(tell, PROGRESS_MS);
    return () => {
      signal?.removeEventListener("abort", stop);
      this.#clock.clearTimeout(timer);
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const piscina = this.#piscina;
    this.#piscina = undefined;
    await piscina?.destroy();
  }
}

function startPiscina(threads: number): Piscina<WorkOrder, WorkAnswer> {
  // tsc rewrites imports, not URLs: which entry there is follows from our own extension.
  const entry = import.meta.url.endsWith(".ts") ? "./worker-from-source.cjs" : "./worker.js";
  const piscina = new Piscina<WorkOrder, WorkAnswer>({
    filename: new URL(entry, import.meta.url).href,
    // Flags of the program (loaders, inspectors) are not for these threads.
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: IDLE_MS,
    maxQueue: MAX_QUEUE,
    concurrentTasksPerWorker: 1,
    recordTiming: false,
  });
  // Without a listener an error outside a task would take the process down; tasks report their own.
  piscina.on("error", () => undefined);
  return piscina;
}

class InlinePool implements WorkPool {
  readonly #tasks: Tasks;
  readonly #clock: Clock;
  #isClosed = false;

  constructor(vfs: Vfs, clock: Clock) {
    this.#tasks = tasksOn(vfs);
    this.#clock = clock;
  }

  async run<Name extends TaskName>(
    name: Name,
    input: Parameters<Tasks[Name]>[0],
    watch?: Watch,
  ): Promise<ReturnType<Tasks[Name]>> {
    if (this.#isClosed) throw closedError();
    // As on a thread, nothing of the task happens in the caller's turn, and the answer comes in one of its own.
    await this.#turn();
    if (watch?.signal?.aborted === true) throw stoppedError();
    const task = this.#tasks[name] as (given: unknown) => ReturnType<Tasks[Name]>;
    try {
      return task(input);
    } finally {
      await this.#turn();
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.turn("worker", resolve));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }
}

function closedError() {
  return storeError("STORE_CLOSED", {}, "the store is closed; open it again");
}
