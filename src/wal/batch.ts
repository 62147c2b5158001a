/**
 * What goes into the next batch. Pure: ring bytes and limits in, a decision out. It deliberately knows no
 * timer: whatever queued while the last batch was synced is the next one.
 *
 * 1. A batch is frames only, in ring order, within one segment; a command or an external frame ends it.
 * 2. A batch has at least one frame: the limit on bytes never stops a frame that is larger than it.
 */
import { MAX_BATCH_BYTES, MAX_BATCH_FRAMES } from "../limits.ts";
import { frameLengthAt, type Image } from "./frame.ts";
import { COMMAND_BYTES, externalSizeAt, Tag, tagAt } from "./ring.ts";
import type { Run } from "./writer.ts";

/** `taken` bytes of the ring are done with when the step is. */
export type NextStep =
  | { readonly kind: "nothing" }
  | { readonly kind: "frames"; readonly runs: readonly Run[]; readonly count: number; readonly taken: number }
  /** The first frame, of `bytes`, does not fit the segment. */
  | { readonly kind: "full"; readonly bytes: number }
  | { readonly kind: "external"; readonly bytes: number; readonly taken: number }
  | { readonly kind: "roll"; readonly taken: number }
  | { readonly kind: "close"; readonly taken: number };

const NOTHING: NextStep = { kind: "nothing" };

/** `filled` is what the ring holds, `room` the bytes of frames that the active segment still takes. */
export function nextStep(
  image: Image,
  filled: { readonly start: number; readonly bytes: number },
  room: number,
): NextStep {
  const capacity = image.bytes.length;
  const runs: Run[] = [];
  let at = filled.start;
  let runStart = at;
  let taken = 0;
  let count = 0;
  let bytes = 0;
  while (taken < filled.bytes && count < MAX_BATCH_FRAMES) {
    const tag = tagAt(image, at);
    if (tag === Tag.skip) {
      if (at > runStart) runs.push({ image, start: runStart, end: at });
      taken += capacity - at;
      at = 0;
      runStart = 0;
      continue;
    }
    if (tag !== Tag.frame) {
      if (count > 0) break;
      return command(image, at, tag, taken + COMMAND_BYTES);
    }
    const size = frameLengthAt(image.view, at);
    if (count === 0 && size > room) return { kind: "full", bytes: size };
    if (count > 0 && (bytes + size > room || bytes + size > MAX_BATCH_BYTES)) break;
    count += 1;
    bytes += size;
    taken += size;
    at += size;
    if (at === capacity) {
      runs.push({ image, start: runStart, end: at });
      at = 0;
      runStart = 0;
    }
  }
  if (count === 0) return NOTHING;
  if (at > runStart) runs.push({ image, start: runStart, end: at });
  return { kind: "frames", runs, count, taken };
}

function command(image: Image, at: number, tag: number, taken: number): NextStep {
  if (tag === Tag.external) return { kind: "external", bytes: externalSizeAt(image, at), taken };
  return tag === Tag.roll ? { kind: "roll", taken } : { kind: "close", taken };
}
