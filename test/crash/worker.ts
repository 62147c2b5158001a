/** A process of the long crash enumeration: explores the seeds it is sent, one at a time. */
import { type CrashReport, exploreCrashes } from "../../src/testing/crash/explore.ts";
import { encodeState } from "../../src/testing/crash/token.ts";
import type { Task, TaskReport } from "./main.ts";
import { StoreSubject } from "./store-subject.ts";

/** Of one workload so many states that hundreds of workloads make the million. */
const SHARE = 0.15;

async function explore({ seed, states, depth }: Task): Promise<TaskReport> {
  const tell = (report: CrashReport, isLast: boolean): TaskReport => {
    const { failure, ...figures } = report;
    return { figures, failing: failure === undefined ? undefined : encodeState(failure.state), isLast };
  };
  const report = await exploreCrashes((one) => new StoreSubject(one), {
    seed,
    states,
    depth,
    workloads: 1,
    share: SHARE,
    onProgress: (soFar) => process.send?.(tell(soFar, false)),
  });
  return tell(report, true);
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
