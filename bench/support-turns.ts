/**
 * Watches the event loop of the main thread: how long it was held between two turns, told apart from the time
 * in which the thread was ready to run and another program had the processor. It does not say by what; `--why`
 * of the bench that uses it takes a profile beside it.
 *
 * 1. Held = time between two looks − the period of the looks − the time the thread waited for a processor
 *    (`schedstat`, Linux). So a loaded machine does not make a stall longer, and waiting for the disk counts.
 * 2. `loopDelay` is Node's own histogram of the same time, with waits for a processor in it.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

/** Milliseconds between two looks; the resolution of what is reported. */
const PERIOD_MS = 1;

export interface Stall {
  /** Monotonic milliseconds (`performance.now()`) at its end. */
  readonly endedAt: number;
  /** Wall-clock milliseconds between the two looks. */
  readonly wallMs: number;
  /** Milliseconds of it in which this thread held the loop: running, or blocked in a system call. */
  readonly heldMs: number;
}

export interface TurnReport {
  /** The longest stalls by `heldMs`, longest first. */
  readonly longest: readonly Stall[];
  /** Longest delay of the loop as Node's own monitor saw it, milliseconds. */
  readonly loopDelayMs: number;
}

/** Stalls that are kept for the report. */
const KEPT = 5;

/** Starts watching; the answer stops it. */
export function watchTurns(): () => TurnReport {
  const waits = openRunDelay();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let longest: Stall[] = [];
  let lastAt = performance.now();
  let lastWait = waits.read();
  const look = (): void => {
    const now = performance.now();
    const wait = waits.read();
    const wallMs = now - lastAt;
    const heldMs = Math.max(0, wallMs - PERIOD_MS - (wait - lastWait));
    if (longest.length < KEPT || heldMs > (longest.at(-1)?.heldMs ?? 0)) {
      longest = [...longest, { endedAt: now, wallMs, heldMs }].sort((a, b) => b.heldMs - a.heldMs);
      longest.length = Math.min(longest.length, KEPT);
    }
    lastAt = now;
    lastWait = wait;
  };
  const timer = setInterval(look, PERIOD_MS);
  delay.enable();
  return () => {
    // What stopped us last is a stall as well.
    look();
    clearInterval(timer);
    delay.disable();
    waits.close();
    return { longest, loopDelayMs: delay.max / 1e6 };
  };
}

/** Milliseconds that the main thread was ready to run and did not, so far; always 0 where nobody counts it. */
function openRunDelay(): { read(): number; close(): void } {
  let fd: number;
  try {
    fd = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
  } catch {
    return { read: () => 0, close: () => {} };
  }
  const bytes = Buffer.alloc(128);
  return {
    read: () => {
      const length = readSync(fd, bytes, 0, bytes.length, 0);
      return Number(bytes.toString("latin1", 0, length).split(" ")[1]) / 1e6;
    },
    close: () => closeSync(fd),
  };
}
