/**
 * A process killed at each of its system calls on the store. A first run lists the calls (strace), then for
 * each of them a run is killed just before it, and what it left is opened, checked and goes on. Every second
 * round kills the recovery of a store that was killed before.
 *
 * 1. A point is one call of one thread on one path, so log thread, supply thread, workers and main thread are
 *    all met. Batches differ from run to run: a point that is not reached is no kill, and is counted apart.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { checkAftermath } from "./aftermath.ts";
import { type KnownLane, nothingKnown, Violation } from "./check.ts";
import { LoadProcess, SILENCE_MS } from "./child.ts";
import type { Job } from "./job.ts";
import { runTool } from "./mounts.ts";
import type { Plan } from "./script.ts";
import type { Bench, Technique } from "./technique.ts";
import { type KillPoint, killArguments, listingArguments, pointsOf } from "./trace.ts";

/** Small and in a fixed order: every call is a whole run of Node. */
const LANES = 2;
const LARGEST_BYTES = 20_000;
const ROUNDS = 4;
const ROUNDS_OF_RECOVERY = 1;
const OPTIONS: Job["options"] = { segmentBytes: 64 * 1024, snapshot: false, gc: false };
/** Operations each lane goes on with after a kill. */
const OPERATIONS_AFTER = 2;
/** Kills of one recovery before another crashed store takes its place. */
const KILLS_PER_BASE = 40;

/** A store to kill a run on, and the points not yet tried, in random order. */
interface Sweep {
  readonly plan: Plan;
  readonly known: readonly KnownLane[];
  /** Copied into place before each run; absent: nothing is there. */
  readonly base: string | undefined;
  readonly rounds: number;
  readonly points: KillPoint[];
}

export class StraceTechnique implements Technique {
  readonly name = "strace";
  readonly #bench: Bench;
  readonly #store: string;
  readonly #before: string;
  readonly #base: string;
  readonly #output: string;
  #creation: Sweep | undefined;
  #recovery: Sweep | undefined;
  /** Makes the sessions of each sweep others. */
  #sweeps = 0;
  #known: readonly KnownLane[] = [];
  #child: LoadProcess | undefined;
  readonly counts = { kills: 0, inRecovery: 0, notReached: 0, acknowledged: 0, points: 0 };

  constructor(bench: Bench) {
    this.#bench = bench;
    this.#store = bench.workplace.path("strace");
    this.#before = bench.workplace.path("strace-before");
    this.#base = bench.workplace.path("strace-base");
    this.#output = bench.workplace.path("strace-calls");
  }

  get evidence() {
    return { copy: this.#before, known: this.#known };
  }

  async prepare(): Promise<string | undefined> {
    if (process.platform !== "linux") return "it takes Linux";
    if (!runTool("strace", "-V").ok) return "it takes strace, which is not installed";
    const allowed = runTool(
      "strace",
      "-f",
      "-o",
      this.#output,
      "-e",
      "trace=none",
      process.execPath,
      "-e",
      "0",
    );
    return allowed.ok ? undefined : `strace may not trace here: ${allowed.text.split("\n").at(-1)}`;
  }

  async round(): Promise<void> {
    const inRecovery =
      this.#recovery !== undefined && this.#recovery.points.length > 0 && this.counts.kills % 2 === 1;
    const sweep = inRecovery ? this.#recovery : await this.#creationSweep();
    const point = sweep?.points.pop();
    if (sweep === undefined || point === undefined) throw new Error("a sweep has no point to kill at");
    const known = await this.#killAt(sweep, point);
    if (known === undefined) return;
    if (inRecovery) this.counts.inRecovery++;
    else await this.#keepForRecovery(sweep, known);
    try {
      await this.#check(sweep.plan, known);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const { call, path, turn } = point;
      throw new Violation(`killed before ${call} #${turn} on ${path}: ${error.message}`, { cause: error });
    }
  }

  async finish(): Promise<void> {}

  async release(): Promise<void> {
    await this.#child?.kill();
  }

  async #creationSweep(): Promise<Sweep> {
    if (this.#creation !== undefined && this.#creation.points.length > 0) return this.#creation;
    const plan = { seed: this.#bench.plan.seed + this.#sweeps, lanes: LANES, largestBytes: LARGEST_BYTES };
    this.#creation = await this.#list({
      plan,
      known: nothingKnown(plan),
      base: undefined,
      rounds: ROUNDS,
      points: [],
    });
    return this.#creation;
  }

