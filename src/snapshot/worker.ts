/**
 * Entry of a Piscina worker. No top-level await and no state between tasks; errors go back as data, because
 * crossing threads drops class, name and code.
 */
import { errorToData } from "../errors.ts";
import { diskVfs } from "../vfs/disk.ts";
import { pacedVfs } from "./pace.ts";
import type { WorkAnswer, WorkOrder } from "./pool.ts";
import { tasksOn } from "./run-task.ts";

export function work(order: WorkOrder): WorkAnswer {
  try {
    const task = tasksOn(pacedVfs(diskVfs, order.pace))[order.name] as (input: unknown) => unknown;
    return { ok: true, value: task(order.input) };
  } catch (error) {
    return { ok: false, error: errorToData(error) };
  }
}
