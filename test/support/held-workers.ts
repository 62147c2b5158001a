/** A clock under which workers stand still until they are released: a snapshot at work for as long as a test wants. */
import { type Clock, systemClock } from "../../src/clock.ts";

export function holdWorkers(): { readonly clock: Clock; readonly held: number; release: () => void } {
  const held: (() => void)[] = [];
  let isHolding = true;
  return {
    clock: {
      ...systemClock,
      turn: (taker, fn) => {
        if (taker === "worker" && isHolding) held.push(fn);
        else systemClock.turn(taker, fn);
      },
    },
    /** Turns that wait. */
    get held() {
      return held.length;
    },
    release: () => {
      isHolding = false;
      for (const turn of held.splice(0)) turn();
    },
  };
}
