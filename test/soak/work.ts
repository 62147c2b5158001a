/**
 * Random work of several lanes on one open store: every operation of the contract, in any order, with several at a
 * time. Lanes share what they believe of sessions, so they meet conflicts, and look again then. What the store answers is
 * written down by the recorder and judged elsewhere.
 */
import type { ReadOnlyStore, RuntimePersistence, Store } from "../../src/contract.ts";
import { isStoreError, type StoreErrorCode } from "../../src/errors.ts";
import type { PersistedSessionRead, RuntimeCommit } from "../../src/session/types.ts";
import type { Random } from "../../src/testing/simulation/random.ts";
import { ledgerEntry, meta, usage } from "../support/builders.ts";
import { ACTIONS, type Action } from "./actions.ts";
import type { Sessions } from "./sessions.ts";
import { kindOf, type Writer } from "./values.ts";

/** Commits kept on paper for another try: of each session more than the store keeps receipts of. */
export const PAPER = 160;
/** Milliseconds after which what was refused as too much is tried again. */
const BUSY_MS = 5;
/** Milliseconds after which a snapshot or gc may be given up. */
const MOST_JOB_MS = 30;
/** After these the process has to end: no fault was injected, so none may come. */
const OVER: ReadonlySet<StoreErrorCode> = new Set<StoreErrorCode>([
  "STORE_POISONED",
  "STORE_IO",
  "STORE_FULL",
  "INTERNAL",
]);

export interface WorkParts {
  readonly store: Store;
  readonly writer: Writer;
  readonly sent: RuntimeCommit[];
  readonly sessions: Sessions;
  /** Told of each commit that may be sent again by another life, before it is sent. */
  readonly tell: (commit: RuntimeCommit) => void;
  readonly openView: () => Promise<ReadOnlyStore>;
  readonly openSecond: () => Promise<void>;
}

export class Work {
  readonly #parts: WorkParts;
  #left = 0;

  constructor(parts: WorkParts) {
    this.#parts = parts;
  }

  /** Reads every session, so that what a crash left open is known, and what is believed is right. */
  async readEverything(look: (read: PersistedSessionRead) => void = () => undefined): Promise<void> {
    const { store, sessions } = this.#parts;
    sessions.clear();
    for await (const { sessionId } of store.listSessions({ includeChildren: true })) {
      const session = store.session(sessionId);
      const read = await session.loadSession();
      await session.loadSessionMeta();
      sessions.found(sessionId, read);
      if (read !== undefined) look(read);
    }
    for (const sessionId of sessions.deletedIds) await store.session(sessionId).loadSession();
  }

  /** So many operations, by several lanes; nothing is in flight when this resolves. */
  async run(operations: number, lanes: readonly Random[]): Promise<void> {
    this.#left = operations;
    const failures: unknown[] = [];
    const lane = async (random: Random): Promise<void> => {
      while (this.#left-- > 0 && failures.length === 0) {
        const action = random.weighted(ACTIONS) ?? "commit";
        await this.#tolerate(() => this.#act(action, random)).catch((error: unknown) => failures.push(error));
      }
    };
    await Promise.all(lanes.map(lane));
    if (failures.length > 0) throw failures[0];
  }

