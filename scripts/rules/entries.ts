/**
 * The entries of `test/rules/*.json`: what a rule is, what is wrong with one before anything is run, and the
 * table made of all. It deliberately proves nothing; `scripts/rules.ts` does. The architecture test holds every
 * entry to the source, so that a change of the source takes its entries along.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Break, cell, changeCell, checkBreak, repeated } from "../planted/break.ts";

export interface Rule {
  readonly rule: string;
  /** Where the rule is written, e.g. "contract 3". */
  readonly section: string;
  readonly test: { readonly file: string; readonly name: string };
  readonly break: Break;
}

const RULES_FOLDER = "test/rules";
export const TABLE = "docs/rules.md";
export function loadRules(): Rule[] {
  const names = readdirSync(RULES_FOLDER).filter((name) => name.endsWith(".json"));
  return names.sort().flatMap((name) => JSON.parse(readFileSync(join(RULES_FOLDER, name), "utf8")) as Rule[]);
}

/** Everything wrong with the entries themselves, before anything is run. */
export function checkEntries(rules: readonly Rule[]): string[] {
  const problems = repeated(rules.map(({ rule }) => rule)).map((rule) => `two entries for "${rule}"`);
  for (const { rule, test, break: planted } of rules) {
    problems.push(...checkBreak(rule, planted));
    if (!test.file.startsWith("test/")) problems.push(`"${rule}": ${test.file} is not in test/`);
  }
  return problems;
}

/** Said of a break that a whole run saw met; of a newer entry, what its author saw. */
const PROVEN = "yes";
const TOLD = "when it was written";

/** The table with every row proven. */
export function provenTable(rules: readonly Rule[]): string {
  return document(rules.map((rule) => `${row(rule)} ${PROVEN} |`));
}

/** The table that says of new and changed entries that no whole run has proven them. */
export function listedTable(rules: readonly Rule[], before: string): string {
  const proven = new Set(before.split("\n"));
  const said = (text: string): string => (proven.has(`${text} ${PROVEN} |`) ? PROVEN : TOLD);
  return document(rules.map(row).map((text) => `${text} ${said(text)} |`));
}

/** Whether a table has exactly these entries, proven or not. */
export function isUpToDate(table: string, rules: readonly Rule[]): boolean {
  return listedTable(rules, table) === table;
}

function row({ rule, section, test, break: planted }: Rule): string {
  return `| ${cell(rule)} | ${cell(section)} | ${cell(test.name)} (\`${test.file}\`) | ${changeCell(planted)} |`;
}

function document(rows: readonly string[]): string {
  return `# Rules and the tests that hold them

Each rule below is held by a test that was proven against a planted break: with this one change in the source
the test fails, without it it passes. "Caught" says when that was seen: \`yes\` in a whole run, else when the
entry was written. CI plants a share of the breaks at each commit, all over many, and fails where one survives (\`npm run rules\`). This file is made of
\`test/rules/*.json\`: by \`npm run rules -- --write\` after a whole run, by \`npm run rules -- --list\` without one.

| rule | section | test | planted break | caught |
|---|---|---|---|---|
${rows.join("\n")}
`;
}
