/**
 * A heads file for salvage: every head that can still be read, and "unreadable" as an answer of its own for
 * those that may have been in a damaged place. Never throws for damage; collects what it met.
 */
import { assert } from "../assert.ts";
import { unpack } from "../codec.ts";
import { type StoreError, toStoreError } from "../errors.ts";
import { asArray } from "../session/record.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { decodeHead, type StoredHead } from "./head.ts";
import { HeadsFileReader, headsIn } from "./heads-file.ts";
import { looseBlocks } from "./loose-blocks.ts";

export type FoundHead =
  | { readonly kind: "head"; readonly head: StoredHead }
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly error: StoreError };

export class SalvagedHeads {
  readonly path: string;
  readonly number: number;
  readonly problems: StoreError[] = [];
  #reader: HeadsFileReader | undefined;
  /** Heads found without an index, where footer or header are damaged. */
  readonly #loose = new Map<string, Uint8Array>();
  readonly #ids = new Set<string>();

  constructor(vfs: Vfs, path: string, identity: { readonly storeId: Uint8Array; readonly number: number }) {
    this.path = path;
    this.number = identity.number;
    try {
      this.#reader = new HeadsFileReader(vfs, path, identity, vfs.stat(path)?.size ?? 0);
      this.#readIds(this.#reader);
    } catch (error) {
      this.problems.push(toStoreError(error));
      this.#readLoose(vfs);
    }
  }

  get isWhole(): boolean {
    return this.problems.length === 0;
  }

  /** Every session known to have a head here, readable or not. */
  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  get(sessionId: string): FoundHead {
    try {
      if (this.#reader === undefined) return this.#getLoose(sessionId);
      const head = this.#reader.get(sessionId);
      return head === undefined ? { kind: "absent" } : { kind: "head", head };
    } catch (error) {
      return { kind: "unreadable", error: toStoreError(error) };
    }
  }

  close(): void {
    this.#reader?.close();
  }

  #getLoose(sessionId: string): FoundHead {
    const bytes = this.#loose.get(sessionId);
    if (bytes !== undefined) return { kind: "head", head: decodeHead(sessionId, bytes) };
    const [error] = this.problems;
    assert(error !== undefined, "a file without a reader has a problem");
    // Without index and filter nobody knows that it was not here.
    return { kind: "unreadable", error };
  }

  #readIds(reader: HeadsFileReader): void {
    for (const block of reader.scanBlocks()) {
      if (!Array.isArray(block)) {
        this.problems.push(block);
        continue;
      }
      for (const { sessionId, bytes } of block) {
        this.#ids.add(sessionId);
        this.#try(() => reader.decode(sessionId, bytes));
      }
    }
    // The list repeats every id, so a damaged block of heads does not make its sessions nameless.
    for (const block of reader.listBlocks()) {
      if (Array.isArray(block)) for (const { sessionId } of block) this.#ids.add(sessionId);
      else this.problems.push(block);
    }
  }

  #try(work: () => unknown): void {
    try {
      work();
    } catch (error) {
      this.problems.push(toStoreError(error));
    }
  }

  #readLoose(vfs: Vfs): void {
    this.#try(() => {
      for (const { payload } of looseBlocks(vfs, this.path)) {
        if (payload === undefined) continue;
        const block = readBlock(payload);
        for (const { sessionId, bytes } of block.heads) {
          this.#loose.set(sessionId, bytes);
          this.#ids.add(sessionId);
        }
        for (const id of block.listed) this.#ids.add(id);
      }
    });
  }
}

/** A block of heads, a block of the list, or something else, told apart by what is in it. */
function readBlock(payload: Buffer): {
  readonly heads: readonly { readonly sessionId: string; readonly bytes: Uint8Array }[];
  readonly listed: readonly string[];
} {
  try {
    const items = asArray(unpack(payload), "block");
    if (items.length % 3 === 0 && typeof items[0] === "string" && items[2] instanceof Uint8Array) {
      const heads = headsIn(payload);
      for (const { sessionId, bytes } of heads) decodeHead(sessionId, bytes);
      return { heads, listed: [] };
    }
    const isList =
      items.length % 2 === 0 &&
      items.every((item, at) => typeof item === (at % 2 === 0 ? "number" : "string"));
    return { heads: [], listed: isList ? items.filter((item) => typeof item === "string") : [] };
  } catch {
    return { heads: [], listed: [] };
  }
}
