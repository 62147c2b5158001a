/**
 * A computer that exists in simulated time: a disk, a scheduler, and processes that run stores on it. Its
 * processes can be killed and its power can fail before any operation on its files. The same seed does the
 * same again, byte for byte.
 *
 * 1. A killed process leaves what it wrote to the operating system, synced or not; a later power cut may still
 *    take what was not synced.
 * 2. A power cut ends every process at once and leaves what `MemoryVfs.crash` allows.
 * 3. What a dead process had asked of the scheduler does not happen.
 */
import type { Clock } from "../../clock.ts";
import { type Fault, type FaultSpec, FaultyVfs, type FiredFault, type SyncEntry } from "../../vfs/fault.ts";
import type { VfsOperation } from "../../vfs/io-error.ts";
import { MemoryVfs } from "../../vfs/memory.ts";
import type { CrashChooser } from "../../vfs/memory-crash.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { ProcessFiles } from "./process-files.ts";
import { Random } from "./random.ts";
import { type ScheduledEvent, Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";

/** Milliseconds of each kind of operation: a fixed part, a random part, and now and then a long one. */
export interface DiskSpeed {
  readonly syncMs: number;
  readonly otherMs: number;
  /** How often an operation takes `hiccupMs` longer, from 0 to 1. */
  readonly hiccups: number;
  readonly hiccupMs: number;
}

export const FAST_DISK: DiskSpeed = { syncMs: 0.2, otherMs: 0.005, hiccups: 0, hiccupMs: 0 };

/** Longest wait of a part of a store for its turn. Milliseconds. */
const MAX_TURN_MS = 0.5;

/** What the wall clock shows when a simulation begins. Milliseconds. */
const EPOCH_MS = 1_700_000_000_000;

export type CountsOperation = (operation: VfsOperation, path: string) => boolean;

export type Death = "killed" | "powerCut";

export class Machine {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  speed: DiskSpeed = FAST_DISK;
  /** A full disk refuses to create and to lengthen files. */
  isFull = false;
  /** What the wall clock is ahead. Milliseconds. */
  wallSkew = 0;
  /** Told when a process dies. */
  onDeath: ((process: Process, how: Death) => void) | undefined;
  readonly #disk: Random;
  readonly #crashes: Random;
  readonly #running = new Set<Process>();
  #files = new MemoryVfs();
  #started = 0;

  constructor(seed: number, listener?: (line: string) => void) {
    this.seed = seed;
    this.trace = new Trace(listener);
    this.scheduler = new Scheduler(this.random("scheduler"));
    this.#disk = this.random("disk");
    this.#crashes = this.random("crashes");
    this.scheduler.onEvent = ({ at, label }) => this.trace.add(`${at.toFixed(4)} ${label}`);
  }

  /** The files as the operating system has them, for whoever wants to harm them while no process runs. */
  get files(): MemoryVfs {
    return this.#files;
  }

  /** A stream of chance of that name. */
  random(name: string): Random {
    return Random.stream(this.seed, name);
  }

  start(name: string): Process {
    const process = new Process(this, { name: `${name}${++this.#started}`, files: this.#files });
    this.#running.add(process);
    return process;
  }

  /** The power fails: every process ends, and the disk is as it may be then; by chance, or as `choose` says. */
  cutPower(choose?: CrashChooser): void {
    this.#files =
      choose === undefined
        ? this.#files.crashRandomly(this.#crashes.below(2 ** 32))
        : this.#files.crash(choose);
    this.trace.add("power cut");
    for (const process of [...this.#running]) this.end(process, "powerCut");
  }

  /** Called by a process that ends. */
  end(process: Process, how: Death): void {
    if (!this.#running.delete(process)) return;
    process.buried();
    this.onDeath?.(process, how);
  }

  /** A process whose work is over leaves; nobody is told of a death. */
  leave(process: Process): void {
    if (this.#running.delete(process)) process.buried();
  }

  /** What an operation takes. */
  spend(operation: VfsOperation): void {
    const { syncMs, otherMs, hiccups, hiccupMs } = this.speed;
    const isSync = operation === "datasync" || operation === "sync" || operation === "syncDirectory";
    const usual = (isSync ? syncMs : otherMs) * (0.5 + this.#disk.below(1000) / 1000);
    this.scheduler.advance(usual + (this.#disk.chance(hiccups) ? hiccupMs : 0));
  }
}

export class Process {
  readonly name: string;
  readonly vfs: Vfs;
  readonly clock: Clock;
  /** Bytes for `StoreOptions.random`. */
  readonly randomBytes: (count: number) => Uint8Array;
  /** Told of every operation before it happens; what it throws, the operation throws. */
  onOperation: ((operation: VfsOperation, path: string) => void) | undefined;
  readonly #machine: Machine;
  readonly #faulty: FaultyVfs;
  readonly #files: ProcessFiles;
  #alive = true;
  #operations = 0;
  #death: { left: number; readonly how: Death; readonly counts: CountsOperation } | undefined;

  constructor(machine: Machine, { name, files }: { name: string; files: MemoryVfs }) {
    this.#machine = machine;
    this.name = name;
    const random = machine.random(name);
    const turns = machine.random(`${name} turns`);
    this.randomBytes = (count) => random.bytes(count);
    this.#faulty = new FaultyVfs(files);
    this.#files = new ProcessFiles(this.#faulty, {
      before: (operation, path) => this.#before(operation, path),
      isFull: () => machine.isFull,
      trace: (line) => machine.trace.add(`${name} ${line}`),
    });
    this.vfs = this.#files;
    this.clock = {
      now: () => machine.scheduler.now,
      wall: () => Math.floor(EPOCH_MS + machine.scheduler.now + machine.wallSkew),
      setTimeout: (fn, ms) => this.#later(ms, "timer", fn),
      clearTimeout: (id) => {
        if (id !== undefined) machine.scheduler.cancel(id as ScheduledEvent);
      },
      turn: (taker, fn) => void this.#later((turns.below(1000) / 1000) * MAX_TURN_MS, taker, fn),
    };
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  /** Operations on files so far. */
  get operations(): number {
    return this.#operations;
  }

  get firedFaults(): readonly FiredFault[] {
    return this.#faulty.fired;
  }

  /** Syncs of a file after one of it had failed in this process. A correct store has none. */
  syncsAfterFailure(): readonly SyncEntry[] {
    return this.#faulty.syncsAfterFailure();
  }

  inject(fault: Fault | FaultSpec): void {
    this.#faulty.inject(fault);
  }

  heal(): void {
    this.#faulty.heal();
  }

  /** Dies instead of doing the `count`-th operation from now on, from 1, of those that `counts` says. */
  dieAt(count: number, how: Death, counts: CountsOperation = () => true): void {
    this.#death = { left: count, how, counts };
  }

  /** `fn` runs in this process after `ms`, if it lives then. */
  later(ms: number, label: string, fn: () => void): void {
    this.#later(ms, label, fn);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#later(ms, "sleep", resolve));
  }

  /** `kill -9`. */
  kill(): void {
    if (!this.#alive) return;
    this.#machine.trace.add(`${this.name} killed`);
    this.#machine.end(this, "killed");
  }

  /** Its work is over: what it still waits for does not happen. */
  retire(): void {
    this.#machine.leave(this);
  }

  /** Called by the machine: the operating system takes back what the process held. */
  buried(): void {
    this.#alive = false;
    this.#files.abandon();
  }

  /** Files a process holds open: 0 after its stores have closed. */
  get openFiles(): number {
    return this.#files.openFiles;
  }

  #later(ms: number, label: string, fn: () => void): ScheduledEvent {
    return this.#machine.scheduler.add(ms, `${this.name} ${label}`, () => {
      if (this.#alive) fn();
    });
  }

  #before(operation: VfsOperation, path: string): void {
    this.#operations++;
    const death = this.#death;
    if (this.#alive && death?.counts(operation, path) === true && --death.left <= 0) {
      this.#death = undefined;
      if (death.how === "killed") this.kill();
      else this.#machine.cutPower();
    }
    if (!this.#alive) throw new Error(`process ${this.name} is dead; no ${operation} of ${path}`);
    this.onOperation?.(operation, path);
    this.#machine.spend(operation);
  }
}
