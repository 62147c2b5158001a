/** The command line of the benches, for `npm run bench` and `varve bench` alike. */
import { parseArgs } from "node:util";

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
