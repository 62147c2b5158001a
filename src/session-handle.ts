/**
 * A handle: the eight operations bound to one session id. Arguments are checked and encoded here, before
 * the call returns its promise; everything else is decided by the session's actor. Handles hold no state.
 */
import { abortedError, type Reply } from "./actors/ask.ts";
import type { Engine } from "./actors/engine.ts";
import { readMeta, readNewestOf, readNodeAlone, readNodeOf, readSessionInSteps } from "./actors/reads.ts";
import { bindWrite, type CommitEvent } from "./actors/session-events.ts";
import type { CallOptions, RuntimePersistence } from "./contract.ts";
import { toStoreError } from "./errors.ts";
import { holdBodies, iterateGraphOf, iteratePathOf, type Walkable } from "./iterate-nodes.ts";
import { MAX_ID_BYTES } from "./limits.ts";
import { type HeadFigures, readHeadMeta } from "./session/head-meta.ts";
import { planMeta, planTombstone, planVacuum, type WritePlan } from "./session/plan.ts";
import {
  prepareCommit,
  prepareMeta,
  prepareNodeId,
  prepareNodeIds,
  prepareScope,
} from "./session/prepare.ts";
import { beginScratch, endScratch } from "./session/scratch.ts";
import type { SessionState } from "./session/state.ts";
import type {
  GcReport,
  Json,
  PersistedSessionRead,
  RuntimeCommit,
  RuntimeCommitResult,
  SessionEvent,
  SessionHeadMeta,
  SessionMeta,
  SessionNodeRecord,
  SessionReadScope,
  VacuumReport,
} from "./session/types.ts";

/** Bytes that a small record may add to the queue. */
const SMALL_WRITE_BYTES = 4096;

export class SessionHandle<Event = SessionEvent, Body = Json> implements RuntimePersistence<Event, Body> {
  readonly sessionId: string;
  readonly #engine: Engine;

  constructor(engine: Engine, sessionId: string) {
    this.#engine = engine;
    this.sessionId = sessionId;
  }

