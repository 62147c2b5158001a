/** What the techniques have in common: one round is one crash and one check. */

import type { Random } from "../replay/random.ts";
import { type KnownLane, Violation } from "./check.ts";
import type { Launch, LoadProcess } from "./child.ts";
import type { Job } from "./job.ts";
import type { Plan } from "./script.ts";
import type { Workplace } from "./workplace.ts";

export interface Bench {
  readonly workplace: Workplace;
  readonly plan: Plan;
  readonly random: Random;
  readonly launch: Launch;
}

export interface Technique {
  /** As in reports: "kill", "power cut on ext4". */
  readonly name: string;
  /** Makes ready; answers why it cannot be done here, in a few clear words. */
  prepare(): Promise<string | undefined>;
  /** One crash and what follows. Throws a Violation, or an error when the technique itself is broken. */
  round(): Promise<void>;
  /** The last check, of what the last crash left. */
  finish(): Promise<void>;
  /** Ends what still runs and frees mounts; whatever happened before. */
  release(): Promise<void>;
  /** Everything counted so far, for reports. */
  readonly counts: Readonly<Record<string, number>>;
  /** Copy of the store as the last crash left it, and what was known then. */
  readonly evidence: { readonly copy: string; readonly known: readonly KnownLane[] };
}

const KIB = 1024;

/** Small segments and frequent snapshots: a short run meets every part of the store many times. */
export function jobOptions(random: Random): Job["options"] {
  return {
    segmentBytes: random.pick([64 * KIB, 128 * KIB, 256 * KIB]),
    snapshot: { logBytes: random.pick([500_000, 1_000_000, 2_000_000]), intervalMs: 50 },
    gc: { garbageRatio: 0.5, minBytes: 100_000 },
    // So little that sessions leave memory while they are in use.
    maxResidentBytes: random.pick([100_000, 64 * KIB * KIB]),
  };
}

/** Throws when the process ended although nothing was done to it, or never got so far. */
export function demand(met: boolean, child: LoadProcess, what: string): void {
  if (met) return;
  const said = child.complaint ?? (child.errors || "it said nothing");
  throw new Violation(`the process under load did not get to ${what}: ${said}`);
}
