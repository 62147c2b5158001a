/**
 * The life of a store: opening, open, poisoned, draining, closed. The machine says what may happen when; the
 * work itself is in the actors it invokes. Operations ask `StoreLife.status`, which follows the machine.
 *
 * 1. `close` is taken once, from any state, and always leads to `closed`; the lock is freed last.
 * 2. From `poisoned` there is no way back to `open`: only a new store over the same directory.
 */
import { type ActorRefFrom, assign, createActor, fromPromise, setup } from "xstate";
import { type StoreError, toStoreError } from "../errors.ts";
import type { Engine } from "./engine.ts";

export type StoreStatus = "opening" | "open" | "poisoned" | "closing" | "closed";

interface LifeContext {
  readonly open: () => Promise<Engine>;
  readonly engine: Engine | undefined;
  readonly error: StoreError | undefined;
}

type LifeEvent = { readonly type: "log.failed"; readonly error: StoreError } | { readonly type: "close" };

const lifeMachine = setup({
  types: {
    context: {} as LifeContext,
    events: {} as LifeEvent,
    input: {} as { open: () => Promise<Engine> },
    tags: {} as StoreStatus,
  },
  actors: {
    open: fromPromise<Engine, { open: () => Promise<Engine> }>(({ input }) => input.open()),
    drain: fromPromise<void, { engine: Engine | undefined }>(async ({ input }) => {
      await input.engine?.drain();
    }),
  },
  actions: {
    rememberEngine: assign((_, params: { engine: Engine }) => ({ engine: params.engine })),
    rememberError: assign(({ context }, params: { error: unknown }) => ({
      error: context.error ?? toStoreError(params.error),
    })),
  },
}).createMachine({
  id: "store",
  context: ({ input }) => ({ open: input.open, engine: undefined, error: undefined }),
  initial: "opening",
  states: {
    opening: {
      tags: "opening",
      // The opening itself looks at it last of all, and fails.
      on: {
        "log.failed": {
          actions: { type: "rememberError", params: ({ event }) => ({ error: event.error }) },
        },
      },
      invoke: {
        src: "open",
        input: ({ context }) => ({ open: context.open }),
        onDone: {
          target: "open",
          actions: { type: "rememberEngine", params: ({ event }) => ({ engine: event.output }) },
        },
        onError: {
          target: "closed",
          actions: { type: "rememberError", params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    open: {
      tags: "open",
      on: {
        "log.failed": {
          target: "poisoned",
          actions: { type: "rememberError", params: ({ event }) => ({ error: event.error }) },
        },
        close: "draining",
      },
    },
    poisoned: { tags: "poisoned", on: { close: "draining" } },
    draining: {
      tags: "closing",
      invoke: {
        src: "drain",
        input: ({ context }) => ({ engine: context.engine }),
        onDone: "closed",
        onError: {
          target: "closed",
          actions: { type: "rememberError", params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    closed: { tags: "closed", type: "final" },
  },
});

const STATUSES = ["opening", "open", "poisoned", "closing", "closed"] as const;

/** A running store machine, with its status kept in a field so that the commit path asks no machine. */
export class StoreLife {
  readonly #actor: ActorRefFrom<typeof lifeMachine>;
  readonly #changes = new Set<() => void>();
  #closed: Promise<void> | undefined;
  status: StoreStatus = "opening";

  constructor(open: (life: StoreLife) => Promise<Engine>) {
    this.#actor = createActor(lifeMachine, { input: { open: () => open(this) } });
    this.#actor.subscribe({
      next: (snapshot) => this.#follow(STATUSES.find((status) => snapshot.hasTag(status)) ?? this.status),
      error: () => this.#follow("closed"),
    });
    this.#actor.start();
  }

  /** Why the store was poisoned, or could not be opened or closed. */
  get error(): StoreError | undefined {
    return this.#actor.getSnapshot().context.error;
  }

  /** The engine once the store is open; throws why it could not be opened. */
  async opened(): Promise<Engine> {
    await this.#until(() => this.status !== "opening");
    const { engine, error } = this.#actor.getSnapshot().context;
    if (engine !== undefined) return engine;
    throw toStoreError(error);
  }

  failed(error: StoreError): void {
    this.#actor.send({ type: "log.failed", error });
  }

  /** Drains and closes; the same promise every time. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const before = this.error;
    this.#actor.send({ type: "close" });
    await this.#until(() => this.status === "closed");
    // What poisoned the store was told already; only a failure of the close itself is news.
    if (this.error !== undefined && this.error !== before) throw this.error;
  }

  #follow(status: StoreStatus): void {
    this.status = status;
    for (const change of this.#changes) change();
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return;
        this.#changes.delete(check);
        resolve();
      };
      this.#changes.add(check);
      check();
    });
  }
}
