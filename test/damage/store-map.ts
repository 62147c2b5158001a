/**
 * What may be refused when a certain part of a store image is damaged, and what may not. Taken from the
 * format and from what the undamaged store reads, byte by byte, when it is opened and when each session is
 * loaded. It deliberately looks at no damaged store: it says what the contract says, before anything is tried.
 *
 * 1. Nothing depends on lock, TAIL, quarantine, spares, bytes behind the end of a segment, segments below the
 *    newest manifest's log, and files that only the older generation names.
 * 2. The newest manifest, and what is read when a file that only it names is opened, has the older generation
 *    and its longer log as its copy.
 * 3. Damage to a heads file or a pack costs the sessions that need it, and no other.
 * 4. Damage to `format` or to what was acknowledged and lies in the log alone refuses the store.
 */
import assert from "node:assert/strict";
import { listEntries } from "../../src/actors/listing.ts";
import { readSessionOf } from "../../src/actors/reads.ts";
import { openView, type StoreView } from "../../src/actors/view-of-moment.ts";
import { HeadsFileReader } from "../../src/snapshot/heads-file.ts";
import {
  headsPath,
  type Manifest,
  manifestPath,
  packPath,
  readManifest,
} from "../../src/snapshot/manifest.ts";
import type { ImageVfs } from "../support/image-vfs.ts";
import { lastTail, ROOT, SESSIONS, segmentPath } from "./store-image.ts";

/** Bytes of a file, `to` not included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface Rule {
  /** The opening may be refused; "must" if it has to be. */
  readonly store: "must" | "may" | "never";
  /** Sessions that may be refused by a store that opens. */
  readonly sessions: ReadonlySet<string>;
  /** A listing may be refused. */
  readonly listing: boolean;
  /** Verify has to find it, if the store opens. */
  readonly found: boolean;
  /** TAIL may be gone: without an owner, nothing then proves the last group of a log that was not closed. */
  readonly unproven: boolean;
}

/** The question that is no session's. */
export const LISTING = "the listing";

const NOBODY: ReadonlySet<string> = new Set();
export const HARMLESS: Rule = {
  store: "never",
  sessions: NOBODY,
  listing: false,
  found: false,
  unproven: false,
};
const REFUSED: Rule = { ...HARMLESS, store: "must" };
const UNPROVEN: Rule = { ...HARMLESS, unproven: true };
const TAIL_PATH = `${ROOT}/wal/TAIL`;
/** `format`: magic, version, UUID, CRC. Zeros that nothing reads follow. */
const FORMAT_USED_BYTES = 36;
/** In a LINK's payload: where the segment before ends. Frame header 48 bytes, behind the segment's header. */
const LINK_END_AT = 4096 + 48 + 24;

export class StoreMap {
  readonly #newest: Manifest;
  readonly #both: ReadonlySet<string>;
  readonly #newestOnly: ReadonlySet<string>;
  readonly #ends = new Map<string, number>();
  /** By path, one for each byte that an opening reads. */
  readonly #opening = new Map<string, Uint8Array>();
  /** By path and session, one for each byte that its load reads. */
  readonly #loading = new Map<string, Map<string, Uint8Array>>();
  /** By path of a heads file, the sessions whose head lies there or may be shadowed from there. */
  readonly #shadowed = new Map<string, ReadonlySet<string>>();

  constructor(images: ImageVfs) {
    const storeId = images.bytes(`${ROOT}/format`).subarray(16, 32);
    const numbers = images.list(ROOT).flatMap((name) => /^manifest-(\d+)$/.exec(name)?.[1] ?? []);
    const [older, newest] = numbers.map((number) => readManifest(images, ROOT, Number(number), storeId));
    assert.ok(older !== undefined && newest !== undefined, "there are two generations");
    this.#newest = newest;
    const [ofOlder, ofNewest] = [filesOf(older), filesOf(newest)];
    this.#both = new Set(ofNewest.filter((path) => ofOlder.includes(path)));
    this.#newestOnly = new Set(ofNewest.filter((path) => !ofOlder.includes(path)));
    this.#findEnds(images);
    this.#recordReads(images);
    this.#findShadows(images, storeId);
  }

  /** Segments whose records an opening must have, with where they end. */
  get liveSegments(): ReadonlyMap<string, number> {
    return this.#ends;
  }

