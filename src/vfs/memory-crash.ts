/**
 * What a crash does to what was not synced, as decisions: the parts that can be lost one by one, and ready
 * choosers that decide about each. It holds no file; `memory-file.ts` and `memory-names.ts` ask a chooser
 * and obey.
 *
 * 1. A written range is decided sector by sector (512 bytes). What a sector may hold afterwards is its
 *    content before or after that write as the page cache had it, a torn mix of the two, or garbage.
 * 2. Bytes that no unsynced write covered never change: a torn or garbage sector harms only the written
 *    range of it. (SQLite calls this power-safe overwrite; the log relies on it.)
 * 3. The length is a decision of its own: a kept sector lengthens the file to its end, a kept length alone
 *    shows zeros. A truncation may be lost while later writes are kept.
 * 4. Names are decided one by one in the order of the operations; a rename is whole or not at all.
 * 5. Parts are asked for in a fixed order, so a chooser with a seed gives the same crash again.
 */
import { randomFrom } from "./memory-random.ts";

export const SECTOR_BYTES = 512;

/** A part of an unsynced operation. `at` orders operations of the whole file system; several parts share it. */
export type PendingPart = PendingSector | PendingLength | PendingName;

export interface PendingSector {
  readonly part: "sector";
  readonly at: number;
  /** Path under which the file was open when written. */
  readonly path: string;
  /** Bytes of the file that this write covers in this sector. */
  readonly start: number;
  readonly end: number;
}

export interface PendingLength {
  readonly part: "length";
  readonly at: number;
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

export interface PendingName {
  readonly part: "name";
  readonly at: number;
  readonly change: "create" | "makeDirectory" | "rename" | "remove";
  readonly path: string;
  /** New path of a rename. */
  readonly target?: string;
}

/** `front`: the first `bytes` bytes of the written range are new; `back`: all but those. */
export interface Torn {
  readonly torn: "front" | "back";
  readonly bytes: number;
}
export interface Garbage {
  readonly garbage: number;
}
/** Lost, kept, torn, or overwritten by garbage of this seed. */
export type SectorFate = "lost" | "kept" | Torn | Garbage;
export type Fate = "lost" | "kept";

/** Decides what a crash leaves. Each method is asked once per part, operations in order. */
export interface CrashChooser {
  sector(part: PendingSector): SectorFate;
  length(part: PendingLength): Fate;
  name(part: PendingName): Fate;
}

/** One fate for every part that `decide` says. */
export function chooseFates(decide: (part: PendingPart) => Fate): CrashChooser {
  return { sector: decide, length: decide, name: decide };
}

export const keepNothing: CrashChooser = chooseFates(() => "lost");
export const keepEverything: CrashChooser = chooseFates(() => "kept");

/** Order of the parts: by operation; within one, sectors upwards, then the length. */
export function comesBefore(a: PendingPart, b: PendingPart): boolean {
  return a.at === b.at ? rank(a) < rank(b) : a.at < b.at;
}

function rank(part: PendingPart): number {
  return part.part === "sector" ? part.start : Number.POSITIVE_INFINITY;
}

function samePart(a: PendingPart, b: PendingPart): boolean {
  return a.at === b.at && rank(a) === rank(b);
}

/** Any crash, by its seed: names as a prefix or with one loss, sectors by a rate of the crash's own. */
export function chooseRandomly(seed: number): CrashChooser {
  const random = randomFrom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <Value>(...values: [Value, ...Value[]]): Value => values[below(values.length)] ?? values[0];
  const keepRate = pick(0, 0.1, 0.5, 0.9, 1);
  const damageRate = pick(0, 0, 0.1, 0.5);
  const nameMode = pick("all", "none", "prefix", "one lost", "any");
  const turn = below(pick(2, 8, 64));
  let namesSeen = 0;
  const rate = (): Fate => (random() < keepRate ? "kept" : "lost");
  return {
    sector({ start, end }) {
      if (random() >= damageRate) return rate();
      if (random() < 0.5) return { garbage: below(2 ** 32) };
      return { torn: pick("front", "back"), bytes: below(end - start + 1) };
    },
    length: rate,
    name() {
      const index = namesSeen++;
      if (nameMode === "any") return pick("kept", "lost");
      if (nameMode === "prefix") return index < turn ? "kept" : "lost";
      if (nameMode === "one lost") return index === turn ? "lost" : "kept";
      return nameMode === "all" ? "kept" : "lost";
    },
  };
}

export interface NamedCrash {
  readonly title: string;
  readonly chooser: CrashChooser;
}

/**
 * Every crash that differs from none, all or a prefix by one part: nothing, everything, only contents, only
 * names, each prefix in order, and each part alone lost, kept, torn or garbage. Small workloads,
 * exhaustively; about six crashes per part.
 */
export function* enumerateCrashes(parts: readonly PendingPart[]): Generator<NamedCrash> {
  yield { title: "nothing kept", chooser: keepNothing };
  yield { title: "everything kept", chooser: keepEverything };
  yield {
    title: "only contents kept",
    chooser: chooseFates(({ part }) => (part === "name" ? "lost" : "kept")),
  };
  yield { title: "only names kept", chooser: chooseFates(({ part }) => (part === "name" ? "kept" : "lost")) };
  yield* enumeratePrefixes(parts);
  for (const part of parts) yield* enumerateSingles(part);
}

/** The first 1, 2, … parts kept, in the order of the operations. */
export function* enumeratePrefixes(parts: readonly PendingPart[]): Generator<NamedCrash> {
  for (const end of parts.slice(1)) {
    const chooser = chooseFates((part) => (comesBefore(part, end) ? "kept" : "lost"));
    yield { title: `kept as far as before ${describePart(end)}`, chooser };
  }
}

function* enumerateSingles(part: PendingPart): Generator<NamedCrash> {
  const label = describePart(part);
  yield { title: `only lost: ${label}`, chooser: exceptFor(part, keepEverything, "lost") };
  yield { title: `only kept: ${label}`, chooser: exceptFor(part, keepNothing, "kept") };
  if (part.part !== "sector") return;
  const half = Math.ceil((part.end - part.start) / 2);
  const fates: readonly [string, SectorFate][] = [
    ["torn, front new", { torn: "front", bytes: half }],
    ["torn, back new", { torn: "back", bytes: half }],
    ["garbage", { garbage: part.at }],
  ];
  for (const [word, fate] of fates) {
    yield { title: `${word}: ${label}`, chooser: exceptFor(part, keepEverything, fate) };
  }
}

function exceptFor(part: PendingPart, others: CrashChooser, fate: SectorFate): CrashChooser {
  const plain: Fate = fate === "kept" ? "kept" : "lost";
  return {
    sector: (one) => (samePart(one, part) ? fate : others.sector(one)),
    length: (one) => (samePart(one, part) ? plain : others.length(one)),
    name: (one) => (samePart(one, part) ? plain : others.name(one)),
  };
}

export function describePart(part: PendingPart): string {
  if (part.part === "sector") return `#${part.at} bytes ${part.start}..${part.end} of ${part.path}`;
  if (part.part === "length") return `#${part.at} length ${part.from} to ${part.to} of ${part.path}`;
  const target = part.target === undefined ? "" : ` to ${part.target}`;
  return `#${part.at} ${part.change} ${part.path}${target}`;
}
