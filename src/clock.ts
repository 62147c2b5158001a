/**
 * Time as a dependency: durations, timers, and the turns of the event loop in which the parts of a store that
 * share one thread go on. Tests and the simulator decide what time it is and whose turn is next. It
 * deliberately has no promises: what a turn leads to runs in that turn's microtasks, also what waits for
 * `nextTurn`.
 */

/**
 * Who asks for a turn: the log written inline, a task of the pool in this process, and long work that lets
 * others in between its steps: a walk through a listing or through nodes, an opening, a long session that is loaded, a
 * gc that looks at what was used meanwhile, sessions that leave memory.
 */
export type TurnTaker =
  | "log"
  | "worker"
  | "listing"
  | "iterating"
  | "opening"
  | "loading"
  | "collector"
  | "registry";

/** Durations are milliseconds. */
export interface Clock {
  /** Monotonic, for durations. */
  now(): number;
  /** Wall clock, since the Unix epoch; for messages only, never for a decision about data. */
  wall(): number;
  /** Calls `fn` once after `ms`. A timer never keeps the process alive. */
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
  /**
   * Calls `fn` once in a later turn of the event loop, never within the call; the process stays alive until
   * then. Turns may come in any order: whoever needs one asks for it behind the other.
   */
  turn(taker: TurnTaker, fn: () => void): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (fn, ms) => setTimeout(fn, ms).unref(),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
  turn: (_taker, fn) => void setImmediate(fn),
};

/** Resolves in a later turn; what waits for it runs in that turn's microtasks. */
export function nextTurn(clock: Clock, taker: TurnTaker): Promise<void> {
  return new Promise((resolve) => clock.turn(taker, resolve));
}
