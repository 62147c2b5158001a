/**
 * Plays one session against the store the way an agent host does: every commit expects the revision the host
 * knows, carries an operation id, and adopts the answer. It compares answers with what the contract promises
 * but looks at no stored data; that is `verify.ts`.
 *
 * 1. A session has one commit in flight, except a retry beside the commit it repeats.
 * 2. Resuming sends the last known step again: its answer may have been lost, and the call must say so.
 */
import type { RuntimePersistence, Store } from "../../contract.ts";
import { isStoreError } from "../../errors.ts";
import type { HydratedSessionCheckpoint, RuntimeCommit, RuntimeCommitResult } from "../../session/types.ts";
import { describeDifference, firstDifference } from "./difference.ts";
import type { Histogram } from "./histogram.ts";
import { type CarriedRefs, type ResumedSession, refsOf } from "./resume.ts";
import { type AfterAction, type Step, sessionId } from "./script.ts";

export interface PlayCounts {
  commits: number;
  nodes: number;
  branches: number;
  rewrites: number;
  tombstoned: number;
  vacuumed: number;
  /** Commits sent twice, and how often the second answer was the first one again. */
  retried: number;
  replayed: number;
  /** Refusals after which the same call was sent again. */
  busy: number;
  sessionsDone: number;
}

export function nothingPlayed(): PlayCounts {
  return {
    commits: 0,
    nodes: 0,
    branches: 0,
    rewrites: 0,
    tombstoned: 0,
    vacuumed: 0,
    retried: 0,
    replayed: 0,
    busy: 0,
    sessionsDone: 0,
  };
}

export interface Stage {
  readonly store: Store;
  readonly counts: PlayCounts;
  readonly latency: Histogram;
  readonly signal: AbortSignal;
}

/** Waits between two tries of a call the store asked to send again; after two minutes a host gives up. */
const BUSY_WAIT_MS = 10;
const BUSY_TRIES = 12_000;

/** Answers the revision it reached. `steps`: how many; absent = to the end of the input's current lap. */
export async function playSession(
  stage: Stage,
  resumed: ResumedSession,
  steps: number | undefined,
): Promise<number> {
  const player = new Player(stage, resumed);
  await player.settle(resumed.last);
  for (let played = 0; played < (steps ?? Number.POSITIVE_INFINITY) && !stage.signal.aborted; played++) {
    const step = resumed.script.next();
    await player.play(step);
    if (steps === undefined && step.endsLap) break;
  }
  stage.counts.sessionsDone += 1;
  return player.revision;
}

class Player {
  revision: number;
  readonly #stage: Stage;
  readonly #id: string;
  readonly #session: RuntimePersistence;
  readonly #resumed: ResumedSession;
  #refs: CarriedRefs;

  constructor(stage: Stage, resumed: ResumedSession) {
    this.#stage = stage;
    this.#resumed = resumed;
    this.#id = sessionId(resumed.session);
    this.#session = stage.store.session(this.#id);
    this.#refs = resumed.refs;
    this.revision = resumed.revision;
  }

  /** Makes sure of everything up to the last known step. */
  async settle(last: Step | undefined): Promise<void> {
    if (last === undefined) {
      await this.#act({ kind: "meta", meta: this.#resumed.script.meta() });
      return;
    }
    this.#stage.counts.retried += 1;
    const answer = await this.#send(commitOf(this.#id, last, this.#refs));
    this.#expectAnswer("the retry of the last step", answer, { headRevision: last.revision, replayed: true });
    this.#stage.counts.replayed += 1;
    for (const action of last.after) await this.#act(action);
  }

