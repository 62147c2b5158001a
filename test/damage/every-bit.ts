/**
 * Flips every bit of a store image, one at a time and in place, and does after each as little as is proven to
 * be enough. What was proven for a byte by recording the undamaged store's reads, or for a bit by comparing
 * what an opening learns of the file, needs no opening of its own:
 *
 * 1. What no opening, load, listing or verification reads, nobody can tell from what stood there.
 * 2. Of TAIL an opening knows its two slots, of a spare its head and the frames in it, of the last segment
 *    behind its end the frames there (`scanRemains`). A bit that leaves these as they were is harmless.
 * 3. What an opening does not read is read by loads alone, which are the same code for an owner and a view: so
 *    those sessions are loaded from a view that stays open, and no other can differ.
 * 4. Everything else is a whole check: opened as owner and read-only, everything asked, verified.
 *
 * Verification, which reads all, is done for one bit of every sixteenth byte where nothing else needs it.
 */
import { isDeepStrictEqual } from "node:util";
import { listEntries } from "../../src/actors/listing.ts";
import { readMeta, readNodeOf, readSessionOf } from "../../src/actors/reads.ts";
import { openView, type StoreView } from "../../src/actors/view-of-moment.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { readHead } from "../../src/wal/chain.ts";
import { imageOf, saltSeed } from "../../src/wal/frame.ts";
import { scanRemains } from "../../src/wal/scan.ts";
import { FIRST_DATA_AT, SEGMENT_HEADER_BYTES, saltField } from "../../src/wal/segment.ts";
import { readTail } from "../../src/wal/tail.ts";
import type { ImageVfs } from "../support/image-vfs.ts";
import { assertNamed, check, type Expected, type Outcome, undamaged } from "./oracle.ts";
import { ROOT, STORE_OPTIONS } from "./store-image.ts";
import { LISTING, StoreMap } from "./store-map.ts";

export interface Tally {
  /** Bits flipped. */
  readonly bits: number;
  readonly outcomes: Record<Outcome, number>;
  /** Among the harmless: never read by anything, or nothing learnt from them (1 and 2 above). */
  readonly unread: number;
  /** Whole checks, and verifications beside them. */
  readonly checks: number;
  readonly verifications: number;
  /** What was wrong, in words; empty. */
  readonly wrong: readonly string[];
}

const MOST_TOLD = 20;
/** Bytes of which one has one bit verified. */
const VERIFIED_BYTES = 16;

export class EveryBit {
  readonly map: StoreMap;
  readonly #images: ImageVfs;
  readonly #expected: Expected;
  readonly #view: StoreView;
  /** By path, one for each byte that an owner's opening and closing read, or a verification. */
  readonly #owner = new Map<string, Uint8Array>();
  readonly #verify = new Map<string, Uint8Array>();

  /** Use `make`. */
  constructor(images: ImageVfs, expected: Expected) {
    this.#images = images;
    this.#expected = expected;
    this.map = new StoreMap(images);
    this.#view = openView(images, ROOT);
  }

  static async make(images: ImageVfs): Promise<EveryBit> {
    const made = new EveryBit(images, await undamaged(images));
    const owned = images.fork({ records: true });
    await (await openStore(ROOT, { ...STORE_OPTIONS, vfs: owned })).close();
    const verified = images.fork({ records: true });
    const view = openView(verified, ROOT);
    view.verify();
    view.release();
    for (const path of images.paths) {
      made.#owner.set(path, owned.seen(path));
      made.#verify.set(path, verified.seen(path));
    }
    return made;
  }

  /** Flips all bits of those bytes of a file. */
  async flip(path: string, from: number, to: number): Promise<Tally> {
    const tally = {
      bits: 0,
      outcomes: { harmless: 0, "sessions refused": 0, "store refused": 0 },
      unread: 0,
      checks: 0,
      verifications: 0,
      wrong: [] as string[],
    };
    const bytes = this.#images.bytes(path);
    const quiet = this.#facts(path);
    for (let bit = 8 * from; bit < 8 * Math.min(to, bytes.length); bit++) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      try {
        tally.bits++;
        tally.outcomes[await this.#look(path, at, bit & 7, quiet, tally)]++;
      } catch (error) {
        if (tally.wrong.length < MOST_TOLD) tally.wrong.push((error as Error).message);
      }
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
    }
    return tally;
  }

