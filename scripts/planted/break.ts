/**
 * A planted break: one place of `src/` that is changed on purpose, so that a test can be seen to fail. What is
 * wrong with one before anything is run, and how a table tells it. It deliberately plants nothing: `workshop.ts`
 * does, in a copy.
 */
import { readFileSync } from "node:fs";

export interface Break {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Everything wrong with a break: it must change exactly one place of the source as it is. */
export function checkBreak(name: string, planted: Break): string[] {
  const problems: string[] = [];
  const count = readFileSync(planted.file, "utf8").split(planted.find).length - 1;
  if (count !== 1) problems.push(`"${name}": its line occurs ${count} times in ${planted.file}, not once`);
  if (planted.find === planted.replace) problems.push(`"${name}": the break changes nothing`);
  if (!planted.file.startsWith("src/"))
    problems.push(`"${name}": breaks ${planted.file}, which is not in src/`);
  return problems;
}

/** Names that stand on more than one entry. */
export function repeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, at) => names.indexOf(name) !== at))];
}

/** The change as a cell of a table. */
export function changeCell({ file, find, replace }: Break): string {
  const change = replace.trim() === "" ? `remove ${code(find)}` : `${code(find)} → ${code(replace)}`;
  return `\`${file}\`: ${change}`;
}

/** Text as one cell of a Markdown table. */
export function cell(text: string): string {
  return text.replace(/\s+/g, " ").trim().replaceAll("|", "\\|");
}

function code(text: string): string {
  return `\`${cell(text.replaceAll("`", "ˋ"))}\``;
}
