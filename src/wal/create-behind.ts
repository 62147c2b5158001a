/**
 * The log of a store that is written whole instead of grown: empty, closed cleanly, and going on behind the
 * LSNs that its heads already have. Nothing of it counts before a manifest names the start.
 */
import { defined } from "../assert.ts";
import type { Lsn } from "../ids.ts";
import type { LogStart } from "./chain.ts";
import { createSegment, type LogPlace, newSegment, type SegmentSource, segmentPath } from "./files.ts";
import { createFirst } from "./reopen.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";
import { LogWriter } from "./writer.ts";

export function createBehind(place: LogPlace, source: SegmentSource, lsn: Lsn): LogStart {
  const { segment: first } = createFirst(place, source);
  const position = { segment: first, offset: SEGMENT_HEADER_BYTES, lsn, crc: 0, durable: lsn };
  const writer = new LogWriter(place, position, source.segmentBytes, (fileBytes) => {
    createSegment(place, newSegment(source, first + 1, fileBytes));
    return true;
  });
  try {
    const start = defined(writer.rollNow(), "a segment was made for it");
    writer.seal();
    // Only a LINK can say where a log goes on; what it names was never used.
    place.vfs.remove(segmentPath(place, first));
    place.vfs.syncDirectory(place.directory);
    return start;
  } finally {
    writer.close();
  }
}
