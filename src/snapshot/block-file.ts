/**
 * The container of heads files and packs: a header, blocks, a footer block, a trailer. Immutable once
 * published; `block-file-writer.ts` writes it. What the blocks hold is the owner's business; that they are whole is
 * checked here.
 *
 * ```
 * header   64 bytes  magic, version, kind, store UUID, file number, CRC
 * block    8 + n     u32 length n, u32 CRC of length and payload, payload
 * footer   a block
 * trailer  64 bytes  magic, offset and length of the footer, file size, CRC
 * ```
 *
 * 1. No byte is outside a checksum: whatever is damaged is CORRUPT naming file and offset, never other data.
 * 2. A reader throws CORRUPT, FORMAT_UNSUPPORTED or STORE_IO and nothing else, whatever a file holds: also one
 *    whose checksums are right and whose content makes no sense.
 */
import { crc32 } from "../checksum.ts";
import { unpack } from "../codec.ts";
import { isStoreError, type StoreError, storeError } from "../errors.ts";
import { KIB } from "../limits.ts";
import { asArray, asNumber } from "../session/record.ts";
import { closeQuietly } from "../vfs/close-quietly.ts";
import type { Vfs, VfsFile } from "../vfs/vfs.ts";

export type BlockFileKind = "heads" | "pack";

/** Where a block lies: `offset` of its length word, `length` of its payload. */
export interface BlockPlace {
  readonly offset: number;
  readonly length: number;
}

export const FILE_HEADER_BYTES = 64;
export const FILE_TRAILER_BYTES = 64;
export const BLOCK_PREFIX_BYTES = 8;
const FILE_VERSION = 1;
const MAGIC = { heads: Buffer.from("VRVHEAD\x1a", "latin1"), pack: Buffer.from("VRVPACK\x1a", "latin1") };
/** Bytes of a block and its prefix that `glance` has a buffer for: those of an index and of heads are of 4 KiB. */
const GLANCE_BYTES = 8 * KIB;
/** Bytes that are read at a time where blocks are read in order, and how many may be passed over between two. */
const READ_AHEAD_BYTES = 64 * KIB;
const READ_AHEAD_GAP_BYTES = 16 * KIB;
const TRAILER_MAGIC = Buffer.from("VRVTAIL\x1a", "latin1");

/** Identity that header and manifest must agree on. */
export interface FileIdentity {
  readonly kind: BlockFileKind;
  readonly storeId: Uint8Array;
  readonly number: number;
}

export function corruptFile(file: string, offset: number, problem: string, sessionId?: string): StoreError {
  const fields = sessionId === undefined ? { file, offset } : { file, offset, sessionId };
  return storeError("CORRUPT", fields, `${file} is damaged at ${offset}: ${problem}`);
}

/** Reads decoded bytes with `read`; what that cannot make sense of is CORRUPT there. */
export function understand<Value>(
  file: string,
  offset: number,
  read: () => Value,
  sessionId?: string,
): Value {
  try {
    return read();
  } catch (error) {
    if (isStoreError(error)) throw error;
    throw corruptFile(file, offset, `it makes no sense: ${(error as Error).message}`, sessionId);
  }
}

/** `[offset, length, offset, length, …]` as places. Throws a plain Error on anything else. */
export function placesFromWire(value: unknown): BlockPlace[] {
  const flat = asArray(value, "places").map((item) => asNumber(item, "place"));
  if (flat.length % 2 !== 0) throw new Error("a place has no length");
  return Array.from({ length: flat.length / 2 }, (_, i) => ({
    offset: flat[2 * i] as number,
    length: flat[2 * i + 1] as number,
  }));
}

/** Reads an immutable file; every block is verified each time it is read. */
export class BlockFileReader<Footer> {
  readonly path: string;
  readonly size: number;
  readonly footer: Footer;
  readonly #file: VfsFile;
  /** What was read in order last, and where in the file it ends. */
  #ahead: Buffer = NOTHING;
  #aheadEnd = 0;

