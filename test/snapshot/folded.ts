/** A session that is folded again and again, over pages in memory. */
import assert from "node:assert/strict";
import type { BlobRef } from "../../src/ids.ts";
import { LIVE } from "../../src/session/node-entry.ts";
import type { SessionRecord } from "../../src/session/record.ts";
import { foldSession } from "../../src/snapshot/fold-session.ts";
import { entryFromItem, type StoredHead } from "../../src/snapshot/head.ts";
import { type PageRef, type PageStore, readItems } from "../../src/snapshot/pages.ts";

/** Pages in memory; of all that were written it knows which are superseded. */
export class Pages implements PageStore {
  readonly #pages = new Map<BlobRef, Uint8Array>();
  readonly live = new Set<BlobRef>();
  dropped: BlobRef[] = [];
  reads = 0;

  read(ref: BlobRef): Uint8Array {
    this.reads++;
    return this.#pages.get(ref) ?? assert.fail(`page ${ref} was written`);
  }
  write(bytes: Uint8Array, ref: BlobRef): void {
    this.#pages.set(ref, bytes);
    this.live.add(ref);
  }
  drop({ ref }: PageRef): void {
    this.dropped.push(ref);
    this.live.delete(ref);
  }
}

/** A session "s" that is folded again and again; its LSNs count from 1. */
export class Folded {
  readonly store = new Pages();
  head: StoredHead | undefined;
  readonly #receiptsKept: number;
  #lsn = 0;

  constructor(receiptsKept = 10) {
    this.#receiptsKept = receiptsKept;
  }

  /** Folds the records, those of the last fold with them if asked, and answers the head. */
  fold(records: readonly SessionRecord[], { again = [] as readonly SessionRecord[] } = {}): StoredHead {
    this.store.dropped = [];
    this.store.reads = 0;
    const first = this.#lsn - again.length + 1;
    const placed = [...again, ...records].map((record, at) => ({
      record,
      lsn: first + at,
      file: "f",
      offset: at,
    }));
    this.#lsn += records.length;
    const { store } = this;
    this.head = foldSession(this.head, placed, { sessionId: "s", receiptsKept: this.#receiptsKept, store });
    return this.head;
  }

  /** Ids of its nodes in order, with the revision of each, and "-" in front of those that are hidden. */
  get nodes(): string[] {
    return [...readItems(this.head?.nodes ?? [], this.store)]
      .map(entryFromItem)
      .map(({ id, revision, hiddenAt }) => `${hiddenAt === LIVE ? "" : "-"}${id}${revision}`);
  }
}
