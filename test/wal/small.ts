/** A small log on purpose to be damaged: how it is made, recovered, looked at, and where its parts lie. */
import assert from "node:assert/strict";
import { isStoreError } from "../../src/errors.ts";
import { runThrough } from "../../src/steps.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { reopen } from "../../src/wal/reopen.ts";
import { ImageVfs } from "../support/image-vfs.ts";
import { DIRECTORY, LogFixture, readFile, STORE_ID, saltsFrom, segmentPathOf } from "./fixture.ts";

export const TAIL = `${DIRECTORY}/TAIL`;
/** The first segment is empty, the second one is active, then come two spares. */
export const FIRST = segmentPathOf(1);
export const ACTIVE = segmentPathOf(2);
export const SPARE = segmentPathOf(3);

export interface Small {
  readonly log: LogFixture;
  readonly vfs: MemoryVfs;
  readonly images: ImageVfs;
  /** Every LSN, all acknowledged. */
  readonly all: readonly number[];
  /** TAIL as it was after each batch, oldest first. */
  readonly tails: Buffer[];
  /** Where the last group begins, and where the last DATA frame ends. */
  readonly lastGroup: number;
  readonly end: number;
}

export interface SmallOptions {
  readonly batches: readonly (readonly number[])[];
  readonly segmentBytes: number;
  readonly closed: boolean;
}

/** Ten records in five batches, one of them long. */
export const MIXED = [[60, 33], [8300], [60, 60, 60], [1], [60, 60, 60]];
/** Nine short ones in four. */
export const SHORT = [[60, 33], [60, 60, 60], [1], [60, 60, 60]];

/** Each batch written and acknowledged; then closed, or the process killed. */
export async function small(options: SmallOptions): Promise<Small> {
  const vfs = new MemoryVfs();
  const log = new LogFixture({ vfs, segmentBytes: options.segmentBytes }).create();
  await log.open();
  await log.settle();
  const tails = [readFile(vfs, TAIL)];
  for (const batch of options.batches) {
    await log.write(...batch);
    tails.push(readFile(vfs, TAIL));
  }
  const all = [...log.durable.keys()];
  assert.equal(all.length, options.batches.flat().length);
  const offsetOf = (lsn: number): number => log.durable.get(lsn)?.offset ?? assert.fail();
  const lastBatch = options.batches.at(-1) ?? [];
  const lastGroup = offsetOf(all.length - lastBatch.length + 1);
  const end = offsetOf(all.length) + 48 + 8 * Math.ceil((lastBatch.at(-1) ?? 0) / 8);
  if (options.closed) await log.close();
  else log.kill();
  return { log, vfs, images: ImageVfs.of(vfs, DIRECTORY), all, tails, lastGroup, end };
}

export type Verdict = readonly number[] | "refused";

/** The LSNs that a recovery of this file system finds, with the bytes that were sent; it writes. */
export function recover({ log }: Small, vfs: Vfs, what: string): Verdict {
  const place = { vfs, directory: DIRECTORY, storeId: STORE_ID };
  const source = { segmentBytes: log.config.segmentBytes, salt: saltsFrom(99), wall: () => 0 };
  return verdictOf(log, what, (found) => {
    const { recovery } = runThrough(reopen(place, log.start ?? assert.fail(), source, found));
    return recovery.lastLsn;
  });
}

/** The LSNs that a reader without ownership finds. */
export function look({ log }: Small, vfs: Vfs, what: string): Verdict {
  const reader = log.on(vfs);
  return verdictOf(log, what, (found) => {
    const lsns = reader.scan();
    for (const lsn of lsns) found(lsn, 0, 0, log.sent.get(lsn) ?? assert.fail());
    return lsns.at(-1) ?? 0;
  });
}

type Found = (lsn: number, segment: number, offset: number, payload: Uint8Array) => void;

function verdictOf(log: LogFixture, what: string, work: (found: Found) => number): Verdict {
  const lsns: number[] = [];
  try {
    const last = work((lsn, _segment, _offset, payload) => {
      lsns.push(lsn);
      if (log.sent.get(lsn)?.equals(payload) !== true || lsn !== lsns.length) {
        assert.fail(`${what}: LSN ${lsn} is another record than was sent`);
      }
    });
    assert.equal(last, lsns.length, what);
    return lsns;
  } catch (error) {
    if (!isStoreError(error, "CORRUPT") || !error.file.startsWith(DIRECTORY)) {
      throw new Error(`${what}: ${error}`, { cause: error });
    }
    return "refused";
  }
}

/** One recovery in so many is followed by another one, and accompanied by a reader. */
const AGAIN = 61;

/** Recovers: everything is found, or it is refused, as expected. `index` tells which are looked at closely. */
export function expectVerdict(
  given: Small,
  images: ImageVfs,
  index: number,
  isRefused: boolean,
  what: string,
): void {
  const reader = index % AGAIN === 0 ? look(given, images, what) : undefined;
  const found = recover(given, images, what);
  if ((found === "refused") !== isRefused) assert.fail(`${what}: ${found}`);
  if (found !== "refused" && found.length !== given.all.length) assert.fail(`${what}: found only ${found}`);
  if (reader === undefined) return;
  // A reader hands out what is proven durable only: without TAIL's newest news not the last group.
  const agrees = reader === "refused" ? isRefused : !isRefused && reader.length >= given.all.length - 3;
  assert.ok(agrees, `${what}: a reader: ${reader}`);
  if (found !== "refused") assert.deepEqual(recover(given, images, `${what}, again`), found);
}
