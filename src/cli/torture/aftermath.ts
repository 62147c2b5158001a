/** Opens what a crash left, in this process, checks it, and lets it go on. */
import type { Store } from "../../contract.ts";
import { openStore } from "../../store.ts";
import { checkStore, type KnownLane } from "./check.ts";
import type { Job } from "./job.ts";
import { Lane } from "./load.ts";
import type { Plan } from "./script.ts";

export interface Aftermath {
  readonly directory: string;
  readonly plan: Plan;
  readonly known: readonly KnownLane[];
  readonly options: Job["options"];
  /** Operations each lane goes on with; then everything is checked again. */
  readonly operations: number;
}

/** Answers what is known afterwards; throws a Violation, or an error of the store. */
export async function checkAftermath(aftermath: Aftermath): Promise<KnownLane[]> {
  const { directory, plan, known, options, operations } = aftermath;
  const store = await openStore(directory, options);
  try {
    const positions = await checkStore(store, plan, known);
    const found = positions.map((position) => ({ acknowledged: position, told: position }));
    if (operations === 0) return found;
    const after = await goOn(store, plan, found, operations);
    await store.snapshot();
    await checkStore(store, plan, after);
    return after;
  } finally {
    await store.close();
  }
}

async function goOn(
  store: Store,
  plan: Plan,
  found: readonly KnownLane[],
  operations: number,
): Promise<KnownLane[]> {
  const after: KnownLane[] = [];
  for (const [lane, { acknowledged }] of found.entries()) {
    const player = new Lane({ store, plan, lane, position: acknowledged, tell: () => {} });
    await player.repeatLast();
    for (let count = 0; count < operations; count++) await player.advance();
    after.push({ acknowledged: player.position, told: player.position });
  }
  return after;
}
