#!/usr/bin/env node
/**
 * The `varve` command: finds the command that was asked for and turns its outcome into an exit code. Signals
 * and streams of the process are touched here and nowhere else.
 */
import { readFileSync } from "node:fs";
import { InputError } from "./replay/input.ts";
import { parseReplay, REPLAY_HELP, UsageError } from "./replay/options.ts";
import type { Outcome } from "./replay/report.ts";
import { runReplay } from "./replay/run.ts";

const HELP = `varve <command> [options]

An embedded, durable session store for agent hosts.

  replay        play agent sessions against a store, reopen it and verify everything

  --help        print this; varve <command> --help tells more
  --version     print the version
`;

/** As in sysexits.h and shells. */
const EXIT = { verified: 0, failed: 1, usage: 64, input: 66, bug: 70, interrupted: 130 } as const;

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === "--help" || command === "-h" || command === "help") return say(HELP);
  if (command === "--version") return say(`${version()}\n`);
  if (command === undefined) throw new UsageError("no command given; see varve --help");
  if (command !== "replay")
    throw new UsageError(`unknown command ${JSON.stringify(command)}; see varve --help`);
  const options = parseReplay(rest);
  return options === "help" ? say(REPLAY_HELP) : EXIT[await replay(options)];
}

async function replay(options: Exclude<ReturnType<typeof parseReplay>, "help">): Promise<Outcome> {
  const interrupt = new AbortController();
  const onSignal = () => {
    // The second Ctrl-C is for those who cannot wait; the store takes it like any crash.
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    const color = process.stdout.isTTY === true && !process.env.NO_COLOR;
    const { stdout, stderr } = process;
    // Loaded only now: help and mistakes need no engine.
    const { openStore } = await import("../index.ts");
    const report = await runReplay(options, {
      stdout,
      stderr,
      signal: interrupt.signal,
      color,
      open: openStore,
    });
    return report.outcome;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function say(text: string): number {
  process.stdout.write(text);
  return EXIT.verified;
}

/** The package's own version; this file lies two folders below it, built or not. */
function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version?: unknown }).version);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof InputError) {
    process.stderr.write(`varve: ${error.message}\n`);
    return error instanceof UsageError ? EXIT.usage : EXIT.input;
  }
  process.stderr.write(`varve: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT.bug;
}

// Until an outcome is known: a run whose promises are never settled must not end as a success.
process.exitCode = EXIT.bug;
// A reader that went away (`| head`) ends the output, not the run.
process.stdout.on("error", () => {});
main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.exitCode = exitCodeOf(error);
  },
);
