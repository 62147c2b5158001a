/**
 * Fills tables into documents between marks, so that no figure in them was typed by hand:
 * `<!-- bench: NAME -->` … `<!-- /bench -->`. NAME is "machine", "headline", "requirements" or a bench's. A
 * document without marks, or absent, is left alone.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Run } from "../support/bench.ts";
import { HEADLINE_BENCHES, headline } from "./headline.ts";
import { cellsOf, requirementCells } from "./rows.ts";
import { machineLine, markdown } from "./text.ts";

const MARKED = /(<!-- bench: ([a-z-]+) -->\n)[\s\S]*?(<!-- \/bench -->)/g;

/** Answers the files that it changed. */
export function writeTables(run: Run, files: readonly string[]): string[] {
  return files.filter((file) => {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      // No such document here: the installed package's user has none.
      return false;
    }
    const filled = fillTables(run, text);
    if (filled === text) return false;
    writeFileSync(file, filled);
    return true;
  });
}

/** A mark whose bench is not in the run keeps its table. */
export function fillTables(run: Run, text: string): string {
  return text.replaceAll(MARKED, (whole, open: string, name: string, close: string) => {
    const table = tableOf(run, name);
    return table === undefined ? whole : `${open}${table}\n${close}`;
  });
}

function tableOf(run: Run, name: string): string | undefined {
  if (name === "machine") {
    return `${run.startedAt.slice(0, 10)}: ${machineLine(run.machine)}${doubtsOf(run, [])}`;
  }
  if (name === "headline") {
    const cells = headline(run);
    return cells === undefined ? undefined : markdown(cells) + doubtsOf(run, HEADLINE_BENCHES);
  }
  const bench = name === "requirements" ? "figures" : name;
  const result = run.results.find((one) => one.name === bench);
  if (result === undefined) return undefined;
  const cells = name === "requirements" ? requirementCells(result) : cellsOf(result);
  return cells === undefined ? undefined : markdown(cells) + doubtsOf(run, [bench]);
}

/** A table that leaves its run takes the reasons against it along. */
function doubtsOf({ machine, size, results }: Run, benches: readonly string[]): string {
  const doubts = [
    ...machine.doubts,
    ...(size === "small" ? ["a small run only shows that the benches work"] : []),
    ...results.filter(({ name }) => benches.includes(name)).flatMap((result) => result.doubts),
  ];
  return [...new Set(doubts)].map((doubt) => `\n\n**Do not trust:** ${doubt}.`).join("");
}
