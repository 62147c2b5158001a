/** The report for people: one topic a line, aligned, sizes and durations in units one can read. */

import { count, milliseconds, rate, size } from "../units.ts";
import type { JobReport, LatencyReport, ReplayReport } from "./report.ts";

export interface TextStyle {
  /** Whether escape sequences are welcome. */
  readonly color: boolean;
}

/** Column at which what is said begins. */
const INDENT = 11;
/** Characters of the longest bar. */
const BAR = 32;
/** Problems shown; the JSON report has them all. */
const SHOWN_PROBLEMS = 20;

export function reportText(report: ReplayReport, style: TextStyle): string {
  return [
    ...resumedLines(report),
    ...playedLines(report),
    ...(report.latencyMs === undefined ? [] : latencyLines(report.latencyMs)),
    ...logLines(report),
    ...jobLines(report),
    ...reopenedLines(report),
    ...storageLines(report),
    ...comparedLines(report),
    ...(report.missing.length === 0 ? [] : [line("not seen", report.missing.join(", "))]),
    ...problemLines(report.problems),
    verdict(report, style),
    "",
  ].join("\n");
}

/** Said before anything is played. */
export function introText(report: ReplayReport): string {
  const where = report.temporary ? `${report.directory} (temporary)` : report.directory;
  const what = `${count(report.sessions, "session")} from ${report.input.join(", ")}, sync ${report.sync}`;
  const bad = report.inputProblems.map(({ file, line: at, message }) =>
    line("input", `${file}:${at} ${message}`),
  );
  return [...bad, line("replay", what), line("store", where), ""].join("\n");
}

function resumedLines({ resumed }: ReplayReport): string[] {
  if (resumed === undefined) return [];
  const { recovery, sessions, commits, foreignSessions } = resumed;
  const lines = [
    line("found", `${count(sessions, "session")} with ${count(commits, "commit")}, all as sent`),
  ];
  const end = recovery.cleanClose ? "closed cleanly" : "not closed";
  const torn = recovery.tornBytes === 0 ? "" : `, ${size(recovery.tornBytes)} of unfinished writes cut`;
  const replayed = `${count(recovery.replayedRecords, "record")} replayed in ${milliseconds(recovery.durationMs)}`;
  lines.push(line("", `last run ${end}; ${replayed}${torn}`));
  if (foreignSessions > 0) lines.push(line("", `${count(foreignSessions, "other session")} left alone`));
  return lines;
}

function playedLines({ played }: ReplayReport): string[] {
  if (played === undefined || played.commits + played.retried === 0) return [];
  const { commits, durationMs, nodes, branches, rewrites, tombstoned, vacuumed } = played;
  const speed = `${rate(played.commitsPerSecond)} commits/s`;
  const lines = [
    line(
      "played",
      `${count(commits, "commit")} with ${count(nodes, "node")} in ${milliseconds(durationMs)}: ${speed}`,
    ),
    line(
      "",
      `${count(branches, "branch", "branches")}, ${count(rewrites, "rewrite")}, ${count(tombstoned, "node")} tombstoned, ${count(vacuumed, "node")} vacuumed`,
    ),
    line(
      "",
      `${count(played.retried, "retry", "retries")} after lost answers, ${count(played.replayed, "answer")} replayed`,
    ),
  ];
  if (played.busy > 0)
    lines.push(line("", `${count(played.busy, "call")} refused for the moment and sent again`));
  return lines;
}

function latencyLines(latency: LatencyReport): string[] {
  const { p50, p90, p99, p999, max } = latency;
  if (latency.histogram.length === 0) return [];
  const named = [
    ["p50", p50],
    ["p90", p90],
    ["p99", p99],
    ["p99.9", p999],
    ["max", max],
  ] as const;
  const most = Math.max(...latency.histogram.map((row) => row.count));
  const rows = latency.histogram.map(({ fromMicros, toMicros, count: hits }) => {
    const span = `${milliseconds(fromMicros / 1_000).padStart(8)} – ${milliseconds(toMicros / 1_000).padEnd(8)}`;
    const bar = "█".repeat(Math.max(hits > 0 ? 1 : 0, Math.round((hits / most) * BAR)));
    return line("", `${span} ${hits.toLocaleString("en-US").padStart(9)}  ${bar}`.trimEnd());
  });
  return [
    line("latency", named.map(([name, value]) => `${name} ${milliseconds(value)}`).join("   ")),
    ...rows,
  ];
}

