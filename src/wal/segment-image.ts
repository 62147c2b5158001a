/** The bytes of a segment in memory, for who reads all of it. */
import { READ_STEP_BYTES } from "../limits.ts";
import type { Steps } from "../steps.ts";
import { corrupt, type LogPlace, segmentPath } from "./files.ts";
import { GUARD_BYTES, type Image, imageOf } from "./frame.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";

/** Memory for the images of one walk, one after the other. */
export interface ImageRoom {
  bytes?: Buffer;
}

/**
 * The first bytes of a segment, a bounded number a step; fewer than declared are damage, never an end. In a room the image
 * is valid until the next is read there. `roomBytes`: taken at once where there is none, for those that come as well.
 */
export function* readImage(
  place: LogPlace,
  number: number,
  fileBytes: number,
  room: ImageRoom = {},
  roomBytes = fileBytes,
): Steps<Image> {
  const path = segmentPath(place, number);
  const file = place.vfs.open(path, "read");
  try {
    if (room.bytes === undefined || room.bytes.length < fileBytes)
      room.bytes = Buffer.allocUnsafeSlow(roomBytes);
    const bytes = room.bytes.subarray(0, fileBytes);
    for (let at = 0; at < fileBytes; at += READ_STEP_BYTES) {
      if (at > 0) yield;
      const part = bytes.subarray(at, at + READ_STEP_BYTES);
      const read = at + file.read(part, at);
      if (read !== at + part.length) throw corrupt(path, read, `it ends after ${read} of ${fileBytes} bytes`);
    }
    return imageOf(bytes);
  } finally {
    file.close();
  }
}

/**
 * Whether a frame may lie anywhere behind a segment's header: all of it is looked through for guard words, in the memory of one
 * step. Most spares are zeros, and need not be held in memory whole.
 */
export function* mayHoldFrames(
  place: LogPlace,
  number: number,
  fileBytes: number,
  room: ImageRoom = {},
): Steps<boolean> {
  const path = segmentPath(place, number);
  const file = place.vfs.open(path, "read");
  try {
    room.bytes ??= Buffer.allocUnsafeSlow(READ_STEP_BYTES + GUARD_BYTES.length - 1);
    const window = room.bytes;
    for (let at = SEGMENT_HEADER_BYTES; at < fileBytes; at += READ_STEP_BYTES) {
      yield;
      // A guard word may begin in this step and end behind it.
      const part = window.subarray(0, Math.min(window.length, fileBytes - at));
      const read = file.read(part, at);
      if (read !== part.length)
        throw corrupt(path, at + read, `it ends after ${at + read} of ${fileBytes} bytes`);
      if (part.includes(GUARD_BYTES)) return true;
    }
    return false;
  } finally {
    file.close();
  }
}
