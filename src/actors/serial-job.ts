/**
 * A machine for work of which one piece runs at a time: snapshots and collections. A request that comes
 * while one runs joins the following one, because the running one may have begun before what the caller
 * wants covered.
 *
 * 1. Every request is answered: by the run that began after it, or with an error when the machine stops.
 * 2. Requests without a reply (automatic ones) never start a second run behind a running one.
 * 3. A run is stopped only when nobody wants it any more: whoever asked for it has withdrawn, and it is not automatic.
 */
import { type Actor, assign, createActor, fromPromise, setup } from "xstate";
import { type StoreError, storeError, toStoreError } from "../errors.ts";
import { abortedError, ask, type Reply } from "./ask.ts";

interface JobRequest<Reason, Value> {
  readonly reason: Reason;
  /** Absent for automatic requests. */
  readonly reply?: Reply<Value>;
}

interface JobContext<Reason, Value> {
  readonly waiting: readonly JobRequest<Reason, Value>[];
  readonly running: readonly JobRequest<Reason, Value>[];
}

type JobEvent<Reason, Value> =
  | { readonly type: "request"; readonly request: JobRequest<Reason, Value> }
  | { readonly type: "withdraw"; readonly request: JobRequest<Reason, Value> }
  /** The running one is given up, unless somebody waits for it. */
  | { readonly type: "giveUp" }
  /** No further runs; answers `onStopped` when the running one has ended. */
  | { readonly type: "stop"; readonly onStopped: () => void };

type JobActor<Reason extends string, Value> = Actor<ReturnType<typeof createJobMachine<Reason, Value>>>;

/**
 * A job machine, with plain methods around its events. Its first event starts it: most stores that are opened
 * never ask for a collection, and opening one should not pay for it.
 */
export class SerialJob<Reason extends string, Value> {
  readonly #run: Run<Reason, Value>;
  readonly #onFailed: (error: StoreError) => void;
  #started: JobActor<Reason, Value> | undefined;
  #isRunning = false;

  /** `run` does one piece of work for a reason; `onFailed` is told of every failure, also of automatic runs. */
  constructor(run: Run<Reason, Value>, onFailed: (error: StoreError) => void) {
    this.#run = run;
    this.#onFailed = onFailed;
  }

  /** A plain field: while snapshots lag, every commit asks. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Runs once more unless a run is going on; nobody waits for it. */
  request(reason: Reason): void {
    // The machine would do nothing with it, and while a snapshot runs every commit comes by here.
    if (this.isRunning) return;
    this.#actor().send({ type: "request", request: { reason } });
  }

