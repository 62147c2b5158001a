/**
 * Crash-tests a subject: records its workload, builds the states that a crash at each moment may leave, opens
 * and checks each, and crashes a share of the recoveries again. It stops at the first failure or when enough
 * different states were seen, seed after seed.
 *
 * 1. States count once, by the fingerprint of all names and contents. The same content is checked again only
 *    when more was promised meanwhile.
 * 2. Everything is decided by the seed: the same options look at the same states.
 * 3. A failure is told as one state, see `token.ts`, which makes it again without the rest.
 */
import { randomFrom } from "../../vfs/memory-random.ts";
import { checkLeft, failureOf, recordCheck, recordSubject } from "./look.ts";
import { type CrashPlan, crashPlans } from "./plans.ts";
import { describeMoment, type RecordedMoment } from "./record.ts";
import type { CrashSubject } from "./subject.ts";
import type { CrashState } from "./token.ts";

export interface ExploreOptions {
  /** Seed of the first workload; the following ones are each one more. */
  readonly seed: number;
  /** Ends when so many different states were looked at. */
  readonly states: number;
  /** 1: crashes of the workload. 2 (the default): also crashes inside the recovery from one. */
  readonly depth?: 1 | 2;
  /**
   * Share of the plans of a moment to look at; the essential ones always. Default: 1, or as much less as
   * spreads what is left of `states` over the whole workload.
   */
  readonly share?: number;
  /** Share of recoveries that are crashed again. Default 0.01. */
  readonly secondShare?: number;
  /** Share of checks that go on with work. Default 0.05. */
  readonly goOnShare?: number;
  /** Random mixes of fates at each moment. Default 8. */
  readonly mixes?: number;
  /** Workloads at most, whatever `states` says. Default: no limit but `states`. */
  readonly workloads?: number;
  /** Called after every workload and every 1,000 states or so. */
  readonly onProgress?: (report: CrashReport) => void;
}

export interface CrashReport {
  /** States of different content that were opened and checked. */
  states: number;
  /** Of these, how many lay inside a recovery. */
  secondStates: number;
  /** Of all, how many were gone on with. */
  goneOn: number;
  /** Built, and found to be known already. */
  duplicates: number;
  /** Workloads recorded, and their moments. */
  workloads: number;
  moments: number;
  failure: CrashFailure | undefined;
}

export interface CrashFailure {
  readonly state: CrashState;
  /** What happened, in words, one crash a line. */
  readonly story: readonly string[];
  readonly error: unknown;
}

/** Moments of one recovery that are crashed, and states of each besides the essential ones. */
const SECOND_MOMENTS = 6;
const SECOND_SHARE_OF_PLANS = 0.25;
const PROGRESS_STATES = 1000;
/** Workloads in a row that may add no state before the exploration gives up. */
const MAX_BARREN_WORKLOADS = 3;

export async function exploreCrashes<Known>(
  subjectOf: (seed: number) => CrashSubject<Known>,
  options: ExploreOptions,
): Promise<CrashReport> {
  const report = emptyReport();
  let barren = 0;
  for (let seed = options.seed; report.states < options.states && report.failure === undefined; seed++) {
    if (report.workloads >= (options.workloads ?? Number.POSITIVE_INFINITY)) break;
    const before = report.states;
    const workload = new Exploration(subjectOf(seed), seed, options, report);
    await workload.explore();
    barren = report.states === before ? barren + 1 : 0;
    if (barren === MAX_BARREN_WORKLOADS) break;
    options.onProgress?.(report);
  }
  return report;
}

export function emptyReport(): CrashReport {
  return {
    states: 0,
    secondStates: 0,
    goneOn: 0,
    duplicates: 0,
    workloads: 0,
    moments: 0,
    failure: undefined,
  };
}

/** One workload and everything that can become of it. */
class Exploration<Known> {
  readonly #subject: CrashSubject<Known>;
  readonly #seed: number;
  readonly #options: ExploreOptions;
  readonly #report: CrashReport;
  readonly #random: () => number;
  /** What was promised when a content was last looked at. Fingerprints of different workloads never meet. */
  readonly #seen = new Map<number, Known>();

  constructor(subject: CrashSubject<Known>, seed: number, options: ExploreOptions, report: CrashReport) {
    this.#subject = subject;
    this.#seed = seed;
    this.#options = options;
    this.#report = report;
    this.#random = randomFrom(seed);
  }

