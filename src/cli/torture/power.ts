/**
 * Power cuts. The store lies on a file system of its own, on a loop device; while a process loads it, the file
 * system is shut down: what it had not written is gone, as with a pulled plug. It is unmounted, mounted (its
 * journal is replayed), and the next process checks what is there and goes on.
 *
 * 1. Only acknowledgements read before the cut was triggered count: a sync in flight during a shutdown may
 *    report success it does not have, which a machine without power cannot.
 */

import { checkAftermath } from "./aftermath.ts";
import { type KnownLane, nothingKnown, Violation } from "./check.ts";
import { LoadProcess } from "./child.ts";
import { type FileSystem, Mount } from "./mounts.ts";
import { pause } from "./patience.ts";
import { findInterpreter, type Interpreter, SHUTDOWN_FLAGS, Shutdown } from "./shutdown.ts";
import { type Bench, demand, jobOptions, type Technique } from "./technique.ts";

/** Room for the store and its garbage. */
const DISK_BYTES = 256 * 1024 * 1024;
/** Milliseconds of load, and acknowledgements, after which a cut comes. */
const CUT_UNDER_LOAD_MS = 150;
const MOST_ACKNOWLEDGEMENTS = 200;
/** Milliseconds after the beginning of an opening at which a cut may come. */
const CUT_WHILE_OPENING_MS = 40;

export class PowerTechnique implements Technique {
  readonly name: string;
  readonly #bench: Bench;
  readonly #fileSystem: Exclude<FileSystem, "tmpfs">;
  readonly #before: string;
  #known: readonly KnownLane[];
  #mount: Mount | undefined;
  #interpreter: Interpreter = "perl";
  #child: LoadProcess | undefined;
  #shutdown: Shutdown | undefined;
  readonly counts = { cuts: 0, whileOpening: 0, acknowledged: 0, tornTails: 0, snapshots: 0, gcs: 0 };

  constructor(bench: Bench, fileSystem: Exclude<FileSystem, "tmpfs">) {
    this.#bench = bench;
    this.#fileSystem = fileSystem;
    this.name = `power-${fileSystem}`;
    this.#before = bench.workplace.path(`power-${fileSystem}-before`);
    this.#known = nothingKnown(bench.plan);
  }

  get evidence() {
    return { copy: this.#before, known: this.#known };
  }

  async prepare(): Promise<string | undefined> {
    const interpreter = findInterpreter();
    if (interpreter === undefined) return "it takes perl or python3, for the shutdown call";
    this.#interpreter = interpreter;
    const made = Mount.create(this.#fileSystem, this.#bench.workplace.path(this.name), DISK_BYTES);
    if (typeof made === "string") return made;
    this.#mount = made;
    return await this.#tryCut(made);
  }

  async round(): Promise<void> {
    const { workplace, plan, random, launch } = this.#bench;
    const mount = this.#mounted;
    workplace.copy(this.#store, this.#before);
    const flags = random.chance(0.25) ? SHUTDOWN_FLAGS.logFlush : SHUTDOWN_FLAGS.noLogFlush;
    const shutdown = new Shutdown(this.#interpreter, mount.path, flags);
    this.#shutdown = shutdown;
    const child = new LoadProcess(launch, {
      directory: this.#store,
      plan,
      known: this.#known,
      options: jobOptions(random),
      seed: random.integer(0, 0x7fff_ffff),
    });
    this.#child = child;
    await shutdown.ready();
    await this.#untilCut(child);
    // From here on nothing that is read counts: the cut may come before it is read.
    child.stopCounting();
    shutdown.trigger();
    const complaint = child.complaint;
    await shutdown.done();
    await child.kill();
    this.#count(child);
    // What the process says after the cut is about a file system that is gone.
    if (complaint !== undefined) throw new Violation(complaint);
    this.#known = child.known;
    mount.unmount();
    mount.mount();
  }

  async finish(): Promise<void> {
    const { workplace, plan } = this.#bench;
    workplace.copy(this.#store, this.#before);
    this.#known = await checkAftermath({
      directory: this.#store,
      plan,
      known: this.#known,
      options: {},
      operations: 1,
    });
  }

  async release(): Promise<void> {
    await this.#child?.kill();
    await this.#shutdown?.release();
    this.#mount?.release();
  }

  get #mounted(): Mount {
    if (this.#mount === undefined) throw new Error(`${this.name} was not prepared`);
    return this.#mount;
  }

  get #store(): string {
    return `${this.#mounted.path}/store`;
  }

  async #untilCut(child: LoadProcess): Promise<void> {
    const { random } = this.#bench;
    if (random.chance(0.15)) {
      demand(await child.until(() => child.lines.length > 0), child, "opening the store");
      await pause(random.integer(0, CUT_WHILE_OPENING_MS));
      if (!child.hasChecked) this.counts.whileOpening++;
      return;
    }
    demand(await child.until(() => child.hasChecked), child, "the end of its check");
    const moment = random.next();
    if (moment < 0.25) {
      const maintained = () => child.snapshots + child.collections > 0;
      demand(await child.until(maintained), child, "the end of a snapshot or gc");
    } else if (moment < 0.75) {
      // Right behind an acknowledgement: one that came too early has not reached the disk.
      const enough = child.acknowledged + random.integer(1, MOST_ACKNOWLEDGEMENTS);
      demand(await child.until(() => child.acknowledged >= enough), child, "its acknowledgements");
    } else await pause(random.integer(0, CUT_UNDER_LOAD_MS));
  }

  /** Whether this kernel lets the file system be cut at all. */
  async #tryCut(mount: Mount): Promise<string | undefined> {
    const shutdown = new Shutdown(this.#interpreter, mount.path, SHUTDOWN_FLAGS.noLogFlush);
    this.#shutdown = shutdown;
    try {
      await shutdown.ready();
      shutdown.trigger();
      await shutdown.done();
    } catch (error) {
      return `${this.#fileSystem} cannot be shut down here: ${(error as Error).message}`;
    }
    mount.unmount();
    mount.mount();
    return undefined;
  }

  #count(child: LoadProcess): void {
    this.counts.cuts++;
    this.counts.acknowledged += child.acknowledged;
    this.counts.snapshots += child.snapshots;
    this.counts.gcs += child.collections;
    if (child.lines.some((line) => line.type === "checked" && line.tornBytes > 0)) this.counts.tornTails++;
  }
}
