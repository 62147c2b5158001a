/**
 * A whole run: prepares the techniques, gives each its share of the time, one crash at a time, and judges. It
 * deliberately prints nothing.
 *
 * 1. Every technique that can be done here gets as much time as the others.
 * 2. The first thing found wrong ends the run; what the crash left is kept as evidence.
 * 3. Whatever happens, processes are ended and file systems unmounted before it answers.
 * 4. Nobody survives what did not happen: a technique without a round is "skipped" or "not run" and says why,
 *    and then the run is not "survived".
 */
import { isStoreError } from "../../errors.ts";
import { diskVfs } from "../../vfs/disk.ts";
import { Random } from "../replay/random.ts";
import { Violation } from "./check.ts";
import { OWN_PROGRAM } from "./child.ts";
import { FullTechnique } from "./full.ts";
import { KillTechnique } from "./kill.ts";
import type { TechniqueName } from "./options.ts";
import { PowerTechnique } from "./power.ts";
import { StraceTechnique } from "./strace.ts";
import type { Bench, Technique } from "./technique.ts";
import { Workplace } from "./workplace.ts";

/** Bytes of the largest value: beyond one frame, so that some travel as several. */
const LARGEST_BYTES = 1_300_000;

export interface TortureInput {
  readonly directory: string | undefined;
  readonly milliseconds: number;
  readonly techniques: readonly TechniqueName[];
  readonly sessions: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Rounds after which a technique has done enough; by its name in reports. */
  readonly mostRounds?: (name: string) => number;
  /** Another load process: tests plant a bug in it. */
  readonly program?: string;
  readonly onProgress?: (report: TortureReport) => void;
}

export interface TechniqueReport {
  readonly name: string;
  /** Of this technique alone; "not run" until it has had a round. */
  verdict: "survived" | "failed" | "skipped" | "not run";
  /** Why it could not be done here. */
  skipped?: string;
  /** Why it had no round although nothing hindered it. */
  notRun?: string;
  rounds: number;
  durationMs: number;
  counts: Readonly<Record<string, number>>;
}

export interface TortureReport {
  /** "survived": every technique had a round. "partial": some had none. "untested": none had one. */
  outcome: "survived" | "failed" | "interrupted" | "partial" | "untested";
  readonly directory: string;
  readonly fileSystem: string;
  readonly seed: number;
  readonly sessions: number;
  durationMs: number;
  readonly techniques: TechniqueReport[];
  /** What was found wrong, by which technique in which of its rounds, and where the evidence lies. */
  problem?: { technique: string; round: number; message: string; evidence: string };
}

interface Entry {
  readonly technique: Technique;
  readonly report: TechniqueReport;
}

export async function runTorture(input: TortureInput): Promise<TortureReport> {
  const workplace = Workplace.take(input.directory);
  try {
    const run = new TortureRun(input, workplace);
    await run.run();
    return run.report;
  } finally {
    workplace.leave();
  }
}

class TortureRun {
  readonly report: TortureReport;
  readonly #input: TortureInput;
  readonly #workplace: Workplace;
  readonly #entries: Entry[];
  readonly #started = performance.now();