  /** Checks header, size, trailer and footer, which `readFooter` understands or throws. */
  constructor(
    vfs: Vfs,
    path: string,
    identity: FileIdentity,
    expectedSize: number,
    readFooter: (payload: Buffer, decode: () => unknown) => Footer,
  ) {
    this.path = path;
    this.#file = vfs.open(path, "read");
    try {
      this.size = this.#file.stat().size;
      if (this.size !== expectedSize) {
        throw corruptFile(path, 0, `it has ${this.size} bytes, its manifest says ${expectedSize}`);
      }
      checkHeader(path, this.#read(0, FILE_HEADER_BYTES), identity);
      const trailerOffset = this.size - FILE_TRAILER_BYTES;
      const trailer = this.#read(trailerOffset, FILE_TRAILER_BYTES);
      const place = decodeTrailer(path, trailerOffset, trailer, identity);
      const payload = this.block(place);
      const decode = (): unknown => this.decode(place.offset, payload);
      this.footer = understand(path, place.offset, () => readFooter(payload, decode));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Payload of a block, verified. A fresh buffer. */
  block(place: BlockPlace, sessionId?: string): Buffer {
    return this.#verified(place, sessionId, (offset, length) => this.#read(offset, length));
  }

  /** As `block`, but valid until the next glance at any file: for what is understood at once, and not kept. */
  glance(place: BlockPlace, sessionId?: string): Buffer {
    return this.#verified(place, sessionId, (offset, length) => this.#read(offset, length, glanceBuffer));
  }

  /** As `block`, for one who reads blocks about in the order they lie: of those behind it a piece is read along. */
  blockInOrder(place: BlockPlace, sessionId?: string): Buffer {
    return this.#verified(place, sessionId, (offset, length) => this.#readAhead(offset, length));
  }

  #verified(
    { offset, length }: BlockPlace,
    sessionId: string | undefined,
    read: (offset: number, length: number) => Buffer,
  ): Buffer {
    const end = offset + BLOCK_PREFIX_BYTES + length;
    if (offset < FILE_HEADER_BYTES || length < 0 || end > this.size - FILE_TRAILER_BYTES) {
      throw corruptFile(this.path, offset, "a block lies outside the file", sessionId);
    }
    const bytes = read(offset, BLOCK_PREFIX_BYTES + length);
    if (bytes.readUInt32LE(0) !== length)
      throw corruptFile(this.path, offset, "a block has another length", sessionId);
    const payload = bytes.subarray(BLOCK_PREFIX_BYTES);
    if (bytes.readUInt32LE(4) !== crc32(payload, crc32(bytes.subarray(0, 4)))) {
      throw corruptFile(this.path, offset, "a block fails its checksum", sessionId);
    }
    return payload;
  }

  /** Decodes a verified block; what cannot be decoded is CORRUPT at its offset. */
  decode(offset: number, payload: Uint8Array): unknown {
    try {
      return unpack(payload);
    } catch (error) {
      throw corruptFile(this.path, offset, `a block cannot be decoded: ${(error as Error).message}`);
    }
  }

  close(): void {
    closeQuietly(this.#file);
  }

  /** Reads a piece if the last read ended nearby; of a piece that cannot be read whole these bytes alone. */
  #readAhead(offset: number, length: number): Buffer {
    let at = offset - this.#aheadEnd + this.#ahead.length;
    if (at < 0 || at + length > this.#ahead.length) {
      const isNear = at >= 0 && offset - this.#aheadEnd <= READ_AHEAD_GAP_BYTES;
      const piece = Math.min(READ_AHEAD_BYTES, this.size - offset);
      const ahead = isNear && length < piece ? this.#tryRead(offset, piece) : undefined;
      this.#ahead = ahead ?? this.#read(offset, length);
      this.#aheadEnd = offset + this.#ahead.length;
      at = 0;
    }
    return this.#ahead.subarray(at, at + length);
  }

  /** Undefined where a byte of them cannot be read: perhaps none that is needed. */
  #tryRead(offset: number, length: number): Buffer | undefined {
    const bytes = allocate(length);
    try {
      return this.#file.read(bytes, offset) === length ? bytes : undefined;
    } catch (error) {
      if (isStoreError(error, "STORE_IO")) return undefined;
      throw error;
    }
  }

  #read(offset: number, length: number, buffer: GetBuffer = allocate): Buffer {
    if (offset < 0 || offset + length > this.size)
      throw corruptFile(this.path, Math.max(0, offset), "it is cut short");
    const bytes = buffer(length);
    const read = this.#file.read(bytes, offset);
    if (read !== length)
      throw corruptFile(this.path, offset, `${length} bytes were expected, ${read} are there`);
    return bytes;
  }
}

