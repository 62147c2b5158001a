/**
 * Chance that a seed repeats, in named streams: what one part of a simulation draws does not move what
 * another draws, so that a change in one leaves the rest of a seed as it was. Never for identity.
 */
import { crc32 } from "../../checksum.ts";
import { randomFrom } from "../../vfs/memory-random.ts";

export class Random {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = randomFrom(seed);
  }

  /** A stream of its own for this name. */
  static stream(seed: number, name: string): Random {
    return new Random(crc32(Buffer.from(`${seed}/${name}`)));
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  /** An integer from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<Value>(values: readonly [Value, ...Value[]]): Value {
    return values[this.below(values.length)] ?? values[0];
  }

  /** One of `values`, or undefined if there is none. */
  pickAny<Value>(values: readonly Value[]): Value | undefined {
    return values[this.below(values.length)];
  }

  /** A key, as often as its weight says; undefined if no weight is above 0. */
  weighted<Key extends string>(weights: Readonly<Partial<Record<Key, number>>>): Key | undefined {
    const entries = Object.entries(weights) as [Key, number][];
    let left = this.#next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      if (left < weight) return key;
      left -= weight;
    }
    return undefined;
  }

  /** Integers spread over magnitudes: as many below 10 as from 10 to 100. From `least`, at least 1, to `most`. */
  spread(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.#next());
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}