  async play(step: Step): Promise<void> {
    const { counts, latency } = this.#stage;
    const commit = commitOf(this.#id, step, this.#refs);
    const started = performance.now();
    // A host that lost its connection: the same commit again while the first is on its way.
    const again = step.retry === "inFlight" ? [this.#send(commit)] : [];
    const answers = await Promise.all([this.#send(commit), ...again]);
    latency.record(performance.now() - started);
    // Either may arrive first, since one that the store refuses for the moment is sent again later.
    const answer = answers.find((candidate) => !candidate.replayed) ?? answers[0];
    if (answer === undefined) throw new Error(`${this.#id}: a commit without an answer`);
    this.#expectAnswer("the answer", answer, { headRevision: step.revision, replayed: false });
    for (const other of answers) if (other !== answer) this.#checkReplay(answer, other);
    if (step.retry === "afterwards") this.#checkReplay(answer, await this.#send(commit));
    this.#refs = refsOf(answer.manifest);
    this.revision = answer.headRevision;
    counts.commits += 1;
    if (step.graph.kind === "append") counts.nodes += step.graph.nodes.length;
    if (step.branches) counts.branches += 1;
    if (step.role === "rewrite") counts.rewrites += 1;
    for (const action of step.after) await this.#act(action);
  }

  #checkReplay(first: RuntimeCommitResult, second: RuntimeCommitResult): void {
    this.#stage.counts.retried += 1;
    this.#expect("the answer to a retry", { ...first, replayed: true }, second);
    this.#stage.counts.replayed += 1;
  }

  async #act(action: AfterAction): Promise<void> {
    const { counts } = this.#stage;
    if (action.kind === "meta") await this.#patiently(() => this.#session.saveSessionMeta(action.meta));
    else if (action.kind === "tombstone") {
      await this.#patiently(() => this.#session.tombstoneNodes(action.nodeIds));
      counts.tombstoned += action.nodeIds.length;
    } else {
      const { removedNodeCount } = await this.#patiently(() => this.#session.vacuum());
      counts.vacuumed += removedNodeCount;
    }
  }

  #send(commit: RuntimeCommit): Promise<RuntimeCommitResult> {
    return this.#patiently(() => this.#session.commitRuntimeState(commit));
  }

  /** Calls again while the store says that the same call may succeed later. */
  async #patiently<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        return await call();
      } catch (error) {
        if (!isStoreError(error) || error.retry !== "same" || tries === BUSY_TRIES) throw error;
        this.#stage.counts.busy += 1;
        await new Promise((resolve) => setTimeout(resolve, BUSY_WAIT_MS));
      }
    }
  }

  #expectAnswer(
    what: string,
    { headRevision, replayed }: RuntimeCommitResult,
    expected: Pick<RuntimeCommitResult, "headRevision" | "replayed">,
  ): void {
    this.#expect(what, expected, { headRevision, replayed });
  }

  #expect(what: string, expected: object, found: object): void {
    const difference = firstDifference(expected, found);
    if (difference === undefined) return;
    throw new Error(`${this.#id}: ${what} differs: ${describeDifference(difference)}`);
  }
}

/** The commit of a step. Carried components travel as the refs the last answer named. */
function commitOf(id: string, step: Step, refs: CarriedRefs): RuntimeCommit {
  return {
    sessionId: id,
    expectedHeadRevision: step.revision - 1,
    config: step.config,
    graph: step.graph,
    checkpoint: checkpointOf(step, refs),
    usageDeltas: [...step.usage],
    operationId: step.operationId,
  };
}

function checkpointOf(step: Step, refs: CarriedRefs): HydratedSessionCheckpoint {
  const { toolState, pluginSnapshot, pluginSnapshotRevision, executionState } = step.components;
  const checkpoint: HydratedSessionCheckpoint = { turnState: step.turnState };
  if (toolState.kind === "send") checkpoint.toolState = toolState.value;
  else if (toolState.kind === "carry" && refs.toolStateRef !== undefined)
    checkpoint.toolStateRef = refs.toolStateRef;
  if (pluginSnapshot.kind === "send") checkpoint.pluginSnapshot = pluginSnapshot.value;
  else if (pluginSnapshot.kind === "carry" && refs.pluginSnapshotRef !== undefined)
    checkpoint.pluginSnapshotRef = refs.pluginSnapshotRef;
  if (pluginSnapshotRevision !== undefined) checkpoint.pluginSnapshotRevision = pluginSnapshotRevision;
  if (executionState.kind === "send") checkpoint.executionState = executionState.value;
  else if (executionState.kind === "carry" && refs.executionStateRef !== undefined)
    checkpoint.executionStateRef = refs.executionStateRef;
  return checkpoint;
}
