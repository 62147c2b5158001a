/**
 * Where a record goes, read from the front of its bytes: what an opening enters of each record of the log. The
 * two kinds that are written all the time are read by hand, a few bytes each and nothing made but the id; every
 * other kind, and every byte not expected, is decoded whole. It deliberately does not look at what follows:
 * `decodeRecord` does, where the record is used.
 */
import { type BlobRef, refFromBytes } from "../ids.ts";
import { BLOB_KINDS, type BlobKind, decodeRecord, type LogRecord, type SessionRecord } from "./record.ts";
import { isCommitLayout, RecordTag } from "./record-writer.ts";

export interface BlobRoute {
  readonly kind: "blob";
  readonly ref: BlobRef;
  readonly blobKind: BlobKind;
  readonly size: number;
  readonly at: number;
  /** Bytes of the value that this record carries. */
  readonly dataBytes: number;
}
export type RecordRoute = BlobRoute | Pick<SessionRecord, "kind" | "sessionId">;

const FIXARRAY = 0x90;
const BLOB_ITEMS = 6;
const COMMIT_ITEMS = 15;
const DIGEST_BYTES = 32;

/** Throws a plain Error naming what is wrong, as `decodeRecord` does. */
export function routeRecord(bytes: Uint8Array): RecordRoute {
  const front = new Front(bytes);
  const items = front.byte();
  const tag = front.byte();
  const route =
    items === FIXARRAY + COMMIT_ITEMS && tag === RecordTag.commit
      ? commitRoute(front)
      : items === FIXARRAY + BLOB_ITEMS && tag === RecordTag.blob
        ? blobRoute(front)
        : undefined;
  return route ?? routeOf(decodeRecord(bytes));
}

function routeOf(record: LogRecord): RecordRoute {
  if (record.kind !== "blob") return record;
  const { kind, ref, blobKind, size, at, data } = record;
  return { kind, ref, blobKind, size, at, dataBytes: data.length };
}

function commitRoute(front: Front): RecordRoute | undefined {
  const sessionId = front.text();
  return sessionId === undefined || !isCommitLayout(front.byte()) ? undefined : { kind: "commit", sessionId };
}

function blobRoute(front: Front): RecordRoute | undefined {
  const digest = front.binary();
  const blobKind = BLOB_KINDS[front.integer() ?? BLOB_KINDS.length];
  const size = front.integer();
  const at = front.integer();
  const data = front.binary();
  if (digest?.length !== DIGEST_BYTES || blobKind === undefined || size === undefined) return undefined;
  if (at === undefined || data === undefined || !front.isEnd) return undefined;
  return { kind: "blob", ref: refFromBytes(digest), blobKind, size, at, dataBytes: data.length };
}

/** msgpack from the front, as far as the two kinds need it; undefined, or a byte that is none, for the rest. */
class Front {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // A replay gives buffers, a million of them: a view of each would be a third of its garbage.
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** −1 behind the end. */
  byte(): number {
    return this.#bytes[this.#at++] ?? -1;
  }

  /** A number of at most 32 bits. */
  integer(): number | undefined {
    const type = this.byte();
    if (type >= 0 && type < 0x80) return type;
    if (type === 0xcc) return this.#unsigned(1);
    if (type === 0xcd) return this.#unsigned(2);
    return type === 0xce ? this.#unsigned(4) : undefined;
  }

  text(): string | undefined {
    const type = this.byte();
    let length: number | undefined;
    if (type >= 0xa0 && type < 0xc0) length = type - 0xa0;
    else if (type === 0xd9) length = this.#unsigned(1);
    else if (type === 0xda) length = this.#unsigned(2);
    if (!this.#pass(length)) return undefined;
    return this.#bytes.toString("utf8", this.#at - length, this.#at);
  }

  binary(): Buffer | undefined {
    const type = this.byte();
    const length = type >= 0xc4 && type <= 0xc6 ? this.#unsigned(2 ** (type - 0xc4)) : undefined;
    return this.#pass(length) ? this.#bytes.subarray(this.#at - length, this.#at) : undefined;
  }

  /** Goes on behind so many bytes; false, and stays, if there are not as many. */
  #pass(length: number | undefined): length is number {
    if (length === undefined || this.#at + length > this.#bytes.length) return false;
    this.#at += length;
    return true;
  }

  #unsigned(bytes: number): number | undefined {
    if (this.#at + bytes > this.#bytes.length) return undefined;
    this.#at += bytes;
    return this.#bytes.readUIntBE(this.#at - bytes, bytes);
  }
}
