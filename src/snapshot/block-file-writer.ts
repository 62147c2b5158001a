/**
 * Writes a container of `block-file.ts` from front to back. It deliberately gives the file no name to be found by: that
 * is the publication's.
 *
 * 1. It syncs every slice it writes, so that a commit's sync never waits behind a large one.
 * 2. What it is given is copied into the slice at once: one write call a slice, and nothing of the caller is kept.
 */
import { crc32 } from "../checksum.ts";
import { pack } from "../codec.ts";
import { MAINTENANCE_SLICE_BYTES } from "../limits.ts";
import { closeQuietly } from "../vfs/close-quietly.ts";
import type { Vfs, VfsFile } from "../vfs/vfs.ts";
import {
  BLOCK_PREFIX_BYTES,
  type BlockPlace,
  encodeHeader,
  encodeTrailer,
  FILE_TRAILER_BYTES,
  type FileIdentity,
} from "./block-file.ts";
import { removeLeftovers } from "./leftovers.ts";

/** The slice of a writer that ended, for the next. */
let spareSlice: Buffer | undefined;

/** Writes a new file from front to back, in synced slices. Abandon it with `abort`. */
export class BlockFileWriter {
  readonly #vfs: Vfs;
  readonly #file: VfsFile;
  readonly #identity: FileIdentity;
  readonly #slice: Buffer;
  #filled = 0;
  #written = 0;
  #isEnded = false;

  constructor(vfs: Vfs, path: string, identity: FileIdentity) {
    // A temporary file of this name can only be the remains of a worker that was killed.
    vfs.remove(path);
    this.#vfs = vfs;
    this.#file = vfs.open(path, "create");
    this.#identity = identity;
    this.#slice = spareSlice ?? Buffer.allocUnsafeSlow(MAINTENANCE_SLICE_BYTES);
    spareSlice = undefined;
    this.#push(encodeHeader(identity));
  }

  /** Bytes so far, written or about to be. */
  get bytes(): number {
    return this.#written + this.#filled;
  }

  /** The payload is copied before this returns. */
  append(payload: Uint8Array): BlockPlace {
    const offset = this.bytes;
    const prefix = Buffer.alloc(BLOCK_PREFIX_BYTES);
    prefix.writeUInt32LE(payload.length, 0);
    prefix.writeUInt32LE(crc32(payload, crc32(prefix.subarray(0, 4))), 4);
    this.#push(prefix);
    this.#push(payload);
    return { offset, length: payload.length };
  }

  /** Writes footer and trailer, syncs, closes; answers the size of the file. */
  finish(footer: unknown): number {
    const place = this.append(pack(footer));
    const size = this.bytes + FILE_TRAILER_BYTES;
    this.#push(encodeTrailer(this.#identity, place, size));
    this.#flush();
    this.#file.sync();
    this.#file.close();
    this.#giveBackSlice();
    return size;
  }

  /** After a failure: closes and removes the file. It is never synced again. */
  abort(): void {
    this.#giveBackSlice();
    closeQuietly(this.#file);
    removeLeftovers(this.#vfs, [this.#file.path]);
  }

  /** Once: behind it another writer may have it. */
  #giveBackSlice(): void {
    if (!this.#isEnded) spareSlice = this.#slice;
    this.#isEnded = true;
  }

  #push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      // A value may be far larger than a slice; it is cut like everything else.
      const part = bytes.subarray(at, at + MAINTENANCE_SLICE_BYTES - this.#filled);
      this.#slice.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < MAINTENANCE_SLICE_BYTES) continue;
      this.#flush();
      this.#file.datasync();
    }
  }

  #flush(): void {
    this.#file.write([this.#slice.subarray(0, this.#filled)], this.#written);
    this.#written += this.#filled;
    this.#filled = 0;
  }
}
