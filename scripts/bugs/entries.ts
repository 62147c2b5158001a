/**
 * The entries of `test/bugs.json`: deliberate defects of durability, each with the suite that must find it. What
 * is wrong with one before anything is run, and the table made of all. It deliberately proves nothing;
 * `scripts/bugs.ts` does. The architecture test holds every entry to the source and to the table.
 */
import { existsSync, readFileSync } from "node:fs";
import { PLANTED } from "../../test/torture/planted.ts";
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
const TORTURE_TITLE = "## Bugs that real crashes catch";

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
  for (const { bug, break: planted } of PLANTED) problems.push(...checkBreak(bug, planted));
  return problems;
}

/** The table of all bugs; those that were not tried now keep their row of the table `before`. */
export function table(bugs: readonly Bug[], caught: readonly Catch[], before: string): string {
  const tests = new Map(caught.map(({ bug, test }) => [bug.name, cell(test)]));
  const rows = bugs.map((bug) => `${row(bug)} ${tests.get(bug.name) ?? toldIn(before, bug) ?? ""} |`);
  return `# Planted bugs and the suites that catch them

${bugs.length} defects that would lose, invent or refuse data, each one change of the source. Each was switched on in a
copy, and the whole suite named here was run, which does not know which bug is on, or whether any is; the last
column is the first test that failed. Without a bug every suite passes. How that differs from
[rules.md](rules.md): there one named test is held to one rule; here a suite must find what it was not told.
Made by \`npm run bugs -- --write\` of \`test/bugs.json\`; how to add one, [CONTRIBUTING](../CONTRIBUTING.md#a-planted-bug) says.

| bug | what it would do | the change | suite | caught by |
|---|---|---|---|---|
${rows.join("\n")}

${tortureTable()}`;
}

/** The test that caught the bug, if the table tells of it as it is. */
export function toldIn(text: string, bug: Bug): string | undefined {
  const start = row(bug);
  return text
    .split("\n")
    .find((line) => line.startsWith(start))
    ?.slice(start.length + 1, -2);
}

/** Those of the long run of real crashes, which keeps them beside its techniques. */
function tortureTable(): string {
  const rows = PLANTED.map(
    ({ bug, technique, rounds, break: planted }) =>
      `| ${cell(bug)} | ${changeCell(planted)} | \`${technique}\` | ${rounds} |`,
  );
  return `${TORTURE_TITLE}

The techniques of \`varve torture\` crash real processes and real file systems. Each has bugs of its own, in
\`test/torture/planted.ts\`, which it must catch within so many rounds: \`npm run test:torture -- --only planted\`
(many minutes; power cuts need root). In which round each was caught last, [durability.md](durability.md#real-crashes)
says.

| bug | the change | technique | rounds at most |
|---|---|---|---|
${rows.join("\n")}
`;
}

/** Whether a table has exactly these bugs, in this order, with some test behind each, and those of the torture. */
export function isUpToDate(text: string, bugs: readonly Bug[]): boolean {
  const [own = "", ...torture] = text.split(TORTURE_TITLE);
  if (TORTURE_TITLE + torture.join() !== tortureTable()) return false;
  const rows = own
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
