/**
 * `openStore` and what it answers. A thin face: arguments are checked here, the work is done by the engine's
 * actors, and the life of the store is the machine in `actors/lifecycle.ts`.
 */
import { resolve as resolvePath } from "node:path";
import { throwIfAborted, withSignal } from "./actors/ask.ts";
import type { Engine } from "./actors/engine.ts";
import { StoreLife } from "./actors/lifecycle.ts";
import { openEngine } from "./actors/open.ts";
import { resolveOptions } from "./actors/options.ts";
import { bindWrite } from "./actors/session-events.ts";
import type {
  CallOptions,
  ListOptions,
  RecoveryReport,
  RuntimePersistence,
  Store,
  StoreOptions,
  StoreStats,
  VerifyReport,
} from "./contract.ts";
import { storeError, toStoreError } from "./errors.ts";
import { checkSessionId } from "./ids.ts";
import { listSessionsOf } from "./list-sessions.ts";
import { planDelete } from "./session/plan.ts";
import type { GcReport, Json, SessionEvent, SessionPickerInfo } from "./session/types.ts";
import { SessionHandle } from "./session-handle.ts";
import { MemoryVfs } from "./vfs/memory.ts";

/** Where a memory-only store lives on its own file system. */
const MEMORY_ROOT = "/store";

/**
 * Opens the store in `directory`, creating it if need be, and takes its exclusive lock.
 * Rejects with INVALID_OPTION, STORE_LOCKED, NOT_A_STORE, FORMAT_UNSUPPORTED, UNSAFE_FILE_SYSTEM, CORRUPT,
 * STORE_IO or ABORTED; nothing is left open then.
 */
export async function openStore(directory: string, options?: StoreOptions & CallOptions): Promise<Store> {
  if (typeof directory !== "string" || directory === "") {
    throw storeError("INVALID_ARGUMENT", { argument: "directory" }, "directory must be a non-empty path");
  }
  const resolved = resolveOptions(options);
  const signal = options?.signal;
  throwIfAborted(signal);
  const root = resolved.vfs.kind === "disk" ? resolvePath(directory).replaceAll("\\", "/") : directory;
  const started = resolved.clock.now();
  const life = new StoreLife((self) => openEngine({ root, options: resolved, signal, life: self }));
  const engine = await life.opened();
  try {
    throwIfAborted(signal);
  } catch (error) {
    await life.close();
    throw error;
  }
  resolved.onEvent({ type: "opened", directory: root, durationMs: resolved.clock.now() - started });
  return new VarveStore(engine, life);
}

/** A store of the same meaning that lives in memory and is gone with the process. */
export function openMemoryStore(options?: StoreOptions & CallOptions): Promise<Store> {
  return openStore(MEMORY_ROOT, { vfs: new MemoryVfs({ crashable: false }), ...options });
}

class VarveStore implements Store {
  readonly #engine: Engine;
  readonly #life: StoreLife;
  readonly recovery: RecoveryReport;

  constructor(engine: Engine, life: StoreLife) {
    this.#engine = engine;
    this.#life = life;
    this.recovery = engine.recovery;
  }

  session<Event = SessionEvent, Body = Json>(sessionId: string): RuntimePersistence<Event, Body> {
    return new SessionHandle<Event, Body>(this.#engine, checkSessionId(sessionId));
  }

  listSessions(options?: ListOptions): AsyncIterable<SessionPickerInfo> {
    return listSessionsOf(
      {
        source: () => this.#engine.source,
        resident: (sessionId) => this.#engine.sessions.peek(sessionId)?.loaded,
        check: () => this.#engine.checkReadable(),
        clock: this.#engine.options.clock,
      },
      options,
    );
  }

  deleteSession(sessionId: string): Promise<boolean> {
    return new Promise<boolean>((resolve, reject) => {
      try {
        this.#engine.checkOpen();
        const id = checkSessionId(sessionId);
        this.#engine.admit(0);
        this.#engine.sessions.get(id).send(bindWrite(planDelete, { resolve, reject }));
      } catch (error) {
        reject(toStoreError(error));
      }
    });
  }

  snapshot(options?: CallOptions): Promise<void> {
    return this.#engine.snapshot(options?.signal);
  }

  gc(options?: CallOptions): Promise<GcReport> {
    return this.#engine.gc(options?.signal);
  }

  verify(options?: CallOptions): Promise<VerifyReport> {
    return withSignal(options?.signal, () => this.#engine.verify());
  }

  stats(): StoreStats {
    return this.#engine.stats();
  }

  close(): Promise<void> {
    return this.#life.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
