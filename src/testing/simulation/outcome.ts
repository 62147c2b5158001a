/**
 * Waits in simulated time: the scheduler runs until something has come about, or the process that would bring it
 * about is dead. It deliberately never waits for ever: what does not come to an end is a finding.
 */
import type { Machine, Process } from "./machine.ts";

/** Events that one wait takes at most: far more than any store or host that comes to an end. */
const MAX_EVENTS = 200_000;

/** How a call ended. */
export type CallOutcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: unknown };

/** Nothing is left to happen, or too much happened, and what was waited for did not. */
export class StuckError extends Error {}

/** Runs the machine until `isDone`, or until `process` is dead. */
export async function runUntil(
  machine: Machine,
  process: Process,
  what: string,
  isDone: () => boolean,
): Promise<void> {
  // What is settled already still has microtasks to run.
  await new Promise((resolve) => setImmediate(resolve));
  const isOver = (): boolean => isDone() || !process.isAlive;
  if (!(await machine.scheduler.runUntil(isOver, MAX_EVENTS)))
    throw new StuckError(`${what}: no end after ${MAX_EVENTS} events, or nothing left to happen`);
}

/** Runs the machine until the call has ended; undefined if the process died first. */
export async function outcomeOf<Value>(
  machine: Machine,
  process: Process,
  what: string,
  call: Promise<Value>,
): Promise<CallOutcome<Value> | undefined> {
  let outcome: CallOutcome<Value> | undefined;
  void call.then(
    (value) => {
      outcome = { ok: true, value };
    },
    (error: unknown) => {
      outcome = { ok: false, error };
    },
  );
  await runUntil(machine, process, what, () => outcome !== undefined);
  return outcome;
}