  constructor(input: TortureInput, workplace: Workplace) {
    this.#input = input;
    this.#workplace = workplace;
    this.#entries = this.#create().map((technique) => ({
      technique,
      report: {
        name: technique.name,
        verdict: "not run",
        rounds: 0,
        durationMs: 0,
        counts: technique.counts,
      },
    }));
    this.report = {
      outcome: "untested",
      directory: workplace.directory,
      fileSystem: diskVfs.fileSystem(workplace.directory).name,
      seed: input.seed,
      sessions: input.sessions,
      durationMs: 0,
      techniques: this.#entries.map(({ report }) => report),
    };
  }

  async run(): Promise<void> {
    try {
      const ready: Entry[] = [];
      for (const entry of this.#entries) if (await this.#prepare(entry)) ready.push(entry);
      for (let next = this.#next(ready); next !== undefined; next = this.#next(ready)) {
        await this.#attempt(next, () => next.technique.round());
        if (this.report.problem === undefined) next.report.rounds++;
      }
      if (!this.#input.signal.aborted) {
        const begun = ready.filter(({ report }) => report.rounds > 0);
        for (const entry of begun) await this.#attempt(entry, () => entry.technique.finish());
      }
      this.#judge();
    } finally {
      for (const { technique } of this.#entries) await technique.release();
      this.report.durationMs = performance.now() - this.#started;
    }
  }

  #create(): Technique[] {
    const { techniques, seed, sessions, program } = this.#input;
    const bench = (salt: number): Bench => ({
      workplace: this.#workplace,
      plan: { seed, lanes: sessions, largestBytes: LARGEST_BYTES },
      random: new Random(seed + salt),
      launch: { program: program ?? OWN_PROGRAM },
    });
    const made: Record<TechniqueName, () => Technique[]> = {
      kill: () => [new KillTechnique(bench(1))],
      strace: () => [new StraceTechnique(bench(2))],
      power: () => [new PowerTechnique(bench(3), "ext4"), new PowerTechnique(bench(4), "xfs")],
      full: () => (["ext4", "xfs", "tmpfs"] as const).map((name) => new FullTechnique(bench(5), name)),
    };
    return techniques.flatMap((name) => made[name]());
  }

  async #prepare({ technique, report }: Entry): Promise<boolean> {
    if (this.#isOver) return false;
    const skipped = await technique.prepare();
    if (skipped !== undefined) report.skipped = skipped;
    return skipped === undefined;
  }

  get #isOver(): boolean {
    const { signal, milliseconds } = this.#input;
    return (
      signal.aborted || this.report.problem !== undefined || performance.now() - this.#started >= milliseconds
    );
  }

  /** Of those that have not done enough, the one that had the least time. */
  #next(ready: readonly Entry[]): Entry | undefined {
    if (this.#isOver) return undefined;
    const { mostRounds = () => Number.POSITIVE_INFINITY } = this.#input;
    const waiting = ready.filter(({ report }) => report.rounds < mostRounds(report.name));
    return waiting.sort((left, right) => left.report.durationMs - right.report.durationMs)[0];
  }

  async #attempt({ technique, report }: Entry, work: () => Promise<void>): Promise<void> {
    if (this.report.problem !== undefined) return;
    const started = performance.now();
    try {
      await work();
    } catch (error) {
      const { copy, known } = technique.evidence;
      this.report.problem = {
        technique: technique.name,
        round: report.rounds + 1,
        message: messageOf(error),
        evidence: this.#workplace.keepEvidence(technique.name, copy, { seed: this.#input.seed, known }),
      };
    } finally {
      report.durationMs += performance.now() - started;
      this.report.durationMs = performance.now() - this.#started;
      this.#input.onProgress?.(this.report);
    }
  }

  #judge(): void {
    const { report } = this;
    for (const technique of report.techniques) this.#judgeOne(technique);
    const survived = report.techniques.filter(({ verdict }) => verdict === "survived").length;
    if (report.problem !== undefined) report.outcome = "failed";
    else if (this.#input.signal.aborted) report.outcome = "interrupted";
    else if (survived === 0) report.outcome = "untested";
    else report.outcome = survived === report.techniques.length ? "survived" : "partial";
  }

  #judgeOne(technique: TechniqueReport): void {
    const { problem } = this.report;
    if (problem?.technique === technique.name) technique.verdict = "failed";
    else if (technique.skipped !== undefined) technique.verdict = "skipped";
    else if (technique.rounds > 0) technique.verdict = "survived";
    else if (problem !== undefined) technique.notRun = "the run ended at what was found";
    else if (this.#input.signal.aborted) technique.notRun = "the run was interrupted";
    else technique.notRun = "the time was over before its first round";
  }
}

/** What a check found or the store answered, in its words; anything else with its stack: a fault of ours. */
function messageOf(error: unknown): string {
  if (error instanceof Violation) return error.message;
  if (isStoreError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
