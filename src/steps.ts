/**
 * Long work in bounded steps: a generator that yields wherever the event loop may turn, so that one course of
 * the work serves a thread of its own (run through) and the main thread (a step a turn). It deliberately
 * measures no time: how much one step may do is the business of who yields, as a number in `limits.ts`.
 */
import { type Clock, nextTurn, type TurnTaker } from "./clock.ts";

/** Work that answers a `Value`. What it holds over a yield it must bear to see changed by others. */
export type Steps<Value> = Generator<undefined, Value, undefined>;

/** All steps at once. */
export function runThrough<Value>(steps: Steps<Value>): Value {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The first step now, each further one in a turn of its own. */
export async function runInTurns<Value>(steps: Steps<Value>, clock: Clock, taker: TurnTaker): Promise<Value> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await nextTurn(clock, taker);
  }
}
