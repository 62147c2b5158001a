/**
 * A share of the bugs that fits into a few minutes: which come first, a seed decides, so that the shares of many
 * runs cover all. It deliberately leaves the bugs behind the end of its time untried, and says which.
 */
import { createHash } from "node:crypto";
import type { Bug } from "./entries.ts";

export interface Share {
  readonly seed: string;
  /** What was not begun when the time was over. */
  readonly left: Bug[];
  /** Whether this bug may still be begun; if not, it is left. */
  mayBegin(bug: Bug): boolean;
}

/** Of `seconds` from now on. */
export function shareOf(seconds: number, seed: string): Share {
  const end = performance.now() + 1000 * seconds;
  const left: Bug[] = [];
  return {
    seed,
    left,
    mayBegin: (bug) => {
      if (performance.now() < end) return true;
      left.push(bug);
      return false;
    },
  };
}

/** The bugs in the order of a seed. */
export function inOrderOf(seed: string, bugs: readonly Bug[]): Bug[] {
  const rank = ({ name }: Bug): string => createHash("sha256").update(`${seed}\n${name}`).digest("hex");
  return bugs.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}
