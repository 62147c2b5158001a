/** What may run beside a load: other work of a host in libuv's pool, or the store's own maintenance. */
import { pbkdf2 } from "node:crypto";
import type { Store } from "../../src/index.ts";

/** About 20 ms of a core each, so that a pool of four threads always has one waiting. */
const PBKDF2_ITERATIONS = 40_000;
const PBKDF2_AT_ONCE = 8;

/** Keeps libuv's pool full, as password hashing, DNS or file reads of a host may. */
export function fillPool(): { stop(): Promise<void> } {
  let going = true;
  const hash = (): Promise<void> =>
    new Promise((resolve, reject) => {
      pbkdf2("secret", "salt", PBKDF2_ITERATIONS, 32, "sha256", (error) =>
        error ? reject(error) : resolve(),
      );
    });
  const loops = Array.from({ length: PBKDF2_AT_ONCE }, async () => {
    while (going) await hash();
  });
  return {
    stop: async () => {
      going = false;
      await Promise.all(loops);
    },
  };
}

/** Snapshots, or snapshots and gc, one behind the other without pause. */
export function maintain(store: Store, what: "snapshots" | "snapshots and gc"): { stop(): Promise<void> } {
  let going = true;
  const loop = (async () => {
    while (going) {
      await store.snapshot();
      if (what === "snapshots and gc") await store.gc();
    }
  })();
  return {
    stop: async () => {
      going = false;
      await loop;
    },
  };
}