  commitRuntimeState(
    commit: RuntimeCommit<Event, Body>,
    options?: CallOptions,
  ): Promise<RuntimeCommitResult> {
    return answer<RuntimeCommitResult>(options, (reply) => {
      this.#engine.checkOpen();
      this.#engine.checkBacklog();
      let isDone = true;
      beginScratch();
      try {
        const prepared = prepareCommit(commit, this.sessionId, this.#engine.options);
        this.#engine.admit(prepared.newBytes);
        const event: CommitEvent = { type: "commit", prepared, reply, isDecided: false };
        isDone = false;
        this.#engine.sessions.commit(this.sessionId, event);
        isDone = event.isDecided;
      } finally {
        endScratch(isDone);
      }
    });
  }

  saveSessionMeta(meta: SessionMeta, options?: CallOptions): Promise<void> {
    return answer<void>(options, (reply) => {
      this.#engine.checkOpen();
      const prepared = prepareMeta(meta, this.sessionId);
      this.#write((state) => planMeta(state, prepared), reply);
    });
  }

  tombstoneNodes(nodeIds: readonly string[], options?: CallOptions): Promise<void> {
    return answer<void>(options, (reply) => {
      this.#engine.checkOpen();
      const ids = prepareNodeIds(nodeIds);
      const bytes = SMALL_WRITE_BYTES + ids.length * MAX_ID_BYTES;
      this.#write((state) => planTombstone(state, ids, this.#engine.options.graphPolicy), reply, bytes);
    });
  }

  vacuum(options?: CallOptions): Promise<VacuumReport> {
    return answer<VacuumReport>(options, (reply) => {
      this.#engine.checkOpen();
      this.#write((state) => planVacuum(state), reply);
    });
  }

  gcUnreachable(options?: CallOptions): Promise<GcReport> {
    return this.#engine.gc(options?.signal);
  }

  loadSession(
    scope?: SessionReadScope,
    options?: CallOptions,
  ): Promise<PersistedSessionRead<Event, Body> | undefined> {
    return answer<PersistedSessionRead<Event, Body> | undefined>(options, (reply) => {
      this.#engine.checkReadable();
      const checked = prepareScope(scope);
      const { sessions, source } = this.#engine;
      const loaded = sessions.used(this.sessionId)?.loaded;
      const newest = readNewestOf<Event, Body>(source, this.sessionId, loaded, checked);
      if (newest !== undefined) return reply.resolve(newest.answer);
      const read = (state: SessionState) => readSessionInSteps<Event, Body>(source, state, checked);
      sessions.get(this.sessionId).send({
        type: "read",
        read: (state) => {
          state.nodes.ownBodies();
          sessions.runRead(this.sessionId, read(state), reply);
        },
        fail: (error) => reply.reject(error),
      });
    });
  }

  loadNode(nodeId: string, options?: CallOptions): Promise<SessionNodeRecord<Event, Body> | undefined> {
    return answer<SessionNodeRecord<Event, Body> | undefined>(options, (reply) => {
      this.#engine.checkReadable();
      const checked = prepareNodeId(nodeId);
      const { sessions, source } = this.#engine;
      const loaded = sessions.used(this.sessionId)?.loaded;
      const alone = readNodeAlone<Event, Body>(source, this.sessionId, loaded, checked);
      if (alone !== undefined) return reply.resolve(alone.answer);
      this.#read((state) => readNodeOf<Event, Body>(source, state, checked), reply);
    });
  }

  loadSessionMeta(options?: CallOptions): Promise<SessionMeta | undefined> {
    return this.#readFigures(readMeta, options);
  }

  loadSessionHeadMeta(options?: CallOptions): Promise<SessionHeadMeta | undefined> {
    return this.#readFigures((figures) => readHeadMeta(this.sessionId, figures), options);
  }

  iteratePath(
    path?: { leafNodeId?: string },
    options?: CallOptions,
  ): AsyncIterable<SessionNodeRecord<Event, Body>> {
    return iteratePathOf<Event, Body>(this.#walkable(), path, options);
  }

  iterateGraph(options?: CallOptions): AsyncIterable<SessionNodeRecord<Event, Body>> {
    return iterateGraphOf<Event, Body>(this.#walkable(), options);
  }

  #walkable(): Walkable {
    const engine = this.#engine;
    return {
      source: () => engine.source,
      load: () => answer<SessionState>(undefined, (reply) => this.#read(holdBodies, reply)),
      check: () => engine.checkReadable(),
      clock: engine.options.clock,
    };
  }

  #write<Value>(
    plan: (state: SessionState) => WritePlan<Value>,
    reply: Reply<Value>,
    bytes = SMALL_WRITE_BYTES,
  ): void {
    this.#engine.admit(bytes);
    this.#engine.sessions.get(this.sessionId).send(bindWrite(plan, reply));
  }

  /** From the state in memory if there is one; else no actor is started and no page read for so little. */
  #readFigures<Value>(
    read: (figures: HeadFigures) => Value,
    options: CallOptions | undefined,
  ): Promise<Value> {
    return answer<Value>(options, (reply) => {
      const { sessions, source } = this.#engine;
      this.#engine.checkReadable();
      reply.resolve(read(sessions.peek(this.sessionId)?.loaded ?? source.headFigures(this.sessionId)));
    });
  }

  #read<Value>(read: (state: SessionState) => Value, reply: Reply<Value>): void {
    this.#engine.sessions.get(this.sessionId).send({
      type: "read",
      read: (state) => reply.resolve(read(state)),
      fail: (error) => reply.reject(error),
    });
  }
}

/** A promise that `start` answers through its reply; what `start` throws is the answer too. */
function answer<Value>(
  options: CallOptions | undefined,
  start: (reply: Reply<Value>) => void,
): Promise<Value> {
  return new Promise<Value>((resolve, reject) => {
    const signal = options?.signal;
    if (signal?.aborted === true) return reject(abortedError(signal));
    try {
      start({ resolve, reject });
    } catch (error) {
      reject(toStoreError(error));
    }
  });
}
