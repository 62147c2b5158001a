/**
 * Disks that are really full: small file systems of their own, filled to the last block while a store is open
 * on them. Commits are refused before anything is written, reads go on, snapshots and gc fail cleanly, closing
 * and reopening lose nothing; with room again, everything goes on.
 */
import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Store } from "../../contract.ts";
import { isStoreError } from "../../errors.ts";
import { openStore } from "../../store.ts";
import { checkStore, type KnownLane, nothingKnown, Violation } from "./check.ts";
import { SILENCE_MS } from "./child.ts";
import type { Job } from "./job.ts";
import { Lane } from "./load.ts";
import { type FileSystem, LEAST_XFS_BYTES, Mount } from "./mounts.ts";
import { patiently, pause } from "./patience.ts";
import type { Plan } from "./script.ts";
import type { Bench, Technique } from "./technique.ts";

const MIB = 1024 * 1024;
/** Small enough to be filled in a moment. */
const DISK_BYTES: Readonly<Record<FileSystem, number>> = {
  ext4: 32 * MIB,
  xfs: LEAST_XFS_BYTES,
  tmpfs: 32 * MIB,
};
/** Chunks the ballast is written in: large ones first, then what still fits. */
const CHUNKS = [MIB, 4096, 512];
/** Operations of each lane before the disk is filled. */
const OPERATIONS_BEFORE = 12;
/** Operations after which a disk that is full must have refused one: far beyond what the spares hold. */
const MOST_OPERATIONS = 4_000;
/** Refusals in a row for which each lane keeps asking. */
const REFUSALS = 5;
const OPTIONS: Job["options"] = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

export class FullTechnique implements Technique {
  readonly name: string;
  readonly #bench: Bench;
  readonly #fileSystem: FileSystem;
  readonly #plan: Plan;
  readonly #before: string;
  #mount: Mount | undefined;
  #store: Store | undefined;
  #known: readonly KnownLane[];
  readonly counts = { fills: 0, refusals: 0, acknowledged: 0, jobsFailed: 0, openingsRefused: 0 };

  constructor(bench: Bench, fileSystem: FileSystem) {
    this.#bench = bench;
    this.#fileSystem = fileSystem;
    // One value must not take half the disk.
    this.#plan = { ...bench.plan, largestBytes: Math.min(bench.plan.largestBytes, 40_000) };
    this.name = `full-${fileSystem}`;
    this.#before = bench.workplace.path(`full-${fileSystem}-before`);
    this.#known = nothingKnown(this.#plan);
  }

