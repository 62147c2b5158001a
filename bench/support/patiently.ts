/** A store that is committed to faster than snapshots can follow says so, and is asked again. */
import { isStoreError } from "../../src/index.ts";

const BUSY_MS = 5;

export async function patiently<Value>(send: () => Promise<Value>): Promise<Value> {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!isStoreError(error, "STORE_BUSY")) throw error;
      await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
    }
  }
}
