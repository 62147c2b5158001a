/**
 * Plays the scripted sessions against an open store, as many hosts at once would, and tells each
 * acknowledgement before anything that rests on it is sent. It deliberately knows no process and no crash.
 *
 * 1. A lane tells operations in order, and has at most `MOST_IN_FLIGHT` beyond what it told.
 * 2. Only commits travel together: each expects the revision before it, so after one is refused for want of
 *    room all behind it are refused too, and the lane sends them again.
 * 3. After a crash the last commit of each session is sent again: its receipt must still be there.
 */
import type { Store } from "../../contract.ts";
import { isStoreError, type StoreErrorCode } from "../../errors.ts";
import type { RuntimeCommit, RuntimeCommitResult } from "../../session/types.ts";
import { checkRead, MOST_IN_FLIGHT, Violation } from "./check.ts";
import { isRefusal, PAUSE_MS, patiently, pause } from "./patience.ts";
import {
  lengthOf,
  type Operation,
  type Plan,
  type Position,
  positionAfter,
  type Scripted,
  scriptedAt,
  sessionIdAt,
  step,
} from "./script.ts";

/** One in so many operations of a lane is followed by a read. */
const READ_EVERY = 9;

export interface LaneInput {
  readonly store: Store;
  readonly plan: Plan;
  readonly lane: number;
  readonly position: Position;
  readonly tell: (lane: number, position: Position) => void;
}

interface Step {
  readonly operation: Operation;
  readonly after: Scripted;
}

type Answer = { readonly ok: true } | { readonly ok: false; readonly error: unknown };

export class Lane {
  readonly #input: LaneInput;
  readonly #window: number;
  #position: Position;
  #state: Scripted;
  /** Whether the operation at hand may have been done already, by an owner that was killed. */
  #mayRepeat = true;
  #lastRefusal: StoreErrorCode | undefined;

  constructor(input: LaneInput) {
    this.#input = input;
    // Lanes of every kind: from one that waits for each answer to one that never does.
    this.#window = 1 + (input.lane % MOST_IN_FLIGHT);
    this.#position = input.position;
    this.#state = scriptedAt(input.plan, input.lane, input.position);
  }

  get position(): Position {
    return this.#position;
  }
  /** Why operations were refused at the last time: STORE_BUSY or STORE_FULL. */
  get lastRefusal(): StoreErrorCode | undefined {
    return this.#lastRefusal;
  }

  /** Sends the last commit of the session again, as a host does that never saw its answer. */
  async repeatLast(): Promise<void> {
    const { plan, lane } = this.#input;
    const { generation, done } = this.#position;
    if (done === 0) return;
    const before = scriptedAt(plan, lane, { generation, done: done - 1 });
    const { operation, after } = step(plan, before);
    if (operation.kind !== "commit") return;
    const answer = await patiently(() => this.#session.commitRuntimeState(operation.commit));
    if (!answer.replayed || answer.headRevision !== after.revision)
      throw new Violation(`${after.sessionId} forgot the receipt of revision ${after.revision}`);
  }

  /** Sends the next operation, or commits that may travel together. False when it was refused for want of room. */
  async advance(): Promise<boolean> {
    const steps = this.#nextSteps();
    const answers = steps.map((next) => this.#send(next));
    let refused = false;
    for (const [index, next] of steps.entries()) {
      const answer = (await answers[index]) ?? { ok: true };
      if (answer.ok && refused)
        throw new Violation(`${next.after.sessionId} accepted a commit that rests on a refused one`);
      if (answer.ok) this.#tell(next);
      else if (isRefusal(answer.error)) {
        if (!refused) this.#lastRefusal = answer.error.code;
        refused = true;
      } else if (!(refused && isStoreError(answer.error, "HEAD_REVISION_CONFLICT"))) throw answer.error;
    }
    if (refused) await pause(PAUSE_MS);
    else if (this.#state.done % READ_EVERY === 0) await this.check();
    return !refused;
  }

  /** Reads what was acknowledged. */
  async check(): Promise<void> {
    await checkRead(this.#session, this.#state);
  }

  get #session() {
    return this.#input.store.session(sessionIdAt(this.#input.lane, this.#position.generation));
  }

  #nextSteps(): Step[] {
    const { plan } = this.#input;
    const first = step(plan, this.#state);
    const steps = [first];
    let { after, operation } = first;
    while (operation.kind === "commit" && steps.length < this.#window) {
      if (after.done + 1 >= lengthOf(plan, after.sessionId)) break;
      ({ after, operation } = step(plan, after));
      if (operation.kind === "commit") steps.push({ operation, after });
    }
    return steps;
  }

  async #send({ operation, after }: Step): Promise<Answer> {
    try {
      await this.#perform(operation, after);
      return { ok: true };
    } catch (error) {
      return { ok: false, error };
    }
  }

  async #perform(operation: Operation, after: Scripted): Promise<void> {
    const { store } = this.#input;
    const session = store.session(after.sessionId);
    switch (operation.kind) {
      case "commit":
        return checkAnswer(operation.commit, await session.commitRuntimeState(operation.commit), after);
      case "hide":
        return await session.tombstoneNodes(operation.nodeIds);
      case "vacuum": {
        const mayRepeat = this.#mayRepeat;
        const { removedNodeCount } = await session.vacuum();
        if (removedNodeCount === operation.removes || (mayRepeat && removedNodeCount === 0)) return;
        throw new Violation(
          `${after.sessionId}: vacuum removed ${removedNodeCount}, not ${operation.removes} nodes`,
        );
      }
      case "meta":
        return await session.saveSessionMeta(operation.meta);
      case "delete":
        if (await store.deleteSession(after.sessionId)) return;
        throw new Violation(`${after.sessionId} was said never to have been used when it was deleted`);
    }
  }

  #tell({ after }: Step): void {
    const { plan, lane, tell } = this.#input;
    this.#position = positionAfter(plan, lane, this.#position);
    this.#state = this.#position.done === 0 ? scriptedAt(plan, lane, this.#position) : after;
    this.#mayRepeat = false;
    tell(lane, this.#position);
  }
}

function checkAnswer(commit: RuntimeCommit, answer: RuntimeCommitResult, after: Scripted): void {
  const { headRevision, replayed, manifest } = answer;
  if (headRevision !== after.revision || replayed || manifest.turnState.turnIndex !== after.revision)
    throw new Violation(
      `${commit.sessionId}: revision ${after.revision} was answered as ${headRevision}${replayed ? ", replayed" : ""}`,
    );
}
