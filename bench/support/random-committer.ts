/** The process whose memory `random-sessions` measures: it commits to sessions in random order. */
import { openStore, type StoreOptions } from "../../src/index.ts";
import { answerApart, rssMib } from "./apart.ts";
import { commitOf, sessionOf } from "./commits.ts";
import { patiently } from "./patiently.ts";
import { expectEqual } from "./subject.ts";

export interface RandomCommits {
  readonly directory: string;
  readonly sessions: number;
  readonly commits: number;
  readonly options: StoreOptions;
}
export interface RandomCommitted {
  /** Commits a second. */
  readonly rate: number;
  readonly peakMib: number;
  /** Snapshots that were taken meanwhile. */
  readonly snapshots: number;
}

const COMMITTERS = 256;
const SAMPLE_MS = 20;
const READ_BACK = 100;
/** A step that is prime to every count of sessions used here, near the golden section of it: no session twice in a pass. */
const SHARE = 0.618034;

answerApart(async ({ directory, sessions, commits, options }: RandomCommits): Promise<RandomCommitted> => {
  const store = await openStore(directory, options);
  const stride = strideOf(sessions);
  const sessionAt = (turn: number): number => (turn * stride) % sessions;
  let peakMib = rssMib();
  const timer = setInterval(() => {
    peakMib = Math.max(peakMib, rssMib());
  }, SAMPLE_MS);
  const started = performance.now();
  let turn = 0;
  const committer = async (): Promise<void> => {
    while (turn < commits) {
      const mine = turn++;
      const id = sessionOf(sessionAt(mine));
      const commit = commitOf(id, Math.floor(mine / sessions));
      await patiently(() => store.session(id).commitRuntimeState(commit));
    }
  };
  // Fewer at a time than sessions, so that none has two commits under way.
  await Promise.all(Array.from({ length: Math.min(COMMITTERS, sessions) }, committer));
  const seconds = (performance.now() - started) / 1000;
  clearInterval(timer);
  const snapshots = store.stats().snapshot.count;
  const stepsOf = (position: number): number =>
    Math.floor(commits / sessions) + (position < commits % sessions ? 1 : 0);
  for (let read = 0; read < Math.min(READ_BACK, sessions); read++) {
    const position = Math.floor((read * sessions) / READ_BACK) % sessions;
    const found = await store.session(sessionOf(sessionAt(position))).loadSession();
    expectEqual(`nodes at ${position}`, found?.graph.nodes.length ?? 0, stepsOf(position));
  }
  await store.close();
  return { rate: commits / seconds, peakMib, snapshots };
});

function strideOf(sessions: number): number {
  let stride = Math.max(1, Math.floor(sessions * SHARE));
  while (divisor(stride, sessions) !== 1) stride++;
  return stride;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
