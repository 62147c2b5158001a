/**
 * One life of a store's process: it opens the store, hosts use it, and it closes, is killed or loses power.
 * What happens to the disk meanwhile is drawn too.
 */

import type { ReadOnlyStore, Store, StoreEvent } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import type { History } from "../../src/testing/history/history.ts";
import { recordSecondOpen, recordStore } from "../../src/testing/history/record-store.ts";
import { recordView } from "../../src/testing/history/record-view.ts";
import type { CountsOperation, Machine, Process } from "../../src/testing/simulation/machine.ts";
import { type CallOutcome, outcomeOf, runUntil } from "../../src/testing/simulation/outcome.ts";
import type { Random } from "../../src/testing/simulation/random.ts";
import type { Coverage } from "./coverage.ts";
import { Host } from "./host.ts";
import { HostMind, type Notebook } from "./host-mind.ts";
import { LockWatch } from "./lock-watch.ts";
import type { Rot } from "./rot.ts";
import type { Settings } from "./settings.ts";
import { arrangeTrouble, needsRemount } from "./trouble.ts";

export const ROOT = "/disk/store";
/** A promise the simulation rests on was broken in a way that no history shows. */
export class SimulationError extends Error {}

export interface World {
  readonly machine: Machine;
  readonly settings: Settings;
  readonly history: History;
  readonly notebook: Notebook;
  readonly coverage: Coverage;
  readonly rot: Rot;
}

export class Life {
  readonly #world: World;
  readonly #process: Process;
  readonly #random: Random;
  readonly #troubled: boolean;
  readonly #isRotten: boolean;
  readonly #lock: LockWatch;
  #isOver = false;
  #views = 0;

