/**
 * Branches that no test executes, each with the reason: `test/coverage-exceptions.json`. What is wrong with the
 * entries after a run: one that names no branch, or one that a test does execute, unless by chance.
 */
import { readFileSync } from "node:fs";
import type { ArmKind } from "./arms.ts";

export const EXCEPTIONS = "test/coverage-exceptions.json";

export interface Exception {
  readonly file: string;
  /** The source line where the branch begins, without its indent. */
  readonly line: string;
  readonly branch: ArmKind;
  /** Why it cannot be executed. */
  readonly reason: string;
  /** A race decides whether a run executes it: neither is a fault of this list. */
  readonly byChance?: true;
}

/** A branch of the source that no test executed. */
export interface Gap {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly branch: ArmKind;
}

export function loadExceptions(): Exception[] {
  return JSON.parse(readFileSync(EXCEPTIONS, "utf8")) as Exception[];
}

function isOf(exception: Exception, gap: Gap): boolean {
  return exception.file === gap.file && exception.line === gap.text && exception.branch === gap.branch;
}

export function unexplained(gaps: readonly Gap[], exceptions: readonly Exception[]): Gap[] {
  return gaps.filter((gap) => !exceptions.some((exception) => isOf(exception, gap)));
}

export function stale(gaps: readonly Gap[], exceptions: readonly Exception[]): Exception[] {
  return exceptions.filter(
    (exception) => exception.byChance !== true && !gaps.some((gap) => isOf(exception, gap)),
  );
}
