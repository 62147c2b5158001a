/** One host over an open store: draws actions, sends them, looks at the answers and goes on until it is told to stop. */
import type { ReadOnlyStore, RuntimePersistence, Store } from "../../src/contract.ts";
import { isStoreError, type StoreErrorCode } from "../../src/errors.ts";
import type { RuntimeCommit } from "../../src/session/types.ts";
import type { Process } from "../../src/testing/simulation/machine.ts";
import type { Random } from "../../src/testing/simulation/random.ts";
import { ledgerEntry, meta, usage } from "../support/builders.ts";
import type { Coverage } from "./coverage.ts";
import type { HostMind, Notebook } from "./host-mind.ts";
import type { Action, Settings } from "./settings.ts";

/** After these the store is of no more use. */
const OVER: ReadonlySet<StoreErrorCode> = new Set<StoreErrorCode>([
  "STORE_POISONED",
  "STORE_CLOSED",
  "COMMIT_OUTCOME_UNKNOWN",
]);

export interface HostParts {
  readonly store: Store;
  readonly process: Process;
  readonly random: Random;
  readonly settings: Settings;
  readonly mind: HostMind;
  readonly notebook: Notebook;
  readonly coverage: Coverage;
  /** The store was seen to be poisoned or closed: the life ends. */
  readonly over: () => void;
  readonly isOver: () => boolean;
  /** Opens a read-only view beside the owner; undefined if that was refused. */
  readonly openView: () => Promise<ReadOnlyStore | undefined>;
  readonly openSecond: () => Promise<void>;
}

export class Host {
  readonly #parts: HostParts;
  readonly #inFlight: Promise<void>[] = [];

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { settings, random, process, isOver } = this.#parts;
    for (let count = 0; count < settings.actions && !isOver(); count++) {
      if (settings.thinkMs > 0) await process.sleep(random.below(1 + settings.thinkMs));
      const action = random.weighted(settings.weights) ?? "load";
      await this.#tolerate(() => this.#act(action));
    }
    await Promise.all(this.#inFlight);
  }

