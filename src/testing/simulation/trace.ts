/**
 * What happened in a simulation, as a running hash, so that two runs can be compared without keeping either.
 * Whoever replays a seed also listens to the lines.
 */
import { createHash, type Hash } from "node:crypto";

export class Trace {
  readonly #hash: Hash = createHash("sha256");
  readonly #listener: ((line: string) => void) | undefined;
  #lines = 0;

  constructor(listener?: (line: string) => void) {
    this.#listener = listener;
  }

  get lines(): number {
    return this.#lines;
  }

  add(line: string): void {
    this.#lines++;
    this.#hash.update(line);
    this.#hash.update("\n");
    this.#listener?.(line);
  }

  /** Of the lines so far. */
  digest(): string {
    return this.#hash.copy().digest("hex").slice(0, 32);
  }
}
