/** Runs a task by name on some file system: the worker on the disk, a memory store in its own process. */
import type { Vfs } from "../vfs/vfs.ts";
import { checkSnapshot } from "./check.ts";
import { mark, sweep } from "./collect.ts";
import { fold } from "./fold.ts";
import { mergeHeads } from "./merge-heads.ts";
import { publish } from "./publish.ts";
import { listStore } from "./retention.ts";
import type { RemoveInput, Tasks } from "./tasks.ts";

export function tasksOn(vfs: Vfs): Tasks {
  return {
    fold: (input) => fold(vfs, input),
    mark: (input) => mark(vfs, input),
    sweep: (input) => sweep(vfs, input),
    mergeHeads: (input) => mergeHeads(vfs, input),
    publish: (input) => publish(vfs, input),
    list: ({ root }) => listStore(vfs, root),
    remove: (input) => remove(vfs, input),
    check: (input) => checkSnapshot(vfs, input),
  };
}

/** Files that are gone already are fine: a crash may have come between removal and report. */
function remove(vfs: Vfs, { paths }: RemoveInput): null {
  for (const path of paths) vfs.remove(path);
  return null;
}