  /** The answer of a run that begins after this call; ABORTED as soon as the signal fires. */
  async ask(reason: Reason, signal?: AbortSignal): Promise<Value> {
    if (signal?.aborted === true) throw abortedError(signal);
    let withdraw = (): void => undefined;
    const answer = ask<JobEvent<Reason, Value>, Value>(this.#actor(), (reply) => {
      const request = { reason, reply };
      withdraw = () => {
        if (signal !== undefined) reply.reject(abortedError(signal));
        this.#actor().send({ type: "withdraw", request });
      };
      return { type: "request", request };
    });
    signal?.addEventListener("abort", withdraw, { once: true });
    try {
      return await answer;
    } finally {
      signal?.removeEventListener("abort", withdraw);
    }
  }

  /** Gives the running piece up if nobody waits for it: an automatic one. */
  giveUp(): void {
    this.#started?.send({ type: "giveUp" });
  }

  /** Ends when the running piece and those already waited for are done; later requests are refused. */
  stop(): Promise<void> {
    return new Promise((resolve) => this.#actor().send({ type: "stop", onStopped: resolve }));
  }

  #actor(): JobActor<Reason, Value> {
    if (this.#started !== undefined) return this.#started;
    const actor = createActor(createJobMachine(this.#run, this.#onFailed));
    actor.subscribe({
      next: (snapshot) => {
        this.#isRunning = snapshot.matches("working");
      },
      error: (error) => {
        this.#isRunning = false;
        this.#onFailed(toStoreError(error));
      },
    });
    this.#started = actor.start();
    return this.#started;
  }
}

/** Does one piece of work; the signal says that nobody wants it any more. */
type Run<Reason, Value> = (reason: Reason, signal: AbortSignal) => Promise<Value>;

function createJobMachine<Reason extends string, Value>(
  run: Run<Reason, Value>,
  onFailed: (error: StoreError) => void,
) {
  const stops: (() => void)[] = [];
  /** Of the newest run. */
  let controller = new AbortController();
  return setup({
    types: { context: {} as JobContext<Reason, Value>, events: {} as JobEvent<Reason, Value> },
    actors: {
      run: fromPromise<Value, { reason: Reason }>(({ input }) => {
        controller = new AbortController();
        return run(input.reason, controller.signal);
      }),
    },
    guards: {
      hasWaiting: ({ context }) => context.waiting.length > 0,
    },
    actions: {
      enqueue: assign(({ context, event }) =>
        event.type === "request" ? { waiting: [...context.waiting, event.request] } : {},
      ),
      take: assign(({ context }) => ({ running: context.waiting, waiting: [] })),
      resolve: ({ context }, params: { value: Value }) => {
        for (const { reply } of context.running) reply?.resolve(params.value);
      },
      reject: ({ context }, params: { error: unknown }) => {
        const error = toStoreError(params.error);
        onFailed(error);
        for (const { reply } of context.running) reply?.reject(error);
      },
      refuseWaiting: ({ context }) => {
        for (const { reply } of context.waiting) reply?.reject(closedError());
      },
      refuse: ({ event }) => {
        if (event.type === "request") event.request.reply?.reject(closedError());
      },
      withdraw: assign(({ context, event }) => {
        if (event.type !== "withdraw") return {};
        const stays = (request: JobRequest<Reason, Value>): boolean => request !== event.request;
        return { waiting: context.waiting.filter(stays), running: context.running.filter(stays) };
      }),
      stopUnwanted: ({ context }) => {
        if (context.running.length === 0) controller.abort();
      },
      stopUnasked: ({ context }) => {
        if (context.running.every(({ reply }) => reply === undefined)) controller.abort();
      },
      rememberStop: ({ event }) => {
        if (event.type === "stop") stops.push(event.onStopped);
      },
      announceStop: () => {
        for (const onStopped of stops.splice(0)) onStopped();
      },
    },
  }).createMachine({
    context: { waiting: [], running: [] },
    initial: "idle",
    states: {
      idle: {
        on: {
          request: { target: "working", actions: "enqueue" },
          stop: { target: "stopped", actions: "rememberStop" },
        },
      },
      working: {
        entry: "take",
        initial: "going",
        invoke: {
          src: "run",
          input: ({ context }) => ({ reason: firstReason(context) }),
          onDone: {
            target: "decide",
            actions: { type: "resolve", params: ({ event }) => ({ value: event.output }) },
          },
          onError: {
            target: "decide",
            actions: { type: "reject", params: ({ event }) => ({ error: event.error }) },
          },
        },
        on: {
          request: [
            { guard: () => stops.length > 0, actions: "refuse" },
            { guard: ({ event }) => event.request.reply !== undefined, actions: "enqueue" },
            {},
          ],
          withdraw: { actions: ["withdraw", "stopUnwanted"] },
          giveUp: { actions: "stopUnasked" },
        },
        states: {
          going: { on: { stop: { target: "last", actions: "rememberStop" } } },
          last: { on: { stop: { actions: "rememberStop" } } },
        },
      },
      decide: {
        always: [
          { guard: "hasWaiting", target: "working" },
          { guard: () => stops.length > 0, target: "stopped" },
          { target: "idle" },
        ],
      },
      stopped: {
        entry: ["refuseWaiting", "announceStop"],
        on: { request: { actions: "refuse" }, stop: { actions: ["rememberStop", "announceStop"] } },
      },
    },
  });
}

function firstReason<Reason, Value>(context: JobContext<Reason, Value>): Reason {
  const asked = context.running.find((request) => request.reply !== undefined) ?? context.running[0];
  if (asked === undefined) throw storeError("INTERNAL", {}, "invariant broken: a job runs for a request");
  return asked.reason;
}

function closedError(): StoreError {
  return storeError("STORE_CLOSED", {}, "the store is closed; open it again");
}
