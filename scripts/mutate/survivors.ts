/**
 * Mutants that no test notices, each with the reason: `test/surviving-mutants.json`. Most change nothing that
 * can be observed.
 */
import { readFileSync } from "node:fs";
import type { Mutant } from "./mutants.ts";

export const SURVIVORS = "test/surviving-mutants.json";

export interface Survivor {
  readonly file: string;
  /** The change as the run tells it. */
  readonly change: string;
  /** Why no test can, or needs to, notice. */
  readonly reason: string;
}

export function loadSurvivors(): Survivor[] {
  return JSON.parse(readFileSync(SURVIVORS, "utf8")) as Survivor[];
}

export function isExplained(mutant: Mutant, survivors: readonly Survivor[]): boolean {
  return survivors.some(({ file, change }) => file === mutant.file && change === mutant.change);
}
