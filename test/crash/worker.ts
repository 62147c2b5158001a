/** A process of the long crash enumeration: explores the seeds it is sent, one at a time. */
import { exploreCrashes } from "../../src/testing/crash/explore.ts";
import { encodeState } from "../../src/testing/crash/token.ts";
import type { Task, TaskReport } from "./main.ts";
import { StoreSubject } from "./store-subject.ts";

async function explore({ seed, states, depth }: Task): Promise<TaskReport> {
  const { failure, ...report } = await exploreCrashes((one) => new StoreSubject(one), {
    seed,
    states,
    depth,
    workloads: 1,
  });
  return { ...report, seed, failing: failure === undefined ? undefined : encodeState(failure.state) };
}

process.on("message", (task) => {
  explore(task as Task).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      console.error(error);
      process.exit(70);
    },
  );
});