  constructor(world: World, number: number) {
    this.#world = world;
    this.#process = world.machine.start("owner");
    this.#random = world.machine.random(`life ${number}`);
    this.#isRotten =
      world.settings.rot > 0 &&
      this.#random.chance(world.settings.rot) &&
      world.rot.harmNewestManifest(world.machine, ROOT, this.#random);
    if (this.#isRotten) world.coverage.add("manifest rotted");
    this.#lock = new LockWatch(this.#process, `${ROOT}/format`);
    this.#troubled = arrangeTrouble({ ...world, process: this.#process, random: this.#random });
  }

  get process(): Process {
    return this.#process;
  }

  async live(): Promise<void> {
    const { settings, coverage } = this.#world;
    const ending = this.#random.weighted(settings.endings) ?? "close";
    const early = this.#random.chance(0.25);
    if (ending !== "close" && early) this.#dieAt(ending, this.#random.spread(3, 200));
    const store = await this.open();
    if (store === undefined) {
      coverage.add(this.#process.isAlive ? "opening refused" : "died while opening");
      return this.#bury();
    }
    await this.#readEverything(store);
    if (ending !== "close" && !early) this.#dieAt(ending, this.#random.spread(1, 1000));
    const hosts = this.#startHosts(store);
    if (ending === "close" && this.#random.chance(0.5))
      this.#process.later(this.#random.spread(1, 1000), "close", () => this.#end());
    await this.#wait("hosts", () => hosts.isDone() || this.#isOver);
    hosts.check();
    await this.close(store, () => hosts.isDone());
    hosts.check();
  }

  /** Anywhere, or where something was just written and is not yet synced. */
  #dieAt(ending: "kill" | "powerCut", count: number): void {
    const how = ending === "kill" ? "killed" : "powerCut";
    const moment = this.#random.pick(["any", "sync", "log"]);
    if (moment === "any") return this.#process.dieAt(count, how);
    const counts: CountsOperation = (operation, path) =>
      moment === "log"
        ? operation === "datasync" && path.endsWith(".wal")
        : operation === "sync" || operation === "syncDirectory" || operation === "datasync";
    this.#process.dieAt(Math.ceil(count / 20), how, counts);
  }

  /** Nothing disturbs it: the store opens, shows what it must, gives its garbage back, and is whole. */
  async inspect(): Promise<void> {
    const store = await this.open();
    if (store === undefined) throw new SimulationError("a store that nothing disturbs did not open");
    await this.#readEverything(store);
    const look = async (): Promise<void> => {
      for await (const _entry of store.listSessions({ includeChildren: true }))
        this.#world.coverage.add("listed");
      await store.gc();
      await store.snapshot();
      const { problems } = await store.verify();
      if (problems.length > 0) throw new SimulationError(`verify found ${JSON.stringify(problems)}`);
    };
    const looked = await this.#settle("a last look", look());
    if (looked?.ok === false) throw looked.error;
    await this.#readEverything(store);
    await this.close(store, () => true);
  }

  /** Undefined if the process died, or if trouble with the disk kept the store from opening. */
  async open(): Promise<Store | undefined> {
    const { settings, history, coverage, machine } = this.#world;
    const process = this.#process;
    const { vfs, clock, randomBytes } = process;
    const onEvent = (event: StoreEvent): void => this.#onEvent(event);
    const opening = openStore(ROOT, { ...settings.options, vfs, clock, random: randomBytes, onEvent });
    const opened = await this.#settle("opening", opening);
    if (opened === undefined || !process.isAlive) return undefined;
    if (!opened.ok) {
      machine.trace.add(`opening failed: ${String(opened.error)}`);
      if (
        !this.#troubled ||
        !isStoreError(opened.error) ||
        !["STORE_IO", "STORE_FULL"].includes(opened.error.code)
      )
        throw new SimulationError(`a store that must open was refused: ${String(opened.error)}`);
      if (process.openFiles > 0)
        throw new SimulationError(`a refused opening left ${process.openFiles} files open`);
      return undefined;
    }
    const { recovery } = opened.value;
    coverage.add("opened");
    if (recovery.tornBytes > 0) coverage.add("torn tail");
    if (recovery.replayedRecords > 0) coverage.add("records replayed");
    const { sync, graphPolicy, receiptsKept } = settings.options;
    if (sync === undefined || graphPolicy === undefined || receiptsKept === undefined)
      throw new SimulationError("the settings leave out what the checker needs");
    return recordStore(history, opened.value, { sync, graphPolicy, receiptsKept });
  }

  /** Closes the store unless the process is dead by now, and checks that nothing is left. */
  async close(store: Store, hostsAreDone: () => boolean): Promise<void> {
    this.#end();
    if (this.#process.isAlive) {
      const closed = await this.#settle("closing", store.close());
      if (closed !== undefined && this.#process.isAlive) {
        if (!closed.ok && !this.#troubled)
          throw new SimulationError(`closing failed: ${String(closed.error)}`);
        await this.#wait("hosts of a closed store", hostsAreDone);
        this.#world.coverage.add("end: closed");
        if (this.#process.openFiles > 0)
          throw new SimulationError(`a closed store left ${this.#process.openFiles} files open`);
      }
    }
    this.#bury();
  }

  /** Everything every session shows, so that it is known which unanswered writes are there. */
  async #readEverything(store: Store): Promise<void> {
    const { notebook } = this.#world;
    const read = async (): Promise<void> => {
      for (const sessionId of [...notebook.sessionIds, ...notebook.deletedIds]) {
        await store.session(sessionId).loadSession();
        await store.session(sessionId).loadSessionMeta();
      }
    };
    const done = await this.#settle("reading everything", read());
    if (done?.ok === false && this.#process.isAlive && !(this.#troubled && isStoreError(done.error)))
      throw done.error;
  }

  #startHosts(store: Store): { isDone: () => boolean; check: () => void } {
    const { settings, notebook, coverage, machine } = this.#world;
    let running = settings.hosts;
    let failure: unknown;
    for (let number = 0; number < settings.hosts; number++) {
      const random = machine.random(`${this.#process.name} host ${number}`);
      const host = new Host({
        ...{ store, process: this.#process, random, settings, notebook, coverage },
        mind: new HostMind({
          random: machine.random(`${this.#process.name} mind ${number}`),
          settings,
          notebook,
        }),
        over: () => this.#end(),
        isOver: () => this.#isOver,
        openView: () => this.#openView(),
        openSecond: () => this.#openSecond(),
      });
      this.#process.later(0, `host ${number}`, () => {
        void host.run().then(
          () => running--,
          (error: unknown) => {
            failure ??= error;
            running--;
          },
        );
      });
    }
    const check = (): void => {
      if (failure !== undefined && this.#process.isAlive) throw failure;
    };
    return { isDone: () => running === 0, check };
  }

  async #openView(): Promise<ReadOnlyStore | undefined> {
    if (!this.#process.isAlive) return undefined;
    const { history, machine } = this.#world;
    const reader = machine.start(`reader${this.#views++}-`);
    try {
      const { vfs, clock } = reader;
      return await recordView(
        history,
        () => openStoreReadOnly(ROOT, { vfs, clock }),
        () => reader.isAlive && this.#process.isAlive,
      );
    } catch (error) {
      if (!isStoreError(error)) throw error;
      this.#world.coverage.add(`view refused: ${error.code}`);
      return undefined;
    }
  }

  async #openSecond(): Promise<void> {
    // A store that is being closed may have freed its lock, and a dead process opens nothing.
    if (this.#isOver || !this.#process.isAlive) return;
    const { history, machine, coverage } = this.#world;
    const second = machine.start("second");
    const { vfs, clock, randomBytes } = second;
    await recordSecondOpen(history, () => openStore(ROOT, { vfs, clock, random: randomBytes }));
    second.retire();
    coverage.add("second open refused");
  }

  #onEvent(event: StoreEvent): void {
    const { coverage, machine } = this.#world;
    if (!this.#process.isAlive) return;
    coverage.add(`event: ${event.type}`);
    machine.trace.add(`event ${event.type}`);
    if (event.type === "poisoned") this.#process.later(0, "poisoned", () => this.#end());
  }

  #end(): void {
    this.#isOver = true;
  }

  #bury(): void {
    const { coverage, machine, history } = this.#world;
    const process = this.#process;
    this.#end();
    coverage.add("fault fired", process.firedFaults.length);
    coverage.add("file operations", process.operations);
    const [again] = process.syncsAfterFailure();
    if (again !== undefined)
      throw new SimulationError(`${again.operation} of ${again.path} again after it had failed`);
    process.retire();
    machine.isFull = false;
    if (this.#lock.broken !== undefined) throw new SimulationError(this.#lock.broken);
    if (!needsRemount(process.firedFaults)) return;
    machine.cutPower();
    history.ended("powerCut");
  }

  #settle<Result>(what: string, call: Promise<Result>): Promise<CallOutcome<Result> | undefined> {
    return outcomeOf(this.#world.machine, this.#process, what, call);
  }

  #wait(what: string, isDone: () => boolean): Promise<void> {
    return runUntil(this.#world.machine, this.#process, what, isDone);
  }
}
