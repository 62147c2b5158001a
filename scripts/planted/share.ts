/**
 * A share of what could be planted that fits into a few minutes: which comes first, a seed decides, so that the shares of many
 * runs cover all. It deliberately leaves what is behind the end of its time untried, and says so.
 */
import { createHash } from "node:crypto";

export interface Share<Item> {
  readonly seed: string;
  /** What was not begun when the time was over. */
  readonly left: Item[];
  /** Whether this one may still be begun; if not, it is left. */
  mayBegin(item: Item): boolean;
}

/** Of `seconds` from now on. */
export function shareOf<Item>(seconds: number, seed: string): Share<Item> {
  const end = performance.now() + 1000 * seconds;
  const left: Item[] = [];
  return {
    seed,
    left,
    mayBegin: (item) => {
      if (performance.now() < end) return true;
      left.push(item);
      return false;
    },
  };
}

/** The items in the order of a seed. */
export function inOrderOf<Item>(
  seed: string,
  items: readonly Item[],
  nameOf: (item: Item) => string,
): Item[] {
  const rank = (item: Item): string =>
    createHash("sha256")
      .update(`${seed}\n${nameOf(item)}`)
      .digest("hex");
  return items.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}
