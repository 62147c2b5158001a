/**
 * Writes groups of frames into the active segment, syncs, tells TAIL, and moves on to the next segment. Wholly
 * synchronous and the same on the log's thread, inline, and in recovery. It deliberately neither cuts batches
 * (`drain.ts`) nor makes segments (`supply.ts`).
 *
 * 1. A group is one positioned write: frames, and 64 zero bytes that say "the log ends here".
 * 2. Before a segment is left, everything in it is synced, under every sync policy.
 * 3. The durable stamp of a frame is the last LSN *synced* when it was written.
 * 4. After one failure nothing is written and nothing is synced again.
 */
import { assert, defined } from "../assert.ts";
import type { Lsn } from "../ids.ts";
import type { VfsFile } from "../vfs/vfs.ts";
import type { LogStart } from "./chain.ts";
import { type LogPlace, openSegment, tailPath } from "./files.ts";
import {
  FRAME_HEADER_BYTES,
  FrameType,
  frameLengthAt,
  frameLsnAt,
  GROUP_END_BYTES,
  type Image,
  imageOf,
  putFrame,
  saltSeed,
  stampFrame,
} from "./frame.ts";
import type { Place } from "./scan.ts";
import { encodeLink, fits, LINK_BYTES, SEGMENT_HEADER_BYTES, segmentBytesFor } from "./segment.ts";
import type { SyncWatch } from "./sync-watch.ts";
import { TailFile } from "./tail.ts";

/** Frames that lie one behind the other in a buffer, put but not stamped. */
export interface Run {
  readonly image: Image;
  readonly start: number;
  readonly end: number;
}

/** Where a writer goes on: the segment and the end of the last frame in it. */
export interface WriterPosition extends Place {
  readonly segment: number;
  /** Last LSN on stable storage. */
  readonly durable: Lsn;
}

/** Gives the number of the next segment, whole and durably named; undefined while there is none. */
export type TakeSpare = (fileBytes: number) => boolean;

const GROUP_END = new Uint8Array(GROUP_END_BYTES);
const NO_PAYLOAD = new Uint8Array(0);
/** In recovery, which tells how long it took as a whole. */
const UNWATCHED = { begins: () => {}, ended: () => {} };

export class LogWriter {
  readonly #place: LogPlace;
  readonly #take: TakeSpare;
  readonly #watch: Pick<SyncWatch, "begins" | "ended">;
  readonly #segmentBytes: number;
  readonly #tail: TailFile;
  #file: VfsFile;
  #segment: number;
  #salt: bigint;
  #seed: number;
  #fileBytes: number;
  #offset: number;
  #lsn: Lsn;
  #crc: number;
  #durable: Lsn;
  /** Written and not yet synced. */
  #dirty = false;
  /** The LINK that the next group starts with. */
  #link: Image | undefined;
  #start: LogStart | undefined;
  #dead = false;

  constructor(
    place: LogPlace,
    position: WriterPosition,
    segmentBytes: number,
    take: TakeSpare,
    watch: Pick<SyncWatch, "begins" | "ended"> = UNWATCHED,
  ) {
    this.#place = place;
    this.#take = take;
    this.#watch = watch;
    this.#segmentBytes = segmentBytes;
    const { file, header } = openSegment(place, position.segment, "write");
    try {
      this.#tail = new TailFile(place.vfs, tailPath(place), place.storeId);
    } catch (error) {
      file.close();
      throw error;
    }
    this.#file = file;
    this.#segment = position.segment;
    this.#salt = header.salt;
    this.#seed = saltSeed(header.salt);
    this.#fileBytes = header.fileBytes;
    this.#offset = position.offset;
    this.#lsn = position.lsn;
    this.#crc = position.crc;
    this.#durable = position.durable;
  }

  get position(): WriterPosition {
    return {
      segment: this.#segment,
      offset: this.#offset,
      lsn: this.#lsn,
      crc: this.#crc,
      durable: this.#durable,
    };
  }
  get segment(): number {
    return this.#segment;
  }
  /** Where the last frame ends, counting a LINK that is still to be written. */
  get end(): number {
    return this.#offset + (this.#link?.bytes.length ?? 0);
  }
  /** Bytes of frames that still fit into the active segment. */
  get room(): number {
    return this.#fileBytes - this.end - FRAME_HEADER_BYTES - GROUP_END_BYTES;
  }