  async explore(): Promise<void> {
    const { mixes = 8, depth = 2, secondShare = 0.01, goOnShare = 0.05 } = this.#options;
    const moments = await recordSubject(this.#subject);
    const share = this.#options.share ?? this.#spread(moments, mixes);
    this.#report.workloads += 1;
    for (const recorded of moments) {
      this.#report.moments += 1;
      const seed = this.#seed * 65_537 + recorded.ordinal * 257;
      for (const plan of crashPlans(recorded.moment.parts, { seed, mixes })) {
        if (this.#isOver) return;
        // Drawn whether needed or not, so that one choice does not move the others.
        const [taken, second, goOn] = [this.#random(), this.#random(), this.#random()];
        if (!plan.essential && taken >= share) continue;
        if (depth === 2 && second < secondShare) await this.#lookTwice(recorded, plan, goOn < goOnShare);
        else await this.#look(recorded, plan, goOn < goOnShare);
      }
    }
  }

  /** The share at which what is left to look at reaches the end of the workload. */
  #spread(moments: readonly RecordedMoment<Known>[], mixes: number): number {
    let plans = 0;
    for (const { moment } of moments)
      for (const _ of crashPlans(moment.parts, { seed: this.#seed, mixes })) plans += 1;
    return Math.min(1, (this.#options.states - this.#report.states) / plans);
  }

  get #isOver(): boolean {
    return this.#report.failure !== undefined || this.#report.states >= this.#options.states;
  }

  async #look(recorded: RecordedMoment<Known>, plan: CrashPlan, goOn: boolean): Promise<void> {
    const fates = plan.fates();
    const vfs = recorded.moment.crash(fates);
    if (!this.#count(vfs.fingerprint(), recorded.known)) return;
    if (goOn) this.#report.goneOn += 1;
    const error = await failureOf(() => checkLeft(this.#subject, vfs, recorded.known, goOn));
    if (error === undefined) return;
    const crashes = [{ moment: recorded.ordinal, fates }];
    this.#fail({ seed: this.#seed, crashes, goOn }, [tell(recorded, plan)], error);
  }

  async #lookTwice(recorded: RecordedMoment<Known>, plan: CrashPlan, goOn: boolean): Promise<void> {
    const fates = plan.fates();
    const vfs = recorded.moment.crash(fates);
    if (!this.#count(vfs.fingerprint(), recorded.known)) return;
    this.#report.goneOn += 1;
    const first = { moment: recorded.ordinal, fates };
    let moments: RecordedMoment<Known>[] = [];
    const error = await failureOf(async () => {
      moments = await recordCheck(this.#subject, vfs, recorded.known);
    });
    if (error !== undefined) {
      this.#fail({ seed: this.#seed, crashes: [first], goOn: true }, [tell(recorded, plan)], error);
      return;
    }
    for (const again of this.#sample(moments)) {
      const seed = this.#seed * 65_537 + recorded.ordinal * 257 + again.ordinal;
      for (const second of crashPlans(again.moment.parts, { seed, mixes: 4 })) {
        if (this.#isOver) return;
        if (!second.essential && this.#random() >= SECOND_SHARE_OF_PLANS) continue;
        const secondFates = second.fates();
        const left = again.moment.crash(secondFates);
        const before = this.#report.states;
        if (!this.#count(left.fingerprint(), again.known)) continue;
        this.#report.secondStates += this.#report.states - before;
        const found = await failureOf(() => checkLeft(this.#subject, left, again.known, goOn));
        if (found === undefined) continue;
        const crashes = [first, { moment: again.ordinal, fates: secondFates }];
        const story = [tell(recorded, plan), `in the recovery from that, ${tell(again, second)}`];
        this.#fail({ seed: this.#seed, crashes, goOn }, story, found);
        return;
      }
    }
  }

  #sample(moments: readonly RecordedMoment<Known>[]): RecordedMoment<Known>[] {
    const share = SECOND_MOMENTS / moments.length;
    return moments.filter(() => this.#random() < share);
  }

  /** Counts a state; false if there is nothing new about it. */
  #count(fingerprint: number, known: Known): boolean {
    const before = this.#seen.get(fingerprint);
    const isNew = !this.#seen.has(fingerprint);
    if (!isNew && before === known) {
      this.#report.duplicates += 1;
      return false;
    }
    this.#seen.set(fingerprint, known);
    if (isNew) {
      this.#report.states += 1;
      if (this.#report.states % PROGRESS_STATES === 0) this.#options.onProgress?.(this.#report);
    }
    return true;
  }

  #fail(state: CrashState, story: readonly string[], error: unknown): void {
    this.#report.failure = { state, story, error };
  }
}

function tell(recorded: RecordedMoment<unknown>, plan: CrashPlan): string {
  return `${describeMoment(recorded)}: ${plan.title()}`;
}