type GetBuffer = (length: number) => Buffer;
const NOTHING = Buffer.alloc(0);
const allocate: GetBuffer = (length) => Buffer.allocUnsafeSlow(length);
const GLANCED = allocate(GLANCE_BYTES);
const glanceBuffer: GetBuffer = (length) =>
  length > GLANCE_BYTES ? allocate(length) : GLANCED.subarray(0, length);

export function encodeHeader({ kind, storeId, number }: FileIdentity): Uint8Array {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES);
  MAGIC[kind].copy(bytes, 0);
  bytes.writeUInt16LE(FILE_VERSION, 8);
  bytes.set(storeId, 16);
  bytes.writeBigUInt64LE(BigInt(number), 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, FILE_HEADER_BYTES - 4)), FILE_HEADER_BYTES - 4);
  return bytes;
}

function checkHeader(path: string, bytes: Buffer, { kind, storeId, number }: FileIdentity): void {
  if (!bytes.subarray(0, 8).equals(MAGIC[kind])) throw corruptFile(path, 0, "its magic is wrong");
  if (bytes.readUInt32LE(FILE_HEADER_BYTES - 4) !== crc32(bytes.subarray(0, FILE_HEADER_BYTES - 4))) {
    throw corruptFile(path, 0, "its header fails its checksum");
  }
  const found = bytes.readUInt16LE(8);
  if (found !== FILE_VERSION) {
    throw storeError(
      "FORMAT_UNSUPPORTED",
      { found, supported: FILE_VERSION },
      `${path} is of version ${found}; this Varve reads ${FILE_VERSION}`,
    );
  }
  if (!bytes.subarray(16, 32).equals(storeId)) throw corruptFile(path, 16, "it belongs to another store");
  if (bytes.readBigUInt64LE(32) !== BigInt(number))
    throw corruptFile(path, 32, "it has the number of another file");
}

/** What a header says of itself, if it verifies; for those who do not know what to expect. */
export function fileIdentityIn(bytes: Buffer, kind: BlockFileKind): FileIdentity | undefined {
  if (bytes.length < FILE_HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC[kind])) return undefined;
  if (bytes.readUInt32LE(FILE_HEADER_BYTES - 4) !== crc32(bytes.subarray(0, FILE_HEADER_BYTES - 4)))
    return undefined;
  return { kind, storeId: Buffer.from(bytes.subarray(16, 32)), number: Number(bytes.readBigUInt64LE(32)) };
}

export function encodeTrailer({ storeId }: FileIdentity, footer: BlockPlace, size: number): Uint8Array {
  const bytes = Buffer.alloc(FILE_TRAILER_BYTES);
  TRAILER_MAGIC.copy(bytes, 0);
  bytes.writeBigUInt64LE(BigInt(footer.offset), 8);
  bytes.writeBigUInt64LE(BigInt(footer.length), 16);
  bytes.writeBigUInt64LE(BigInt(size), 24);
  bytes.set(storeId, 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, FILE_TRAILER_BYTES - 4)), FILE_TRAILER_BYTES - 4);
  return bytes;
}

function decodeTrailer(path: string, at: number, bytes: Buffer, { storeId }: FileIdentity): BlockPlace {
  if (!bytes.subarray(0, 8).equals(TRAILER_MAGIC)) throw corruptFile(path, at, "its trailer is wrong");
  if (bytes.readUInt32LE(FILE_TRAILER_BYTES - 4) !== crc32(bytes.subarray(0, FILE_TRAILER_BYTES - 4))) {
    throw corruptFile(path, at, "its trailer fails its checksum");
  }
  if (!bytes.subarray(32, 48).equals(storeId))
    throw corruptFile(path, at, "its trailer belongs to another store");
  if (bytes.readBigUInt64LE(24) !== BigInt(at + FILE_TRAILER_BYTES))
    throw corruptFile(path, at, "its trailer says another size");
  // Too large a number loses digits here and lies outside the file all the same.
  return { offset: Number(bytes.readBigUInt64LE(8)), length: Number(bytes.readBigUInt64LE(16)) };
}
