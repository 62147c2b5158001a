/**
 * Which blocks of the code under test ran, from V8's own counters, in this process and without a rewrite of
 * the code. It knows no inputs: it answers which blocks ran that never ran before.
 */
import { Session } from "node:inspector";

interface ScriptCoverage {
  readonly scriptId: string;
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();
  readonly #isWatched: (url: string) => boolean;

  constructor(isWatched: (url: string) => boolean) {
    this.#isWatched = isWatched;
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  get blocks(): number {
    return this.#seen.size;
  }

  /**
   * Blocks that ran since the last call and were never added. A block inside one that ran, and that did not run
   * itself, counts too: it is told only once the one around it is reached.
   */
  takeNew(): string[] {
    const { result } = this.#post("Profiler.takePreciseCoverage") as { result: ScriptCoverage[] };
    const found = new Set<string>();
    for (const { scriptId, url, functions } of result) {
      if (!this.#isWatched(url)) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          const block = `${scriptId}:${startOffset}:${endOffset}:${rank(count)}`;
          if (!this.#seen.has(block)) found.add(block);
        }
      }
    }
    return [...found];
  }

  add(blocks: readonly string[]): void {
    for (const block of blocks) this.#seen.add(block);
  }

  stop(): void {
    this.#session.disconnect();
  }

  /** The inspector answers within the call when it is asked in the same thread. */
  #post(method: string, parameters: object = {}): unknown {
    let answer: unknown;
    this.#session.post(method, parameters, (error, result) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}

/** Once, a few times, or often: a loop that runs longer is news, every single turn of it is not. */
function rank(count: number): number {
  if (count === 0) return 0;
  return count > 64 ? 3 : count > 4 ? 2 : 1;
}
