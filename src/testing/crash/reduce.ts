/**
 * Makes a failing crash state as simple as it gets: the earliest moment of the workload at which a simple crash
 * fails, and then the fewest parts whose fate differs from all being kept, or all being lost. Delta debugging
 * (Zeller and Hildebrandt) over the parts; what fails while reducing may be another failure than the first.
 *
 * 1. Whatever is answered failed when it was last tried.
 */
import { exploreCrashes } from "./explore.ts";
import { recordSubject, tryState, UnknownStateError } from "./look.ts";
import type { RecordedMoment } from "./record.ts";
import type { CrashSubject } from "./subject.ts";
import type { CrashAt, CrashState } from "./token.ts";

/** States tried at earlier moments, and for reducing one crash. */
const MAX_EARLIER_STATES = 2000;
const MAX_TRIES = 500;

type Baseline = "kept" | "lost";

export async function reduceFailure<Known>(
  subjectOf: (seed: number) => CrashSubject<Known>,
  failing: CrashState,
): Promise<CrashState> {
  const recorded = await recordSubject(subjectOf(failing.seed));
  const earlier = await earliest(subjectOf, failing);
  const reducer = new Reducer(subjectOf, recorded, earlier);
  await reducer.dropGoingOn();
  for (let at = earlier.crashes.length - 1; at >= 0; at--) await reducer.reduceCrash(at);
  return reducer.state;
}

/** The first simple crash of the same workload that fails, if it lies before the failing one. */
async function earliest<Known>(
  subjectOf: (seed: number) => CrashSubject<Known>,
  failing: CrashState,
): Promise<CrashState> {
  const { failure } = await exploreCrashes(subjectOf, {
    seed: failing.seed,
    states: MAX_EARLIER_STATES,
    depth: 1,
    mixes: 0,
    workloads: 1,
    goOnShare: failing.goOn ? 1 : 0,
  });
  const [found] = failure?.state.crashes ?? [];
  const [first] = failing.crashes;
  if (failure === undefined || found === undefined || first === undefined) return failing;
  return failing.crashes.length > 1 || found.moment < first.moment ? failure.state : failing;
}

class Reducer<Known> {
  state: CrashState;
  readonly #subjectOf: (seed: number) => CrashSubject<Known>;
  readonly #recorded: readonly RecordedMoment<Known>[];
  #tries = 0;

  constructor(
    subjectOf: (seed: number) => CrashSubject<Known>,
    recorded: readonly RecordedMoment<Known>[],
    state: CrashState,
  ) {
    this.#subjectOf = subjectOf;
    this.#recorded = recorded;
    this.state = state;
  }

  async dropGoingOn(): Promise<void> {
    await this.#accept({ ...this.state, goOn: false });
  }

  async reduceCrash(at: number): Promise<void> {
    const start = this.state;
    const results: CrashState[] = [];
    for (const baseline of ["kept", "lost"] as const) {
      this.state = start;
      this.#tries = 0;
      await this.#minimise(at, baseline);
      results.push(this.state);
    }
    const [kept = start, lost = start] = results;
    this.state = deviations(lost, at, "lost") < deviations(kept, at, "kept") ? lost : kept;
  }

  /** Delta debugging: give the baseline's fate to ever smaller groups of the parts that differ from it. */
  async #minimise(at: number, baseline: Baseline): Promise<void> {
    let size = Math.max(1, deviating(this.state, at, baseline).length);
    while (this.#tries < MAX_TRIES) {
      let changed = false;
      const places = deviating(this.state, at, baseline);
      for (let from = 0; from < places.length; from += size) {
        const group = new Set(places.slice(from, from + size));
        changed = (await this.#accept(withFates(this.state, at, group, baseline))) || changed;
      }
      if (size === 1 && !changed) return;
      size = Math.ceil(size / 2);
    }
  }

  /** Takes the candidate if it fails too. */
  async #accept(candidate: CrashState): Promise<boolean> {
    this.#tries += 1;
    if (this.#tries > MAX_TRIES) return false;
    const error = await tryState(this.#subjectOf, candidate, this.#recorded);
    if (error === undefined || error instanceof UnknownStateError) return false;
    this.state = candidate;
    return true;
  }
}

function crashAt({ crashes }: CrashState, at: number): CrashAt {
  const found = crashes[at];
  if (found === undefined) throw new TypeError(`the state has no crash ${at}`);
  return found;
}

function deviating(state: CrashState, at: number, baseline: Baseline): number[] {
  return crashAt(state, at).fates.flatMap((fate, place) => (fate === baseline ? [] : [place]));
}

function deviations(state: CrashState, at: number, baseline: Baseline): number {
  return deviating(state, at, baseline).length;
}

function withFates(
  state: CrashState,
  at: number,
  group: ReadonlySet<number>,
  baseline: Baseline,
): CrashState {
  const fates = crashAt(state, at).fates.map((fate, place) => (group.has(place) ? baseline : fate));
  return { ...state, crashes: state.crashes.map((one, index) => (index === at ? { ...one, fates } : one)) };
}
