/**
 * Repeatable randomness: the same seed gives the same numbers on every machine and in every run, so that
 * what a session sends can be derived again years later. Not for secrets.
 *
 * 1. Nothing here may change once stores were recorded with it; see SCRIPT_VERSION in `source.ts`.
 */

/** A 32-bit number from any mix of texts and integers (FNV-1a with a final avalanche). */
export function hash32(...parts: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const part of parts) {
    const text = `${part};`;
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** True once in `every` cases on average, decided by the parts alone. */
export function oneIn(every: number, ...parts: readonly (string | number)[]): boolean {
  return hash32(...parts) % every === 0;
}

/** Values at given shares of a sorted sample: [share, value], from share 0 to share 1. */
export type Quantiles = readonly (readonly [share: number, value: number])[];

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.integer(0, items.length - 1)] ?? items[0];
  }

  /** An integer distributed like the sample; between two quantiles it grows by equal factors. */
  quantile(table: Quantiles): number {
    const share = this.next();
    let [lowShare, low] = table[0] ?? [0, 0];
    for (const [highShare, high] of table) {
      if (share <= highShare) {
        const along = highShare === lowShare ? 1 : (share - lowShare) / (highShare - lowShare);
        return Math.round((low + 1) * ((high + 1) / (low + 1)) ** along) - 1;
      }
      [lowShare, low] = [highShare, high];
    }
    return low;
  }
}
