/**
 * A script for one machine: lives of a store in an order that a test writes down, instead of drawing it. So a story
 * that a seed once told stays told, whatever the seeds draw later. Everything asked and answered is recorded.
 */
import assert from "node:assert/strict";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { describeViolation } from "../../src/testing/history/describe.ts";
import { History } from "../../src/testing/history/history.ts";
import { recordStore } from "../../src/testing/history/record-store.ts";
import { Machine, type Process } from "../../src/testing/simulation/machine.ts";
import { outcomeOf } from "../../src/testing/simulation/outcome.ts";
import { append, checkpoint, commit, messageNode, noise } from "../support/builders.ts";

export const ROOT = "/disk/store";
const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };
/** Bytes of a value of which a segment holds two: every third commit rolls. */
const VALUE_BYTES = 25_000;

export type LifeEnd = "refused" | "died" | "closed";

export class Story {
  readonly machine: Machine;
  readonly history: History;
  /** The error that refused the last opening. */
  refusal: unknown;
  /** Faults that fired in the last life. */
  lastFired = 0;
  #values = 0;

  constructor(seed = 1) {
    this.machine = new Machine(seed);
    this.history = new History({ now: () => this.machine.scheduler.now });
    this.machine.onDeath = (_process, how) => {
      if (this.history.owner > 0) this.history.ended(how);
    };
  }

  /** One life: `arrange` may let something fail or kill it; it is worked in, then closed. */
  async live(
    arrange: (process: Process) => void,
    work: (store: Store) => Promise<void> = (store) => this.look(store),
  ): Promise<LifeEnd> {
    const process = this.machine.start("owner");
    arrange(process);
    try {
      return await this.#liveIn(process, work);
    } finally {
      this.lastFired = process.firedFaults.length;
      process.retire();
    }
  }

  async #liveIn(process: Process, work: (store: Store) => Promise<void>): Promise<LifeEnd> {
    const { machine, history } = this;
    const { vfs, clock, randomBytes } = process;
    const opening = openStore(ROOT, { ...OPTIONS, vfs, clock, random: randomBytes });
    const opened = await outcomeOf(machine, process, "opening", opening);
    if (opened === undefined || !process.isAlive) return "died";
    if (!opened.ok) this.refusal = opened.error;
    else {
      const { value } = opened;
      const life = async (): Promise<void> => {
        const store = recordStore(history, value);
        // What a failing disk refuses is written down by the recorder.
        await work(store).catch(() => undefined);
        await store.close();
      };
      await outcomeOf(machine, process, "a life", life());
      if (!process.isAlive) return "died";
    }
    assert.equal(process.openFiles, 0, "no file stays open");
    assert.deepEqual(process.syncsAfterFailure(), []);
    return opened.ok ? "closed" : "refused";
  }

  /** Nothing disturbs this one: it opens, everything is as it was told, and it can be worked with. */
  async end(told: string): Promise<void> {
    const end = await this.live(
      () => undefined,
      async (store) => {
        await this.look(store);
        await this.commit(store);
      },
    );
    assert.equal(end, "closed", `${told}: ${String(this.refusal)}`);
    assert.deepEqual(this.history.check().map(describeViolation), [], told);
  }

  async look(store: Store): Promise<void> {
    await store.session("s").loadSession();
  }

  async commit(store: Store): Promise<void> {
    const number = ++this.#values;
    const id = `n${number}`;
    await store.session("s").commitRuntimeState(
      commit({
        sessionId: "s",
        graph: append([messageNode(id, undefined, id)], id),
        checkpoint: checkpoint({ executionState: noise(VALUE_BYTES, number) }),
      }),
    );
  }

  /** Commits until one fails; the log of them rolls every third time. */
  async commits(store: Store, count: number): Promise<void> {
    for (let number = 0; number < count; number++) await this.commit(store);
  }
}