  async #look(
    path: string,
    at: number,
    bit: number,
    quiet: (() => boolean) | undefined,
    tally: { unread: number; checks: number; verifications: number },
  ): Promise<Outcome> {
    const told = `bit ${bit} of byte ${at} of ${path}`;
    const isOpened = this.map.isReadByAView(path, at) || this.#owner.get(path)?.[at] === 1;
    const loaders = this.map.loadersOf(path, at);
    const isVerified = this.#verify.get(path)?.[at] === 1;
    if ((!isOpened && loaders.length === 0 && !isVerified) || (isOpened && quiet?.() === true)) {
      tally.unread++;
      return "harmless";
    }
    const rule = this.map.changed(path, [{ from: at, to: at + 1 }]);
    if (isOpened) {
      tally.checks++;
      return await check(this.#expected, { images: this.#images, rule, files: [path], told });
    }
    const refused = loaders.filter((question) => this.#isRefused(question, path, told));
    if (isVerified && at % VERIFIED_BYTES === 0 && bit === (at / VERIFIED_BYTES) % 8) {
      tally.verifications++;
      this.#verifyNow(path, rule.found || refused.length > 0, told);
    }
    return refused.length > 0 ? "sessions refused" : "harmless";
  }

  /** Asks the standing view; true if it is refused as it should be, false if it says the same. */
  #isRefused(question: string, path: string, told: string): boolean {
    try {
      const answer = this.#ask(question);
      if (isDeepStrictEqual(answer, this.#expected.answers.get(question))) return false;
    } catch (error) {
      assertNamed(error, [path], `${told}: ${question}`);
      if (question === LISTING) return true;
      if (isStoreError(error, "CORRUPT") && error.sessionId === question) return true;
      throw new Error(`${told}: ${question} is not named: ${error.message}`);
    }
    throw new Error(`${told}: ${question} says something else`);
  }

  /** What the oracle asks as well. */
  #ask(question: string): unknown {
    const { source } = this.#view;
    if (question === LISTING)
      return [...listEntries(source, () => undefined, { after: undefined, includeChildren: true })];
    const state = source.load(question);
    return [
      readSessionOf(source, state, { kind: "fullGraph" }),
      readMeta(state),
      readNodeOf(source, state, "side-1"),
    ];
  }

  #verifyNow(path: string, mustFind: boolean, told: string): void {
    const { ok, problems } = this.#view.verify();
    if (ok === mustFind) throw new Error(`${told}: verify says ${JSON.stringify(problems)}`);
    const other = problems.find(({ file }) => file !== path);
    if (other !== undefined) throw new Error(`${told}: verify names ${other.file}: ${other.message}`);
  }

  /** Answers whether what an opening learns of the file is still what it was; undefined if all of it counts. */
  #facts(path: string): (() => boolean) | undefined {
    const facts = this.#factsOf(path);
    if (facts === undefined) return undefined;
    const whole = facts();
    return () => facts() === whole;
  }

  #factsOf(path: string): (() => string) | undefined {
    const bytes = this.#images.bytes(path);
    const storeId = Uint8Array.from(this.#images.bytes(`${ROOT}/format`).subarray(16, 32));
    if (path.endsWith("/TAIL")) return () => stringify(readTail(this.#images, path, storeId));
    if (!path.endsWith(".wal")) return undefined;
    const end = this.map.liveSegments.get(path);
    if (end !== undefined) {
      const seed = saltSeed(saltField(bytes));
      return () => stringify([bytes.subarray(0, end), scanRemains(imageOf(bytes), seed, end)]);
    }
    const number = Number.parseInt(path.slice(-20, -4), 16);
    return () => {
      const head = readHead({ vfs: this.#images, directory: `${ROOT}/wal`, storeId }, number);
      const salt = saltField(bytes);
      const linkArea = bytes.subarray(SEGMENT_HEADER_BYTES, FIRST_DATA_AT);
      const remains = scanRemains(imageOf(bytes), saltSeed(salt), SEGMENT_HEADER_BYTES);
      return stringify([head.kind, head.kind === "bad" ? head.reason : "", salt, linkArea, remains]);
    };
  }
}

function stringify(value: unknown): string {
  return JSON.stringify(value, (_key, item) =>
    typeof item === "bigint"
      ? String(item)
      : item instanceof Uint8Array
        ? Buffer.from(item).toString("hex")
        : item,
  );
}

export function emptyTally(): Tally {
  return {
    bits: 0,
    outcomes: { harmless: 0, "sessions refused": 0, "store refused": 0 },
    unread: 0,
    checks: 0,
    verifications: 0,
    wrong: [],
  };
}

export function addTallies(a: Tally, b: Tally): Tally {
  return {
    bits: a.bits + b.bits,
    outcomes: {
      harmless: a.outcomes.harmless + b.outcomes.harmless,
      "sessions refused": a.outcomes["sessions refused"] + b.outcomes["sessions refused"],
      "store refused": a.outcomes["store refused"] + b.outcomes["store refused"],
    },
    unread: a.unread + b.unread,
    checks: a.checks + b.checks,
    verifications: a.verifications + b.verifications,
    wrong: [...a.wrong, ...b.wrong].slice(0, MOST_TOLD),
  };
}
