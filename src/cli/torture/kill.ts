/**
 * `kill -9` under load. A process commits from several hosts' worth of lanes, is killed at a random moment
 * (while opening, while checking, under load, during maintenance), and the next one checks what it left and
 * goes on. The same store lives through all rounds.
 *
 * 1. While an owner lives, every other opening is refused and names it; after its death the next one succeeds
 *    at once.
 * 2. A read-only view beside the owner shows what was acknowledged before it was opened.
 */
import { isStoreError } from "../../errors.ts";
import { openStoreReadOnly } from "../../read-only.ts";
import { openStore } from "../../store.ts";
import { checkLanes, checkStore, type KnownLane, nothingKnown, Violation } from "./check.ts";
import { LoadProcess } from "./child.ts";
import { pause } from "./patience.ts";
import { type Bench, demand, jobOptions, type Technique } from "./technique.ts";

/** Milliseconds after the beginning of an opening, a snapshot or gc, and the load, at which a kill may come. */
const KILL_WHILE_OPENING_MS = 40;
const KILL_NEAR_MAINTENANCE_MS = 30;
const KILL_UNDER_LOAD_MS = 250;
const MOST_ACKNOWLEDGEMENTS = 300;

export class KillTechnique implements Technique {
  readonly name = "kill";
  readonly #bench: Bench;
  readonly #store: string;
  readonly #before: string;
  #known: readonly KnownLane[];
  #child: LoadProcess | undefined;
  readonly counts = {
    kills: 0,
    whileOpening: 0,
    acknowledged: 0,
    refusedOpenings: 0,
    views: 0,
    snapshots: 0,
    gcs: 0,
  };

  constructor(bench: Bench) {
    this.#bench = bench;
    this.#store = bench.workplace.path("kill");
    this.#before = bench.workplace.path("kill-before");
    this.#known = nothingKnown(bench.plan);
  }

  get evidence() {
    return { copy: this.#before, known: this.#known };
  }

  async prepare(): Promise<undefined> {}

  async round(): Promise<void> {
    const { workplace, plan, random, launch } = this.#bench;
    workplace.copy(this.#store, this.#before);
    const job = {
      directory: this.#store,
      plan,
      known: this.#known,
      options: jobOptions(random),
      seed: random.integer(0, 0x7fff_ffff),
    };
    const child = new LoadProcess(launch, job);
    this.#child = child;
    demand(await child.until(() => child.lines.length > 0), child, "opening the store");
    if (random.chance(0.25)) {
      await pause(random.integer(0, KILL_WHILE_OPENING_MS));
      if (!child.hasChecked) this.counts.whileOpening++;
    } else {
      demand(await child.until(() => child.hasChecked), child, "the end of its check");
      await this.#load(child);
    }
    const ending = await child.kill();
    this.#count(child);
    if (child.complaint !== undefined) throw new Violation(child.complaint);
    if (ending.signal !== "SIGKILL")
      throw new Violation(`the process under load ended by itself: ${child.errors}`);
    this.#known = child.known;
    if (random.chance(0.1)) await this.#openHere();
  }

  async finish(): Promise<void> {
    await this.#openHere();
  }

  async release(): Promise<void> {
    await this.#child?.kill();
  }

  /** Lets it load until the moment it will be killed, and looks at the store from outside meanwhile. */
  async #load(child: LoadProcess): Promise<void> {
    const { random } = this.#bench;
    if (random.chance(0.2)) await this.#openBeside(child);
    if (random.chance(0.2)) await this.#viewBeside(child);
    const moment = random.next();
    if (moment < 0.3) {
      const maintained = () => child.snapshots + child.collections > 0;
      demand(await child.until(maintained), child, "the end of a snapshot or gc");
      await pause(random.integer(0, KILL_NEAR_MAINTENANCE_MS));
    } else if (moment < 0.6) {
      const enough = child.acknowledged + random.integer(1, MOST_ACKNOWLEDGEMENTS);
      demand(await child.until(() => child.acknowledged >= enough), child, "its acknowledgements");
    } else await pause(random.integer(0, KILL_UNDER_LOAD_MS));
  }

  async #openBeside({ pid }: LoadProcess): Promise<void> {
    this.counts.refusedOpenings++;
    try {
      const store = await openStore(this.#store);
      await store.close();
    } catch (error) {
      if (!isStoreError(error, "STORE_LOCKED")) throw error;
      if (error.owner.pid === pid) return;
      throw new Violation(`the store is owned by ${pid} and its lock names ${error.owner.pid}`);
    }
    throw new Violation("the store was opened a second time while its owner was alive");
  }

  async #viewBeside(child: LoadProcess): Promise<void> {
    this.counts.views++;
    const before = [...child.known];
    const view = await openStoreReadOnly(this.#store);
    try {
      // What is acknowledged meanwhile may or may not be in the view.
      const known = before.map(({ acknowledged }, lane) => ({
        acknowledged,
        told: child.known[lane]?.told ?? acknowledged,
      }));
      await checkLanes(view, this.#bench.plan, known);
    } catch (error) {
      if (!isStoreError(error, "VIEW_EXPIRED")) throw error;
    } finally {
      await view.close();
    }
  }

  /** Opens what the kill left, at once and in this process. */
  async #openHere(): Promise<void> {
    const { workplace, plan } = this.#bench;
    workplace.copy(this.#store, this.#before);
    const store = await openStore(this.#store);
    try {
      const positions = await checkStore(store, plan, this.#known);
      this.#known = positions.map((position) => ({ acknowledged: position, told: position }));
    } finally {
      await store.close();
    }
  }

  #count(child: LoadProcess): void {
    this.counts.kills++;
    this.counts.acknowledged += child.acknowledged;
    this.counts.snapshots += child.snapshots;
    this.counts.gcs += child.collections;
  }
}
