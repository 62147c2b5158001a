/** What `stats().log` shows over a store's life: LSNs only grow, and every write took at least one. */
import type { Value } from "./events.ts";

export class LogCheck {
  #lastLsn = 0;
  #durableLsn = 0;
  /** Writes acknowledged since the numbers were looked at. */
  #writes = 0;
  #lookedAt = 0;
  #reopened = true;

  opened(): void {
    this.#reopened = true;
    this.#writes = 0;
  }

  /** Frames that were never durable may be lost, and their LSNs are then used again. */
  ended(forgets: boolean): void {
    this.#lastLsn = this.#durableLsn;
    if (forgets) this.#durableLsn = this.#lastLsn = 0;
    this.#reopened = true;
  }

  /** `invokedAt` is the place of its call in the history: only what was called since the last look counts. */
  wrote(value: Value, invokedAt: number): void {
    if (invokedAt < this.#lookedAt) return;
    if (value.kind === "commit" && !value.commit.replayed) this.#writes++;
  }

  seen(now: number, lastLsn: number, durableLsn: number): string | undefined {
    const least = this.#lastLsn + (this.#reopened ? 0 : this.#writes);
    const wrong =
      lastLsn < least
        ? `the last LSN is ${lastLsn} after ${this.#lastLsn} and ${this.#writes} commits`
        : durableLsn < this.#durableLsn
          ? `the durable LSN is ${durableLsn} after ${this.#durableLsn}`
          : durableLsn > lastLsn
            ? `the durable LSN is ${durableLsn}, above the last, ${lastLsn}`
            : undefined;
    this.#lastLsn = lastLsn;
    this.#durableLsn = durableLsn;
    this.#writes = 0;
    this.#lookedAt = now;
    this.#reopened = false;
    return wrong;
  }
}
