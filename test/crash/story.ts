/**
 * A seeded workload over the whole store whose every state can be told from the sessions' revisions, so that
 * what a crash left is checked without knowing which of the commits in flight made it. Commit r of a session
 * appends `n<r>` below `n<r-1>` and the side node `x<r>`, and sets components that r decides.
 *
 * 1. The steps, their order and their sizes depend on the seed alone.
 * 2. A promise is noted when its call has answered, and a request before it is sent.
 */
import assert from "node:assert/strict";
import type { Store } from "../../src/contract.ts";
import type { HydratedSessionCheckpoint, RuntimeCommit } from "../../src/session/types.ts";
import { randomFrom } from "../../src/vfs/memory-random.ts";
import {
  append,
  checkpoint,
  commit,
  ledgerEntry,
  messageNode,
  meta,
  noise,
  toolState,
  turnState,
  usage,
} from "../support/builders.ts";
import { Progress } from "../support/history.ts";

export const SESSIONS = ["a", "b", "c"];

export type Step =
  | { readonly kind: "commit" | "hide" | "vacuum" | "meta"; readonly session: string }
  | { readonly kind: "burst"; readonly sessions: readonly string[] }
  | { readonly kind: "delete"; readonly session: string }
  /** While commits go on. */
  | { readonly kind: "snapshot" | "gc"; readonly meanwhile: readonly string[] }
  | { readonly kind: "reopen" };

export interface SessionPromise {
  readonly progress: Progress;
  /** Names of metas sent, in order, and how many of them were acknowledged. */
  readonly metas: readonly string[];
  readonly metasAcknowledged: number;
}

/** All that was sent and promised at one moment. */
export interface Promised {
  /** The store was closed and not opened again: whatever the crash, it says so, and nothing was torn. */
  readonly isClosed: boolean;
  readonly sessions: ReadonlyMap<string, SessionPromise>;
  readonly doomed: ReadonlyMap<string, "created" | "deleting" | "deleted">;
}

const STEPS = 14;

/** Every kind at least once in a few seeds; a workload always publishes, collects and reopens. */
export function stepsOf(seed: number): Step[] {
  const random = randomFrom(seed * 2_654_435_761);
  const below = (limit: number): number => Math.floor(random() * limit);
  const session = (): string => SESSIONS[below(SESSIONS.length)] ?? "a";
  const some = (): string[] => Array.from({ length: below(4) }, session);
  const draw = (): Step => {
    const turn = below(14);
    if (turn < 4) return { kind: "commit", session: session() };
    if (turn < 7) return { kind: "burst", sessions: [session(), ...some()] };
    if (turn === 7) return { kind: "hide", session: session() };
    if (turn === 8) return { kind: "vacuum", session: session() };
    if (turn === 9) return { kind: "meta", session: session() };
    if (turn === 10) return { kind: "delete", session: `doomed-${below(1000)}` };
    if (turn === 11) return { kind: "snapshot", meanwhile: some() };
    if (turn === 12) return { kind: "gc", meanwhile: some() };
    return { kind: "reopen" };
  };
  const steps: Step[] = Array.from({ length: STEPS }, draw);
  const put = (step: Step, from: number, to: number): void =>
    void steps.splice(from + below(to - from), 0, step);
  put({ kind: "snapshot", meanwhile: some() }, 3, 6);
  put({ kind: "gc", meanwhile: some() }, 8, 11);
  put({ kind: "reopen" }, 6, 12);
  return steps;
}

/** Bytes of execution state: mostly small, some that leave no room in a segment of 64 KiB for a second. */
function executionBytes(revision: number): number {
  if (revision % 7 === 3) return 30_000;
  return revision % 3 === 0 ? 6000 : 300;
}

export function checkpointOf(sessionId: string, revision: number): HydratedSessionCheckpoint {
  return checkpoint({
    turnState: turnState({ turnIndex: revision }),
    // The same value in all sessions, and again later: blobs that are shared, left and used again.
    toolState: toolState(revision % 3, "shared"),
    executionState: noise(executionBytes(revision), revision + sessionId.charCodeAt(0) * 1000),
  });
}

