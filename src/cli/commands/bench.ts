/**
 * `varve bench`: the benches of the repository, on the user's own disk. They lie beside the store, not in it
 * (`bench/`, built into `dist/bench/`), so they are started as a process of their own and only its exit code
 * comes back.
 */
import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Command, CommandError, EXIT } from "../command.ts";

export const BENCH_HELP = `varve bench [names] [options]

Measures the store on your own disk: each question beside its baseline, and beside what is installed here of
better-sqlite3, lmdb, classic-level and @langchain/langgraph-checkpoint-sqlite. Without names all benches
run, which takes about half an hour; "varve bench figures" takes about five minutes.

  --list            name the benches and their questions
  --dir DIR         measure the disk that holds DIR (default: the current directory); what is written there,
                    up to some GB, is removed at the end
  --rounds N        interleaved rounds per figure (default 5)
  --small           a quick run that only shows that everything works
  --json FILE       write the results there (default: bench-results/DATE.json)
  --report FILE     write an HTML report; tables between marks in README.md and FILE's .md are filled anew
  --with FILE       take the results of benches that do not run now from this JSON
  --no-run          run nothing: only report what --with has
  --check           compare ratios to baselines with expected ones; exit code 1 if one is worse
  --expected FILE   where these are (in the repository: bench/expected-ratios.json)
  --write-expected  write this run's ratios there

Exit codes: 0 good, 1 a bench failed or --check found a worse ratio, 64 bad arguments.
`;

export const benchCommand: Command = { help: BENCH_HELP, run: runBenches };

/** Built: dist/bench/main.js. From source: bench/main.ts. */
const ENTRIES = ["../../bench/main.js", "../../../bench/main.ts"];

async function runBenches(args: readonly string[]): Promise<number> {
  const entry = ENTRIES.map((path) => fileURLToPath(new URL(path, import.meta.url))).find(existsSync);
  if (entry === undefined) throw new CommandError(EXIT.input, "this installation has no benches");
  // Ctrl-C reaches both; the one that has something to clean up ends first.
  const wait = (): void => {};
  process.on("SIGINT", wait);
  try {
    return await new Promise<number>((resolve, reject) => {
      const child = fork(entry, args, { stdio: "inherit" });
      child.once("error", reject);
      child.once("close", (code) => resolve(code ?? EXIT.interrupted));
    });
  } finally {
    process.off("SIGINT", wait);
  }
}
