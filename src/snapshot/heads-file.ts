/**
 * Heads files: immutable, sorted by the bytes of the session id, with a filter, a sparse index and a list of
 * sessions by last commit in the footer. A newer file shadows an older one; a head that says "deleted" is
 * never dropped. A damaged block answers CORRUPT for its sessions, and older files are not asked.
 *
 * Blocks of about 4 KiB hold `[id, last commit LSN, head, …]`; list blocks hold `[lsn, id, lsn, id, …]`, descending by
 * LSN and ascending by id. The footer: `[count, first ids, places, filter, first LSNs, list first ids, list places]`.
 */
import { compareCodePoints } from "../codec.ts";
import { type StoreError, toStoreError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import { MsgpackReader } from "../msgpack-reader.ts";
import { asNumber, asText } from "../session/record.ts";
import type { Vfs } from "../vfs/vfs.ts";
import {
  BlockFileReader,
  type BlockPlace,
  corruptFile,
  type FileIdentity,
  understand,
} from "./block-file.ts";
import { compareAt } from "./compare-at.ts";
import { decodeHead, type StoredHead } from "./head.ts";
import { type HeadsFooter, readHeadsFooter } from "./heads-footer.ts";

/** A head as bytes, for merging files without decoding. */
export interface HeadBytes {
  readonly sessionId: string;
  readonly lastCommitLsn: Lsn;
  readonly bytes: Uint8Array;
}

/** A place in the list. */
export interface ListKey {
  readonly lastCommitLsn: Lsn;
  readonly sessionId: string;
}

/** Order of heads in a file: by the UTF-8 bytes of the id, which is code-point order where no surrogate is alone. */
export const compareIds = compareCodePoints;
export function compareListKeys(a: ListKey, b: ListKey): number {
  return b.lastCommitLsn - a.lastCommitLsn || compareIds(a.sessionId, b.sessionId);
}

export class HeadsFileReader {
  readonly number: number;
  readonly count: number;
  readonly #file: BlockFileReader<HeadsFooter>;
  /** The block that `getInOrder` read last. */
  #inOrder: { readonly offset: number; readonly payload: Buffer } | undefined;

  constructor(vfs: Vfs, path: string, identity: Omit<FileIdentity, "kind">, size: number) {
    this.number = identity.number;
    this.#file = new BlockFileReader(vfs, path, { ...identity, kind: "heads" }, size, readHeadsFooter);
    this.count = this.#file.footer.count;
  }

  get path(): string {
    return this.#file.path;
  }

  /** `key` are the bytes of the id, for one who asks several files. */
  get(sessionId: string, key: Uint8Array = Buffer.from(sessionId)): StoredHead | undefined {
    const bytes = this.getBytes(sessionId, key);
    return bytes === undefined ? undefined : this.decode(sessionId, bytes);
  }

  /** As `get`, for one who asks in the order of ids: a block is read once for all that lie in it. */
  getInOrder(sessionId: string, key: Uint8Array = Buffer.from(sessionId)): StoredHead | undefined {
    const place = this.#placeOf(key);
    if (place === undefined) return undefined;
    if (this.#inOrder?.offset !== place.offset)
      this.#inOrder = { offset: place.offset, payload: this.#file.blockInOrder(place, sessionId) };
    const { payload } = this.#inOrder;
    const bytes = understand(this.path, place.offset, () => headIn(payload, key), sessionId);
    return bytes === undefined ? undefined : this.decode(sessionId, bytes);
  }

  /** Valid until any file of heads or values is read again. */
  getBytes(sessionId: string, key: Uint8Array = Buffer.from(sessionId)): Uint8Array | undefined {
    const place = this.#placeOf(key);
    if (place === undefined) return undefined;
    const payload = this.#file.glance(place, sessionId);
    return understand(this.path, place.offset, () => headIn(payload, key), sessionId);
  }

  /** Of the block in which the head lies if it is in this file. */
  #placeOf(key: Uint8Array): BlockPlace | undefined {
    const { filter, firstIds, places } = this.#file.footer;
    if (!filter.mayHave(key)) return undefined;
    return places.at(lastNotAbove(firstIds.length, (i) => firstIds.compare(i, key)));
  }

  decode(sessionId: string, bytes: Uint8Array): StoredHead {
    try {
      return decodeHead(sessionId, bytes);
    } catch (error) {
      throw corruptFile(
        this.path,
        0,
        `the head of session "${sessionId}" cannot be read: ${(error as Error).message}`,
        sessionId,
      );
    }
  }

  /** Every head in the order of ids. */
  *scan(): Generator<HeadBytes> {
    for (const place of this.#file.footer.places.from(0)) yield* this.#understand(place, headsIn);
  }

  /** As `scan`, block by block: one that cannot be read answers its error, and the walk goes on behind it. */
  *scanBlocks(): Generator<HeadBytes[] | StoreError> {
    for (const place of this.#file.footer.places.from(0))
      yield valueOrError(() => this.#understand(place, headsIn));
  }

  /** The list, block by block, in the same way. */
  *listBlocks(): Generator<ListKey[] | StoreError> {
    for (const place of this.#file.footer.listPlaces.from(0))
      yield valueOrError(() => this.#understand(place, keysIn));
  }

  /** Sessions by last commit, newest first, behind `after`. */
  *list(after: ListKey | undefined): Generator<ListKey> {
    const { listPlaces } = this.#file.footer;
    const from = after === undefined ? 0 : Math.max(0, this.#listBlockOf(after));
    for (const place of listPlaces.from(from)) {
      for (const key of this.#understand(place, keysIn)) {
        if (after === undefined || compareListKeys(key, after) > 0) yield key;
      }
    }
  }

  close(): void {
    this.#file.close();
  }

  /** The last list block whose first key is not behind `key`; -1 if none. */
  #listBlockOf({ lastCommitLsn, sessionId }: ListKey): number {
    const { listFirstLsns, listFirstIds } = this.#file.footer;
    const id = Buffer.from(sessionId);
    return lastNotAbove(
      listFirstIds.length,
      (i) => lastCommitLsn - (listFirstLsns[i] ?? 0) || listFirstIds.compare(i, id),
    );
  }

  /** What `read` makes of a verified block. */
  #understand<Value>(place: BlockPlace, read: (payload: Buffer) => Value): Value {
    const payload = this.#file.blockInOrder(place);
    return understand(this.path, place.offset, () => read(payload));
  }
}

/** Bytes of the head whose id has the bytes of `key`, where they lie in the block. */
function headIn(payload: Buffer, key: Uint8Array): Uint8Array | undefined {
  const from = new MsgpackReader(payload);
  let found: Uint8Array | undefined;
  for (let left = itemsOf(from, 3); left > 0; left -= 3) {
    const idBytes = from.skipTextBytes("id");
    const isIt = compareAt(payload, from.at - idBytes, from.at, key) === 0;
    asNumber(from.value(), "LSN");
    const headBytes = from.skipBytes();
    if (isIt) found ??= payload.subarray(from.at - headBytes, from.at);
  }
  from.finish();
  return found;
}

function valueOrError<Value>(read: () => Value): Value | StoreError {
  try {
    return read();
  } catch (error) {
    return toStoreError(error);
  }
}

/** The heads of a block: views of it. Throws a plain Error on anything that no writer writes. */
export function headsIn(payload: Buffer): HeadBytes[] {
  const from = new MsgpackReader(payload);
  const heads: HeadBytes[] = [];
  for (let left = itemsOf(from, 3); left > 0; left -= 3) {
    const sessionId = asText(from.value(), "id");
    const lastCommitLsn = asNumber(from.value(), "LSN");
    heads.push({ sessionId, lastCommitLsn, bytes: from.view() });
  }
  from.finish();
  return heads;
}

/** The items of a block, which are so many of each entry. */
function itemsOf(from: MsgpackReader, each: number): number {
  const items = from.array();
  if (items % each !== 0) throw new Error(`${items} items are not ${each} of each entry`);
  return items;
}

function keysIn(payload: Buffer): ListKey[] {
  const from = new MsgpackReader(payload);
  const keys: ListKey[] = [];
  for (let left = itemsOf(from, 2); left > 0; left -= 2) {
    const lastCommitLsn = asNumber(from.value(), "LSN");
    keys.push({ lastCommitLsn, sessionId: asText(from.value(), "id") });
  }
  from.finish();
  return keys;
}

/** Last index for which `compare` is not above 0, in an ascending sequence; -1 if none. */
function lastNotAbove(length: number, compare: (index: number) => number): number {
  let low = 0;
  let high = length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (compare(middle) <= 0) low = middle + 1;
    else high = middle - 1;
  }
  return high;
}
