/**
 * Packs: immutable files of content-addressed values, sorted by digest. Holds the blobs of the contract and
 * the pages of sessions; which of them live is not its business.
 *
 * Blocks: one per value (stored bytes), then index blocks of 72 entries of 56 bytes. The footer has the first
 * digest and the place of each index block, a filter, and the count. A look-up costs the filter, a search in
 * memory, one index block, one value.
 *
 * 1. A value is answered only if its SHA-256 is the digest asked for.
 * 2. A stored value is never larger than the raw one.
 */
import { deflateSync, inflateSync } from "node:zlib";
import { assert } from "../assert.ts";
import { sha256Hex } from "../checksum.ts";
import { refFromBytes } from "../ids.ts";
import { asArray, asBytes, asNumber, BLOB_KINDS, type BlobKind } from "../session/record.ts";
import type { Vfs } from "../vfs/vfs.ts";
import {
  BlockFileReader,
  type BlockPlace,
  corruptFile,
  type FileIdentity,
  placesFromWire,
} from "./block-file.ts";
import { BlockFileWriter } from "./block-file-writer.ts";
import { compareAt } from "./compare-at.ts";
import { Filter } from "./filter.ts";

export type PackKind = BlobKind | "page";
const KINDS: readonly PackKind[] = [...BLOB_KINDS, "page"];

export type BlobCompression = "none" | "balanced" | "compact";
/** Values below this many bytes are stored raw. */
const LEAST_COMPRESSED: Record<BlobCompression, number> = {
  none: Number.POSITIVE_INFINITY,
  balanced: 4096,
  compact: 1024,
};

/** Deflate shortens to a 1032nd at most, so an index cannot ask for more memory than its value may need. */
const MAX_DEFLATE_RATIO = 1032;
/** The least that zlib takes as its piece. */
const LEAST_INFLATE_BYTES = 64;

const DIGEST_BYTES = 32;
const ENTRY_BYTES = 56;
const ENTRIES_PER_BLOCK = 72;
const RAW = 0;
const DEFLATED = 1;

export interface PackEntry {
  readonly digest: Uint8Array;
  readonly kind: PackKind;
  readonly place: BlockPlace;
  readonly rawLength: number;
  readonly isCompressed: boolean;
  /** Position in the pack's order; bit of a mark bitmap. */
  readonly index: number;
}

/** A value as it is stored, for copying between packs. */
export interface StoredValue {
  readonly digest: Uint8Array;
  readonly kind: PackKind;
  readonly stored: Uint8Array;
  readonly rawLength: number;
  readonly isCompressed: boolean;
}

export function compressValue(
  digest: Uint8Array,
  kind: PackKind,
  raw: Uint8Array,
  compression: BlobCompression,
): StoredValue {
  const deflated = raw.length >= LEAST_COMPRESSED[compression] ? deflateSync(raw, { level: 3 }) : raw;
  const isCompressed = deflated.length < raw.length;
  return { digest, kind, stored: isCompressed ? deflated : raw, rawLength: raw.length, isCompressed };
}

export class PackWriter {
  readonly #file: BlockFileWriter;
  #entries: Buffer[] = [];

  constructor(vfs: Vfs, path: string, identity: Omit<FileIdentity, "kind">) {
    this.#file = new BlockFileWriter(vfs, path, { ...identity, kind: "pack" });
  }

  get count(): number {
    return this.#entries.length;
  }

  /** Values must come in the order of their digests, each once. */
  add({ digest, kind, stored, rawLength, isCompressed }: StoredValue): void {
    const place = this.#file.append(stored);
    const entry = Buffer.alloc(ENTRY_BYTES);
    entry.set(digest, 0);
    entry.writeBigUInt64LE(BigInt(place.offset), 32);
    entry.writeUInt32LE(place.length, 40);
    entry.writeUInt32LE(rawLength, 44);
    entry[48] = KINDS.indexOf(kind);
    entry[49] = isCompressed ? DEFLATED : RAW;
    this.#entries.push(entry);
  }

  /** Answers the size of the file. */
  finish(): number {
    const filter = Filter.forKeys(this.#entries.length);
    const firsts: Uint8Array[] = [];
    const places: number[] = [];
    for (let at = 0; at < this.#entries.length; at += ENTRIES_PER_BLOCK) {
      const group = this.#entries.slice(at, at + ENTRIES_PER_BLOCK);
      for (const entry of group) filter.add(entry.subarray(0, DIGEST_BYTES));
      const place = this.#file.append(Buffer.concat(group));
      firsts.push((group[0] as Buffer).subarray(0, DIGEST_BYTES));
      places.push(place.offset, place.length);
    }
    return this.#file.finish([this.#entries.length, Buffer.concat(firsts), places, filter.bytes]);
  }

  abort(): void {
    this.#file.abort();
  }
}

interface PackFooter {
  readonly count: number;
  /** Of each index block its first digest, one behind the other, and its place. */
  readonly firsts: Buffer;
  readonly places: readonly BlockPlace[];
  readonly filter: Filter;
}

/** Throws a plain Error on anything that no writer writes. */
function readPackFooter(_payload: Buffer, decode: () => unknown): PackFooter {
  const wire = asArray(decode(), "pack footer");
  const count = asNumber(wire[0], "count");
  const firsts = Buffer.from(asBytes(wire[1], "first digests"));
  const places = placesFromWire(wire[2]);
  const entries = places.reduce((sum, place) => sum + place.length, 0) / ENTRY_BYTES;
  const isFull = places.slice(0, -1).every(({ length }) => length === ENTRIES_PER_BLOCK * ENTRY_BYTES);
  if (entries !== count || !isFull) throw new Error(`its index blocks hold no ${count} entries`);
  if (firsts.length !== places.length * DIGEST_BYTES) throw new Error("an index block has no first digest");
  return { count, firsts, places, filter: Filter.fromBytes(asBytes(wire[3], "filter"), count) };
}

export class PackReader {
  readonly number: number;
  readonly count: number;
  readonly #file: BlockFileReader<PackFooter>;

