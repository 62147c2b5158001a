/**
 * Reads one frame by its position and verifies it. Keeps a few segment files open. It deliberately reads no
 * frame that is not durable yet, and knows no order: whoever kept the position knows what stands there.
 */
import { KIB } from "../limits.ts";
import { closeQuietly } from "../vfs/close-quietly.ts";
import { isMissingFile, type VfsFile } from "../vfs/vfs.ts";
import { corrupt, type LogPlace, openSegment, segmentPath } from "./files.ts";
import {
  FRAME_HEADER_BYTES,
  FrameType,
  frameBytes,
  frameLengthAt,
  type Image,
  imageOf,
  MAX_PAYLOAD_BYTES,
  payloadOf,
  payloadVerifies,
  readFrameHead,
  saltSeed,
} from "./frame.ts";

/** Segment files kept open: those a session's records since the last snapshot usually lie in. */
const MAX_OPEN_FILES = 8;
/** Bytes of the first read: most frames need no second one. */
const FIRST_READ_BYTES = 4 * KIB;

interface OpenFile {
  readonly file: VfsFile;
  readonly seed: number;
}

export class LogReader {
  readonly #place: LogPlace;
  /** What the first read of a frame fills; the next frame's fills it again. Made with the first. */
  #first: Image | undefined;
  /** By number of the segment; least recently used first. */
  readonly #open = new Map<number, OpenFile>();

  constructor(place: LogPlace) {
    this.#place = place;
  }

  /**
   * Payload of the DATA frame at that position: the caller's own. Who knows how many bytes it has spares reading what
   * lies behind it; another number costs a second read, and no more.
   */
  read(segment: number, offset: number, payloadBytes = FIRST_READ_BYTES): Uint8Array {
    const { file, seed } = this.#file(segment);
    this.#first ??= imageOf(Buffer.allocUnsafeSlow(FIRST_READ_BYTES));
    const { image, bytes } = readAround(file, offset, this.#first, frameBytes(payloadBytes));
    const frame = readFrameHead(image, 0, bytes, seed);
    if (frame === undefined || frame.type !== FrameType.data) {
      throw corrupt(file.path, offset, "the frame there does not verify");
    }
    if (!payloadVerifies(image, frame, seed))
      throw corrupt(file.path, offset, "a block of the frame does not verify");
    const payload = payloadOf(image, frame);
    // A copy of so few bytes costs a tenth of a buffer of its own for every read.
    return image === this.#first ? Buffer.from(payload) : payload;
  }

  /** Closes the files of segments below that number: they may become other segments. */
  forget(below: number): void {
    for (const [number, { file }] of this.#open) {
      if (number >= below) continue;
      this.#open.delete(number);
      closeQuietly(file);
    }
  }

  close(): void {
    this.forget(Number.POSITIVE_INFINITY);
  }

  #file(segment: number): OpenFile {
    const known = this.#open.get(segment) ?? this.#openFile(segment);
    this.#open.delete(segment);
    this.#open.set(segment, known);
    if (this.#open.size > MAX_OPEN_FILES) this.#forgetOldest();
    return known;
  }

  #forgetOldest(): void {
    for (const [number, { file }] of this.#open) {
      this.#open.delete(number);
      return closeQuietly(file);
    }
  }

  #openFile(segment: number): OpenFile {
    try {
      const { file, header } = openSegment(this.#place, segment, "read");
      return { file, seed: saltSeed(header.salt) };
    } catch (error) {
      if (!isMissingFile(error)) throw error;
      throw corrupt(segmentPath(this.#place, segment), undefined, "it is missing, and a record lies in it");
    }
  }
}

/** A frame's image, and how many bytes of it were read: none if there cannot be a frame. */
interface Around {
  readonly image: Image;
  readonly bytes: number;
}

/** The bytes of the frame at `offset`, `expectedBytes` perhaps, as long as its length field says; in `first` if they fit. */
function readAround(file: VfsFile, offset: number, first: Image, expectedBytes: number): Around {
  const none = { image: first, bytes: 0 };
  const read = file.read(first.bytes.subarray(0, expectedBytes), offset);
  if (read < FRAME_HEADER_BYTES) return none;
  const bytes = frameLengthAt(first.view, 0);
  if (bytes <= read) return { image: first, bytes: read };
  // A length that damage made larger than the file must not allocate.
  if (bytes > MAX_PAYLOAD_BYTES || offset + bytes > file.stat().size) return none;
  const whole = imageOf(Buffer.allocUnsafeSlow(bytes));
  return file.read(whole.bytes, offset) === bytes ? { image: whole, bytes } : none;
}
