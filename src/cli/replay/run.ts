/**
 * One replay from beginning to end: open, look at what is there, play, close, reopen, verify. It decides what
 * follows on what; how a session is played or compared is its neighbours' affair.
 *
 * 1. Nothing is written to a store whose content differs from what was sent.
 * 2. The store is closed on every way out, and a temporary directory is gone afterwards.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RecoveryReport, Store, StoreEvent, StoreOptions } from "../../contract.ts";
import { Histogram } from "./histogram.ts";
import { type Input, openInput } from "./input.ts";
import { DEFAULT_COMMITS, DEFAULT_SESSIONS, type ReplayOptions } from "./options.ts";
import { nothingPlayed, playSession, type Stage } from "./play.ts";
import { Progress, playingLine, type Screen } from "./progress.ts";
import {
  gcSummary,
  latencyReport,
  logReport,
  type ReopenReport,
  type ReplayReport,
  snapshotReport,
  storageReport,
} from "./report.ts";
import { introText, reportText } from "./report-text.ts";
import { type ResumedSession, type Resumption, resumeSessions } from "./resume.ts";
import { describeError, type ExpectedSession, verifyStore } from "./verify.ts";

export interface ReplayHost {
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly color: boolean;
  open(directory: string, options: StoreOptions): Promise<Store>;
}

/**
 * Triggers that make a default run show what a store of months shows: several snapshots, and garbage that is
 * worth collecting.
 */
const SNAPSHOT_LOG_BYTES = 16 * 1024 * 1024;
const GC_RATIO = 0.3;
const GC_BYTES = 2 * 1024 * 1024;
const SEGMENT_BYTES = 4 * 1024 * 1024;
/** Automatic snapshots a default run must show. */
const SNAPSHOTS_WANTED = 2;

export async function runReplay(options: ReplayOptions, host: ReplayHost): Promise<ReplayReport> {
  const input = openInput(options);
  const temporary = options.directory === undefined;
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "varve-replay-"));
  try {
    const report = emptyReport(options, input, { directory, temporary });
    if (!options.json) host.stdout.write(introText(report));
    await new Run(options, host, input, report).play();
    host.stdout.write(
      options.json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report, { color: host.color }),
    );
    return report;
  } finally {
    if (temporary) rmSync(directory, { recursive: true, force: true });
  }
}

function emptyReport(
  options: ReplayOptions,
  input: Input,
  place: Pick<ReplayReport, "directory" | "temporary">,
): ReplayReport {
  const { sync, sessions } = options;
  const inputProblems = input.problems;
  return {
    outcome: "failed",
    ...place,
    sync,
    input: input.names,
    sessions,
    inputProblems,
    missing: [],
    problems: [],
  };
}

class Run {
  readonly #options: ReplayOptions;
  readonly #host: ReplayHost;
  readonly #input: Input;
  readonly #report: ReplayReport;
  readonly #progress: Progress;
  /** Aborted by Ctrl-C, and when a session fails: the others then stop too. */
  readonly #stop = new AbortController();

  constructor(options: ReplayOptions, host: ReplayHost, input: Input, report: ReplayReport) {
    this.#options = options;
    this.#host = host;
    this.#input = input;
    this.#report = report;
    this.#progress = new Progress(host.stderr);
  }

