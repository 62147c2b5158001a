/** The command line of `varve torture`: what may be said, what it defaults to, and what is refused. */
import { randomInt } from "node:crypto";
import { parseCount, readArguments } from "../arguments.ts";
import { UsageError } from "../command.ts";

export const TECHNIQUES = ["kill", "strace", "power", "full"] as const;
export type TechniqueName = (typeof TECHNIQUES)[number];

export interface TortureOptions {
  /** Absent = a new temporary one. */
  readonly directory: string | undefined;
  readonly milliseconds: number;
  readonly techniques: readonly TechniqueName[];
  readonly sessions: number;
  readonly seed: number;
  readonly json: boolean;
}

const DEFAULT_SECONDS = 60;
const MOST_MINUTES = 7 * 24 * 60;
const DEFAULT_SESSIONS = 8;
const MOST_SESSIONS = 256;
const MOST_SEED = 0x7fff_ffff;

export const TORTURE_HELP = `varve torture [DIR] [options]

Crashes stores in DIR, on your own disk and file system, and checks after each
crash that nothing acknowledged is lost and nothing else is there.

  DIR                new or empty, or left by an earlier run; what it holds is removed
                     (default: a new temporary directory)

  --seconds S        how long (default ${DEFAULT_SECONDS}), or
  --minutes M
  --techniques LIST  of ${TECHNIQUES.join(",")} (default: all that can be done here)
                       kill    SIGKILL at random moments under load
                       strace  SIGKILL at each system call on the store's files
                       power   power cuts of ext4 and xfs in image files in DIR
                       full    full disks: ext4, xfs, tmpfs
                     strace needs strace; power and full need root and loop devices;
                     what cannot be done is skipped and says why; name those you want
                     where the exit code has to be 0
  --sessions N       sessions written at a time (default ${DEFAULT_SESSIONS})
  --seed N           of what is written and when it crashes (default: a new one, printed)
  --json             print the report as JSON
  --help             print this

Exit codes: 0 every technique had a round and everything held, 1 something did not hold,
2 what ran held but a technique was skipped or had no time for a round, 64 bad arguments
or a directory that holds other things, 75 in use, 130 interrupted.
`;

/** Throws a UsageError. */
export function parseTorture(args: readonly string[]): TortureOptions {
  const { values, positionals } = readArguments(args, {
    command: "torture",
    positionals: [],
    optional: ["DIR"],
    options: {
      seconds: { type: "string" },
      minutes: { type: "string" },
      techniques: { type: "string" },
      sessions: { type: "string" },
      seed: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const { seconds, minutes, techniques, sessions, seed } = values;
  return {
    directory: positionals[0],
    milliseconds: parseDuration(seconds, minutes),
    techniques: techniques === undefined ? TECHNIQUES : parseTechniques(techniques),
    sessions: sessions === undefined ? DEFAULT_SESSIONS : parseCount("sessions", sessions, 1, MOST_SESSIONS),
    seed: seed === undefined ? randomInt(MOST_SEED) : parseCount("seed", seed, 0, MOST_SEED),
    json: values.json === true,
  };
}

function parseDuration(seconds: string | undefined, minutes: string | undefined): number {
  if (seconds !== undefined && minutes !== undefined)
    throw new UsageError("--seconds and --minutes cannot both be given");
  if (minutes !== undefined) return parseCount("minutes", minutes, 1, MOST_MINUTES) * 60_000;
  return (
    (seconds === undefined ? DEFAULT_SECONDS : parseCount("seconds", seconds, 1, MOST_MINUTES * 60)) * 1_000
  );
}

function parseTechniques(text: string): TechniqueName[] {
  const names = text.split(",");
  const known = names.filter((name): name is TechniqueName =>
    TECHNIQUES.some((technique) => technique === name),
  );
  const unknown = names.find((name) => !known.some((technique) => technique === name));
  if (unknown !== undefined)
    throw new UsageError(
      `--techniques must be some of ${TECHNIQUES.join(",")}, not ${JSON.stringify(unknown)}`,
    );
  return [...new Set(known)];
}
