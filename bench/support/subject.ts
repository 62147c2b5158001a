/**
 * Something that makes commits durable: the store, a baseline or a peer. Every subject builds the same commit
 * inside the timed part, keeps one chain per committer by compare-and-set where it can, and proves afterwards
 * that what it acknowledged is on disk.
 */

/** What a power loss, or a crash of the process alone, may take: printed beside every figure. */
export const DURABILITY = {
  power: "survives power loss",
  kernel: "a power loss takes the latest",
  none: "nothing promised",
} as const;

export interface Subject {
  readonly name: string;
  readonly durability: string;
  /** Builds commit number `step` of that committer and answers when it is as durable as `durability` says. */
  commit(committer: number, step: number): unknown;
  /** Untimed, after a round: what this subject left to be written later must not hit the next subject. */
  settle?(): Promise<void> | void;
  /** Commits and syncs of the log so far, where the subject can tell. */
  syncs?(): number;
  close(): Promise<void> | void;
  /** After `close`: opens it anew and throws unless each committer's chain is exactly that long. */
  verify(steps: readonly number[]): Promise<void> | void;
}

export type OpenSubject = (directory: string) => Promise<Subject> | Subject;

/** At most this many chains are read back, evenly spread: reading all would take longer than the bench. */
const VERIFIED_CHAINS = 128;

export function sampleOf(steps: readonly number[]): number[] {
  const stride = Math.max(1, Math.ceil(steps.length / VERIFIED_CHAINS));
  return steps.map((_, index) => index).filter((index) => index % stride === 0);
}

/** For what a subject reads back. */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what}: expected ${String(expected)}, found ${String(actual)}`);
}
