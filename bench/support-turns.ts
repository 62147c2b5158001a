/**
 * Watches the event loop of the main thread: how long it was held between two turns, told apart from what a
 * loaded machine adds. It does not say by what; `--why` of the bench that uses it takes a profile beside it.
 *
 * 1. Held = time the loop was not idle − time the thread was ready to run and had no processor (`schedstat`,
 *    Linux). Waiting for the disk counts; so does waiting for memory, and a host that takes the machine away.
 * 2. Busy = processor time of the main thread between two looks (`schedstat`, exact to one tick of the kernel,
 *    1 to 4 ms): what a stall is made of when nothing else is in the way. Without `schedstat` it is as held.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";

/** Milliseconds between two looks; the resolution of what is reported. */
const PERIOD_MS = 1;
/** Stalls that are kept for the report. */
const KEPT = 5;

export interface Stall {
  /** Milliseconds of `performance.now()` at its end. */
  readonly endedAt: number;
  readonly wallMs: number;
  readonly heldMs: number;
  readonly busyMs: number;
}

export interface TurnReport {
  /** The longest stalls by `heldMs` and by `busyMs`, longest first. */
  readonly held: readonly Stall[];
  readonly busy: readonly Stall[];
  /** Longest delay of the loop as Node's own monitor saw it, milliseconds. */
  readonly loopDelayMs: number;
}

/** Starts watching; the answer stops it. */
export function watchTurns(): () => TurnReport {
  const schedule = openSchedule();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let held: Stall[] = [];
  let busy: Stall[] = [];
  let last = look();
  function look() {
    return { at: performance.now(), loop: performance.eventLoopUtilization(), ...schedule.read() };
  }
  const compare = (): void => {
    const now = look();
    const wallMs = now.at - last.at;
    const activeMs = performance.eventLoopUtilization(now.loop, last.loop).active;
    const heldMs = Math.max(0, Math.min(activeMs, wallMs - PERIOD_MS) - (now.waitedMs - last.waitedMs));
    const stall = {
      endedAt: now.at,
      wallMs,
      heldMs,
      busyMs: schedule.counts ? now.ranMs - last.ranMs : heldMs,
    };
    held = withStall(held, stall, (one) => one.heldMs);
    busy = withStall(busy, stall, (one) => one.busyMs);
    last = now;
  };
  const timer = setInterval(compare, PERIOD_MS);
  delay.enable();
  return () => {
    // What stopped us last is a stall as well.
    compare();
    clearInterval(timer);
    delay.disable();
    schedule.close();
    return { held, busy, loopDelayMs: delay.max / 1e6 };
  };
}

function withStall(stalls: Stall[], stall: Stall, length: (stall: Stall) => number): Stall[] {
  const least = stalls[KEPT - 1];
  if (least !== undefined && length(least) >= length(stall)) return stalls;
  return [...stalls, stall].sort((a, b) => length(b) - length(a)).slice(0, KEPT);
}

/** Milliseconds that the main thread ran, and was ready and waited, so far; always 0 where nobody counts them. */
function openSchedule(): { counts: boolean; read(): { ranMs: number; waitedMs: number }; close(): void } {
  let fd: number;
  try {
    fd = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
  } catch {
    return { counts: false, read: () => ({ ranMs: 0, waitedMs: 0 }), close: () => {} };
  }
  const bytes = Buffer.alloc(128);
  return {
    counts: true,
    read: () => {
      const length = readSync(fd, bytes, 0, bytes.length, 0);
      const [ran, waited] = bytes.toString("latin1", 0, length).split(" ");
      return { ranMs: Number(ran) / 1e6, waitedMs: Number(waited) / 1e6 };
    },
    close: () => closeSync(fd),
  };
}