  async #tolerate(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!isStoreError(error)) throw error;
      // What a process does in the turn it dies in tells nothing.
      if (this.#parts.process.isAlive) this.#parts.coverage.add(error.code);
      if (OVER.has(error.code)) this.#parts.over();
    }
  }

  async #act(action: Action): Promise<void> {
    const { store, coverage } = this.#parts;
    const session = this.#session();
    coverage.add(`action: ${action}`);
    switch (action) {
      case "commit":
        return this.#commits(session);
      case "retry":
        return this.#retry();
      case "conflictingOperation":
        return this.#conflictingOperation();
      case "tombstone":
        return this.#tombstone(session);
      case "vacuum":
        await session.vacuum();
        return;
      case "delete":
        if (await store.deleteSession(session.sessionId)) this.#parts.notebook.deleted(session.sessionId);
        return;
      case "meta":
        return this.#meta(session);
      case "load":
        return this.#load(session);
      case "snapshot":
        return store.snapshot();
      case "gc":
        coverage.add("blobs collected", (await store.gc()).deletedBlobCount);
        return;
      case "verify":
        await store.verify();
        return;
      case "view":
        return this.#view();
      case "secondOpen":
        return this.#parts.openSecond();
      case "abort":
        return this.#abort(session);
      case "list":
        return this.#list(store);
      default:
        return this.#smallRead(session, action);
    }
  }

  #session(): RuntimePersistence {
    return this.#parts.store.session(this.#sessionId());
  }

  #sessionId(): string {
    const { random, notebook } = this.#parts;
    const deleted = random.chance(0.1) ? random.pickAny(notebook.deletedIds) : undefined;
    return deleted ?? random.pickAny(notebook.sessionIds) ?? "s";
  }

  async #commits(session: RuntimePersistence): Promise<void> {
    const { settings, random, mind, coverage } = this.#parts;
    for (let count = random.between(1, settings.pipeline); count > 0; count--) {
      const value = mind.nextCommit(session.sessionId);
      if (Object.keys(value.checkpoint).some((key) => key.endsWith("Ref"))) coverage.add("carried a ref");
      if ((value.checkpoint.executionState?.byteLength ?? 0) > 65_536) coverage.add("big commit");
      this.#send(session, value);
    }
    await Promise.all(this.#inFlight);
  }

  /** Sends without waiting; a conflict or a loss makes the host look again. */
  #send(session: RuntimePersistence, value: RuntimeCommit): void {
    const sent = session.commitRuntimeState(value);
    const settled = this.#tolerate(async () => {
      try {
        const result = await sent;
        this.#parts.coverage.add(result.replayed ? "commit replayed" : "commit answered");
        this.#parts.mind.answered(value, result);
      } catch (error) {
        if (isStoreError(error) && !OVER.has(error.code)) await this.#load(session);
        throw error;
      }
    });
    this.#inFlight.push(settled);
    void settled.then(() => this.#inFlight.splice(this.#inFlight.indexOf(settled), 1));
  }

  async #retry(): Promise<void> {
    const { random, notebook, store } = this.#parts;
    const value = random.pickAny([...notebook.unanswered]) ?? random.pickAny(notebook.sent);
    if (value === undefined) return;
    this.#send(store.session(value.sessionId), value);
    await Promise.all(this.#inFlight);
  }

  async #conflictingOperation(): Promise<void> {
    const { random, notebook, store } = this.#parts;
    const value = random.pickAny(notebook.sent);
    if (value === undefined) return;
    const other = { ...value, usageDeltas: [ledgerEntry("other", "m", usage(1))] };
    await store.session(value.sessionId).commitRuntimeState(other);
  }

  async #tombstone(session: RuntimePersistence): Promise<void> {
    const { random, mind } = this.#parts;
    const { nodes } = mind.belief(session.sessionId);
    const ids = nodes.filter(() => random.chance(2 / (nodes.length + 1))).map(({ nodeId }) => nodeId);
    if (random.chance(0.1)) ids.push("nowhere");
    await session.tombstoneNodes(ids);
    mind.hid(session.sessionId, ids);
  }

  async #meta(session: RuntimePersistence): Promise<void> {
    const { random } = this.#parts;
    const { sessionId } = session;
    const fields = {
      cwd: `/home/${random.below(100)}`,
      ...(random.chance(0.2) ? { parentSessionId: "s0" } : {}),
    };
    await session.saveSessionMeta(meta(sessionId, fields));
  }

  async #load(session: RuntimePersistence): Promise<void> {
    const read = await session.loadSession();
    this.#parts.mind.believe(session.sessionId, read);
  }

  async #smallRead(session: RuntimePersistence, action: Action): Promise<void> {
    const { random, mind } = this.#parts;
    const node = random.pickAny(mind.belief(session.sessionId).nodes)?.nodeId ?? "nowhere";
    if (action === "loadMeta") await session.loadSessionMeta();
    else if (action === "loadNode") await session.loadNode(node);
    else if (random.chance(0.5)) await session.loadSession({ kind: "activePath" });
    else await session.loadSession({ kind: "activePath", leafNodeId: node });
  }

  async #list(store: Store | ReadOnlyStore): Promise<void> {
    const { random, coverage } = this.#parts;
    const limit = random.chance(0.2) ? { limit: random.between(1, 3) } : {};
    for await (const _entry of store.listSessions({ includeChildren: random.chance(0.5), ...limit }))
      coverage.add("listed");
  }

  async #view(): Promise<void> {
    const { random, settings, openView, coverage, process } = this.#parts;
    const view = await openView();
    if (view === undefined) return;
    for (let round = random.between(1, 3); round > 0; round--) {
      for (let count = random.between(1, 3); count > 0; count--) {
        await view.session(this.#sessionId()).loadSession();
        coverage.add("view read");
      }
      if (random.chance(0.5)) await this.#list(view);
      await process.sleep(random.below(1 + settings.thinkMs * 4));
      if (random.chance(0.5)) await view.refresh();
    }
    await view.close();
  }

  /** A signal that fires at once, or a little later: the call has no effect, or completes. */
  async #abort(session: RuntimePersistence): Promise<void> {
    const { random, mind } = this.#parts;
    const controller = new AbortController();
    if (random.chance(0.5)) controller.abort();
    const sent = session.commitRuntimeState(mind.nextCommit(session.sessionId), {
      signal: controller.signal,
    });
    controller.abort();
    await sent;
  }
}
