/**
 * Heads files: immutable, sorted by the bytes of the session id, with a filter, a sparse index and a list of
 * sessions by last commit in the footer. A newer file shadows an older one; a head that says "deleted" is
 * never dropped. A damaged block answers CORRUPT for its sessions, and older files are not asked.
 *
 * Blocks of about 4 KiB hold `[id, last commit LSN, head, …]`; list blocks hold `[lsn, id, lsn, id, …]`, descending by
 * LSN and ascending by id. The footer: `[count, first ids, places, filter, first LSNs, list first ids, list places]`.
 */
import { pack } from "../codec.ts";
import type { Lsn } from "../ids.ts";
import { HEADS_BLOCK_BYTES } from "../limits.ts";
import { asArray, asBytes, asNumber, asText } from "../session/record.ts";
import type { Vfs } from "../vfs/vfs.ts";
import {
  BlockFileReader,
  BlockFileWriter,
  type BlockPlace,
  corruptFile,
  type FileIdentity,
} from "./block-file.ts";
import { Filter } from "./filter.ts";
import { decodeHead, type StoredHead } from "./head.ts";

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

/** Order of heads in a file: by the UTF-8 bytes of the id, which is code-point order. */
export function compareIds(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
export function compareListKeys(a: ListKey, b: ListKey): number {
  return b.lastCommitLsn - a.lastCommitLsn || compareIds(a.sessionId, b.sessionId);
}

export class HeadsFileWriter {
  readonly #file: BlockFileWriter;
  readonly #firstIds: string[] = [];
  readonly #places: number[] = [];
  readonly #keys: ListKey[] = [];
  #block: unknown[] = [];
  #blockBytes = 0;

  constructor(vfs: Vfs, path: string, identity: Omit<FileIdentity, "kind">) {
    this.#file = new BlockFileWriter(vfs, path, { ...identity, kind: "heads" });
  }

  get count(): number {
    return this.#keys.length;
  }

  /** Heads must come in the order of `compareIds`, each id once. */
  add({ sessionId, lastCommitLsn, bytes }: HeadBytes): void {
    if (this.#block.length === 0) this.#firstIds.push(sessionId);
    this.#block.push(sessionId, lastCommitLsn, bytes);
    this.#blockBytes += sessionId.length + bytes.length;
    this.#keys.push({ lastCommitLsn, sessionId });
    if (this.#blockBytes >= HEADS_BLOCK_BYTES) this.#endBlock();
  }

  /** Answers the size of the file. */
  finish(): number {
    this.#endBlock();
    const filter = Filter.forKeys(this.#keys.length);
    for (const { sessionId } of this.#keys) filter.add(Buffer.from(sessionId));
    const list = this.#writeList();
    const footer = [
      this.#keys.length,
      this.#firstIds,
      this.#places,
      filter.bytes,
      list.firstLsns,
      list.firstIds,
      list.places,
    ];
    return this.#file.finish(footer);
  }

  abort(): void {
    this.#file.abort();
  }

  #endBlock(): void {
    if (this.#block.length === 0) return;
    const { offset, length } = this.#file.append(pack(this.#block));
    this.#places.push(offset, length);
    this.#block = [];
    this.#blockBytes = 0;
  }

  #writeList() {
    const firstLsns: number[] = [];
    const firstIds: string[] = [];
    const places: number[] = [];
    this.#keys.sort(compareListKeys);
    let block: unknown[] = [];
    let bytes = 0;
    const end = (): void => {
      const { offset, length } = this.#file.append(pack(block));
      places.push(offset, length);
      block = [];
      bytes = 0;
    };
    for (const { lastCommitLsn, sessionId } of this.#keys) {
      if (block.length === 0) {
        firstLsns.push(lastCommitLsn);
        firstIds.push(sessionId);
      }
      block.push(lastCommitLsn, sessionId);
      bytes += sessionId.length + 8;
      if (bytes >= HEADS_BLOCK_BYTES) end();
    }
    if (block.length > 0) end();
    return { firstLsns, firstIds, places };
  }
}

export class HeadsFileReader {
  readonly number: number;
  readonly count: number;
  readonly #file: BlockFileReader;
  readonly #firstIds: readonly Buffer[];
  readonly #places: readonly BlockPlace[];
  readonly #filter: Filter;
  readonly #listFirsts: readonly ListKey[];
  readonly #listPlaces: readonly BlockPlace[];

  constructor(vfs: Vfs, path: string, identity: Omit<FileIdentity, "kind">, size: number) {
    this.number = identity.number;
    this.#file = new BlockFileReader(vfs, path, { ...identity, kind: "heads" }, size);
    const footer = asArray(this.#file.footer, "heads footer");
    this.count = asNumber(footer[0], "count");
    this.#firstIds = asArray(footer[1], "first ids").map((id) => Buffer.from(asText(id, "id")));
    this.#places = placesFromWire(footer[2]);
    this.#filter = new Filter(asBytes(footer[3], "filter"));
    const lsns = asArray(footer[4], "first LSNs");
    this.#listFirsts = asArray(footer[5], "list first ids").map((id, i) => ({
      lastCommitLsn: asNumber(lsns[i], "first LSN"),
      sessionId: asText(id, "id"),
    }));
    this.#listPlaces = placesFromWire(footer[6]);
  }

  get path(): string {
    return this.#file.path;
  }

  get(sessionId: string): StoredHead | undefined {
    const bytes = this.getBytes(sessionId);
    return bytes === undefined ? undefined : this.decode(sessionId, bytes);
  }

  getBytes(sessionId: string): Uint8Array | undefined {
    const key = Buffer.from(sessionId);
    if (!this.#filter.mayHave(key)) return undefined;
    const place =
      this.#places[
        lastNotAbove(this.#firstIds.length, (i) => Buffer.compare(this.#firstIds[i] as Buffer, key))
      ];
    if (place === undefined) return undefined;
    const block = this.#block(place, sessionId);
    for (let i = 0; i < block.length; i += 3)
      if (block[i] === sessionId) return asBytes(block[i + 2], "head");
    return undefined;
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
    for (const place of this.#places) {
      const block = this.#block(place);
      for (let i = 0; i < block.length; i += 3) {
        const lastCommitLsn = asNumber(block[i + 1], "LSN");
        yield { sessionId: asText(block[i], "id"), lastCommitLsn, bytes: asBytes(block[i + 2], "head") };
      }
    }
  }

  /** Sessions by last commit, newest first, behind `after`. */
  *list(after: ListKey | undefined): Generator<ListKey> {
    const firsts = this.#listFirsts;
    const from =
      after === undefined
        ? 0
        : Math.max(
            0,
            lastNotAbove(firsts.length, (i) => compareListKeys(firsts[i] as ListKey, after)),
          );
    for (const place of this.#listPlaces.slice(from)) {
      const block = this.#block(place);
      for (let i = 0; i < block.length; i += 2) {
        const key = { lastCommitLsn: asNumber(block[i], "LSN"), sessionId: asText(block[i + 1], "id") };
        if (after === undefined || compareListKeys(key, after) > 0) yield key;
      }
    }
  }

  close(): void {
    this.#file.close();
  }

  #block(place: BlockPlace, sessionId?: string): unknown[] {
    return asArray(this.#file.decode(place.offset, this.#file.block(place, sessionId)), "heads block");
  }
}

function placesFromWire(value: unknown): BlockPlace[] {
  const flat = asArray(value, "places").map((place) => asNumber(place, "place"));
  return Array.from({ length: flat.length / 2 }, (_, i) => ({
    offset: flat[2 * i] as number,
    length: flat[2 * i + 1] as number,
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
