/**
 * Load on a subject. Closed loop: so many committers, each sending its next commit when the last was
 * acknowledged. Open loop: commits due at a fixed rate whether or not earlier ones came back, each timed from
 * the moment it was due, so that a stall costs every commit that it kept waiting (no coordinated omission).
 */
import { Latency } from "./latency.ts";
import type { Subject } from "./subject.ts";

export interface Load {
  readonly latency: Latency;
  readonly acknowledged: number;
  readonly perSecond: number;
}

/**
 * Commits go on for `millis`; `steps` holds how many each committer has made and is advanced. A commit's time
 * runs from the acknowledgement of the committer's last one: for a subject that blocks the thread the others'
 * commits are waiting, and that counts.
 */
export async function closedLoop(subject: Subject, steps: number[], millis: number): Promise<Load> {
  const latency = new Latency();
  let acknowledged = 0;
  const started = performance.now();
  const end = started + millis;
  const committer = async (index: number): Promise<void> => {
    let step = steps[index] ?? 0;
    let since = started;
    do {
      await subject.commit(index, step);
      step += 1;
      const now = performance.now();
      latency.record(now - since);
      acknowledged += 1;
      since = now;
    } while (since < end);
    steps[index] = step;
  };
  await Promise.all(steps.map((_, index) => committer(index)));
  const perSecond = (acknowledged / (performance.now() - started)) * 1000;
  return { latency, acknowledged, perSecond };
}

/**
 * One commit every 1/`perSecond` seconds for `millis`, spread over the committers in turn. The loop turns
 * without sleeping between due times, because timers are a millisecond coarse. A subject that cannot keep up is
 * given `GRACE` times `millis` to finish what is due; what is still due then is left out and said.
 */
export async function openLoop(
  subject: Subject,
  steps: number[],
  options: { perSecond: number; millis: number },
): Promise<Load & { readonly due: number }> {
  const latency = new Latency();
  const due = Math.floor((options.perSecond * options.millis) / 1000);
  const gap = 1000 / options.perSecond;
  const started = performance.now();
  const giveUp = started + options.millis * GRACE;
  const inFlight = new Set<Promise<void>>();
  let sent = 0;
  let acknowledged = 0;
  const send = async (dueAt: number): Promise<void> => {
    const index = sent % steps.length;
    const step = steps[index] ?? 0;
    steps[index] = step + 1;
    sent += 1;
    await subject.commit(index, step);
    latency.record(performance.now() - dueAt);
    acknowledged += 1;
  };
  while (sent < due && performance.now() < giveUp) {
    while (sent < due && started + sent * gap <= performance.now() && inFlight.size < MAX_IN_FLIGHT) {
      const one = send(started + sent * gap);
      inFlight.add(one);
      void one.finally(() => inFlight.delete(one)).catch(() => {});
      if (performance.now() > giveUp) break;
    }
    await nextTurn();
  }
  await Promise.all(inFlight);
  return { latency, acknowledged, due, perSecond: (acknowledged / (performance.now() - started)) * 1000 };
}

/** A subject that is hopelessly behind must not hold the whole run. */
const GRACE = 3;
/** Bounds memory when nothing comes back; below what a store queues. */
const MAX_IN_FLIGHT = 20_000;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