export function commitOf(sessionId: string, revision: number): RuntimeCommit {
  const parent = revision === 1 ? undefined : `n${revision - 1}`;
  const trunk = messageNode(`n${revision}`, parent, `${sessionId} ${revision}`);
  return commit({
    sessionId,
    expectedHeadRevision: revision - 1,
    operationId: `op-${revision}`,
    graph: append([trunk, messageNode(`x${revision}`, trunk.nodeId, "side")], trunk.nodeId),
    checkpoint: checkpointOf(sessionId, revision),
    usageDeltas: [ledgerEntry("turn", "m", usage(1))],
  });
}

/** Plays the steps and keeps count of what was sent and promised. */
export class Story {
  readonly #sessions = new Map(
    SESSIONS.map((id) => [id, { progress: new Progress(), metas: [] as string[], metasAcknowledged: 0 }]),
  );
  readonly #doomed = new Map<string, "created" | "deleting" | "deleted">();
  #isClosed = false;
  #promised: Promised | undefined;

  promised(): Promised {
    this.#promised ??= {
      isClosed: this.#isClosed,
      sessions: new Map(
        [...this.#sessions].map(([id, { progress, metas, metasAcknowledged }]) => [
          id,
          { progress: progress.copy(), metas: [...metas], metasAcknowledged },
        ]),
      ),
      doomed: new Map(this.#doomed),
    };
    return this.#promised;
  }

  async play(step: Step, store: Store, reopen: () => Promise<Store>): Promise<Store> {
    switch (step.kind) {
      case "commit":
        await this.#commit(store, step.session);
        return store;
      case "burst":
        await Promise.all(step.sessions.map((id) => this.#commit(store, id)));
        return store;
      case "hide":
        await this.#hide(store, step.session);
        return store;
      case "vacuum":
        await store.session(step.session).vacuum();
        return store;
      case "meta":
        await this.#meta(store, step.session);
        return store;
      case "delete":
        await this.#delete(store, step.session);
        return store;
      case "snapshot":
        await Promise.all([store.snapshot(), ...step.meanwhile.map((id) => this.#commit(store, id))]);
        return store;
      case "gc":
        await Promise.all([store.gc(), ...step.meanwhile.map((id) => this.#commit(store, id))]);
        return store;
      case "reopen":
        return await reopen();
    }
  }

  /** Told before the store is opened, and after it was closed. */
  setClosed(isClosed: boolean): void {
    this.#isClosed = isClosed;
    this.#changed();
  }

  #changed(): void {
    this.#promised = undefined;
  }

  #of(id: string): { progress: Progress; metas: string[]; metasAcknowledged: number } {
    const found = this.#sessions.get(id);
    assert.ok(found, id);
    return found;
  }

  async #commit(store: Store, id: string): Promise<void> {
    const { progress } = this.#of(id);
    const revision = ++progress.sent;
    this.#changed();
    const answer = await store.session(id).commitRuntimeState(commitOf(id, revision));
    assert.equal(answer.headRevision, revision);
    progress.acknowledged = Math.max(progress.acknowledged, revision);
    this.#changed();
  }

  async #hide(store: Store, id: string): Promise<void> {
    const { progress } = this.#of(id);
    const revision = progress.acknowledged;
    if (revision === 0) return;
    progress.hideSent.add(revision);
    this.#changed();
    await store.session(id).tombstoneNodes([`x${revision}`]);
    progress.hideAcknowledged.add(revision);
    this.#changed();
  }

  async #meta(store: Store, id: string): Promise<void> {
    const session = this.#of(id);
    const sessionName = `name ${session.metas.length}`;
    session.metas.push(sessionName);
    const count = session.metas.length;
    this.#changed();
    await store.session(id).saveSessionMeta(meta(id, { sessionName }));
    session.metasAcknowledged = count;
    this.#changed();
  }

  async #delete(store: Store, id: string): Promise<void> {
    if (this.#doomed.has(id)) return;
    await store.session(id).saveSessionMeta(meta(id));
    this.#doomed.set(id, "created");
    this.#changed();
    this.#doomed.set(id, "deleting");
    this.#changed();
    assert.equal(await store.deleteSession(id), true);
    this.#doomed.set(id, "deleted");
    this.#changed();
  }
}