  /** Fills the report. */
  async play(): Promise<void> {
    const stop = () => this.#stop.abort();
    this.#host.signal.addEventListener("abort", stop);
    if (this.#host.signal.aborted) stop();
    const report = this.#report;
    try {
      const expected = await this.#firstOpening();
      if (report.problems.length === 0 && !this.#stop.signal.aborted) await this.#secondOpening(expected);
      this.#judge();
    } catch (error) {
      report.problems.push(describeError(error));
    } finally {
      this.#progress.stop();
      this.#host.signal.removeEventListener("abort", stop);
    }
    if (report.problems.length > 0) report.outcome = "failed";
    else if (this.#host.signal.aborted) report.outcome = "interrupted";
    else report.outcome = report.missing.length > 0 && this.#options.isDefaultRun ? "failed" : "verified";
  }

  async #firstOpening(): Promise<readonly ExpectedSession[]> {
    const events: StoreEvent[] = [];
    const { store } = await this.#open(events);
    try {
      this.#progress.show(() => "looking at what is there");
      const { source } = this.#input;
      const resumption = await resumeSessions(store, source, this.#options.sessions, this.#stop.signal);
      this.#noteResumption(store, resumption);
      if (resumption.problems.length > 0 || this.#stop.signal.aborted) return [];
      const expected = await this.#playSessions(store, resumption.sessions);
      await this.#collectOnce(store, events);
      this.#report.log = logReport(store.stats());
      return expected;
    } finally {
      this.#progress.show(() => "closing the store");
      await store.close();
      this.#report.snapshots = snapshotReport(events);
      this.#report.gc = gcSummary(events);
    }
  }

  #noteResumption(store: Store, resumption: Resumption): void {
    this.#report.problems.push(...resumption.problems);
    if (resumption.found === 0 && resumption.foreign === 0) return;
    if (resumption.problems.length > 0) return;
    this.#report.resumed = {
      sessions: resumption.found,
      commits: resumption.commits,
      foreignSessions: resumption.foreign,
      recovery: reopenReport(store.recovery, store.recovery.durationMs),
    };
  }

  async #playSessions(store: Store, sessions: readonly ResumedSession[]): Promise<ExpectedSession[]> {
    const { signal } = this.#stop;
    const stage: Stage = { store, counts: nothingPlayed(), latency: new Histogram(), signal };
    const { counts, latency } = stage;
    const wanted = { commits: this.#options.commits, sessions: sessions.length };
    const started = performance.now();
    this.#progress.show(() => playingLine(counts, wanted, performance.now() - started));
    const outcomes = await Promise.allSettled(
      sessions.map(async (resumed): Promise<ExpectedSession> => {
        try {
          const revision = await playSession(stage, resumed, this.#stepsOf(resumed.session));
          return { session: resumed.session, revision };
        } catch (error) {
          this.#stop.abort();
          throw error;
        }
      }),
    );
    const durationMs = performance.now() - started;
    const commitsPerSecond = durationMs > 0 ? (counts.commits / durationMs) * 1_000 : 0;
    this.#report.played = { ...counts, durationMs, commitsPerSecond };
    this.#report.latencyMs = latencyReport(latency);
    const failures = outcomes.filter((outcome) => outcome.status === "rejected");
    // One failed sync fails every session in the same words.
    this.#report.problems.push(...new Set(failures.map((failure) => describeError(failure.reason))));
    return outcomes.filter((outcome) => outcome.status === "fulfilled").map((outcome) => outcome.value);
  }

  /** On a machine too busy for background work a default run still has to show a gc. */
  async #collectOnce(store: Store, events: readonly StoreEvent[]): Promise<void> {
    if (!this.#options.isDefaultRun || this.#stop.signal.aborted) return;
    if (gcSummary(events).deletedBlobs > 0) return;
    this.#progress.show(() => "collecting garbage");
    await store.gc();
  }

  /** Steps a session still has to play; absent = to the end of the current lap. */
  #stepsOf(session: number): number | undefined {
    const { commits, sessions } = this.#options;
    // Sessions of an earlier, larger run are verified but not continued.
    if (session > sessions) return 0;
    if (commits === undefined) return undefined;
    return Math.floor(commits / sessions) + (session <= commits % sessions ? 1 : 0);
  }

  async #secondOpening(expected: readonly ExpectedSession[]): Promise<void> {
    const { store, durationMs } = await this.#open([]);
    try {
      this.#report.reopened = reopenReport(store.recovery, durationMs);
      this.#report.storage = storageReport(store.stats());
      this.#progress.show(() => "comparing everything with what was sent");
      const verification = await verifyStore(store, this.#input.source, expected, this.#stop.signal);
      this.#report.compared = verification.compared;
      this.#report.problems.push(...verification.problems);
    } finally {
      await store.close();
    }
  }

  async #open(events: StoreEvent[]): Promise<{ store: Store; durationMs: number }> {
    const started = performance.now();
    this.#progress.show(() => "opening the store");
    const store = await this.#host.open(this.#report.directory, {
      sync: this.#options.sync,
      segmentBytes: SEGMENT_BYTES,
      snapshot: { logBytes: SNAPSHOT_LOG_BYTES },
      gc: { garbageRatio: GC_RATIO, minBytes: GC_BYTES },
      onEvent: (event) => events.push(event),
    });
    return { store, durationMs: performance.now() - started };
  }

  /** What a default run has to show; told in every run that plays anything. */
  #judge(): void {
    const { snapshots, gc, played, reopened, missing } = this.#report;
    if (this.#options.commits === 0 || this.#stop.signal.aborted || this.#report.problems.length > 0) return;
    const shown: readonly (readonly [boolean, string])[] = [
      [this.#options.sessions >= DEFAULT_SESSIONS, `${DEFAULT_SESSIONS} sessions at a time`],
      [(played?.commits ?? 0) >= DEFAULT_COMMITS, `${DEFAULT_COMMITS.toLocaleString("en-US")} commits`],
      [(snapshots?.automatic ?? 0) >= SNAPSHOTS_WANTED, `${SNAPSHOTS_WANTED} automatic snapshots`],
      [(gc?.deletedBlobs ?? 0) > 0, "a gc that deletes blobs"],
      [reopened !== undefined, "a reopening"],
    ];
    for (const [happened, what] of shown) if (!happened) missing.push(what);
  }
}

function reopenReport(recovery: RecoveryReport, durationMs: number): ReopenReport {
  const { cleanClose, replayedRecords, replayedBytes, tornBytes } = recovery;
  return { cleanClose, replayedRecords, replayedBytes, tornBytes, durationMs };
}
