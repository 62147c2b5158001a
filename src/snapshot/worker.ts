/**
 * Entry of a Piscina worker. No top-level await and no state between tasks; errors go back as data, because
 * crossing threads drops class, name and code.
 *
 * Commits come first: where the system gives each thread a priority of its own, this one's is lower than that of the
 * threads which commits wait for. Not by much, or snapshots would fall behind commits on a busy machine.
 */
import { getPriority, platform, setPriority } from "node:os";
import { errorToData } from "../errors.ts";
import { diskVfs } from "../vfs/disk.ts";
import { pacedVfs } from "./pace.ts";
import type { WorkAnswer, WorkOrder } from "./pool.ts";
import { tasksOn } from "./run-task.ts";
import { controlledVfs } from "./task-control.ts";

/** Linux's `nice`: about a third of a contended core against a thread at 0. Elsewhere it would be the process's. */
const NICE = 5;
if (platform() === "linux") lowerPriority();

/** A host that is niced lower itself stays so: a thread may not raise its priority. */
function lowerPriority(): void {
  try {
    if (getPriority() < NICE) setPriority(NICE);
  } catch {
    // Some sandboxes forbid it. It is slower then, and as right.
  }
}

export function work(order: WorkOrder): WorkAnswer {
  try {
    const paced = pacedVfs(diskVfs, order.pace);
    const vfs = order.control === undefined ? paced : controlledVfs(paced, order.control);
    const task = tasksOn(vfs)[order.name] as (input: unknown) => unknown;
    return { ok: true, value: task(order.input) };
  } catch (error) {
    return { ok: false, error: errorToData(error) };
  }
}
