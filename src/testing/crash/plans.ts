/**
 * Which crashes of a moment are worth a look, as explicit fates of its parts: everything a crash may leave that
 * differs from nothing, all or a prefix by one decision, the same by file and by directory, and seeded mixes of
 * any decisions. Pure; it makes no file system.
 *
 * 1. The same parts, seed and number of mixes give the same plans in the same order.
 * 2. Of a write of many sectors (a segment filled with zeros) single fates are given to its first and last
 *    sectors and to a seeded few between: the rest differs in nothing that a reader looks at.
 */
import {
  type CrashChooser,
  chooseRandomly,
  describePart,
  type PendingPart,
  type SectorFate,
} from "../../vfs/memory-crash.ts";
import { randomFrom } from "../../vfs/memory-random.ts";

export interface CrashPlan {
  /** What is special about it; asked for only when it is shown. */
  readonly title: () => string;
  /** The fate of each part of the moment; made when it is asked for. */
  readonly fates: () => readonly SectorFate[];
  /** True of the few that every moment should see, however small the sample. */
  readonly essential: boolean;
}

export interface PlanOptions {
  readonly seed: number;
  /** Random mixes on top of the enumerated plans. */
  readonly mixes: number;
}

/** Sectors of one write that are decided one by one; beyond it the ends and a few between. */
const WHOLE_WRITE_SECTORS = 16;
const END_SECTORS = 4;
const MIDDLE_SECTORS = 4;
/** Of the random mixes, how many belong to the smallest sample. */
const ESSENTIAL_MIXES = 2;

type Parts = readonly PendingPart[];
type Choose = (part: PendingPart, place: number) => SectorFate;

/** All crash plans of these parts. */
export function* crashPlans(parts: Parts, options: PlanOptions): Generator<CrashPlan> {
  const plan = (title: () => string, choose: Choose, essential = false): CrashPlan => ({
    title,
    fates: () => parts.map(choose),
    essential,
  });
  yield plan(
    () => "nothing kept",
    () => "lost",
    true,
  );
  if (parts.length === 0) return;
  yield plan(
    () => "everything kept",
    () => "kept",
    true,
  );
  yield plan(
    () => "only contents kept",
    ({ part }) => (part === "name" ? "lost" : "kept"),
    true,
  );
  yield plan(
    () => "only names kept",
    ({ part }) => (part === "name" ? "kept" : "lost"),
    true,
  );
  yield* groupPlans(parts, plan);
  const singles = thin(parts, options.seed);
  yield* orderPlans(parts, singles, plan);
  for (const place of singles) yield* singlePlans(parts, place, plan);
  for (let mix = 0; mix < options.mixes; mix++) {
    const seed = options.seed + mix;
    yield {
      title: () => `mix of seed ${seed}`,
      fates: () => {
        const chooser = chooseRandomly(seed);
        return parts.map((part) => ask(chooser, part));
      },
      essential: mix < ESSENTIAL_MIXES,
    };
  }
}

type MakePlan = (title: () => string, choose: Choose, essential?: boolean) => CrashPlan;

/** A file without its contents, a directory without its names, and each of them alone. */
function* groupPlans(parts: Parts, plan: MakePlan): Generator<CrashPlan> {
  const groups = new Set(parts.map(groupOf));
  if (groups.size < 2) return;
  for (const group of groups) {
    const inside = (part: PendingPart): boolean => groupOf(part) === group;
    yield plan(
      () => `only lost: all ${group}`,
      (part) => (inside(part) ? "lost" : "kept"),
      true,
    );
    yield plan(
      () => `only kept: all ${group}`,
      (part) => (inside(part) ? "kept" : "lost"),
    );
  }
}

function groupOf(part: PendingPart): string {
  if (part.part !== "name") return `contents of ${part.path}`;
  return `names in ${part.path.slice(0, part.path.lastIndexOf("/")) || "/"}`;
}

/** Prefixes and suffixes in the order of the operations; names in order while no or all contents are there. */
function* orderPlans(parts: Parts, cuts: readonly number[], plan: MakePlan): Generator<CrashPlan> {
  for (const cut of cuts) {
    const part = parts[cut];
    if (cut === 0 || part === undefined) continue;
    yield plan(
      () => `kept as far as before ${describePart(part)}`,
      (_, place) => (place < cut ? "kept" : "lost"),
    );
    yield plan(
      () => `lost as far as before ${describePart(part)}`,
      (_, place) => (place < cut ? "lost" : "kept"),
    );
    if (part.part !== "name") continue;
    for (const contents of ["kept", "lost"] as const) {
      yield plan(
        () => `contents ${contents}, names as far as before ${describePart(part)}`,
        (one, place) => (one.part === "name" ? (place < cut ? "kept" : "lost") : contents),
      );
    }
  }
}

function* singlePlans(parts: Parts, place: number, plan: MakePlan): Generator<CrashPlan> {
  const part = parts[place];
  if (part === undefined) return;
  const label = (): string => describePart(part);
  const except = (fate: SectorFate, others: SectorFate): Choose => {
    return (_, at) => (at === place ? fate : others);
  };
  yield plan(() => `only lost: ${label()}`, except("lost", "kept"));
  yield plan(() => `only kept: ${label()}`, except("kept", "lost"));
  if (part.part !== "sector") return;
  const length = part.end - part.start;
  for (const bytes of new Set([1, Math.ceil(length / 2), length - 1])) {
    if (bytes <= 0 || bytes >= length) continue;
    for (const torn of ["front", "back"] as const)
      yield plan(() => `torn, ${torn} new from ${bytes}: ${label()}`, except({ torn, bytes }, "kept"));
  }
  const garbage = { garbage: part.at };
  yield plan(() => `garbage: ${label()}`, except(garbage, "kept"));
  yield plan(() => `only garbage: ${label()}`, except(garbage, "lost"));
}

/** The places of parts that are worth a fate of their own. */
function thin(parts: Parts, seed: number): number[] {
  const random = randomFrom(seed);
  const places: number[] = [];
  for (let from = 0; from < parts.length; ) {
    let to = from + 1;
    while (parts[to]?.at === parts[from]?.at) to++;
    const ends = [from + END_SECTORS, to - END_SECTORS] as const;
    const rate = MIDDLE_SECTORS / (to - from);
    for (let place = from; place < to; place++) {
      const isEnd = place < ends[0] || place >= ends[1] || parts[place]?.part !== "sector";
      if (to - from <= WHOLE_WRITE_SECTORS || isEnd || random() < rate) places.push(place);
    }
    from = to;
  }
  return places;
}

function ask(chooser: CrashChooser, part: PendingPart): SectorFate {
  if (part.part === "sector") return chooser.sector(part);
  return part.part === "length" ? chooser.length(part) : chooser.name(part);
}
