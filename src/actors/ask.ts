/**
 * Request and reply between callers and actors. An actor that died drops events silently, so whoever asks
 * makes sure that a reply comes: `ask` refuses when the actor is not active, and every actor that keeps
 * replies answers them all when it stops.
 */
import { type StoreError, storeError, toStoreError } from "../errors.ts";

/** Where the answer to one request goes; exactly one of the two is called, once. */
export interface Reply<Value> {
  resolve(value: Value): void;
  reject(error: StoreError): void;
}

interface Askable<Event> {
  getSnapshot(): { readonly status: string };
  send(event: Event): void;
}

/** Sends the event that `make` builds around a reply, and answers the reply. */
export function ask<Event, Value>(
  actor: Askable<Event>,
  make: (reply: Reply<Value>) => Event,
): Promise<Value> {
  return new Promise<Value>((resolve, reject) => {
    if (actor.getSnapshot().status !== "active") {
      reject(storeError("STORE_CLOSED", {}, "the store is closed; open it again"));
      return;
    }
    try {
      actor.send(make({ resolve, reject }));
    } catch (error) {
      reject(toStoreError(error));
    }
  });
}

/** The error for a call whose signal was aborted. */
export function abortedError(signal: AbortSignal): StoreError {
  return storeError(
    "ABORTED",
    {},
    "the call was aborted by its signal before it had an effect",
    signal.reason,
  );
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError(signal);
}

/** The promise, or ABORTED as soon as the signal fires; the work itself goes on. */
export function withSignal<Value>(
  signal: AbortSignal | undefined,
  start: () => Promise<Value>,
): Promise<Value> {
  if (signal === undefined) return start();
  if (signal.aborted) return Promise.reject(abortedError(signal));
  return new Promise<Value>((resolve, reject) => {
    const onAbort = (): void => reject(abortedError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    start()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}
