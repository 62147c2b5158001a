/**
 * A file of the memory file system at one moment, with all that a crash may lose of it. It is never changed,
 * so it can be crashed over and over while the file lives on.
 *
 * 1. Undoing the changes from their end gives exactly the synced bytes.
 * 2. A crash by fates is a pure function of moment and fates.
 */
import type { MemoryBytes } from "./memory-bytes.ts";
import { type PendingLength, type PendingSector, SECTOR_BYTES, type SectorFate } from "./memory-crash.ts";
import { randomFrom } from "./memory-random.ts";
import { addSector, type SectorSum } from "./memory-sum.ts";

/** One write or truncation since the last sync. */
export interface Change {
  readonly kind: "write" | "truncate";
  readonly at: number;
  readonly path: string;
  /** Range whose bytes changed. */
  readonly start: number;
  readonly end: number;
  /** Old bytes from `start`, as far as the file reached. */
  readonly before: Uint8Array;
  readonly oldSize: number;
  readonly newSize: number;
}

/** What a crash leaves of a file. */
export interface CrashedBytes {
  readonly bytes: MemoryBytes;
  readonly sum: Readonly<SectorSum>;
}

interface ChangeParts {
  readonly change: Change;
  readonly sectors: PendingSector[];
  readonly length: PendingLength | undefined;
}

export class FileMoment {
  /** What a crash may lose, in order. */
  readonly parts: readonly (PendingSector | PendingLength)[];
  readonly #bytes: MemoryBytes;
  readonly #changes: readonly ChangeParts[];
  #sum: SectorSum | undefined;
  #images: Uint8Array[] | undefined;
  #synced: CrashedBytes | undefined;
  #touched: number[] | undefined;

  constructor(bytes: MemoryBytes, changes: readonly Change[], sum?: Readonly<SectorSum>) {
    this.#bytes = bytes;
    this.#changes = changes.map((change) => ({
      change,
      sectors: [...sectorsOf(change)],
      length: lengthOf(change),
    }));
    this.parts = this.#changes.flatMap(({ sectors, length }): (PendingSector | PendingLength)[] =>
      length === undefined ? sectors : [...sectors, length],
    );
    this.#sum = sum === undefined ? undefined : { ...sum };
  }

  /** The sum of all bytes as they are now. */
  get sum(): SectorSum {
    this.#sum ??= sumOf(this.#bytes);
    return this.#sum;
  }

  /** The sum if it was asked for before. */
  get knownSum(): Readonly<SectorSum> | undefined {
    return this.#sum;
  }

  /** The file as a crash leaves it; `fateOf(n)` is the fate of the n-th of `parts`. */
  crash(fateOf: (index: number) => SectorFate): CrashedBytes {
    const fates = this.parts.map((_, index) => fateOf(index));
    if (fates.every((fate) => fate === "kept")) return { bytes: this.#bytes.copy(), sum: this.sum };
    const synced = this.#undone();
    if (fates.every((fate) => fate === "lost")) return { bytes: synced.bytes.copy(), sum: synced.sum };
    const bytes = synced.bytes.copy();
    let next = 0;
    this.#changes.forEach(({ change, sectors, length }, index) => {
      const image = this.#images?.[index] ?? EMPTY;
      for (const part of sectors) rewrite(bytes, change, image, part, fates[next++] ?? "lost");
      if (length === undefined || fates[next++] === "lost") return;
      if (change.kind === "truncate" || bytes.size < length.to) bytes.truncate(length.to);
    });
    return { bytes, sum: this.#sumAfter(bytes) };
  }

  /** The synced bytes; on the way the image of each write, as the page cache had it. */
  #undone(): CrashedBytes {
    if (this.#synced !== undefined) return this.#synced;
    const bytes = this.#bytes.copy();
    const images: Uint8Array[] = [];
    for (let index = this.#changes.length - 1; index >= 0; index--) {
      const change = this.#changes[index]?.change;
      if (change === undefined) continue;
      images[index] = imageOf(bytes, change);
      bytes.write(change.before, change.start);
      bytes.truncate(change.oldSize);
    }
    this.#images = images;
    this.#synced = { bytes, sum: this.#sumAfter(bytes) };
    return this.#synced;
  }

  /** The sum of bytes that differ from these only where a change touched them. */
  #sumAfter(bytes: MemoryBytes): SectorSum {
    this.#touched ??= touchedBy(this.#changes);
    const sum = { ...this.sum };
    for (const index of this.#touched) {
      addSectorOf(sum, this.#bytes, index, -1);
      addSectorOf(sum, bytes, index, 1);
    }
    return sum;
  }
}

const EMPTY = new Uint8Array(0);
const sector = Buffer.alloc(SECTOR_BYTES);

function addSectorOf(sum: SectorSum, bytes: MemoryBytes, index: number, sign: 1 | -1): void {
  const count = bytes.read(sector, index * SECTOR_BYTES);
  if (count < SECTOR_BYTES) sector.fill(0, count);
  if (count > 0) addSector(sum, index, sector, sign);
}

function sumOf(bytes: MemoryBytes): SectorSum {
  const sum = { low: 0, high: 0 };
  for (let index = 0; index * SECTOR_BYTES < bytes.size; index++) addSectorOf(sum, bytes, index, 1);
  return sum;
}

function touchedBy(changes: readonly ChangeParts[]): number[] {
  const touched = new Set<number>();
  for (const { change } of changes) {
    // A kept sector rewrites all of it, so the whole sectors around the range count.
    for (let from = sectorStart(change.start); from < change.end; from += SECTOR_BYTES)
      touched.add(from / SECTOR_BYTES);
  }
  return [...touched];
}

/** All sectors that a write touches, as the page cache has them. */
function imageOf(bytes: MemoryBytes, { start, end }: Change): Uint8Array {
  const first = sectorStart(start);
  const image = new Uint8Array(sectorStart(end + SECTOR_BYTES - 1) - first);
  bytes.read(image, first);
  return image;
}

function rewrite(
  bytes: MemoryBytes,
  change: Change,
  image: Uint8Array,
  { start, end }: PendingSector,
  fate: SectorFate,
): void {
  if (fate === "lost") return;
  const origin = sectorStart(change.start);
  const put = (from: number, to: number): void =>
    bytes.write(image.subarray(from - origin, to - origin), from);
  if (fate === "kept") {
    const first = sectorStart(start);
    put(first, Math.min(first + SECTOR_BYTES, change.newSize));
  } else if ("garbage" in fate) {
    bytes.write(garbage(fate.garbage + start, end - start), start);
  } else if (fate.torn === "front") put(start, Math.min(start + fate.bytes, end));
  else put(Math.min(start + fate.bytes, end), end);
}

function* sectorsOf({ kind, at, path, start, end }: Change): Generator<PendingSector> {
  if (kind !== "write") return;
  for (let from = start; from < end; from = sectorStart(from) + SECTOR_BYTES) {
    yield { part: "sector", at, path, start: from, end: Math.min(end, sectorStart(from) + SECTOR_BYTES) };
  }
}

function lengthOf({ at, path, oldSize, newSize }: Change): PendingLength | undefined {
  return oldSize === newSize ? undefined : { part: "length", at, path, from: oldSize, to: newSize };
}

function sectorStart(position: number): number {
  return position - (position % SECTOR_BYTES);
}

function garbage(seed: number, length: number): Uint8Array {
  const random = randomFrom(seed);
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}
