/**
 * The generated parts of `docs/coverage.md`: figures of the last runs, with day and commit, and the reasons why
 * a branch is not executed or a mutant survives. It deliberately judges nothing.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { Survivor } from "../mutate/survivors.ts";
import { cell } from "../planted/break.ts";
import type { Exception } from "./exceptions.ts";

const DOCUMENT = "docs/coverage.md";

export interface FolderFigures {
  readonly folder: string;
  readonly branches: number;
  readonly executed: number;
}

export interface Tally {
  killed: number;
  timedOut: number;
  survived: number;
}

export function recordBranches(figures: readonly FolderFigures[], exceptions: readonly Exception[]): void {
  const rows = figures.map(
    ({ folder, branches, executed }) =>
      `| \`${folder}\` | ${branches} | ${executed} | ${branches - executed} |`,
  );
  const when = moment();
  replacePart("branches", [
    `Run of ${when}:\n`,
    "| folder | branches | executed | not executed |",
    "|---|---|---|---|",
    ...rows,
  ]);
  replacePart("exceptions", [
    "| where | line | branch | why no test executes it |",
    "|---|---|---|---|",
    ...exceptions.map(
      ({ file, line, branch, reason }) => `| \`${file}\` | ${code(line)} | ${branch} | ${cell(reason)} |`,
    ),
  ]);
}

/** Rows of files that were not run stay as they are. */
export function recordMutation(tallies: ReadonlyMap<string, Tally>, survivors: readonly Survivor[]): void {
  const when = moment();
  const rows = new Map(
    part("mutants")
      .split("\n")
      .filter((row) => row.startsWith("| `src/"))
      .map((row) => [row.split("`")[1] ?? "", row]),
  );
  for (const [file, { killed, timedOut, survived }] of tallies)
    rows.set(
      file,
      `| \`${file}\` | ${killed + timedOut + survived} | ${killed} | ${timedOut} | ${survived} | ${when} |`,
    );
  replacePart("mutants", [
    "| module | mutants | killed | timed out | survived | run of |",
    "|---|---|---|---|---|---|",
    ...[...rows].sort(([a], [b]) => a.localeCompare(b)).map(([, row]) => row),
  ]);
  replacePart("survivors", [
    "| module | change | why no test notices |",
    "|---|---|---|",
    ...survivors.map(({ file, change, reason }) => `| \`${file}\` | ${code(change)} | ${cell(reason)} |`),
  ]);
}

function moment(): string {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  return `${new Date().toISOString().slice(0, 10)}, ${commit}`;
}

function marks(name: string): [start: string, end: string] {
  return [`<!-- generated: ${name} -->\n`, `<!-- end: ${name} -->`];
}

function part(name: string): string {
  const [start, end] = marks(name);
  return readFileSync(DOCUMENT, "utf8").split(start)[1]?.split(end)[0] ?? "";
}

function replacePart(name: string, lines: readonly string[]): void {
  const [start, end] = marks(name);
  const [before, rest] = readFileSync(DOCUMENT, "utf8").split(start);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${DOCUMENT} has no part "${name}"`);
  writeFileSync(DOCUMENT, `${before}${start}${lines.join("\n")}\n${end}${after}`);
}

function code(text: string): string {
  return `\`\` ${cell(text)} \`\``;
}
