/**
 * The whole store as the subject of crash tests: the engine without threads, on files in memory, with small
 * segments, its turns given by a clock that stops when the store is dropped, so that nothing of a store goes
 * on after its check. Time stands still: no timer ever fires.
 */
import type { Clock } from "../../src/clock.ts";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import type { CrashLeft, CrashSubject } from "../../src/testing/crash/subject.ts";
import type { MemoryVfs } from "../../src/vfs/memory.ts";
import { checkStore, goOn } from "./check-store.ts";
import { type Promised, type Step, Story, stepsOf } from "./story.ts";

const ROOT = "/store";

class StillClock implements Clock {
  #dropped = false;

  now(): number {
    return 0;
  }
  wall(): number {
    return 0;
  }
  setTimeout(): undefined {}
  clearTimeout(): void {}
  turn(_taker: string, fn: () => void): void {
    // Behind every promise that is ready, as a turn of the event loop is, without its price.
    queueMicrotask(() =>
      process.nextTick(() => {
        if (!this.#dropped) fn();
      }),
    );
  }
  /** The parts of a store with this clock do nothing any more: as good as killed. */
  drop(): void {
    this.#dropped = true;
  }
}

export class StoreSubject implements CrashSubject<Promised> {
  readonly #steps: readonly Step[];
  readonly #story = new Story();

  constructor(seed: number, steps: readonly Step[] = stepsOf(seed)) {
    this.#steps = steps;
  }

  known(): Promised {
    return this.#story.promised();
  }

  async run(vfs: MemoryVfs): Promise<void> {
    const clock = new StillClock();
    const open = (): Promise<Store> => {
      this.#story.setClosed(false);
      return openStore(ROOT, options(vfs, clock));
    };
    let store = await open();
    for (const step of this.#steps) {
      store = await this.#story.play(step, store, async () => {
        await this.#close(store);
        return await open();
      });
    }
    await this.#close(store);
  }

  async #close(store: Store): Promise<void> {
    await store.close();
    this.#story.setClosed(true);
  }

  async check(left: CrashLeft<Promised>): Promise<void> {
    const clock = new StillClock();
    // From here on it is open, and says so if the power goes again.
    left.learn({ ...left.known, isClosed: false });
    try {
      const store = await openStore(ROOT, options(left.vfs, clock));
      const found = await checkStore(store, left.known);
      left.learn(found);
      if (left.goOn) await goOn(store, found, (more) => left.learn(more));
      if (left.goOn) await store.close();
    } finally {
      clock.drop();
    }
  }
}

function options(vfs: MemoryVfs, clock: Clock): StoreOptions {
  return { vfs, clock, segmentBytes: 64 * 1024, snapshot: false, gc: false };
}
