/** Commits that hold a value or carry one by ref, and a store in which all values but the last are garbage. */
import type { Store } from "../../src/contract.ts";
import type { BlobRef } from "../../src/ids.ts";
import type { RuntimeCommit } from "../../src/session/types.ts";
import { checkpoint, commit, noise, toolState } from "../support/builders.ts";

export const carrying = (sessionId: string, ref: BlobRef): RuntimeCommit =>
  commit({ sessionId, checkpoint: checkpoint({ executionStateRef: ref }) });
export const holding = (sessionId: string, seed: number): RuntimeCommit =>
  commit({
    sessionId,
    checkpoint: checkpoint({ executionState: noise(500, seed), toolState: toolState(seed) }),
  });

/** Two sessions whose every state but the last is garbage; the refs of the garbage. */
export async function withGarbage(store: Store): Promise<BlobRef[]> {
  const refs: BlobRef[] = [];
  for (let seed = 1; seed <= 4; seed++) {
    for (const id of ["one", "two"]) {
      const { manifest } = await store
        .session(id)
        .commitRuntimeState(holding(id, seed + (id === "two" ? 10 : 0)));
      if (seed < 4 && manifest.executionStateRef !== undefined) refs.push(manifest.executionStateRef);
    }
    if (seed === 2) await store.snapshot();
  }
  return refs;
}