  /** Runs once to the end and lists the calls it made. */
  async #list(sweep: Sweep): Promise<Sweep> {
    this.#sweeps++;
    const child = this.#start(sweep, listingArguments(this.#output));
    const { code } = await this.#end(child);
    if (code !== 0)
      throw new Violation(`a run that was only watched ended with ${code}: ${complaintOf(child)}`);
    const points = pointsOf(readFileSync(this.#output, "utf8"), this.#store);
    if (points.length === 0) throw new Error("strace listed no call on the store");
    this.counts.points += points.length;
    return { ...sweep, points: shuffled(points, () => this.#bench.random.next()) };
  }

  /** What is known after the kill; undefined when the run never came to that point. */
  async #killAt(sweep: Sweep, point: KillPoint): Promise<readonly KnownLane[] | undefined> {
    const child = this.#start(sweep, killArguments(point, this.#output));
    const { signal } = await this.#end(child);
    this.#known = child.known;
    if (child.complaint !== undefined) throw new Violation(child.complaint);
    if (signal !== "SIGKILL") {
      this.counts.notReached++;
      return undefined;
    }
    this.counts.kills++;
    this.counts.acknowledged += child.acknowledged;
    return child.known;
  }

  #start({ plan, known, base, rounds }: Sweep, tracer: readonly string[]): LoadProcess {
    const { workplace, launch } = this.#bench;
    rmSync(this.#store, { recursive: true, force: true });
    if (base !== undefined) workplace.copy(base, this.#store);
    const job = { directory: this.#store, plan, known, options: OPTIONS, seed: 1, rounds };
    this.#child = new LoadProcess({ ...launch, wrapper: ["strace", ...tracer] }, job);
    return this.#child;
  }

  async #end(child: LoadProcess) {
    const timer = setTimeout(() => void child.kill(), SILENCE_MS);
    try {
      return await child.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Every now and then what a kill left becomes the store whose recovery is killed. */
  async #keepForRecovery({ plan }: Sweep, known: readonly KnownLane[]): Promise<void> {
    const isUsed = this.counts.kills % (2 * KILLS_PER_BASE) !== 1 && (this.#recovery?.points.length ?? 0) > 0;
    if (isUsed || !existsSync(this.#store)) return;
    this.#bench.workplace.copy(this.#store, this.#base);
    const left = this.#bench.workplace.path("strace-left");
    this.#bench.workplace.copy(this.#store, left);
    this.#recovery = await this.#list({
      plan,
      known,
      base: this.#base,
      rounds: ROUNDS_OF_RECOVERY,
      points: [],
    });
    this.#bench.workplace.copy(left, this.#store);
  }

  async #check(plan: Plan, known: readonly KnownLane[]): Promise<void> {
    this.#bench.workplace.copy(this.#store, this.#before);
    this.#known = known;
    await checkAftermath({
      directory: this.#store,
      plan,
      known,
      options: OPTIONS,
      operations: OPERATIONS_AFTER,
    });
  }
}

function complaintOf(child: LoadProcess): string {
  return child.complaint ?? child.errors;
}

function shuffled<Item>(items: readonly Item[], next: () => number): Item[] {
  return items
    .map((item) => ({ item, key: next() }))
    .sort((left, right) => left.key - right.key)
    .map(({ item }) => item);
}