  constructor(vfs: Vfs, path: string, identity: Omit<FileIdentity, "kind">, size: number) {
    this.number = identity.number;
    this.#file = new BlockFileReader(vfs, path, { ...identity, kind: "pack" }, size, readPackFooter);
    this.count = this.#file.footer.count;
  }

  get path(): string {
    return this.#file.path;
  }

  find(digest: Uint8Array): PackEntry | undefined {
    if (!this.#file.footer.filter.mayHave(digest)) return undefined;
    const block = this.#blockOf(digest);
    if (block < 0) return undefined;
    const bytes = this.#file.glance(this.#placeOf(block));
    let low = 0;
    let high = bytes.length / ENTRY_BYTES - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const at = middle * ENTRY_BYTES;
      const order = compareAt(bytes, at, at + DIGEST_BYTES, digest);
      if (order === 0)
        return this.#entry(bytes.subarray(at, at + ENTRY_BYTES), block * ENTRIES_PER_BLOCK + middle);
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  /** The raw value, verified against its digest. */
  read(entry: PackEntry): Uint8Array {
    const stored = this.#file.block(entry.place);
    const raw = entry.isCompressed ? this.#inflate(entry, stored) : stored;
    if (raw.length !== entry.rawLength || sha256Hex(raw) !== refFromBytes(entry.digest)) {
      throw corruptFile(this.path, entry.place.offset, `blob ${refFromBytes(entry.digest)} fails its hash`);
    }
    return raw;
  }

  /** As stored, its block checksum verified. */
  readStored(entry: PackEntry): StoredValue {
    const { digest, kind, rawLength, isCompressed } = entry;
    return { digest, kind, stored: this.#file.block(entry.place), rawLength, isCompressed };
  }

  /** Every entry, in the order of digests. */
  *entries(): Generator<PackEntry> {
    for (let block = 0; block < this.#file.footer.places.length; block++) {
      const bytes = this.#file.block(this.#placeOf(block));
      for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
        yield this.#entry(bytes.subarray(at, at + ENTRY_BYTES), block * ENTRIES_PER_BLOCK + at / ENTRY_BYTES);
      }
    }
  }

  close(): void {
    this.#file.close();
  }

  /** The last index block whose first digest is not above `digest`; -1 if none. */
  #blockOf(digest: Uint8Array): number {
    const { firsts, places } = this.#file.footer;
    let low = 0;
    let high = places.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const at = middle * DIGEST_BYTES;
      if (compareAt(firsts, at, at + DIGEST_BYTES, digest) <= 0) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  #placeOf(block: number): BlockPlace {
    const place = this.#file.footer.places[block];
    assert(place !== undefined, "an index block is looked for among those there are");
    return place;
  }

  #entry(bytes: Buffer, index: number): PackEntry {
    const kind = KINDS[bytes[48] ?? KINDS.length];
    if (kind === undefined)
      throw corruptFile(this.path, 0, `an index entry has the unknown kind ${bytes[48]}`);
    const how = bytes[49];
    if (how !== RAW && how !== DEFLATED)
      throw corruptFile(this.path, 0, `an index entry is stored in the unknown way ${how}`);
    return {
      digest: Buffer.from(bytes.subarray(0, DIGEST_BYTES)),
      kind,
      place: { offset: Number(bytes.readBigUInt64LE(32)), length: bytes.readUInt32LE(40) },
      rawLength: bytes.readUInt32LE(44),
      isCompressed: how === DEFLATED,
      index,
    };
  }

  #inflate(entry: PackEntry, stored: Uint8Array): Uint8Array {
    try {
      // In one piece: otherwise it is inflated in pieces of 16 KiB, and copied together. A byte more, or a next piece is made.
      const most = Math.min(entry.rawLength, stored.length * MAX_DEFLATE_RATIO);
      const chunkSize = Math.max(LEAST_INFLATE_BYTES, most + 1);
      return inflateSync(stored, { chunkSize, maxOutputLength: Math.max(1, entry.rawLength) });
    } catch (error) {
      throw corruptFile(
        this.path,
        entry.place.offset,
        `a value cannot be inflated: ${(error as Error).message}`,
      );
    }
  }
}