function logLines({ log }: ReplayReport): string[] {
  if (log === undefined) return [];
  const written = `${size(log.bytes)} in ${count(log.frames, "frame")}`;
  const perSync = `${log.commitsPerSync.toFixed(1)} commits per fsync`;
  return [
    line("log", `${written}; ${count(log.syncs, "fsync")}, ${perSync}`),
    line("", `${size(log.fileBytes)} in segment files, ${size(log.unfoldedBytes)} beyond the last snapshot`),
  ];
}

function jobLines({ snapshots, gc }: ReplayReport): string[] {
  if (snapshots === undefined || gc === undefined) return [];
  return [
    line("snapshots", happened(snapshots, `folded ${size(snapshots.foldedBytes)}`)),
    line("gc", happened(gc, `deleted ${count(gc.deletedBlobs, "blob")}, freed ${size(gc.freedBytes)}`)),
  ];
}

function storageLines({ storage }: ReplayReport): string[] {
  if (storage === undefined) return [];
  const { headsFiles, headsBytes, packs, packBytes, deadBytes } = storage;
  return [
    line("heads", `${size(headsBytes)} in ${count(headsFiles, "file")}`),
    line("packs", `${size(packBytes)} in ${count(packs, "file")}, ${size(deadBytes)} dead`),
  ];
}

function happened(job: JobReport, result: string): string {
  const failed = job.failed === 0 ? "" : `, ${job.failed} failed`;
  if (job.count === 0) return `none${failed}`;
  return `${job.count} (${job.automatic} automatic${failed}), ${result}, longest ${milliseconds(job.longestMs)}`;
}

function reopenedLines({ reopened }: ReplayReport): string[] {
  if (reopened === undefined) return [];
  const { replayedRecords, replayedBytes, durationMs } = reopened;
  const replayed = `${count(replayedRecords, "record")} (${size(replayedBytes)}) replayed`;
  return [line("reopened", `in ${milliseconds(durationMs)}, ${replayed}`)];
}

function comparedLines({ compared }: ReplayReport): string[] {
  if (compared === undefined) return [];
  const { sessions, nodes, leaves, ledgerRows, checkpointValues } = compared;
  return [
    line(
      "compared",
      `${count(sessions, "session")}: ${count(nodes, "node")}, ${count(leaves, "leaf", "leaves")}`,
    ),
    line("", `${count(ledgerRows, "ledger row")}, ${count(checkpointValues, "checkpoint value")}`),
  ];
}

function problemLines(problems: readonly string[]): string[] {
  const lines = problems.slice(0, SHOWN_PROBLEMS).map((problem) => line("problem", problem));
  if (problems.length > SHOWN_PROBLEMS) {
    lines.push(line("", `and ${count(problems.length - SHOWN_PROBLEMS, "more problem")}; --json lists all`));
  }
  return lines;
}

function verdict(report: ReplayReport, { color }: TextStyle): string {
  const paint = (code: number, text: string) => (color ? `\u001b[${code}m${text}\u001b[39m` : text);
  if (report.outcome === "verified") return line("verified", paint(32, "everything is there as it was sent"));
  if (report.outcome === "failed") {
    const wrong = report.problems.length + report.missing.length;
    return line("FAILED", paint(31, count(wrong, "problem")));
  }
  const goOn = report.temporary ? "" : "; run again with the same --dir to go on";
  return line("stopped", `closed cleanly, not verified${goOn}`);
}

function line(label: string, text: string): string {
  return label.padEnd(INDENT) + text;
}