  /** What a file is, for counting. */
  kindOf(path: string): string {
    if (/\/(lock|TAIL|format)$/.test(path)) return path.slice(path.lastIndexOf("/") + 1);
    if (path.includes("/quarantine/")) return "quarantine";
    if (path.includes("/manifest-"))
      return this.#isNewestManifest(path) ? "newest manifest" : "older manifest";
    if (path.endsWith(".wal")) return this.#ends.has(path) ? "segment in use" : "segment not in use";
    const kind = path.endsWith(".heads") ? "heads file" : "pack";
    if (this.#both.has(path)) return `${kind} of both generations`;
    return `${kind} of the ${this.#newestOnly.has(path) ? "newest" : "older"} generation`;
  }

  /** Bytes in those ranges are others now; the length is what it was. */
  changed(path: string, ranges: readonly Range[]): Rule {
    const wasOpened = ranges.some(({ from, to }) => wasRead(this.#opening.get(path), from, to));
    // The older generation, with its longer log, has all that the newest one alone has in such a file.
    if (this.#newestOnly.has(path) && wasOpened) return HARMLESS;
    return worst(ranges.map((range) => this.#changedRange(path, range)));
  }

  #changedRange(path: string, { from, to }: Range): Rule {
    if (path === `${ROOT}/format`) return from < FORMAT_USED_BYTES ? REFUSED : HARMLESS;
    if (path === TAIL_PATH) return UNPROVEN;
    const end = this.#ends.get(path);
    if (end !== undefined) return from < end ? REFUSED : HARMLESS;
    if (this.#both.has(path) && wasRead(this.#opening.get(path), from, to)) return this.#lost(path);
    if (!this.#both.has(path) && !this.#newestOnly.has(path)) return HARMLESS;
    const readers = [...(this.#loading.get(path) ?? [])].filter(([, seen]) => wasRead(seen, from, to));
    return this.#hurt(path, new Set(readers.map(([id]) => id)));
  }

  /** The file has another length, another file's content, or is gone. */
  replaced(path: string): Rule {
    if (path === TAIL_PATH) return UNPROVEN;
    if (path === `${ROOT}/format` || this.#ends.has(path)) return REFUSED;
    return this.#both.has(path) ? this.#lost(path) : HARMLESS;
  }

  /** Two files are damaged at once: the generations are no longer copies of each other. */
  together(damaged: ReadonlyMap<string, Rule>): Rule {
    const paths = [...damaged.keys()];
    const rule = worst([...damaged.values()]);
    if (paths.every((path) => path.includes("/manifest-"))) return REFUSED;
    // A used segment in the place of a spare may be one of the log under a wrong name: nobody can tell.
    if (rule.store === "never" && paths.every((path) => path.endsWith(".wal")))
      return { ...rule, store: "may" };
    const newest = paths.find((path) => this.#newestOnly.has(path));
    return newest === undefined ? rule : { ...worst([rule, this.#lost(newest)]), found: rule.found };
  }

  /** Sessions, and perhaps the listing, that read that byte. */
  loadersOf(path: string, at: number): string[] {
    return [...(this.#loading.get(path) ?? [])].filter(([, seen]) => seen[at] === 1).map(([id]) => id);
  }

  isReadByAView(path: string, at: number): boolean {
    return this.#opening.get(path)?.[at] === 1;
  }

  #lost(path: string): Rule {
    const readers = this.#shadowed.get(path) ?? new Set(this.#loading.get(path)?.keys() ?? []);
    return this.#hurt(path, readers);
  }

  #hurt(path: string, sessions: ReadonlySet<string>): Rule {
    return { ...HARMLESS, sessions, listing: path.endsWith(".heads"), found: true };
  }

  #isNewestManifest(path: string): boolean {
    return path === manifestPath(ROOT, this.#newest.number);
  }

  #findEnds(images: ImageVfs): void {
    const last = lastTail(images);
    for (let number = this.#newest.log.segment; number < last.segment; number++) {
      const next = Buffer.from(images.bytes(segmentPath(number + 1)));
      this.#ends.set(segmentPath(number), Number(next.readBigUInt64LE(LINK_END_AT)));
    }
    this.#ends.set(segmentPath(last.segment), last.end);
  }

  #recordReads(images: ImageVfs): void {
    const opening = images.fork({ records: true });
    openView(opening, ROOT).release();
    for (const path of images.paths) this.#opening.set(path, opening.seen(path));
    for (const id of SESSIONS) {
      this.#recordLoad(images, id, ({ source }) => {
        readSessionOf(source, source.load(id), { kind: "fullGraph" });
      });
    }
    this.#recordLoad(images, LISTING, ({ source }) => {
      for (const _entry of listEntries(source, () => undefined, { after: undefined, includeChildren: true }));
    });
  }

  #recordLoad(images: ImageVfs, question: string, load: (view: StoreView) => void): void {
    const loading = images.fork({ records: true });
    const view = openView(loading, ROOT);
    for (const path of images.paths) loading.seen(path).fill(0);
    load(view);
    for (const path of images.paths) {
      const seen = loading.seen(path);
      if (!seen.includes(1)) continue;
      const readers = this.#loading.get(path) ?? new Map<string, Uint8Array>();
      this.#loading.set(path, readers.set(question, seen));
    }
    view.release();
  }

  /** A head that lies in an older file may be shadowed by any newer one. */
  #findShadows(images: ImageVfs, storeId: Uint8Array): void {
    let left: readonly string[] = SESSIONS;
    for (const { number, bytes } of this.#newest.heads.toReversed()) {
      const path = headsPath(ROOT, number);
      this.#shadowed.set(path, new Set(left));
      const file = new HeadsFileReader(images, path, { storeId, number }, bytes);
      left = left.filter((id) => file.getBytes(id) === undefined);
      file.close();
    }
  }
}

export function worst(rules: readonly Rule[]): Rule {
  const must = rules.some(({ store }) => store === "must");
  return {
    store: must ? "must" : rules.some(({ store }) => store === "may") ? "may" : "never",
    sessions: new Set(rules.flatMap(({ sessions }) => [...sessions])),
    listing: rules.some(({ listing }) => listing),
    found: rules.some(({ found }) => found),
    unproven: rules.some(({ unproven }) => unproven),
  };
}

function filesOf(manifest: Manifest): string[] {
  return [
    ...manifest.heads.map(({ number }) => headsPath(ROOT, number)),
    ...manifest.packs.map(({ number }) => packPath(ROOT, number)),
  ];
}

function wasRead(seen: Uint8Array | undefined, from: number, to: number): boolean {
  return seen?.subarray(from, to).includes(1) ?? false;
}
