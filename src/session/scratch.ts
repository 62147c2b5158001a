/**
 * The memory in which commits are encoded. Every commit's bodies and manifest lie in two slabs and are copied into
 * the log's ring and the session's table before the call that made them returns; so the slabs can be written
 * again from their start, and what is always written again stays in the processor's cache.
 *
 * 1. The slabs are rewound only when no call is encoding or deciding: a getter of the caller, or a handler of an
 *    event, may commit inside a commit.
 * 2. A commit that was not decided when its call ended (its session's actor was busy with the one around it)
 *    keeps the slabs it was encoded in, and the next one gets others.
 */
import { plainWriter } from "../codec.ts";
import { manifestWriter } from "./manifest-writer.ts";

/** Calls that are encoding or deciding now. */
let depth = 0;

/** Before a commit is encoded; `endScratch` must follow. */
export function beginScratch(): void {
  depth++;
}

/** `isDone`: nobody holds bytes of this call any more. */
export function endScratch(isDone: boolean): void {
  depth--;
  if (!isDone) {
    plainWriter.leave();
    manifestWriter.leave();
  } else if (depth === 0) {
    plainWriter.rewind();
    manifestWriter.rewind();
  }
}
