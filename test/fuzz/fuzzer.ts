/**
 * Fuzzes one target: mutates inputs of its corpus, keeps those that reach new code, and collects what is
 * thrown and not typed. It runs in turns of a batch, so that a caller can end it and knows what ran last.
 *
 * 1. The same seed gives the same inputs as long as the code reaches the same blocks.
 * 2. A buffer far larger than its input is a finding: a length is checked before memory is taken for it.
 */
import { createHash } from "node:crypto";
import type { Coverage } from "./coverage.ts";
import { Mutator } from "./mutate.ts";
import { isTyped, type Target } from "./targets.ts";

export interface Finding {
  readonly target: string;
  readonly input: Uint8Array;
  readonly message: string;
}

const EMPTY = new Uint8Array(0);
const BATCH_INPUTS = 64;
/** Bytes that may be taken for an input: a floor, and a multiple of its own. */
const LEAST_BOUND_BYTES = 1024 * 1024;
const BOUND_FACTOR = 64;
const MOST_FINDINGS = 10;

export class Fuzzer {
  readonly target: Target;
  readonly findings: Finding[] = [];
  inputs = 0;
  readonly #coverage: Coverage | undefined;
  readonly #mutator: Mutator;
  readonly #corpus: Uint8Array[];
  /** Kinds of findings met, so that one bug is told once. */
  readonly #known = new Set<string>();

  constructor(target: Target, seed: number, coverage: Coverage | undefined) {
    this.target = target;
    this.#coverage = coverage;
    this.#mutator = new Mutator(seed);
    this.#corpus = [...target.seeds];
    for (const input of [EMPTY, ...target.seeds]) this.#run(input);
    if (coverage !== undefined) coverage.add(coverage.takeNew());
  }

  get corpusSize(): number {
    return this.#corpus.length;
  }

  nextBatch(): Uint8Array[] {
    return Array.from({ length: BATCH_INPUTS }, () =>
      this.#mutator.mutate(this.#mutator.pick(this.#corpus), this.#corpus),
    );
  }

  /** Inputs that reach new code join the corpus. Which of a batch did is looked at one by one. */
  runBatch(batch: readonly Uint8Array[]): void {
    for (const input of batch) this.#run(input);
    this.inputs += batch.length;
    const coverage = this.#coverage;
    if (coverage === undefined) return;
    const reached = coverage.takeNew();
    if (reached.length === 0) return;
    for (const input of batch) {
      // V8 leaves out a block that ran as often as the one around it: beside an input that does not reach it,
      // it shows.
      this.#run(EMPTY);
      this.#run(input);
      const own = coverage.takeNew();
      if (own.length === 0) continue;
      coverage.add(own);
      this.#corpus.push(input);
    }
    coverage.add(reached);
  }

  get isDone(): boolean {
    return this.findings.length >= MOST_FINDINGS;
  }

  #run(input: Uint8Array): void {
    const error = tryTarget(this.target, input);
    if (error === undefined) return;
    const [at = ""] = /\((?:file:\/\/)?[^()]*\/src\/[^()]*\)/.exec(error.stack ?? "") ?? [];
    const kind = `${error.name} ${error.message.replace(/\d+/g, "N").slice(0, 80)} ${at}`;
    if (this.#known.has(kind)) return;
    this.#known.add(kind);
    this.findings.push({ target: this.target.name, input, message: `${error.stack ?? error.message}` });
  }
}

/** What the target threw that it must not. */
export function tryTarget(target: Target, input: Uint8Array): Error | undefined {
  const exceeded = boundAllocation(LEAST_BOUND_BYTES + BOUND_FACTOR * input.length);
  let thrown: unknown;
  try {
    target.run(Buffer.from(input));
  } catch (error) {
    thrown = error;
  }
  const greed = exceeded();
  if (greed !== undefined || thrown === undefined || isTyped(thrown)) return greed;
  return thrown instanceof Error ? thrown : new Error(`threw ${String(thrown)}`);
}

/** A name of the input for its file. */
export function nameOf({ target, input }: Finding): string {
  const digest = createHash("sha256").update(input).digest("hex").slice(0, 12);
  return `${target.replaceAll(" ", "-")}-${digest}.bin`;
}

const ALLOCATORS = ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const;
type Allocate = (bytes: number) => Buffer;

/** Until it is undone, a larger buffer throws; where a catch takes that for damage, the undoing still tells it. */
function boundAllocation(limit: number): () => Error | undefined {
  const originals = ALLOCATORS.map((name) => [name, Buffer[name]] as const);
  let exceeded: Error | undefined;
  for (const [name, original] of originals) {
    const bounded: Allocate = (bytes) => {
      if (bytes > limit) {
        exceeded = new Error(`takes ${bytes} bytes where ${limit} must do`);
        throw exceeded;
      }
      return (original as Allocate)(bytes);
    };
    Object.defineProperty(Buffer, name, { value: bounded, configurable: true, writable: true });
  }
  return () => {
    for (const [name, original] of originals) {
      Object.defineProperty(Buffer, name, { value: original, configurable: true, writable: true });
    }
    return exceeded;
  };
}
