/**
 * How far the replay of a log is, in bytes of its files: told each time so much more was handed out. A short log says
 * nothing. It deliberately measures no time.
 */
import type { Lsn } from "../ids.ts";
import { PROGRESS_BYTES } from "../limits.ts";
import type { LogStart } from "./chain.ts";
import { type LogPlace, listSegments, segmentPath } from "./files.ts";
import type { Tail } from "./tail.ts";

export type OnProgress = (doneBytes: number, totalBytes: number) => void;

export class ReplayProgress {
  readonly #tell: OnProgress;
  /** Bytes in front of each segment. */
  readonly #before = new Map<number, number>();
  #total = 0;
  #next = PROGRESS_BYTES;

  constructor(place: LogPlace, start: LogStart, tail: Tail | undefined, tell: OnProgress) {
    this.#tell = tell;
    // Behind the segment that TAIL names are spares only, as far as is known now.
    const last = tail?.segment ?? Number.POSITIVE_INFINITY;
    for (const number of listSegments(place).filter((at) => at >= start.segment && at <= last)) {
      this.#before.set(number, this.#total);
      const bytes = place.vfs.stat(segmentPath(place, number))?.size ?? 0;
      this.#total += number === tail?.segment ? Math.min(tail.end, bytes) : bytes;
    }
  }

  /** The record at this place was handed out. */
  readonly at = (_lsn: Lsn, segment: number, offset: number): void => {
    const before = this.#before.get(segment);
    if (before === undefined || before + offset < this.#next) return;
    this.#next = before + offset + PROGRESS_BYTES;
    this.#tell(Math.min(before + offset, this.#total), this.#total);
  };
}
