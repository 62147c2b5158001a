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
import { asArray, asBytes, asNumber, asText } from "../session/record.ts";
import type { Vfs } from "../vfs/vfs.ts";
import {
  BlockFileReader,
  type BlockPlace,
  corruptFile,
  type FileIdentity,
  understand,
} from "./block-file.ts";
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
  #inOrder: { readonly offset: number; readonly block: unknown[] } | undefined;

  constructor(vfs: Vfs, path: string, identity: Omit<FileIdentity, "kind">, size: number) {
    this.number = identity.number;
    this.#file = new BlockFileReader(vfs, path, { ...identity, kind: "heads" }, size, readHeadsFooter);
    this.count = this.#file.footer.count;
  }

  get path(): string {
    return this.#file.path;
  }

  get(sessionId: string): StoredHead | undefined {
    const bytes = this.getBytes(sessionId);
    return bytes === undefined ? undefined : this.decode(sessionId, bytes);
  }

  /** As `get`, for one who asks in the order of ids: a block is read and understood once for all that lie in it. */
  getInOrder(sessionId: string): StoredHead | undefined {
    const place = this.#placeOf(sessionId);
    if (place === undefined) return undefined;
    if (this.#inOrder?.offset !== place.offset) {
      const payload = this.#file.block(place, sessionId);
      const block = this.#understood(place, payload, (items) => items, sessionId);
      this.#inOrder = { offset: place.offset, block };
    }
    const { block } = this.#inOrder;
    const bytes = understand(this.path, place.offset, () => headIn(block, sessionId), sessionId);
    return bytes === undefined ? undefined : this.decode(sessionId, bytes);
  }

  /** Valid until any file of heads or values is read again. */
  getBytes(sessionId: string): Uint8Array | undefined {
    const place = this.#placeOf(sessionId);
    if (place === undefined) return undefined;
    const payload = this.#file.glance(place, sessionId);
    return this.#understood(place, payload, (block) => headIn(block, sessionId), sessionId);
  }

  /** Of the block in which the head lies if it is in this file. */
  #placeOf(sessionId: string): BlockPlace | undefined {
    const key = Buffer.from(sessionId);
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
    for (const place of this.#file.footer.places.from(0)) yield* this.#understand(place, headsFromWire);
  }

  /** As `scan`, block by block: one that cannot be read answers its error, and the walk goes on behind it. */
  *scanBlocks(): Generator<HeadBytes[] | StoreError> {
    for (const place of this.#file.footer.places.from(0))
      yield valueOrError(() => this.#understand(place, headsFromWire));
  }

  /** The list, block by block, in the same way. */
  *listBlocks(): Generator<ListKey[] | StoreError> {
    for (const place of this.#file.footer.listPlaces.from(0))
      yield valueOrError(() => this.#understand(place, keysFromWire));
  }

  /** Sessions by last commit, newest first, behind `after`. */
  *list(after: ListKey | undefined): Generator<ListKey> {
    const { listPlaces } = this.#file.footer;
    const from = after === undefined ? 0 : Math.max(0, this.#listBlockOf(after));
    for (const place of listPlaces.from(from)) {
      for (const key of this.#understand(place, keysFromWire)) {
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

  /** What `read` makes of the items of a verified block. */
  #understand<Value>(place: BlockPlace, read: (block: unknown[]) => Value): Value {
    return this.#understood(place, this.#file.block(place), read);
  }

  #understood<Value>(
    place: BlockPlace,
    payload: Buffer,
    read: (block: unknown[]) => Value,
    sessionId?: string,
  ): Value {
    const decode = (): Value => read(asArray(this.#file.decode(place.offset, payload), "block"));
    return understand(this.path, place.offset, decode, sessionId);
  }
}

function headIn(block: unknown[], sessionId: string): Uint8Array | undefined {
  for (let i = 0; i < block.length; i += 3) if (block[i] === sessionId) return asBytes(block[i + 2], "head");
  return undefined;
}

function valueOrError<Value>(read: () => Value): Value | StoreError {
  try {
    return read();
  } catch (error) {
    return toStoreError(error);
  }
}

/** The heads of a block's items. Throws a plain Error on anything that no writer writes. */
export function headsFromWire(block: unknown[]): HeadBytes[] {
  return Array.from({ length: Math.ceil(block.length / 3) }, (_, i) => ({
    sessionId: asText(block[3 * i], "id"),
    lastCommitLsn: asNumber(block[3 * i + 1], "LSN"),
    bytes: asBytes(block[3 * i + 2], "head"),
  }));
}

function keysFromWire(block: unknown[]): ListKey[] {
  return Array.from({ length: Math.ceil(block.length / 2) }, (_, i) => ({
    lastCommitLsn: asNumber(block[2 * i], "LSN"),
    sessionId: asText(block[2 * i + 1], "id"),
  }));
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
