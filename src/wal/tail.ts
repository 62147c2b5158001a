/**
 * The sidecar `TAIL`: after each sync it is told, without a sync of its own, how far the log is durable. Two
 * slots in two physical blocks are written in turn. It deliberately promises nothing when it is lost: recovery
 * then knows less and is right all the same.
 *
 * 1. A slot is written only after the sync it tells of returned, so it never promises too much.
 * 2. The slot that is overwritten is the older one, so a torn write loses one sync's news, not both.
 */
import { crc32 } from "../checksum.ts";
import type { Lsn } from "../ids.ts";
import { openIfThere, type Vfs, type VfsFile } from "../vfs/vfs.ts";

export const TAIL_NAME = "TAIL";
const SLOT_BYTES = 64;
const SLOT_SPACING_BYTES = 4096;
export const TAIL_BYTES = 2 * SLOT_SPACING_BYTES;

const SEGMENT_AT = 16;
const SALT_AT = 24;
const LSN_AT = 32;
const END_AT = 40;
const CRC_AT = SLOT_BYTES - 4;

export interface Tail {
  readonly segment: number;
  readonly salt: bigint;
  /** Every frame up to this one is on stable storage. */
  readonly lsn: Lsn;
  /** Where that frame ends. */
  readonly end: number;
}

export function encodeTail(storeId: Uint8Array, tail: Tail): Uint8Array {
  const bytes = Buffer.alloc(SLOT_BYTES);
  bytes.set(storeId, 0);
  bytes.writeBigUInt64LE(BigInt(tail.segment), SEGMENT_AT);
  bytes.writeBigUInt64LE(tail.salt, SALT_AT);
  bytes.writeBigUInt64LE(BigInt(tail.lsn), LSN_AT);
  bytes.writeBigUInt64LE(BigInt(tail.end), END_AT);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

/** A slot that verifies and belongs to this store. */
export function decodeTail(storeId: Uint8Array, source: Uint8Array): Tail | undefined {
  if (source.length < SLOT_BYTES) return undefined;
  const bytes = Buffer.from(source.buffer, source.byteOffset, SLOT_BYTES);
  if (crc32(bytes.subarray(0, CRC_AT)) !== bytes.readUInt32LE(CRC_AT)) return undefined;
  if (!bytes.subarray(0, SEGMENT_AT).equals(storeId)) return undefined;
  return {
    segment: Number(bytes.readBigUInt64LE(SEGMENT_AT)),
    salt: bytes.readBigUInt64LE(SALT_AT),
    lsn: Number(bytes.readBigUInt64LE(LSN_AT)),
    end: Number(bytes.readBigUInt64LE(END_AT)),
  };
}

/** The valid slots of the file at `path`, by slot; both undefined if there is no such file. */
export function readTail(vfs: Vfs, path: string, storeId: Uint8Array): readonly (Tail | undefined)[] {
  const file = openIfThere(vfs, path);
  if (file === undefined) return [undefined, undefined];
  try {
    const bytes = Buffer.alloc(TAIL_BYTES);
    const read = file.read(bytes, 0);
    return [0, 1].map((slot) => decodeTail(storeId, bytes.subarray(slot * SLOT_SPACING_BYTES, read)));
  } finally {
    file.close();
  }
}

/** The newest promise among slots. A roll tells the same LSN again, in a later segment. */
export function newestTail(slots: readonly (Tail | undefined)[]): Tail | undefined {
  const [first, second] = slots;
  if (first === undefined || second === undefined) return first ?? second;
  if (second.lsn === first.lsn) return second.segment > first.segment ? second : first;
  return second.lsn > first.lsn ? second : first;
}

/** Creates an empty TAIL, synced; its directory is the caller's to sync. An existing one is left alone. */
export function ensureTail(vfs: Vfs, path: string): boolean {
  const size = vfs.stat(path)?.size;
  if (size === TAIL_BYTES) return false;
  const file = vfs.open(path, size === undefined ? "create" : "write");
  try {
    file.write([new Uint8Array(TAIL_BYTES)], 0);
    file.truncate(TAIL_BYTES);
    file.sync();
  } finally {
    file.close();
  }
  return true;
}

/** The TAIL of an open log. */
export class TailFile {
  readonly #file: VfsFile;
  readonly #storeId: Uint8Array;
  #next: number;

  constructor(vfs: Vfs, path: string, storeId: Uint8Array) {
    const slots = readTail(vfs, path, storeId);
    this.#next = newestTail(slots) === slots[0] && slots[0] !== undefined ? 1 : 0;
    this.#storeId = storeId;
    this.#file = vfs.open(path, "write");
  }

  write(tail: Tail): void {
    this.#file.write([encodeTail(this.#storeId, tail)], this.#next * SLOT_SPACING_BYTES);
    this.#next = 1 - this.#next;
  }

  sync(): void {
    this.#file.datasync();
  }

  close(): void {
    this.#file.close();
  }
}
