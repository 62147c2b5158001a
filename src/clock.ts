/** Time as a dependency, so that tests and the simulator decide what time it is. Durations are milliseconds. */
export interface Clock {
  /** Monotonic, for durations. */
  now(): number;
  /** Wall clock, since the Unix epoch; for messages only, never for a decision about data. */
  wall(): number;
  /** Calls `fn` once after `ms`. A timer never keeps the process alive. */
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (fn, ms) => setTimeout(fn, ms).unref(),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
};
