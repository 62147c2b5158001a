/**
 * What a seed is about. Each seed draws which features are on and how much of each there is (swarm testing):
 * a run that does a little of everything never does much of one thing.
 */
import type { StoreOptions } from "../../src/contract.ts";
import type { Random } from "../../src/testing/simulation/random.ts";

export const ACTIONS = [
  "commit",
  "retry",
  "conflictingOperation",
  "tombstone",
  "vacuum",
  "delete",
  "meta",
  "load",
  "loadPath",
  "loadNode",
  "loadMeta",
  "list",
  "snapshot",
  "gc",
  "verify",
  "view",
  "secondOpen",
  "abort",
] as const;
export type Action = (typeof ACTIONS)[number];

export const GRAPHS = ["append", "branch", "replaceFull", "unchanged", "bad"] as const;
export type GraphKind = (typeof GRAPHS)[number];

export const ENDINGS = ["close", "kill", "powerCut"] as const;
export type LifeEnding = (typeof ENDINGS)[number];

/** Probabilities are from 0 to 1. */
export interface Settings {
  readonly options: StoreOptions;
  readonly lives: number;
  readonly hosts: number;
  readonly sessions: number;
  /** Actions of one host in one life. */
  readonly actions: number;
  /** Commits that a host sends before it waits for one. */
  readonly pipeline: number;
  /** Milliseconds a host thinks at most. */
  readonly thinkMs: number;
  readonly weights: Readonly<Record<Action, number>>;
  readonly graphs: Readonly<Record<GraphKind, number>>;
  readonly endings: Readonly<Record<LifeEnding, number>>;
  readonly unconditional: number;
  readonly stale: number;
  readonly withOperation: number;
  readonly carried: number;
  /** How often a value is one that was used before. */
  readonly reused: number;
  readonly big: number;
  /** Nodes of one commit, at most. */
  readonly nodes: number;
  readonly faults: number;
  readonly fullDisk: number;
  readonly slowDisk: number;
  readonly clockJump: number;
  /** How often a bit of the newest manifest turns over between two lives. */
  readonly rot: number;
}

const BASE: Readonly<Record<Action, number>> = {
  commit: 12,
  retry: 4,
  conflictingOperation: 0.5,
  tombstone: 2,
  vacuum: 1,
  delete: 0.4,
  meta: 1,
  load: 3,
  loadPath: 1,
  loadNode: 1,
  loadMeta: 0.5,
  list: 1,
  snapshot: 1.5,
  gc: 1,
  verify: 0.3,
  view: 1,
  secondOpen: 0.3,
  abort: 0.5,
};

export function drawSettings(random: Random): Settings {
  const weights = Object.fromEntries(
    ACTIONS.map((action) => {
      const isOn = action === "commit" || action === "load" || random.chance(0.7);
      return [action, isOn ? BASE[action] * random.spread(1, 100) : 0];
    }),
  ) as Record<Action, number>;
  weights.commit = Math.max(
    weights.commit,
    0.3 * Object.values(weights).reduce((sum, weight) => sum + weight, 0),
  );
  return {
    options: drawOptions(random),
    lives: random.between(2, 6),
    hosts: random.between(1, 4),
    sessions: random.between(1, 5),
    actions: random.spread(4, 24),
    pipeline: random.pick([1, 1, 2, 4, 8]),
    thinkMs: random.pick([0, 1, 1, 20, 500]),
    weights,
    graphs: {
      append: 10,
      branch: part(random, 6),
      replaceFull: part(random, 4),
      unchanged: part(random, 4),
      bad: part(random, 1),
    },
    endings: { close: part(random, 3) + 1, kill: part(random, 4), powerCut: part(random, 6) + 1 },
    unconditional: part(random, 1),
    stale: part(random, 0.3),
    withOperation: random.pick([0, 0.5, 1]),
    carried: part(random, 0.7),
    reused: part(random, 1),
    big: random.chance(0.2) ? 0.1 : 0,
    nodes: random.pick([1, 2, 4, 12]),
    faults: random.chance(0.4) ? random.pick([0.3, 0.6, 1]) : 0,
    fullDisk: random.chance(0.15) ? 0.4 : 0,
    slowDisk: random.chance(0.15) ? 0.5 : 0,
    clockJump: random.chance(0.15) ? 0.5 : 0,
    rot: random.chance(0.2) ? 0.4 : 0,
  };
}

/** Off in every third seed, else any share of `most`. */
function part(random: Random, most: number): number {
  return random.chance(1 / 3) ? 0 : (most * random.between(1, 10)) / 10;
}

function drawOptions(random: Random): StoreOptions {
  return {
    sync: random.pick(["always", "always", "always", "always", "interval", "never"]),
    syncIntervalMs: random.pick([1, 10, 100]),
    segmentBytes: random.pick([64, 64, 64, 128]) * 1024,
    snapshot: random.chance(0.3)
      ? false
      : { logBytes: random.spread(4_000, 200_000), intervalMs: random.pick([1, 20, 1000, 60_000]) },
    gc: random.chance(0.4)
      ? false
      : { garbageRatio: random.pick([0.1, 0.5, 0.9]), minBytes: random.pick([0, 2000]) },
    blobCompression: random.pick(["balanced", "none", "compact"]),
    graphPolicy: random.pick(["strict", "strict", "permissive"]),
    receiptsKept: random.pick([1000, 1000, 3, 1, 0]),
    maxResidentBytes: random.pick([256 * 1024 * 1024, 1024, 20_000]),
    maxQueuedBytes: random.pick([64 * 1024 * 1024, 64 * 1024 * 1024, 8 * 1024]),
  };
}
