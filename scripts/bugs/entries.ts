/**
 * The entries of `test/bugs.json`: deliberate defects of durability, each with the suite that must find it. What
 * is wrong with one before anything is run, and the table made of all. It deliberately proves nothing;
 * `scripts/bugs.ts` does. The architecture test holds every entry to the source and to the table.
 */
import { existsSync, readFileSync } from "node:fs";
import { type Break, cell, changeCell, checkBreak, repeated } from "../planted/break.ts";

export interface Bug {
  readonly name: string;
  /** What a user would lose by it, and when. */
  readonly story: string;
  readonly break: Break;
  /** The test file that must fail; it is run whole. */
  readonly suite: string;
}

/** A bug and the first test of its suite that failed with it. */
export interface Catch {
  readonly bug: Bug;
  readonly test: string;
}

export const TABLE = "docs/planted-bugs.md";

export function loadBugs(): Bug[] {
  return JSON.parse(readFileSync("test/bugs.json", "utf8")) as Bug[];
}

/** Everything wrong with the entries themselves, before anything is run. */
export function checkBugs(bugs: readonly Bug[]): string[] {
  const problems = repeated(bugs.map(({ name }) => name)).map((name) => `two bugs are called "${name}"`);
  for (const { name, suite, break: planted } of bugs) {
    problems.push(...checkBreak(name, planted));
    if (!/^test\/.*\.test\.ts$/.test(suite) || !existsSync(suite))
      problems.push(`"${name}": ${suite} is no test file`);
  }
  return problems;
}

/** The table of bugs that all were caught. */
export function table(bugs: readonly Bug[], caught: readonly Catch[]): string {
  const tests = new Map(caught.map(({ bug, test }) => [bug.name, test]));
  const rows = bugs.map((bug) => `${row(bug)} ${cell(tests.get(bug.name) ?? "")} |`);
  return `# Planted bugs and the suites that catch them

${bugs.length} defects that would lose, invent or refuse data, each one change of the source. Each was switched on in a
copy, and the whole suite named here was run, which does not know which bug is on, or whether any is; the last
column is the first test that failed. Without a bug every suite passes. How that differs from
[rules.md](rules.md): there one named test is held to one rule; here a suite must find what it was not told.
Made by \`npm run bugs -- --write\` of \`test/bugs.json\`.

| bug | what it would do | the change | suite | caught by |
|---|---|---|---|---|
${rows.join("\n")}
`;
}

/** Whether a table has exactly these bugs, in this order, with some test behind each. */
export function isUpToDate(text: string, bugs: readonly Bug[]): boolean {
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(1);
  return (
    rows.length === bugs.length &&
    bugs.every((bug, at) => rows[at]?.startsWith(row(bug)) && rows[at] !== `${row(bug)}  |`)
  );
}

function row({ name, story, break: planted, suite }: Bug): string {
  return `| ${cell(name)} | ${cell(story)} | ${changeCell(planted)} | \`${suite}\` |`;
}
