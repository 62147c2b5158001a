/** How a host waits: what is refused as busy or for want of room was not written, and may be sent again. */
import { isStoreError, type StoreError } from "../../errors.ts";

/** Milliseconds before what was refused is sent again. */
export const PAUSE_MS = 5;
/** Attempts at one call that is refused again and again: at least 60 s of pauses. */
const MOST_ATTEMPTS = 12_000;

export function isRefusal(error: unknown): error is StoreError {
  return isStoreError(error) && error.retry === "same";
}

export async function patiently<Value>(call: () => Promise<Value>): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!isRefusal(error) || attempt === MOST_ATTEMPTS) throw error;
      await pause(PAUSE_MS);
    }
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
