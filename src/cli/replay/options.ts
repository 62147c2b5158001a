/** The command line of `varve replay`: what may be said, what it defaults to, and what is refused. */
import { parseArgs } from "node:util";
import type { SyncPolicy } from "../../contract.ts";
import { firstSentence, parseCount } from "../arguments.ts";
import { UsageError } from "../command.ts";

export interface ReplayOptions {
  readonly files: readonly string[];
  readonly sessions: number;
  /** Over all sessions; absent = each transcript once. */
  readonly commits: number | undefined;
  readonly seed: number;
  readonly sync: SyncPolicy;
  /** Absent = a temporary directory, removed at the end. */
  readonly directory: string | undefined;
  readonly json: boolean;
  /** Nothing was asked for that makes the run smaller or other than the default one. */
  readonly isDefaultRun: boolean;
}

export const DEFAULT_SESSIONS = 64;
export const DEFAULT_COMMITS = 20_480;
const DEFAULT_SEED = 1;
const MOST_SESSIONS = 9_999;
const MOST_COMMITS = 1_000_000_000;
const SYNC_POLICIES: readonly SyncPolicy[] = ["always", "interval", "never"];

export const REPLAY_HELP = `varve replay [options] [FILE ...]

Plays agent sessions against a store the way a host does, then reopens the store
and compares everything in it with what was sent. Exits 0 only if all of it holds.

  FILE              transcripts in pi's JSON-lines format, linear or tree form;
                    without one, sessions are made up from a seed

  --sessions N      concurrent sessions (default ${DEFAULT_SESSIONS})
  --commits N       commits over all sessions (default ${DEFAULT_COMMITS.toLocaleString("en-US")}; with FILE, each
                    session plays its transcript once); 0 only verifies what is there
  --seed N          for made-up sessions (default ${DEFAULT_SEED})
  --sync POLICY     always (default), interval or never
  --dir DIR         the store's directory; run again over it to go on, also after a crash
                    (default: a temporary one, removed at the end)
  --json            print the report as JSON
  --help            print this

Exit codes: 0 verified, 1 not, 64 bad arguments, 66 unreadable input, 130 interrupted.
`;

/** `help` when that was asked for. Throws a UsageError. */
export function parseReplay(args: readonly string[]): ReplayOptions | "help" {
  const { values, positionals } = readArguments(args);
  if (values.help === true) return "help";
  const sync = SYNC_POLICIES.find((policy) => policy === (values.sync ?? "always"));
  if (sync === undefined) throw new UsageError(`--sync must be one of ${SYNC_POLICIES.join(", ")}`);
  if (values.dir === "") throw new UsageError("--dir must name a directory");
  const commits =
    values.commits === undefined ? undefined : parseCount("commits", values.commits, 0, MOST_COMMITS);
  const seed = values.seed === undefined ? DEFAULT_SEED : parseCount("seed", values.seed, 0, 0xffff_ffff);
  return {
    files: positionals,
    sessions:
      values.sessions === undefined
        ? DEFAULT_SESSIONS
        : parseCount("sessions", values.sessions, 1, MOST_SESSIONS),
    commits: commits ?? (positionals.length === 0 ? DEFAULT_COMMITS : undefined),
    seed,
    sync,
    directory: values.dir,
    json: values.json === true,
    isDefaultRun: positionals.length === 0 && values.sessions === undefined && commits === undefined,
  };
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        sessions: { type: "string" },
        commits: { type: "string" },
        seed: { type: "string" },
        sync: { type: "string" },
        dir: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(firstSentence(error));
  }
}
