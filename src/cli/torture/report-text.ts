/** The report of a run for people, and the line that tells how it is going. */
import { table } from "../text.ts";
import { count, milliseconds } from "../units.ts";
import type { TechniqueReport, TortureReport } from "./run.ts";

const VERDICT: Readonly<Record<TortureReport["outcome"], string>> = {
  survived: "SURVIVED: nothing acknowledged was lost, and nothing else was there",
  failed: "FAILED",
  interrupted: "INTERRUPTED: nothing wrong was found until then",
  partial: "PARTLY TESTED: what ran held, but not everything ran",
  untested: "UNTESTED: nothing was crashed",
};

export function reportText(report: TortureReport): string {
  const { directory, fileSystem, seed, sessions, durationMs, techniques, problem } = report;
  const heading = `varve torture: ${directory} (${fileSystem}), seed ${seed}, ${count(sessions, "session")}\n`;
  const rows = techniques.map((technique) => {
    const { name, rounds, verdict } = technique;
    return [name, String(rounds), verdict, detailText(technique)];
  });
  const found =
    problem === undefined
      ? ""
      : `\n${problem.technique}, round ${problem.round}: ${problem.message}\nwhat the crash left: ${problem.evidence}\n`;
  return `${heading}\n${table([["TECHNIQUE", "ROUNDS", "VERDICT", ""], ...rows], [1])}${found}\n${VERDICT[report.outcome]}${missingText(report)} (${milliseconds(durationMs)})\n`;
}

function detailText({ skipped, notRun, counts }: TechniqueReport): string {
  return skipped ?? notRun ?? countsText(counts);
}

/** The techniques that tested nothing, where the verdict would otherwise hide them. */
function missingText({ outcome, techniques }: TortureReport): string {
  if (outcome !== "partial") return "";
  const missing = techniques.filter(({ verdict }) => verdict === "skipped" || verdict === "not run");
  return `; without ${missing.map(({ name }) => name).join(", ")}`;
}

export function progressLine(report: TortureReport, totalMs: number): string {
  const going = report.techniques.filter(({ rounds }) => rounds > 0);
  const rounds = going.map((technique) => `${technique.name} ${technique.rounds}`).join("  ");
  const left = Math.max(0, totalMs - report.durationMs);
  return `${milliseconds(left)} left  ${rounds}  ${count(acknowledgedBy(report.techniques), "acknowledgement")}`;
}

export function acknowledgedBy(techniques: readonly TechniqueReport[]): number {
  return techniques.reduce((sum, { counts }) => sum + (counts.acknowledged ?? 0), 0);
}

/** `whileOpening: 3` as "3 while opening"; what did not happen is left out. */
function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, value]) => value > 0)
    .map(
      ([name, value]) =>
        `${value.toLocaleString("en-US")} ${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`,
    )
    .join(", ");
}