  /** Refusals are answers; the checker says whether they are right. */
  async #tolerate(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!isStoreError(error) || OVER.has(error.code)) throw error;
      if (error.code === "STORE_BUSY") await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
    }
  }

  async #act(action: Action, random: Random): Promise<unknown> {
    const { store, sessions, openSecond } = this.#parts;
    const session = store.session(this.#parts.sessions.pick(random));
    switch (action) {
      case "commit":
        return this.#commit(session, random);
      case "cutBack":
        return this.#shrink(store.session(sessions.pickLong(random) ?? sessions.pick(random)), random);
      case "retry":
      case "conflictingOperation":
        return this.#sendAgain(random, action === "conflictingOperation");
      case "tombstone":
        return this.#tombstone(session, random);
      case "vacuum":
        return session.vacuum();
      case "replaceFull":
        return this.#replace(session, Number.POSITIVE_INFINITY);
      case "fork":
        return this.#fork(session);
      case "delete":
        return this.#delete(session.sessionId);
      case "meta":
        return session.saveSessionMeta(meta(session.sessionId, { cwd: `/home/${random.below(100)}` }));
      case "snapshot":
        return store.snapshot();
      case "gc":
        return random.chance(0.5) ? store.gc() : session.gcUnreachable();
      case "verify":
        return store.verify();
      case "view":
        return this.#view(random);
      case "secondOpen":
        return openSecond();
      case "abortJob":
        return this.#abortJob(random);
      case "abort":
        return this.#abort(session);
      case "list":
        return drain(
          store.listSessions({
            includeChildren: random.chance(0.5),
            ...(random.chance(0.5) ? { limit: 5 } : {}),
          }),
        );
      default:
        return this.#read(session, action, random);
    }
  }

  async #commit(session: RuntimePersistence, random: Random): Promise<void> {
    const { sessions, writer } = this.#parts;
    const { sessionId } = session;
    if (sessions.isFull(sessionId)) return this.#shrink(session, random);
    await this.#send(session, writer.next(sessionId, sessions.of(sessionId)));
  }

  /** Whoever has grown too long is cut back, in one of the ways that there are. */
  async #shrink(session: RuntimePersistence, random: Random): Promise<void> {
    switch (random.below(3)) {
      case 0:
        return this.#delete(session.sessionId);
      case 1:
        return this.#replace(session, random.between(1, 10));
      default:
        return this.#hideNewest(session, random);
    }
  }

  /** The leaf moves far back, all behind it is hidden, and goes. */
  async #hideNewest(session: RuntimePersistence, random: Random): Promise<void> {
    const read = await this.#load(session);
    if (read === undefined) return;
    const { ids } = this.#parts.sessions.of(session.sessionId);
    const kept = random.between(1, 10);
    const leaf = ids[Math.min(kept, ids.length) - 1];
    await this.#send(
      session,
      this.#parts.writer.moveLeaf(session.sessionId, this.#parts.sessions.of(session.sessionId), leaf),
    );
    // Parents come before their children, so this closes downwards.
    await session.tombstoneNodes(ids.slice(kept));
    await session.vacuum();
    await this.#load(session);
  }

  async #send(session: RuntimePersistence, commit: RuntimeCommit): Promise<void> {
    const { sent, sessions, tell } = this.#parts;
    if (commit.operationId !== undefined) {
      tell(commit);
      sent.push(commit);
      if (sent.length > PAPER) sent.shift();
    }
    try {
      sessions.committed(commit, await session.commitRuntimeState(commit));
    } catch (error) {
      if (isStoreError(error) && error.retry === "reload") await this.#load(session);
      throw error;
    }
  }

  async #sendAgain(random: Random, withOtherContent: boolean): Promise<void> {
    const { sent, store } = this.#parts;
    const commit = random.pickAny(sent);
    if (commit === undefined) return;
    const other = { ...commit, usageDeltas: [ledgerEntry("other", "m", usage(1))] };
    await store.session(commit.sessionId).commitRuntimeState(withOtherContent ? other : commit);
  }

  async #load(session: RuntimePersistence): Promise<PersistedSessionRead | undefined> {
    const read = await session.loadSession();
    this.#parts.sessions.read(session.sessionId, read);
    return read;
  }

  async #replace(session: RuntimePersistence, most: number): Promise<void> {
    const read = await this.#load(session);
    if (read !== undefined)
      await this.#send(session, this.#parts.writer.replacement(session.sessionId, read, most));
  }

  async #fork(session: RuntimePersistence): Promise<void> {
    const { writer, store, sessions } = this.#parts;
    const read = await session.loadSession({ kind: "activePath" });
    if (read === undefined || sessions.areMany) return;
    const child = store.session(sessions.begin(kindOf(session.sessionId)));
    await child.saveSessionMeta(meta(child.sessionId, { parentSessionId: session.sessionId }));
    await this.#send(child, writer.fork(child.sessionId, read.graph.nodes));
  }

  async #delete(sessionId: string): Promise<void> {
    const { store, sessions } = this.#parts;
    sessions.forget(sessionId);
    if (await store.deleteSession(sessionId)) sessions.deleted(sessionId);
  }

  async #tombstone(session: RuntimePersistence, random: Random): Promise<void> {
    const { ids } = this.#parts.sessions.of(session.sessionId);
    const chosen = ids.filter(() => random.chance(3 / (ids.length + 1)));
    await session.tombstoneNodes(random.chance(0.1) ? [...chosen, "nowhere"] : chosen);
    this.#parts.sessions.hid(session.sessionId, chosen);
  }

  async #abort(session: RuntimePersistence): Promise<void> {
    const controller = new AbortController();
    const commit = this.#parts.writer.next(session.sessionId, this.#parts.sessions.of(session.sessionId));
    const sent = session.commitRuntimeState(commit, { signal: controller.signal });
    controller.abort();
    await sent;
  }

  /** A snapshot or gc that is given up, early or late or not at all. */
  async #abortJob(random: Random): Promise<void> {
    const { store } = this.#parts;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), random.below(MOST_JOB_MS));
    const options = { signal: controller.signal };
    try {
      await (random.chance(0.5) ? store.gc(options) : store.snapshot(options));
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(session: RuntimePersistence, action: Action, random: Random): Promise<void> {
    const belief = this.#parts.sessions.of(session.sessionId);
    const node = random.pickAny(belief.ids) ?? "nowhere";
    if (action === "load") await this.#load(session);
    else if (action === "loadPath") await session.loadSession({ kind: "activePath", leafNodeId: node });
    else if (action === "loadNewest")
      await session.loadSession({ kind: "activePath", limit: random.between(1, 20) });
    else if (action === "changesSince")
      await session.loadSession({ kind: "changesSince", headRevision: belief.copyOf });
    else if (action === "loadNode") await session.loadNode(node);
    else if (action === "loadMeta") await session.loadSessionMeta();
    else if (action === "headMeta") await session.loadSessionHeadMeta();
    else if (action === "iteratePath") await drain(session.iteratePath());
    else await drain(session.iterateGraph());
  }

  async #view(random: Random): Promise<void> {
    const view = await this.#parts.openView();
    try {
      for (let count = random.between(1, 3); count > 0; count--) {
        await view.session(this.#parts.sessions.pick(random)).loadSession();
        if (random.chance(0.5)) await drain(view.listSessions());
        if (random.chance(0.5)) await view.refresh();
      }
    } finally {
      await view.close();
    }
  }
}

async function drain(values: AsyncIterable<unknown>): Promise<void> {
  for await (const _value of values);
}
