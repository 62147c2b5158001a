/** The command line of the benches, for `npm run bench` and `varve bench` alike. */
import { parseArgs } from "node:util";

export const BENCH_HELP = `varve bench [names] [options]

Measures the store on your own disk, each question beside its baseline and beside what is installed of
better-sqlite3, lmdb, classic-level and LangGraph's SqliteSaver. Without names all benches run, which takes
about half an hour; "varve bench figures" takes about five minutes.

  --list            name the benches and their questions
  --dir DIR         measure the disk that holds DIR (default: the current directory); what is written there
                    is removed at the end, and up to some GB are needed meanwhile
  --rounds N        interleaved rounds per figure (default 5)
  --small           a quick run that only shows that everything works
  --json FILE       write the results as JSON (default: bench-results/DATE.json)
  --report FILE     write an HTML report, and beside it FILE.md's tables where that file has marks for them
  --with FILE       take results of benches that do not run now from this JSON
  --no-run          run nothing: only report what --with has
  --check           compare ratios with the expected ones; exit code 1 if one is worse
  --expected FILE   the expected ratios; --write-expected writes this run's there
`;

export interface BenchArguments {
  readonly names: readonly string[];
  readonly list: boolean;
  readonly dir: string;
  readonly rounds: number;
  readonly size: "full" | "small";
  readonly json: string | undefined;
  readonly report: string | undefined;
  readonly with: string | undefined;
  readonly noRun: boolean;
  readonly check: boolean;
  readonly expected: string | undefined;
  readonly writeExpected: boolean;
}

const MAX_ROUNDS = 101;
const DEFAULT_ROUNDS = 5;

/** Throws an Error whose message names what is wrong. */
export function parseBenchArguments(args: readonly string[]): BenchArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      list: { type: "boolean", default: false },
      dir: { type: "string", default: "." },
      rounds: { type: "string" },
      small: { type: "boolean", default: false },
      json: { type: "string" },
      report: { type: "string" },
      with: { type: "string" },
      "no-run": { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      expected: { type: "string" },
      "write-expected": { type: "boolean", default: false },
    },
  });
  const rounds = values.rounds === undefined ? (values.small ? 1 : DEFAULT_ROUNDS) : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > MAX_ROUNDS) {
    throw new Error(`--rounds must be an integer from 1 to ${MAX_ROUNDS}, not ${values.rounds}`);
  }
  if (values["no-run"] && values.with === undefined) throw new Error("--no-run needs --with FILE");
  return {
    names: positionals,
    list: values.list,
    dir: values.dir,
    rounds,
    size: values.small ? "small" : "full",
    json: values.json,
    report: values.report,
    with: values.with,
    noRun: values["no-run"],
    check: values.check,
    expected: values.expected,
    writeExpected: values["write-expected"],
  };
}