  get evidence() {
    return { copy: this.#before, known: this.#known };
  }

  async prepare(): Promise<string | undefined> {
    const path = this.#bench.workplace.path(this.name);
    const made = Mount.create(this.#fileSystem, path, DISK_BYTES[this.#fileSystem]);
    if (typeof made === "string") return made;
    this.#mount = made;
    return undefined;
  }

  async round(): Promise<void> {
    const { workplace } = this.#bench;
    workplace.copy(this.#directory, this.#before);
    this.#store = await openStore(this.#directory, OPTIONS);
    const lanes = await this.#lanes(this.#store);
    for (const lane of lanes) for (let count = 0; count < OPERATIONS_BEFORE; count++) await lane.advance();
    this.#fill();
    try {
      await this.#sufferFullDisk(this.#store, lanes);
      await this.#store.close();
      await this.#openFull();
    } finally {
      rmSync(this.#ballast, { force: true });
    }
    this.counts.fills++;
    workplace.copy(this.#directory, this.#before);
    this.#store = await openStore(this.#directory, OPTIONS);
    await this.#goOn(this.#store, await this.#lanes(this.#store));
    await this.#store.close();
  }

  async finish(): Promise<void> {}

  async release(): Promise<void> {
    await this.#store?.close();
    this.#mount?.release();
  }

  get #directory(): string {
    return join(this.#mountPath, "store");
  }
  get #ballast(): string {
    return join(this.#mountPath, "ballast");
  }
  get #mountPath(): string {
    if (this.#mount === undefined) throw new Error(`${this.name} was not prepared`);
    return this.#mount.path;
  }

  /** Checks the store and makes a lane of everything it found. */
  async #lanes(store: Store): Promise<Lane[]> {
    const positions = await checkStore(store, this.#plan, this.#known);
    this.#known = positions.map((position) => ({ acknowledged: position, told: position }));
    const tell = (lane: number, position: KnownLane["told"]) => {
      this.counts.acknowledged++;
      this.#known = this.#known.with(lane, { acknowledged: position, told: position });
    };
    const lanes = positions.map(
      (position, lane) => new Lane({ store, plan: this.#plan, lane, position, tell }),
    );
    for (const lane of lanes) await lane.repeatLast();
    return lanes;
  }

  #fill(): void {
    const fd = openSync(this.#ballast, existsSync(this.#ballast) ? "a" : "w");
    try {
      for (const bytes of CHUNKS) writeUntilFull(fd, Buffer.alloc(bytes));
      fsyncSync(fd);
    } catch (error) {
      if (!isFull(error)) throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Until every lane is refused, and a little longer; then what must go on does, and what cannot fails cleanly. */
  async #sufferFullDisk(store: Store, lanes: readonly Lane[]): Promise<void> {
    for (const lane of lanes) {
      for (let refusals = 0, operations = 0; refusals < REFUSALS; operations++) {
        if (operations === MOST_OPERATIONS)
          throw new Violation(`${MOST_OPERATIONS} operations were accepted on a full ${this.#fileSystem}`);
        if (await inTime(lane.advance())) continue;
        refusals++;
        this.counts.refusals++;
        if (lane.lastRefusal !== "STORE_FULL")
          throw new Violation(`a full disk was answered with ${lane.lastRefusal}, not STORE_FULL`);
      }
      await lane.check();
    }
    for (const job of ["snapshot", "gc"] as const) {
      this.#fill();
      await this.#failCleanly(job, () => store[job]());
      this.#checkOpen(store, job);
    }
    for (const lane of lanes) await lane.check();
  }

  async #failCleanly(what: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await call();
    } catch (error) {
      if (
        !isStoreError(error, "STORE_FULL") &&
        !(isStoreError(error, "STORE_IO") && error.errno === "ENOSPC")
      )
        throw new Violation(
          `${what} on a full disk failed otherwise than for want of room: ${String(error)}`,
        );
      this.counts.jobsFailed++;
    }
  }

  #checkOpen(store: Store, after: string): void {
    const { state } = store.stats();
    if (state !== "open") throw new Violation(`after ${after} on a full disk the store is ${state}`);
  }

  /** Opening needs a segment of its own: without room it is refused, and that must cost nothing. */
  async #openFull(): Promise<void> {
    this.#fill();
    const before = this.counts.jobsFailed;
    await this.#failCleanly("opening", async () => {
      const store = await openStore(this.#directory, OPTIONS);
      try {
        await checkStore(store, this.#plan, this.#known);
      } finally {
        await store.close();
      }
    });
    this.counts.openingsRefused += this.counts.jobsFailed - before;
    this.counts.jobsFailed = before;
  }

  /** With room again: commits, snapshot and gc succeed. */
  async #goOn(store: Store, lanes: readonly Lane[]): Promise<void> {
    for (const lane of lanes) {
      const before = this.counts.acknowledged;
      for (let attempt = 0; this.counts.acknowledged === before; attempt++) {
        if (attempt === MOST_OPERATIONS)
          throw new Violation("commits are still refused although there is room");
        if (!(await inTime(lane.advance()))) await pause(1);
      }
    }
    await patiently(() => store.snapshot());
    await patiently(() => store.gc());
    await checkStore(store, this.#plan, this.#known);
  }
}

/** On a full disk a commit is answered or refused; one that waits would wait for ever. */
async function inTime<Value>(answer: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const what = `a write was neither answered nor refused within ${SILENCE_MS / 1_000} s`;
    timer = setTimeout(() => reject(new Violation(what)), SILENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function writeUntilFull(fd: number, chunk: Buffer): void {
  try {
    while (writeSync(fd, chunk) === chunk.length);
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOSPC";
}
