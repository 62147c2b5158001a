/**
 * Blobs and pages for salvage: whatever pack, log or receipt still has them. Every value is answered only if
 * its SHA-256 is the ref asked for, so the place it came from needs no trust.
 */
import { inflateSync } from "node:zlib";
import { sha256Hex } from "../checksum.ts";
import { type StoreError, toStoreError } from "../errors.ts";
import { type BlobRef, refToBytes } from "../ids.ts";
import { MAX_COMPONENT_BYTES } from "../limits.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { looseBlocks } from "./loose-blocks.ts";
import { PackReader } from "./pack.ts";

/** Another place where values lie; what it answers is verified here. */
export type MoreValues = (ref: BlobRef) => Uint8Array | undefined;

interface Loose {
  readonly path: string;
  readonly offset: number;
  readonly isDeflated: boolean;
}

interface Pack {
  readonly path: string;
  readonly reader: PackReader | undefined;
}

export class SalvagedValues {
  readonly problems: StoreError[] = [];
  readonly #vfs: Vfs;
  readonly #packs: Pack[] = [];
  readonly #more: MoreValues;
  readonly #isThere = new Map<BlobRef, boolean>();
  /** Values of packs whose index cannot be read, by their hash; looked up only when nothing else has a value. */
  #loose: Map<string, Loose> | undefined;

  /** `packs` newest first. */
  constructor(
    vfs: Vfs,
    packs: readonly { readonly path: string; readonly number: number }[],
    storeId: Uint8Array,
    more: MoreValues,
  ) {
    this.#vfs = vfs;
    this.#more = more;
    for (const { path, number } of packs)
      this.#packs.push({ path, reader: this.#open(path, { storeId, number }) });
  }

  has(ref: BlobRef): boolean {
    const known = this.#isThere.get(ref);
    if (known !== undefined) return known;
    const isThere = this.read(ref) !== undefined;
    this.#isThere.set(ref, isThere);
    return isThere;
  }

  read(ref: BlobRef): Uint8Array | undefined {
    for (const { reader } of this.#packs) {
      const value = reader === undefined ? undefined : this.#readFrom(reader, ref);
      if (value !== undefined) return value;
    }
    const value = this.#more(ref);
    if (value !== undefined && sha256Hex(value) === ref) return value;
    return this.#readLoose(ref);
  }

  close(): void {
    for (const { reader } of this.#packs) reader?.close();
  }

  #open(
    path: string,
    identity: { readonly storeId: Uint8Array; readonly number: number },
  ): PackReader | undefined {
    try {
      return new PackReader(this.#vfs, path, identity, this.#vfs.stat(path)?.size ?? 0);
    } catch (error) {
      this.problems.push(toStoreError(error));
      return undefined;
    }
  }

  #readFrom(reader: PackReader, ref: BlobRef): Uint8Array | undefined {
    try {
      const entry = reader.find(refToBytes(ref));
      return entry === undefined ? undefined : reader.read(entry);
    } catch (error) {
      const problem = toStoreError(error);
      if (!this.problems.some(({ message }) => message === problem.message)) this.problems.push(problem);
      return undefined;
    }
  }

  #readLoose(ref: BlobRef): Uint8Array | undefined {
    // A pack without problems told everything it has.
    if (this.problems.length === 0) return undefined;
    this.#loose ??= this.#findLoose();
    const place = this.#loose.get(ref);
    if (place === undefined) return undefined;
    for (const { offset, payload } of looseBlocks(this.#vfs, place.path)) {
      if (offset === place.offset && payload !== undefined)
        return place.isDeflated ? inflate(payload) : payload;
    }
    return undefined;
  }

  #findLoose(): Map<string, Loose> {
    const found = new Map<string, Loose>();
    for (const { path } of this.#packs) {
      try {
        for (const { offset, payload } of looseBlocks(this.#vfs, path)) {
          if (payload === undefined) continue;
          found.set(sha256Hex(payload), { path, offset, isDeflated: false });
          const raw = inflate(payload);
          if (raw !== undefined) found.set(sha256Hex(raw), { path, offset, isDeflated: true });
        }
      } catch (error) {
        this.problems.push(toStoreError(error));
      }
    }
    return found;
  }
}

/** Undefined for what is no deflated value. */
function inflate(payload: Uint8Array): Uint8Array | undefined {
  try {
    return inflateSync(payload, { maxOutputLength: MAX_COMPONENT_BYTES });
  } catch {
    return undefined;
  }
}
