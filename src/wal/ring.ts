/**
 * The ring of bytes between the main thread and the log's thread: frames as they will stand in the file, and
 * the two commands that must keep their place among them. One side puts, the other takes; neither waits here.
 *
 * 1. A record lies in one piece: when the end of the buffer has no room, a skip record sends the reader to
 *    its front.
 * 2. The first word of a record is a tag. In a frame it is where the checksum goes, and its tag is 0.
 * 3. `head` moves only after the record's bytes are there, `tail` only after the reader is done with them.
 * 4. What is put is taken only once it was published, so that all of one turn goes into one batch.
 */
import { assert } from "../assert.ts";
import type { Lsn } from "../ids.ts";
import { FRAME_ALIGNMENT, FrameType, frameBytes, type Image, imageOf, putFrame } from "./frame.ts";
import { Word, type Words } from "./words.ts";

export const Tag = { frame: 0, skip: 1, external: 2, roll: 3, close: 4 } as const;

/** A record that is no frame: its tag, and for an external frame its size. */
export const COMMAND_BYTES = 16;
const SIZE_AT = 4;
/** An external frame is one larger than this part of the ring. */
const LARGEST_PART = 2;

export class Ring {
  readonly image: Image;
  readonly #words: Words;
  readonly #capacity: number;
  /** Where the putting side goes on; `Word.head` follows when it publishes. Modulo 2^32. */
  #head: number;

  constructor(buffer: ArrayBufferLike, words: Words) {
    const capacity = buffer.byteLength;
    // Positions count modulo 2^32, so the capacity must divide it.
    assert(capacity >= 1024 && (capacity & (capacity - 1)) === 0, "the ring's size is a power of two");
    this.image = imageOf(new Uint8Array(buffer));
    this.#words = words;
    this.#capacity = capacity;
    this.#head = Atomics.load(words, Word.head) >>> 0;
  }

  /** Bytes put and not yet published. */
  get unpublishedBytes(): number {
    return (this.#head - (Atomics.load(this.#words, Word.head) >>> 0)) >>> 0;
  }

  /** Lets the reader take everything put so far. */
  publish(): void {
    Atomics.store(this.#words, Word.head, this.#head | 0);
  }

  /** Frames above this many bytes do not go through the ring. */
  get largestFrame(): number {
    return this.#capacity / LARGEST_PART;
  }

  /** Puts a frame, to be published; false if there is no room now. */
  putFrame(lsn: Lsn, payload: Uint8Array): boolean {
    const bytes = frameBytes(payload.length);
    const at = this.#reserve(bytes);
    if (at === undefined) return false;
    putFrame(this.image, at, FrameType.data, lsn, payload);
    this.#advance(bytes);
    return true;
  }

  /** Puts a command, to be published; false if there is no room now. `size` is that of an external frame. */
  putCommand(tag: number, size: number): boolean {
    const at = this.#reserve(COMMAND_BYTES);
    if (at === undefined) return false;
    this.image.view.setUint32(at, tag, true);
    this.image.view.setUint32(at + SIZE_AT, size, true);
    this.#advance(COMMAND_BYTES);
    return true;
  }

  /** Whether `putCommand` would succeed now. */
  hasRoomForCommand(): boolean {
    const tail = Atomics.load(this.#words, Word.tail) >>> 0;
    // Twice: the end of the buffer may have to be skipped, and is then shorter than one.
    return this.#capacity - ((this.#head - tail) >>> 0) >= 2 * COMMAND_BYTES;
  }

  /** What is there to take: from `start`, `bytes` of records, perhaps around the end of the buffer. */
  get filled(): { readonly start: number; readonly bytes: number } {
    const tail = Atomics.load(this.#words, Word.tail) >>> 0;
    const head = Atomics.load(this.#words, Word.head) >>> 0;
    return { start: tail % this.#capacity, bytes: (head - tail) >>> 0 };
  }

  /** Gives the first `bytes` of what is there back to the putting side. */
  release(bytes: number): void {
    Atomics.add(this.#words, Word.tail, bytes);
  }

  /** Offset for a record of `bytes`, in one piece; undefined if there is no room now. */
  #reserve(bytes: number): number | undefined {
    const tail = Atomics.load(this.#words, Word.tail) >>> 0;
    const free = this.#capacity - ((this.#head - tail) >>> 0);
    const at = this.#head % this.#capacity;
    const toEnd = this.#capacity - at;
    if (bytes <= toEnd) return bytes <= free ? at : undefined;
    if (toEnd + bytes > free) return undefined;
    assert(toEnd >= FRAME_ALIGNMENT, "records are aligned");
    this.image.view.setUint32(at, Tag.skip, true);
    this.#advance(toEnd);
    return 0;
  }

  #advance(bytes: number): void {
    this.#head = (this.#head + bytes) >>> 0;
  }
}

/** Tag of the record at `at`. */
export function tagAt(image: Image, at: number): number {
  return image.view.getUint32(at, true);
}

/** Size of the external frame that the record at `at` stands for. */
export function externalSizeAt(image: Image, at: number): number {
  return image.view.getUint32(at + SIZE_AT, true);
}
