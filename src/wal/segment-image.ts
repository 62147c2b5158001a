/** The bytes of a segment in memory, for who reads all of it. */
import { READ_STEP_BYTES } from "../limits.ts";
import type { Steps } from "../steps.ts";
import { corrupt, type LogPlace, segmentPath } from "./files.ts";
import { type Image, imageOf } from "./frame.ts";

/** Memory for the images of one walk, one after the other. */
export interface ImageRoom {
  bytes?: Buffer;
}

/**
 * All bytes of a segment, a bounded number a step; fewer than declared are damage, never an end. In a room the image
 * is valid until the next is read there.
 */
export function* readImage(
  place: LogPlace,
  number: number,
  fileBytes: number,
  room: ImageRoom = {},
): Steps<Image> {
  const path = segmentPath(place, number);
  const file = place.vfs.open(path, "read");
  try {
    if (room.bytes === undefined || room.bytes.length < fileBytes)
      room.bytes = Buffer.allocUnsafeSlow(fileBytes);
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