  /** True when `bytes` more of frames fit into the active segment. */
  fits(bytes: number): boolean {
    return fits(this.end, bytes, this.#fileBytes);
  }

  /** Writes `count` frames as one group; answers the offset of the first. */
  write(runs: readonly Run[], count: number): number {
    return this.#guard(() => {
      const parts: Uint8Array[] = [];
      let left = count;
      if (this.#link !== undefined) {
        this.#crc = this.#stamp(this.#link, 0, left);
        parts.push(this.#link.bytes);
      }
      let bytes = parts[0]?.length ?? 0;
      const first = this.#offset + bytes;
      for (const { image, start, end } of runs) {
        for (let at = start; at < end; at += frameLengthAt(image.view, at)) {
          left -= 1;
          this.#crc = this.#stamp(image, at, left);
          this.#lsn = frameLsnAt(image.view, at);
        }
        parts.push(image.bytes.subarray(start, end));
        bytes += end - start;
      }
      assert(left === 0, "a group has the frames it was cut with");
      assert(fits(this.#offset, bytes, this.#fileBytes), "a group fits its segment");
      parts.push(GROUP_END);
      this.#file.write(parts, this.#offset);
      this.#link = undefined;
      this.#offset += bytes;
      this.#dirty = true;
      return first;
    });
  }

  /**
   * Begins the segment just rolled to with frames that another one already holds: they become durable first,
   * and only then the LINK, which makes them count and the old ones be ignored. In one write a power cut
   * could keep the LINK and lose frames that were acknowledged from the old segment.
   */
  moveHere(groups: Iterable<{ readonly run: Run; readonly count: number }>): void {
    this.#guard(() => {
      const link = defined(this.#link, "frames are moved to a segment that was just begun");
      const linkAt = this.#offset;
      this.#crc = this.#stamp(link, 0, 0);
      this.#link = undefined;
      this.#offset += link.bytes.length;
      for (const { run, count } of groups) this.write([run], count);
      if (this.#dirty) this.#file.datasync();
      this.#file.write([link.bytes], linkAt);
      this.#dirty = true;
      this.sync();
    });
  }

  /** Everything written is on stable storage when this returns, and TAIL knows. */
  sync(): void {
    this.#guard(() => {
      if (!this.#dirty) return;
      this.#watch.begins();
      this.#file.datasync();
      this.#dirty = false;
      this.#watch.ended();
      this.#durable = this.#lsn;
      this.#tail.write({ segment: this.#segment, salt: this.#salt, lsn: this.#lsn, end: this.#offset });
    });
  }

  /** Leaves the segment for the next one, big enough for a frame of `bytes`; false while there is no spare. */
  roll(bytes: number): boolean {
    return this.#guard(() => {
      assert(this.#link === undefined, "a segment is not left before its LINK is written");
      this.sync();
      if (!this.#take(segmentBytesFor(bytes, this.#segmentBytes))) return false;
      const number = this.#segment + 1;
      const { file, header } = openSegment(this.#place, number, "write");
      const left = this.#file;
      this.#file = file;
      left.close();
      const link = encodeLink({
        previousSegment: this.#segment,
        previousSalt: this.#salt,
        lsn: this.#lsn,
        crc: this.#crc,
        end: this.#offset,
      });
      this.#link = imageOf(new Uint8Array(LINK_BYTES));
      putFrame(this.#link, 0, FrameType.link, this.#lsn, link);
      this.#start = { segment: number, salt: header.salt, lsn: this.#lsn, crc: this.#crc };
      this.#segment = number;
      this.#salt = header.salt;
      this.#seed = saltSeed(header.salt);
      this.#fileBytes = header.fileBytes;
      this.#offset = SEGMENT_HEADER_BYTES;
      return true;
    });
  }

  /** Rolls and makes the LINK durable with no frame behind it; undefined while there is no spare. */
  rollNow(): LogStart | undefined {
    if (!this.roll(0)) return undefined;
    this.write([], 0);
    this.sync();
    return this.#start;
  }

  /** Ends the log: a SEAL, synced, and a synced TAIL. */
  seal(): void {
    this.#guard(() => {
      this.sync();
      const seal = imageOf(new Uint8Array(FRAME_HEADER_BYTES));
      putFrame(seal, 0, FrameType.seal, this.#lsn, NO_PAYLOAD);
      this.write([{ image: seal, start: 0, end: FRAME_HEADER_BYTES }], 1);
      this.sync();
      this.#tail.sync();
    });
  }

  close(): void {
    this.#dead = true;
    try {
      this.#file.close();
    } finally {
      this.#tail.close();
    }
  }

  #stamp(image: Image, at: number, framesLeft: number): number {
    return stampFrame(image, at, {
      durable: this.#durable,
      previousCrc: this.#crc,
      framesLeft,
      saltCrc: this.#seed,
    });
  }

  #guard<Value>(work: () => Value): Value {
    assert(!this.#dead, "a log that failed is left alone");
    try {
      return work();
    } catch (error) {
      this.#dead = true;
      throw error;
    }
  }
}
