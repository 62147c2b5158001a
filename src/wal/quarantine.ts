/**
 * Keeps a copy of what recovery cut off, under `quarantine/` beside `wal/`, for people who want to look. It
 * deliberately is no part of recovery's safety: a copy that cannot be kept is a warning, nothing else.
 */
import { MAX_QUARANTINES } from "../limits.ts";
import { writeNew } from "../vfs/whole.ts";
import { type LogPlace, storeDirectory } from "./files.ts";
import type { TornPart } from "./recovery.ts";
import { segmentName } from "./segment.ts";

const NAME = /^[0-9a-f]{16}\.wal-[0-9]{10}\.torn$/;

/** Copies the torn parts and removes the oldest copies; answers a warning for each part that was cut. */
export function quarantine(place: LogPlace, parts: readonly TornPart[]): string[] {
  return parts.map((part) => {
    const name = `${segmentName(part.segment)}-${String(part.offset).padStart(10, "0")}.torn`;
    const cut = `cut ${part.bytes.length} bytes of an unfinished group from segment ${part.segment} at offset ${part.offset}`;
    try {
      keep(place, name, part.bytes);
      return `${cut}; a copy is quarantine/${name}`;
    } catch (error) {
      return `${cut}; no copy was kept: ${error instanceof Error ? error.message : String(error)}`;
    }
  });
}

function keep(place: LogPlace, name: string, bytes: Uint8Array): void {
  const { vfs } = place;
  const directory = `${storeDirectory(place)}/quarantine`;
  vfs.makeDirectory(directory);
  const others = vfs.list(directory).filter((entry) => NAME.test(entry) && entry !== name);
  const surplus = Math.max(0, others.length - (MAX_QUARANTINES - 1));
  // Names begin with the segment number, so they sort by age.
  for (const oldest of others.slice(0, surplus)) vfs.remove(`${directory}/${oldest}`);
  vfs.remove(`${directory}/${name}`);
  writeNew(vfs, `${directory}/${name}`, bytes);
  vfs.syncDirectory(directory);
}
