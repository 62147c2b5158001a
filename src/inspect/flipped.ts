/**
 * Finds the one flipped bit behind a damaged place that a check named, in any file of a store. For reports:
 * "one bit" tells a person that memory or a disk erred, and not a program.
 */
import { crc32 } from "../checksum.ts";
import { findFlippedBit } from "../flipped-bit.ts";
import { MIB } from "../limits.ts";
import { BLOCK_PREFIX_BYTES, FILE_HEADER_BYTES, FILE_TRAILER_BYTES } from "../snapshot/block-file.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { StoreFile } from "./store-files.ts";

export interface FileBit {
  /** Of its byte in the file. */
  readonly offset: number;
  /** 0 = the lowest. */
  readonly bit: number;
}

/** Larger places are not searched. */
const MAX_PLACE_BYTES = 8 * MIB;
const LENGTH_BITS = 32;

/** Bytes under one checksum: the ranges it covers, in order, and where it stands. */
interface Sealed {
  readonly ranges: readonly (readonly [start: number, end: number])[];
  readonly crcAt: number;
}

/** Segments are not asked here: the walk of the log finds their bits. */
export function flippedBitAt(
  vfs: Vfs,
  { path, kind, bytes: size }: StoreFile,
  offset: number,
): FileBit | undefined {
  const file = vfs.open(path, "read");
  try {
    const read = (start: number, end: number): Buffer => {
      const bytes = Buffer.alloc(Math.max(0, end - start));
      return bytes.subarray(0, file.read(bytes, start));
    };
    for (const sealed of sealedAt(kind, size, offset, read)) {
      const found = bitIn(sealed, read);
      if (found !== undefined) return found;
    }
    return undefined;
  } catch {
    // Without the bytes there is nothing to say about bits.
    return undefined;
  } finally {
    file.close();
  }
}

function sealedAt(
  kind: StoreFile["kind"],
  size: number,
  offset: number,
  read: (start: number, end: number) => Buffer,
): Sealed[] {
  if (kind === "format") return [{ ranges: [[0, 32]], crcAt: 32 }];
  if (kind === "manifest")
    return [
      {
        ranges: [
          [0, 16],
          [24, size],
        ],
        crcAt: 16,
      },
    ];
  if (kind !== "heads" && kind !== "pack") return [];
  if (offset < FILE_HEADER_BYTES) return [{ ranges: [[0, 60]], crcAt: 60 }];
  const trailer = size - FILE_TRAILER_BYTES;
  if (offset >= trailer) return [{ ranges: [[trailer, size - 4]], crcAt: size - 4 }];
  const length = read(offset, offset + 4).readUInt32LE(0);
  // The length itself may be what was flipped.
  const lengths = [length, ...Array.from({ length: LENGTH_BITS }, (_, bit) => (length ^ (1 << bit)) >>> 0)];
  return lengths
    .map((payload) => offset + BLOCK_PREFIX_BYTES + payload)
    .filter((end) => end <= trailer && end - offset <= MAX_PLACE_BYTES)
    .map((end) => ({
      ranges: [
        [offset, offset + 4],
        [offset + BLOCK_PREFIX_BYTES, end],
      ],
      crcAt: offset + 4,
    }));
}

function bitIn({ ranges, crcAt }: Sealed, read: (start: number, end: number) => Buffer): FileBit | undefined {
  const bytes = Buffer.concat(ranges.map(([start, end]) => read(start, end)));
  const stored = read(crcAt, crcAt + 4);
  if (bytes.length > MAX_PLACE_BYTES || stored.length < 4) return undefined;
  const [first, second] = ranges;
  const found =
    findFlippedBit(bytes, 0, stored.readUInt32LE(0)) ?? lengthBit(bytes, stored, second !== undefined);
  if (found === undefined || first === undefined) return undefined;
  if (found.at < 0) return { offset: crcAt + (found.bit >>> 3), bit: found.bit & 7 };
  const inFirst = first[1] - first[0];
  if (found.at < inFirst) return { offset: first[0] + found.at, bit: found.bit };
  return second === undefined ? undefined : { offset: second[0] + found.at - inFirst, bit: found.bit };
}

/** A block taken with another length than it says: whether that length makes it whole, and which bit it is. */
function lengthBit(
  bytes: Buffer,
  stored: Buffer,
  isBlock: boolean,
): { readonly at: number; readonly bit: number } | undefined {
  if (!isBlock) return undefined;
  const length = bytes.length - 4;
  const difference = (bytes.readUInt32LE(0) ^ length) >>> 0;
  const bit = Math.log2(difference);
  if (!Number.isInteger(bit)) return undefined;
  const mended = Buffer.from(bytes);
  mended.writeUInt32LE(length, 0);
  return crc32(mended) === stored.readUInt32LE(0) ? { at: bit >>> 3, bit: bit & 7 } : undefined;
}
