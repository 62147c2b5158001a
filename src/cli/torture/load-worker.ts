/**
 * The process that is killed: opens the store, checks it against what was acknowledged before, and loads it.
 * Started as `load-worker <job as JSON>`; see `job.ts` for what it says on its standard output. It ends by
 * itself when its standard input ends, so that it never outlives the one who tortures.
 *
 * 1. An acknowledgement is written to the pipe, synchronously, before anything that rests on it is sent.
 */
import { writeSync } from "node:fs";
import type { Store } from "../../contract.ts";
import { isStoreError } from "../../errors.ts";
import { openStore } from "../../store.ts";
import { Random } from "../replay/random.ts";
import { checkStore, Violation } from "./check.ts";
import { encodeLine, type Job, type Line } from "./job.ts";
import { Lane } from "./load.ts";
import { pause } from "./patience.ts";

const STANDARD_OUTPUT = 1;
/** Exit codes; a kill has none. */
const EXIT = { done: 0, violation: 1, failed: 2 } as const;
/** Milliseconds between two pieces of maintenance. */
const MAINTENANCE_PAUSE = { least: 2, most: 120 } as const;
/** Operations of each lane in one round of a job with rounds. */
const OPERATIONS_PER_ROUND = 4;

// Not `process.stdout`: it would make the pipe non-blocking, and what was said could be lost in a kill.
function say(line: Line): void {
  writeSync(STANDARD_OUTPUT, encodeLine(line));
}

async function run(job: Job): Promise<void> {
  const { plan, known } = job;
  say({ type: "opening" });
  const store = await openStore(job.directory, job.options);
  const positions = await checkStore(store, plan, known);
  say({ type: "checked", positions, tornBytes: store.recovery.tornBytes });
  const lanes = positions.map(
    (position, lane) =>
      new Lane({
        store,
        plan,
        lane,
        position,
        tell: (of, at) => say({ type: "told", lane: of, position: at }),
      }),
  );
  for (const lane of lanes) await lane.repeatLast();
  if (job.rounds === undefined) {
    await Promise.all([...lanes.map(advanceForever), maintainForever(store, new Random(job.seed))]);
  } else await playRounds(store, lanes, job.rounds);
  await store.close();
  say({ type: "closed" });
}

async function advanceForever(lane: Lane): Promise<never> {
  for (;;) await lane.advance();
}

async function maintainForever(store: Store, random: Random): Promise<never> {
  for (;;) {
    await pause(random.integer(MAINTENANCE_PAUSE.least, MAINTENANCE_PAUSE.most));
    if (random.chance(0.7)) {
      await store.snapshot();
      say({ type: "did", what: "snapshot" });
    } else {
      await store.gc();
      say({ type: "did", what: "gc" });
    }
  }
}

/** One thing after another, so that two runs make nearly the same system calls. */
async function playRounds(store: Store, lanes: readonly Lane[], rounds: number): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    for (const lane of lanes) {
      for (let count = 0; count < OPERATIONS_PER_ROUND; count++) await lane.advance();
    }
    if (round % 2 === 1) await store.snapshot();
    else await store.gc();
  }
}

process.stdin.on("end", () => process.exit(EXIT.failed)).on("error", () => process.exit(EXIT.failed));
process.stdin.resume();
// Checked by the only caller, which built it.
run(JSON.parse(process.argv[2] ?? "{}") as Job).then(
  () => process.exit(EXIT.done),
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Violation) say({ type: "violation", message });
    else say({ type: "failed", code: isStoreError(error) ? error.code : "INTERNAL", message: told(error) });
    process.exit(error instanceof Violation ? EXIT.violation : EXIT.failed);
  },
);

/** With the stack where it is not an answer of the store. */
function told(error: unknown): string {
  if (isStoreError(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
