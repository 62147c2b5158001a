/** The words after `npm run test:crash --`: how many states, from which seed, how deep, on how many processes. */
import { availableParallelism } from "node:os";

export interface CrashOptions {
  readonly states: number;
  readonly seed: number;
  readonly depth: 1 | 2;
  readonly processes: number;
  /** One state to make again instead, by its token. */
  readonly reproduce: string | undefined;
}

const USAGE =
  "usage: npm run test:crash -- [--states N] [--seed S] [--depth 1|2] [--processes N] [--reproduce TOKEN]";

export function parseCrashOptions(words: readonly string[]): CrashOptions {
  const given = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) {
    const [word = "", value] = [words[at], words[at + 1]];
    if (!/^--(states|seed|depth|processes|reproduce)$/.test(word) || value === undefined)
      throw new TypeError(USAGE);
    given.set(word.slice(2), value);
  }
  const depth = integer(given.get("depth"), 2, 1);
  if (depth > 2) throw new TypeError(USAGE);
  return {
    states: integer(given.get("states"), 1_000_000, 1),
    seed: integer(given.get("seed"), 1, 0),
    depth: depth === 1 ? 1 : 2,
    processes: integer(given.get("processes"), availableParallelism(), 1),
    reproduce: given.get("reproduce"),
  };
}

function integer(text: string | undefined, fallback: number, least: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isSafeInteger(value) || value < least) throw new TypeError(USAGE);
  return value;
}
